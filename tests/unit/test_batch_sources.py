"""Which recordings a batch finds, and where."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import batches
from emotone.batch.places import Place
from emotone.batch.sources import check, find
from emotone.errors import UsageError


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    for name in ("b.wav", "a.MP3", "sub/c [1].flac", "sub/deep/d.opus", "notes.txt", ".hidden.wav"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12")
    return folder


def names(calls: Path, *inputs: str | Path) -> list[str]:
    return [os.path.relpath(each.file, calls) for each in find(inputs)]


def test_a_folder_gives_the_audio_in_it_in_order(calls: Path) -> None:
    assert names(calls, calls) == ["a.MP3", "b.wav", "sub/c [1].flac", "sub/deep/d.opus"]
    assert names(calls, calls.as_uri()) == names(calls, calls)


def linked(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")


def test_linked_folders_are_followed_each_real_folder_once(calls: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    for name in ("x.wav", "deep/y.wav", ".hidden/z.wav"):
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_bytes(b"12")
    inside = ["a.MP3", "b.wav", "sub/c [1].flac", "sub/deep/d.opus"]
    linked(calls / "a_sub", calls / "sub")  # which is there by itself
    linked(calls / "sub" / "deep" / "round", calls)
    assert names(calls, calls) == inside
    linked(calls / "m" / "deep", disk / "deep")
    linked(calls / "other", disk)
    linked(calls / "other two", disk)
    linked(disk / "back", calls / "sub")
    found = names(calls, calls)
    assert found == sorted([*inside, "m/deep/y.wav", "other/x.wav"])
    linked(calls / "z", disk / ".hidden")
    assert names(calls, calls) == [*found, "z/z.wav"]
    linked(calls / "zz", tmp_path)  # all of it lies in there
    assert names(calls, calls) == [*found, "z/z.wav"]
    linked(calls / "nowhere", tmp_path / "none")
    assert names(calls, calls) == [*found, "z/z.wav"]
    assert names(calls, calls / "other") == sorted(
        ["other/back/c [1].flac", "other/back/deep/d.opus", "other/back/deep/round/a.MP3",
         "other/back/deep/round/b.wav", "other/deep/y.wav", "other/x.wav",
         "other/back/deep/round/z/z.wav"]
    )  # fmt: skip


def test_patterns_follow_linked_folders(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "x.wav").write_bytes(b"12")
    linked(calls / "other", tmp_path / "disk")
    linked(calls / "other two", tmp_path / "disk")
    linked(calls / "by day" / "sub", calls / "sub")
    linked(calls / "sub" / "deep" / "round", calls)
    inside = ["a.MP3", "b.wav", "other/x.wav", "sub/c [1].flac", "sub/deep/d.opus"]
    assert names(calls, calls / "**/*") == inside
    assert names(calls, calls / "o*/*.wav") == ["other/x.wav"]
    assert names(calls, calls / "*two/*.wav") == ["other two/x.wav"]
    assert names(calls, calls / "by */*/*.flac") == ["by day/sub/c [1].flac"]
    assert names(calls, calls / "by day/**/*.opus") == ["by day/sub/deep/d.opus"]


def test_what_is_known_of_a_file(calls: Path) -> None:
    (found,) = find([calls / "b.wav"])
    changed = datetime.fromtimestamp((calls / "b.wav").stat().st_mtime, timezone.utc)
    assert (found.size, found.recorded, found.speaker) == (2, changed, None)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.wav", ["b.wav"]),
        ("*", ["a.MP3", "b.wav"]),
        ("**/*.[fo]*", ["sub/c [1].flac", "sub/deep/d.opus"]),
        ("**/d.opus", ["sub/deep/d.opus"]),
        ("s?b/*/*", ["sub/deep/d.opus"]),
        ("[!a].wav", ["b.wav"]),
        ("*.txt", ["notes.txt"]),  # whoever names an ending means it
        ("sub/c [1].flac", ["sub/c [1].flac"]),  # there is such a file
        ("none*", []),
    ],
)
def test_patterns(calls: Path, pattern: str, expected: list[str]) -> None:
    assert names(calls, calls / pattern) == expected


def test_a_pattern_from_the_working_directory(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(calls)
    assert [each.file for each in find(["*.wav", "sub/**/*.opus"])] == ["b.wav", "sub/deep/d.opus"]


def test_what_is_not_there_is_told_of(calls: Path) -> None:
    assert names(calls, calls / "none.wav") == ["none.wav"]


@pytest.mark.parametrize(
    ("path", "day"),
    [
        ("2026-11-21/a.wav", "2026-11-21"),
        ("2026/11/21/a.wav", "2026-11-21"),
        ("20261121-a.wav", "2026-11-21"),
        ("2025-01-01/call_20261121.wav", "2026-11-21"),
        ("2026-13-21/a.wav", None),
        ("03-01-06-02-01-02-10.wav", None),
    ],
)
def test_dates_and_speakers_in_paths(tmp_path: Path, path: str, day: str | None) -> None:
    file = tmp_path / "speaker=anna" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    os.utime(file, (0, 0))
    (found,) = find([tmp_path])
    assert found.speaker == "anna"
    assert found.recorded is not None
    assert f"{found.recorded:%Y-%m-%d}" == (day or "1970-01-01")


ROWS = [
    {"path": "b.wav", "speaker": "anna", "recorded": "2026-11-21T10:00:00+02:00"},
    {"path": "sub/none.wav", "speaker": "", "recorded": ""},
]


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet", "semicolons"])
def test_lists(calls: Path, form: str) -> None:
    path = calls / f"list.{'csv' if form == 'semicolons' else form}"
    if form == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    elif form == "jsonl":
        path.write_text("\n\n".join(json.dumps(row) for row in ROWS))
    else:
        comma = {"csv": ",", "tsv": "\t", "semicolons": ";"}[form]
        lines = [["Path", "Speaker", "Recorded"], *(list(row.values()) for row in ROWS)]
        path.write_text("\ufeff" + "\n".join(comma.join(line) for line in lines), "utf-8")
    first, second = find([path])
    assert (first.file, first.speaker) == (str(calls / "b.wav"), "anna")
    assert first.recorded == datetime(2026, 11, 21, 8, tzinfo=timezone.utc)
    assert (second.file, second.speaker, second.recorded) == (
        str(calls / "sub/none.wav"),
        None,
        None,
    )


def test_a_list_of_one_path_a_line(calls: Path) -> None:
    text = "\ufeffb.wav\r\n\n sub/c [1].flac \n/else/where, too.wav\n"
    (calls / "list.TXT").write_bytes(text.encode())
    assert [each.file for each in find([calls / "list.TXT"])] == [
        str(calls / "b.wav"),
        str(calls / "sub/c [1].flac"),
        "/else/where, too.wav",
    ]


@pytest.mark.parametrize("name", ["calls.m3u", "calls.LIST", "calls.json", "calls.xlsx"])
def test_a_list_in_another_form_is_told_of_and_not_heard(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a.wav\n")
    with pytest.raises(UsageError) as told:
        check([tmp_path / name])
    assert name in str(told.value)
    assert ".txt with a path a line" in str(told.value)
    assert ".csv, .tsv, .jsonl or .parquet with a column path" in str(told.value)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.txt", "\x00\udcff", "cannot be read"),
        ("a.csv", "name\nb.wav\n", "no column path"),
        ("a.csv", "path,recorded\nb.wav,yesterday\n", "no date in 'yesterday'"),
        ("a.jsonl", "{", "cannot be read"),
        ("a.jsonl", "[1]", "no JSON object"),
        ("a.parquet", "no parquet", "no Parquet"),
        ("a.csv", "path,speaker\n,anna\n", "names no file"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, name: str, text: str, part: str) -> None:
    (tmp_path / name).write_text(text, "utf-8", "surrogateescape")
    with pytest.raises(UsageError, match=part):
        list(find([tmp_path / name]))


def test_one_file_has_one_name(tmp_path: Path) -> None:
    file = batches.clip(tmp_path / "a.wav")
    (tmp_path / "list.csv").write_text(f"path\n{file}\n{file.as_uri()}\na.wav\n")
    assert {each.file for each in find([tmp_path / "list.csv"])} == {str(file)}


@pytest.mark.parametrize("cell", ["1763700000", "1763700000.0"])
def test_seconds_since_1970_as_text(tmp_path: Path, cell: str) -> None:
    (tmp_path / "list.csv").write_text(f"path,recorded\na.wav,{cell}\n")
    (found,) = find([tmp_path / "list.csv"])
    assert found.recorded == datetime(2025, 11, 21, 4, 40, tzinfo=timezone.utc)


def test_an_address_without_a_bucket() -> None:
    with pytest.raises(UsageError, match="no bucket"):
        Place("s3://")


def test_addresses_of_no_known_kind() -> None:
    with pytest.raises(UsageError, match="no address"):
        Place("nonsense://x/y")


def test_other_schemes_go_through_fsspec() -> None:
    import fsspec

    with fsspec.open("memory://calls/2026-11-21/a.wav", "wb") as file:
        file.write(b"12")
    (found,) = find(["memory://calls"])
    assert found.file.endswith("calls/2026-11-21/a.wav")
    assert found.size == 2
    with Place(found.file).open() as stream:
        assert stream.read() == b"12"


def test_a_key_with_blanks_and_options_of_an_address() -> None:
    place = Place("s3://calls/october 1/a?.wav?region=eu-north-1&scheme=http")
    assert place.path == "calls/october 1/a?.wav"
    assert (place / "x").address == ("s3://calls/october 1/a?.wav/x?region=eu-north-1&scheme=http")


def test_a_finished_file_appears_whole(tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    finished.write_text("whole")
    (Place(tmp_path) / "new" / "part").take(finished)
    assert (tmp_path / "new" / "part").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "part"]
