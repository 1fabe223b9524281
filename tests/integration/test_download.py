"""Downloads against a local server that misbehaves, and archives that mean harm."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emotone import corpora
from emotone.corpora import archives
from emotone.corpora import download as downloads
from emotone.corpora.catalogue import READERS
from emotone.corpora.fetching import Patience, _Redirects, fetch
from emotone.corpora.reader import Download
from emotone.errors import CorpusError
from zip_files import zipped

QUICK = Patience(attempts=4, timeout_s=5, backoff_s=0.01)
BODY = bytes(range(256)) * 4000  # a megabyte


@dataclass
class Host:
    """What the server has, and how it behaves; `asked` holds the Range header of each request."""

    body: bytes = BODY
    etag: str | None = '"one"'
    ranges: bool = True
    drop_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    chunked: bool = False
    location: str | None = None
    before: Callable[[Host, int], None] | None = None
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        host = self.host
        asked = self.headers.get("Range")
        host.asked.append(asked)
        if host.before is not None:
            host.before(host, len(host.asked))
        if host.location is not None and self.path != "/moved":
            self.send_response(302)
            self.send_header("Location", host.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if host.statuses:
            self.send_response(host.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.send_header("Retry-After", "0")
            self.end_headers()
            return
        start = 0
        same = self.headers.get("If-Range") in (None, host.etag)
        if asked and host.ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(host.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(host.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = host.body[start:]
        self.send_response(206 if start else 200)
        if start:
            last = len(host.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(host.body)}")
        if host.etag:
            self.send_header("ETag", host.etag)
        if host.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = host.drop_after.pop(0) if host.drop_after else None
        if host.chunked:
            piece = body if cut is None else body[:cut]
            self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            if cut is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Host]:
    """A server on this machine."""
    here = Host()
    handler = type("OneHandler", (Handler,), {"host": here})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    here.url = f"http://127.0.0.1:{server.server_address[1]}/file.zip"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_plain_download(host: Host, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    got = fetch(host.url, tmp_path / "f", patience=QUICK, progress=lambda *now: seen.append(now))
    assert (tmp_path / "f").read_bytes() == BODY
    assert got.bytes == len(BODY)
    assert got.sha256 == hashlib.sha256(BODY).hexdigest()
    assert seen[-1] == (len(BODY), len(BODY))
    assert left(tmp_path) == {"f"}


def test_dropped_connections_are_resumed_where_they_broke(host: Host, tmp_path: Path) -> None:
    host.drop_after = [300_000, 200_000, 100_000]
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == BODY
    assert host.asked == [None, "bytes=300000-", "bytes=500000-", "bytes=600000-"]


def test_a_dropped_chunked_answer_is_resumed(host: Host, tmp_path: Path) -> None:
    host.chunked = True
    host.drop_after = [300_000]
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == BODY
    assert len(host.asked) == 2


def test_another_run_goes_on_where_the_first_gave_up(host: Host, tmp_path: Path) -> None:
    host.drop_after = [400_000, 0, 0, 0, 0, 0, 0]
    with pytest.raises(CorpusError, match="4 tries in a row") as caught:
        fetch(host.url, tmp_path / "f", patience=QUICK)
    assert caught.value.code == "download_failed"
    assert left(tmp_path) == {"f.part", "f.part.json"}
    host.drop_after = []
    host.asked.clear()
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert host.asked == ["bytes=400000-"]
    assert (tmp_path / "f").read_bytes() == BODY
    assert left(tmp_path) == {"f"}


def test_a_server_that_ignores_ranges_is_read_from_the_start(host: Host, tmp_path: Path) -> None:
    host.ranges = False
    host.drop_after = [300_000]
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_server_that_always_drops_and_ignores_ranges_is_given_up(
    host: Host, tmp_path: Path
) -> None:
    host.ranges = False
    host.drop_after = [300_000] * 20
    with pytest.raises(CorpusError, match="got no further than 300000 bytes"):
        fetch(host.url, tmp_path / "f", patience=QUICK)
    assert len(host.asked) == 5


def test_without_anything_that_identifies_the_file_it_starts_over(
    host: Host, tmp_path: Path
) -> None:
    host.etag = None
    host.drop_after = [300_000]
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == BODY
    assert host.asked == [None, None]


def test_a_file_that_changes_between_tries_is_not_mixed(host: Host, tmp_path: Path) -> None:
    other = BODY[::-1]

    def change(host: Host, request: int) -> None:
        if request == 2:
            host.body, host.etag = other, '"two"'

    host.before = change
    host.drop_after = [300_000]
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == other


def test_a_file_that_shrank_under_the_same_name_is_not_mixed(host: Host, tmp_path: Path) -> None:
    def shrink(host: Host, request: int) -> None:
        if request == 2:
            host.body = BODY[:1000]

    host.before = shrink
    host.drop_after = [300_000]
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == BODY[:1000]


def test_a_part_that_was_complete_already_is_kept(host: Host, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(BODY)
    (tmp_path / "f.part.json").write_text(f'{{"url": "{host.url}", "validator": "\\"one\\""}}')
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert host.asked == [f"bytes={len(BODY)}-"]
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("note", ["", "[]", "{", '{"url": "http://else/", "validator": "x"}'])
def test_a_part_of_something_else_is_not_continued(host: Host, tmp_path: Path, note: str) -> None:
    (tmp_path / "f.part").write_bytes(b"x" * 1000)
    (tmp_path / "f.part.json").write_text(note)
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert host.asked == [None]
    assert (tmp_path / "f").read_bytes() == BODY


def test_wrong_bytes_are_not_kept(host: Host, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is published") as caught:
        fetch(host.url, tmp_path / "f", md5="0" * 32, patience=QUICK)
    assert caught.value.code == "wrong_checksum"
    assert left(tmp_path) == set()


def test_a_resumed_file_with_a_wrong_checksum_is_fetched_once_more(
    host: Host, tmp_path: Path
) -> None:
    # A server that changes the file and keeps its ETag.
    (tmp_path / "f.part").write_bytes(b"x" * 1000)
    (tmp_path / "f.part.json").write_text(f'{{"url": "{host.url}", "validator": "\\"one\\""}}')
    fetch(host.url, tmp_path / "f", md5=hashlib.md5(BODY).hexdigest(), patience=QUICK)
    assert host.asked == ["bytes=1000-", None]
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("statuses", [[503, 429, 500], [502]])
def test_a_server_in_trouble_is_tried_again(
    host: Host, tmp_path: Path, statuses: list[int]
) -> None:
    host.statuses = statuses
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final(host: Host, tmp_path: Path, status: int) -> None:
    host.statuses = [status]
    with pytest.raises(CorpusError, match=f"HTTP status {status}"):
        fetch(host.url, tmp_path / "f", patience=QUICK)
    assert len(host.asked) == 1
    assert left(tmp_path) == set()


def test_a_larger_file_than_allowed_is_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="larger than 1000 bytes"):
        fetch(host.url, tmp_path / "f", max_bytes=1000, patience=QUICK)
    host.chunked = True  # and says nothing of its size
    with pytest.raises(CorpusError, match="larger than 1000 bytes"):
        fetch(host.url, tmp_path / "g", max_bytes=1000, patience=QUICK)


def test_redirects_are_followed_on_the_web_only(host: Host, tmp_path: Path) -> None:
    host.location = "/moved"
    fetch(host.url, tmp_path / "f", patience=QUICK)
    assert (tmp_path / "f").read_bytes() == BODY
    host.location = "ftp://127.0.0.1/file.zip"
    with pytest.raises(CorpusError, match="not to be trusted"):
        fetch(host.url, tmp_path / "g", patience=QUICK)
    host.location = "file:///etc/passwd"
    with pytest.raises(CorpusError, match="HTTP status 302"):
        fetch(host.url, tmp_path / "g", patience=QUICK)
    assert left(tmp_path) == {"f"}
    with pytest.raises(CorpusError, match="no web address"):
        fetch("file:///etc/passwd", tmp_path / "g")


def test_a_secure_address_does_not_lead_to_an_open_one() -> None:
    redirects = _Redirects()
    asked = urllib.request.Request("https://example.org/a.zip")
    with pytest.raises(CorpusError, match="not to be trusted"):
        redirects.redirect_request(
            asked, io.BytesIO(), 302, "Found", Message(), "http://example.org/a.zip"
        )
    followed = redirects.redirect_request(
        asked, io.BytesIO(), 302, "Found", Message(), "https://example.org/b.zip"
    )
    assert followed is not None
    assert followed.full_url == "https://example.org/b.zip"


def test_nobody_listening(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="could not be downloaded"):
        fetch("http://127.0.0.1:9/f", tmp_path / "f", patience=Patience(2, 1, 0.01))


def test_no_place_to_write(host: Host, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be written"):
        fetch(host.url, tmp_path / "nowhere" / "f", patience=QUICK)


@pytest.fixture
def served(host: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the local server stand in for the address of a corpus."""
    name = "emodb"
    reader = READERS[name]

    def serve(body: bytes, **options: object) -> None:
        host.body = body
        item = Download(url=host.url, filename="emodb.zip", **options)  # type: ignore[arg-type]
        known = replace(reader, info=replace(reader.info, downloads=(item,)))
        monkeypatch.setitem(READERS, name, known)

    return serve


