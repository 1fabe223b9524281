"""Archives that mean harm leave nothing behind; good ones unpack."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from emotone.corpora.archives import ArchiveLimits, unpack
from emotone.errors import CorpusError
from zip_files import zipped


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def tarred(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    return member


def zip_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
        archive.writestr("link/passwd", b"x")
    return out.getvalue()


def zip_twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.wav", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.wav", b"2")
    return out.getvalue()


def zip_that_lies_about_its_size() -> bytes:
    """A 4 MB entry that is declared as 10 bytes."""
    data = bytearray(zipped({"a.wav": b"\0" * 4_000_000}))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = (10).to_bytes(4, "little")
    data[22:26] = (10).to_bytes(4, "little")
    return bytes(data)


HARMFUL = {
    "zip climbs": (zipped({"../evil": b"x"}), "climbs"),
    "zip climbs within": (zipped({"a/../../evil": b"x"}), "climbs"),
    "zip climbs as on Windows": (zipped({"..\\evil": b"x"}), "climbs"),
    "zip absolute": (zipped({"/evil": b"x"}), "absolute"),
    "zip drive": (zipped({"C:\\evil": b"x"}), "absolute"),
    "zip stream": (zipped({"file:evil": b"x"}), "plain file name"),
    "zip control character": (zipped({"a\nb": b"x"}), "plain file name"),
    "zip link": (zip_link(), "link or device"),
    "zip too large": (zipped({"a": b"\0" * 2_000_000}), "more than 1000000 bytes"),
    "zip too many": (zipped({f"{i}": b"" for i in range(60)}), "more than 50 entries"),
    "zip after good files": (zipped({"good.wav": b"x", "../evil": b"x"}), "climbs"),
    "tar climbs": (tarred((tarfile.TarInfo("../evil"), b"x")), "climbs"),
    "tar absolute": (tarred((tarfile.TarInfo("/evil"), b"x")), "absolute"),
    "tar symlink": (tarred((special("l", tarfile.SYMTYPE, "/etc"), b"")), "link or device"),
    "tar hard link": (tarred((special("l", tarfile.LNKTYPE, "../x"), b"")), "link or device"),
    "tar device": (tarred((special("d", tarfile.CHRTYPE), b"")), "link or device"),
    "tar pipe": (tarred((special("p", tarfile.FIFOTYPE), b"")), "link or device"),
    "tar too large": (tarred((tarfile.TarInfo("a"), b"\0" * 2_000_000)), "more than 1000000"),
    "tar xz bomb": (
        tarred((tarfile.TarInfo("a"), b"\0" * 2_000_000), mode="w:xz"),
        "more than 1000000",
    ),
    "tar long header": (
        tarred((special("n", tarfile.GNUTYPE_LONGNAME), b"n" * 100_000)),
        "header of 100000 bytes",
    ),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_a_harmful_archive_leaves_nothing(tmp_path: Path, kind: str) -> None:
    content, says = HARMFUL[kind]
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "evil.zip").write_bytes(content)
    with pytest.raises(CorpusError, match=says) as caught:
        unpack(
            inner / "evil.zip",
            inner / "out",
            limits=ArchiveLimits(max_bytes=1_000_000, max_files=50),
        )
    assert caught.value.code == "unsafe_archive"
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")} == {
        "a",
        "a/b",
        "a/b/evil.zip",
    }


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zip_twice())
    with pytest.raises(CorpusError, match="two entries of one name"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert left(tmp_path) == {"x.zip"}


def test_a_declared_size_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zip_that_lies_about_its_size())
    with pytest.raises(CorpusError) as caught:
        unpack(tmp_path / "x.zip", tmp_path / "out", limits=ArchiveLimits(max_bytes=1_000_000))
    assert caught.value.code in ("unsafe_archive", "bad_archive")
    assert left(tmp_path) == {"x.zip"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        zipped({"a.wav": b"abc" * 1000})[:-40],
        zipped({"a.wav": bytes(range(256)) * 40}).replace(b"\x20\x21\x22", b"\x20\x20\x20"),
        tarred((tarfile.TarInfo("a.wav"), bytes(range(256)) * 400))[:-60],
        zipped({}),
    ],
)
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert caught.value.code == "bad_archive"
    assert left(tmp_path) == {"x.zip"}


def test_good_archives_unpack_in_part_or_whole(tmp_path: Path) -> None:
    entries = {"repo/Sound Source/Angry/a.wav": b"1", "repo/pictures/a.jpg": b"22"}
    (tmp_path / "x.zip").write_bytes(zipped({**entries, "repo/": b""}))
    counted: list[int] = []
    assert unpack(tmp_path / "x.zip", tmp_path / "all", progress=counted.append) == 2
    assert counted == [1, 2]
    assert (tmp_path / "all/repo/pictures/a.jpg").read_bytes() == b"22"
    assert unpack(tmp_path / "x.zip", tmp_path / "some", inside="Sound Source") == 1
    assert [p.name for p in (tmp_path / "some").rglob("*") if p.is_file()] == ["a.wav"]
    executable = tarfile.TarInfo("d/run")
    executable.mode = 0o4777
    (tmp_path / "x.tgz").write_bytes(
        tarred((special("d", tarfile.DIRTYPE), b""), (executable, b"x"))
    )
    assert unpack(tmp_path / "x.tgz", tmp_path / "tar") == 1
    assert not (tmp_path / "tar/d/run").stat().st_mode & 0o7111
