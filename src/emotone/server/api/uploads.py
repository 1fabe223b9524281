"""Recordings as they come in: written to the disk piece by piece, known by a hash, and removed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from emotone.server.errors import RequestError
from emotone.server.folder import Folder, remove
from emotone.timeline.exports.names import plain

FILE = "file"
"""The part of a form that is the recording."""

_AT_ONCE = 1 << 20
_LONGEST_FIELD = 1 << 16
_MOST_PARTS = 50
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with a recording.

    Attributes
    ----------
    path
        Where it lies, until the request is answered or somebody moves it.
    name
        What its owner calls the file: one line without folders.
    digest
        SHA-256 of it, in hexadecimal.
    fields
        The other parts of the form.
    """

    path: Path
    name: str
    digest: str
    fields: dict[str, str]


@contextlib.asynccontextmanager
async def received(
    request: Request, folder: Folder, *, max_bytes: int, fields: Collection[str]
) -> AsyncIterator[Upload]:
    """Take in the form of a request.

    It is not FastAPI's to do, which would put a recording into a folder for everyone's temporary
    files, and know whether it is too large when all of it is there.

    Parameters
    ----------
    request
        With a body of multipart/form-data.
    folder
        Where the recording goes.
    max_bytes
        The largest that is taken.
    fields
        Names of the other parts that there may be.

    Raises
    ------
    RequestError
        If it is no such form, has no recording, or one that is empty or too large, or the disk is
        full.
    """
    kind, about = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not about.get(b"boundary"):
        raise RequestError(
            "the request is no form with a file",
            status=415,
            code="bad_media_type",
            remedy=f"Send multipart/form-data with the recording as the part {FILE!r}.",
        )
    path = folder.incoming / secrets.token_hex(16)
    try:
        # Private from the beginning, and never what somebody else put there.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        with os.fdopen(handle, "wb") as out:
            form = _Form(about[b"boundary"], out, max_bytes, fields)
            await _read(request, form)
            await run_in_threadpool(form.flush, durable=True)
        if form.name is None:
            raise _bad(f"the form has no part {FILE!r}")
        if not form.size:
            raise RequestError(
                "the file is empty (0 bytes)",
                source=form.name,
                status=422,
                code="empty_file",
                remedy="Record, export or copy it again.",
            )
        yield Upload(path, form.name, form.digest.hexdigest(), form.fields)
    except ClientDisconnect as error:
        raise RequestError(
            "the request broke off", status=400, code="broken_off", remedy="Send it again."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise RequestError(
            "the service has no room for it",
            status=507,
            code="storage_full",
            remedy="Tell whoever runs the service.",
        ) from error
    finally:
        await run_in_threadpool(remove, path)


async def _read(request: Request, form: _Form) -> None:
    try:
        parser = MultipartParser(  # which refuses a boundary that is too long
            form.boundary,
            {
                "on_part_begin": form.begin_part,
                "on_part_data": form.add_data,
                "on_part_end": form.end_part,
                "on_header_field": form.add_header_name,
                "on_header_value": form.add_header_value,
                "on_header_end": form.end_header,
                "on_headers_finished": form.end_headers,
                "on_end": form.end,
            },
        )
        async for piece in request.stream():
            if piece:
                parser.write(piece)
            if form.waiting >= _AT_ONCE:
                await run_in_threadpool(form.flush)
        parser.finalize()
    except FormParserError as error:
        raise _bad("the form is damaged") from error
    if not form.complete:
        raise _bad("the form ends in the middle")


class _Form:
    """Takes the parts of a form as the parser finds them."""

    def __init__(
        self, boundary: bytes, out: IO[bytes], max_bytes: int, fields: Collection[str]
    ) -> None:
        self.boundary = boundary
        self.name: str | None = None
        self.fields: dict[str, str] = {}
        self.digest = hashlib.sha256()
        self.size = 0
        self.complete = False
        self._out, self._max_bytes, self._known = out, max_bytes, fields
        self._held: list[bytes] = []
        self.waiting = 0
        self._parts = 0
        self._begin()

    def flush(self, *, durable: bool = False) -> None:
        """Write what waits; what is accepted has to be there after a power cut too."""
        for piece in self._held:
            self._out.write(piece)
            self.digest.update(piece)
        self._held, self.waiting = [], 0
        if durable:
            self._out.flush()
            os.fsync(self._out.fileno())

    def _begin(self) -> None:
        self._header_name = self._header_value = self._disposition = b""
        self._field: str | None = None
        self._data = bytearray()

    def begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _bad("the form has too many parts")
        self._begin()

    def add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def end_headers(self) -> None:
        _, about = parse_options_header(self._disposition)
        name = about.get(b"name", b"").decode("utf-8", "replace")
        if name == FILE:
            if self.name is not None:
                raise _bad(f"the form has more than one part {FILE!r}")
            self.name = file_name(about.get(b"filename", b"").decode("utf-8", "replace"))
        elif name not in self._known:
            raise _bad(f"the form has a part {plain(name)[:50]!r} that nothing is known of")
        elif name in self.fields:
            raise _bad(f"the form has more than one part {name!r}")
        self._field = name

    def add_data(self, data: bytes, start: int, end: int) -> None:
        if self._field == FILE:
            self.size += end - start
            if self.size > self._max_bytes:
                raise RequestError(
                    f"it has more than {self._max_bytes:,} bytes, the most that are taken",
                    source=self.name,
                    status=413,
                    code="too_large",
                    remedy="Cut it, or send it in a compressed format such as FLAC or Opus.",
                )
            self._held.append(data[start:end])
            self.waiting += end - start
        else:
            self._data += data[start:end]
            if len(self._data) > _LONGEST_FIELD:
                raise _bad(f"{self._field}: more than {_LONGEST_FIELD:,} bytes")

    def end_part(self) -> None:
        if self._field is not None and self._field != FILE:
            try:
                self.fields[self._field] = self._data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _bad(f"{self._field}: is not UTF-8") from error

    def end(self) -> None:
        self.complete = True


def file_name(given: str) -> str:
    """What a file is called, on one line, without the folders that some browsers send.

    Examples
    --------
    >>> file_name(r"C:\\Users\\me\\talk.wav"), file_name("../../etc/passwd"), file_name("")
    ('talk.wav', 'passwd', 'recording')
    """
    name = plain(PureWindowsPath(given).name)
    return name[:_LONGEST_NAME] if name.strip(". ") else "recording"


def form_schema(model: dict[str, Any]) -> dict[str, Any]:
    """The body of a request for OpenAPI: a recording, and the fields of a model's schema."""
    properties = {
        FILE: {
            "type": "string",
            "format": "binary",
            "description": "The recording: WAV, FLAC, MP3, Ogg, M4A, MP4, WebM, MKV and others.",
        },
        **model["properties"],
    }
    schema = {
        "type": "object",
        "required": [FILE],
        "properties": properties,
        "additionalProperties": False,
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


def _bad(cause: str) -> RequestError:
    return RequestError(cause, status=400, code="bad_request")


_BINARY = getattr(os, "O_BINARY", 0)