CORPUS = zipped({"wav/03a01Wa.wav": b"one", "wav/03a01Fa.wav": b"two", "readme.txt": b"hello"})


def get(target: Path) -> list[downloads.Downloaded]:
    return downloads.download("emodb", target, accept_licence=True, patience=QUICK)


def test_the_terms_come_first(host: Host, served: Callable[..., None], tmp_path: Path) -> None:
    served(CORPUS)
    with pytest.raises(CorpusError) as caught:
        downloads.download("emodb", tmp_path / "data", patience=QUICK)
    assert caught.value.code == "licence_not_accepted"
    assert downloads.terms("emodb") in str(caught.value)
    assert host.asked == []
    assert not (tmp_path / "data").exists()


def test_a_corpus_arrives_unpacked_and_is_read(
    host: Host, served: Callable[..., None], tmp_path: Path
) -> None:
    served(CORPUS, md5=hashlib.md5(CORPUS).hexdigest())
    seen: list[tuple[str, int, int | None]] = []
    (got,) = downloads.download(
        "emodb",
        tmp_path / "data",
        accept_licence=True,
        patience=QUICK,
        progress=lambda *now: seen.append(now),
    )
    assert (got.files, got.trust) == (3, "published checksum")
    assert got.folder == tmp_path / "data" / "emodb"
    assert left(tmp_path / "data") == {"emodb", "emodb.zip.sha256"}
    record = (tmp_path / "data" / "emodb.zip.sha256").read_text()
    assert record == f"{hashlib.sha256(CORPUS).hexdigest()}  emodb.zip\n"
    assert seen[-1] == ("unpack", 3, None)
    assert ("download", len(CORPUS), len(CORPUS)) in seen
    assert corpora.load(tmp_path / "data").counts == {"happy": 1, "angry": 1}
    (again,) = get(tmp_path / "data")
    assert again.trust == "already there"
    assert len(host.asked) == 1


