"""Fetching one file over HTTP: resumed, retried, checked, and there only once it is whole."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from emotone.errors import CorpusError

_CHUNK = 1 << 17
_BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT_S = 60.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try.

    Attributes
    ----------
    attempts
        Tries in a row that get no further than the ones before.
    timeout_s
        Of a connection, and of each wait for data.
    backoff_s
        Wait after the first failure, doubled after each further one, at most a minute.
    """

    attempts: int = 6
    timeout_s: float = 30.0
    backoff_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched whole.

    Attributes
    ----------
    path
        Where it is.
    bytes
        Its size.
    sha256, md5
        Of its content, in hex.
    """

    path: Path
    bytes: int
    sha256: str
    md5: str


class _Interrupted(Exception):  # noqa: N818 - a signal to try again, never seen by a caller
    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http or away from the web."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        secure = req.full_url.lower().startswith("https:")
        if not newurl.lower().startswith(("https:",) if secure else ("https:", "http:")):
            raise CorpusError(
                f"redirects to {newurl}, which is not to be trusted",
                source=req.full_url,
                remedy="Get the corpus from its homepage.",
                code="download_failed",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    url: str,
    target: Path,
    *,
    md5: str | None = None,
    max_bytes: int = 30 * 2**30,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """Fetch a file; what an earlier try left is continued if it is still the same file there.

    The bytes collect in ``target.part``, with what identifies the file (its ETag or date) in
    ``target.part.json``; a server that ignores ranges, or whose file has changed, is read from the
    start. The target appears by one rename when all is there and its checksum is right.

    Parameters
    ----------
    url
        http or https.
    target
        Where to.
    md5
        Published checksum in hex, or None.
    max_bytes
        Refuse a larger file.
    progress
        Called with bytes so far and in all (None if the server does not say).
    patience
        Timeouts and retries.

    Raises
    ------
    CorpusError
        If it cannot be fetched (code ``download_failed``) or has a wrong checksum
        (``wrong_checksum``).
    """
    if not url.lower().startswith(("https://", "http://")):
        raise CorpusError("is no web address", source=url, code="download_failed")
    patient = patience or Patience()
    part = target.with_name(target.name + ".part")
    try:
        resumed = _complete(url, part, max_bytes, progress, patient)
        got = digests(part)
        if md5 is not None and got.md5 != md5 and resumed:
            # Something of an earlier try may have been wrong: once more from the start.
            _discard(part)
            _complete(url, part, max_bytes, progress, patient)
            got = digests(part)
        if md5 is not None and got.md5 != md5:
            _discard(part)
            raise CorpusError(
                f"has the MD5 {got.md5}, but {md5} is published",
                source=url,
                remedy="Nothing was kept. Try again; if it stays so, do not trust that address.",
                code="wrong_checksum",
            )
        part.replace(target)
        _note(part).unlink(missing_ok=True)
    except OSError as error:
        raise CorpusError(
            f"cannot be written ({error.strerror or error})",
            source=target,
            remedy="Check the free space and your permissions there.",
            code="download_failed",
        ) from None
    return Fetched(target, got.bytes, got.sha256, got.md5)


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def digests(path: Path) -> Fetched:
    """A file that is there, as if it had been fetched.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    sha256 = hashlib.sha256()
    md5 = hashlib.md5(usedforsecurity=False)
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Fetched(path, size, sha256.hexdigest(), md5.hexdigest())


def _complete(
    url: str, part: Path, max_bytes: int, progress: Progress | None, patience: Patience
) -> bool:
    """Bring the part to its full length; returns whether any of it came from an earlier try."""
    resumed = False
    failures = 0
    furthest = part.stat().st_size if part.exists() else 0
    while True:
        try:
            return _attempt(url, part, max_bytes, progress, patience.timeout_s) or resumed
        except _Interrupted as interruption:
            resumed = True
            reached = part.stat().st_size if part.exists() else 0
            failures = 0 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= patience.attempts:
                raise CorpusError(
                    f"could not be downloaded ({interruption}; {failures} tries in a row got no "
                    f"further than {furthest} bytes)",
                    source=url,
                    remedy="Check the connection and run the same command again: it goes on from "
                    "there.",
                    code="download_failed",
                ) from None
            wait = interruption.wait_s
            if wait is None:
                wait = patience.backoff_s * 2 ** max(0, failures - 1)
            time.sleep(min(wait, _LONGEST_WAIT_S))