def test_the_first_download_is_trusted_and_the_next_has_to_be_the_same(
    served: Callable[..., None], tmp_path: Path
) -> None:
    served(CORPUS)
    assert get(tmp_path)[0].trust == "nothing published"
    (tmp_path / "emodb").rename(tmp_path / "elsewhere")
    assert get(tmp_path)[0].trust == "first download"
    (tmp_path / "emodb").rename(tmp_path / "elsewhere too")
    served(zipped({"wav/03a01Wa.wav": b"swapped"}))
    with pytest.raises(CorpusError, match="not the file that was first downloaded") as caught:
        get(tmp_path)
    assert caught.value.code == "wrong_checksum"
    assert left(tmp_path) == {"elsewhere", "elsewhere too", "emodb.zip.sha256"}


def test_an_archive_that_is_packed_anew_each_time_may_differ(
    served: Callable[..., None], tmp_path: Path
) -> None:
    served(CORPUS, generated=True)
    get(tmp_path)
    (tmp_path / "emodb").rename(tmp_path / "elsewhere")
    served(zipped({"wav/03a01Wa.wav": b"one"}), generated=True)
    assert get(tmp_path)[0].trust == "nothing published"


@pytest.mark.parametrize("published", [True, False])
def test_an_interrupted_unpacking_goes_on_without_another_download(
    host: Host, served: Callable[..., None], tmp_path: Path, published: bool
) -> None:
    served(CORPUS, md5=hashlib.md5(CORPUS).hexdigest() if published else None)

    def interrupt(stage: str, done: int, of: int | None) -> None:
        if stage == "unpack":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloads.download(
            "emodb", tmp_path, accept_licence=True, patience=QUICK, progress=interrupt
        )
    assert (tmp_path / "emodb.zip").read_bytes() == CORPUS
    (got,) = get(tmp_path)
    assert got.trust == ("published checksum" if published else "nothing published")
    assert len(host.asked) == 1
    assert left(tmp_path) == {"emodb", "emodb.zip.sha256"}
    assert left(tmp_path / "emodb") == {"wav", "readme.txt"}