def _attempt(
    url: str, part: Path, max_bytes: int, progress: Progress | None, timeout_s: float
) -> bool:
    """One connection; returns whether it continued an earlier part."""
    start, validator = _left(url, part)
    headers = {"User-Agent": "emotone", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.build_opener(_Redirects).open(request, timeout=timeout_s) as response:
            return _receive(url, response, part, start, max_bytes, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # no such range: nothing is left to send, or it is another file now
            if error.headers.get("Content-Range", "").strip() == f"bytes */{start}":
                return True
            _discard(part)
            raise _Interrupted("the file there has changed", 0.0) from None
        if error.code in _RETRIED:
            raise _Interrupted(f"HTTP status {error.code}", _retry_after(error.headers)) from None
        raise CorpusError(
            f"the server answered with HTTP status {error.code}",
            source=url,
            remedy="The corpus may have moved: see its homepage (emotone corpus list).",
            code="download_failed",
        ) from None
    except _BROKEN as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise CorpusError(
                f"the server's certificate is not valid ({reason.verify_message})",
                source=url,
                remedy="Check the date of this machine and its certificates.",
                code="download_failed",
            ) from None
        raise _Interrupted(str(reason) or type(reason).__name__) from None


def _left(url: str, part: Path) -> tuple[int, str]:
    """How much an earlier try left of this address, and what proves it is the same file."""
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
        size = part.stat().st_size
    except (OSError, ValueError):
        return 0, ""
    validator = note.get("validator") if isinstance(note, dict) else None
    if not validator or not isinstance(validator, str) or note.get("url") != url:
        return 0, ""
    return size, validator


def _validator(headers: Message) -> str:
    """A strong ETag or a date, as If-Range takes; empty if the server gives none."""
    etag = headers.get("ETag", "").strip()
    if etag.startswith('"'):
        return etag
    return headers.get("Last-Modified", "").strip()


def _retry_after(headers: Message) -> float | None:
    text = headers.get("Retry-After", "").strip()
    return float(text) if text.isdecimal() else None


def _receive(
    url: str,
    response: Any,
    part: Path,
    start: int,
    max_bytes: int,
    progress: Progress | None,
) -> bool:
    headers: Message = response.headers
    total: int | None = None
    if response.status == 206:
        match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if match is None or int(match.group(1)) != start:
            _discard(part)
            raise _Interrupted("the server sent another range than was asked for")
        total = None if match.group(2) == "*" else int(match.group(2))
    else:
        start = 0  # it ignores ranges, or the file there is another one now
        length = headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        note = {"url": url, "validator": _validator(headers)}
        _note(part).write_text(json.dumps(note), encoding="utf-8")
    if total is not None and total > max_bytes:
        raise _too_large(url, max_bytes)
    done = start
    with part.open("ab" if start else "wb") as out:
        while chunk := response.read(_CHUNK):
            done += len(chunk)
            if done > max_bytes:
                raise _too_large(url, max_bytes)
            out.write(chunk)
            if progress is not None:
                progress(done, total)
    if total is not None and done < total:
        raise _Interrupted(f"the connection ended after {done} of {total} bytes")
    if total is not None and done > total:
        _discard(part)
        raise _Interrupted(f"{done} bytes came where {total} were announced")
    return start > 0


def _too_large(url: str, max_bytes: int) -> CorpusError:
    return CorpusError(
        f"is larger than {max_bytes} bytes",
        source=url,
        remedy="It is not what it should be; see the homepage of the corpus.",
        code="download_failed",
    )