def test_an_archive_on_a_full_disk_is_kept(
    host: Host, served: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(CORPUS)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(archives, "_unpack_into", full)
        with pytest.raises(CorpusError, match="No space left") as caught:
            get(tmp_path)
    assert caught.value.code == "not_unpacked"
    get(tmp_path)
    assert len(host.asked) == 1
    assert left(tmp_path) == {"emodb", "emodb.zip.sha256"}


def test_an_archive_that_is_no_longer_what_was_fetched_is_fetched_anew(
    host: Host, served: Callable[..., None], tmp_path: Path
) -> None:
    served(CORPUS)
    (tmp_path / "emodb.zip").write_bytes(CORPUS)  # which nobody knows to be whole
    get(tmp_path)
    (tmp_path / "emodb").rename(tmp_path / "elsewhere")
    (tmp_path / "emodb.zip").write_bytes(CORPUS[:-100])
    get(tmp_path)
    assert len(host.asked) == 2
    (tmp_path / "emodb").rename(tmp_path / "elsewhere too")
    (tmp_path / "emodb.zip").write_bytes(CORPUS)
    assert get(tmp_path)[0].trust == "first download"
    assert len(host.asked) == 2


KILLED = """
import os, sys
from emotone.corpora import archives, download
from emotone.corpora.reader import Download
from pathlib import Path
item = Download(url=sys.argv[2], filename="emodb.zip")
def kill(stage, done, of):
    if stage == "unpack":
        os._exit(9)
download._one(item, Path(sys.argv[1]), kill, None, None)
"""


def test_what_a_killed_download_leaves_is_used_or_taken_away(
    host: Host, served: Callable[..., None], tmp_path: Path
) -> None:
    served(CORPUS)
    subprocess.run([sys.executable, "-c", KILLED, tmp_path, host.url], check=False)
    assert len(list(tmp_path.glob(".unpacking-*"))) == 1
    assert (tmp_path / "emodb.zip").exists()
    get(tmp_path)
    assert len(host.asked) == 1
    assert left(tmp_path) == {"emodb", "emodb.zip.sha256"}


def test_a_download_that_was_killed_at_its_end_leaves_nothing_for_good(
    served: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(CORPUS)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as end:
        end.setattr(downloads, "_finished", interrupt)
        with pytest.raises(KeyboardInterrupt):
            get(tmp_path)
    assert (tmp_path / "emodb.zip").exists()
    assert get(tmp_path)[0].trust == "already there"
    assert left(tmp_path) == {"emodb", "emodb.zip.sha256"}
    (tmp_path / "emodb.zip").write_bytes(CORPUS)  # somebody's own
    get(tmp_path)
    assert (tmp_path / "emodb.zip").exists()


def test_a_harmful_corpus_leaves_nothing(served: Callable[..., None], tmp_path: Path) -> None:
    served(zipped({"wav/03a01Wa.wav": b"one", "../../evil": b"x"}))
    with pytest.raises(CorpusError, match="climbs"):
        get(tmp_path / "data")
    assert left(tmp_path / "data") == set()
    assert left(tmp_path) == {"data"}


def test_parts_are_chosen(monkeypatch: pytest.MonkeyPatch, host: Host, tmp_path: Path) -> None:
    host.body = zipped({"03-02-01-01-01-01-01.wav": b"la"})
    reader = READERS["ravdess"]
    items = tuple(replace(d, url=host.url, md5=None) for d in reader.info.downloads)
    known = replace(reader, info=replace(reader.info, downloads=items))
    monkeypatch.setitem(READERS, "ravdess", known)
    options = {"accept_licence": True, "patience": QUICK}
    (only,) = downloads.download("ravdess", tmp_path, **options)
    assert only.folder.name == "Audio_Speech_Actors_01-24"
    both = downloads.download("ravdess", tmp_path, parts=["speech", "song"], **options)
    assert [d.folder.name for d in both] == ["Audio_Speech_Actors_01-24", "Audio_Song_Actors_01-24"]
    with pytest.raises(CorpusError, match="Its parts: speech, song"):
        downloads.download("ravdess", tmp_path, parts=["video"], **options)


@pytest.mark.parametrize("name", ["savee", "crema-d", "casia", "emovo"])
def test_a_corpus_without_a_direct_address_says_how_to_get_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError) as caught:
        downloads.download(name, tmp_path, accept_licence=True)
    assert caught.value.code == "no_download"
    assert f"{name}=" in str(caught.value)
    assert "http" in str(caught.value)


def test_an_unknown_corpus_and_a_target_that_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no known corpus"):
        downloads.download("nosuch", tmp_path, accept_licence=True)
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="cannot be made a folder"):
        downloads.download("emodb", tmp_path / "file", accept_licence=True, patience=QUICK)


def test_the_published_addresses_are_well_formed() -> None:
    for about in corpora.registry():
        for item in about.downloads:
            assert item.url.startswith(("https://", "http://emodb."))
            assert re.fullmatch(r"[\w.-]+", item.filename)
            assert item.md5 is None or re.fullmatch(r"[0-9a-f]{32}", item.md5)
