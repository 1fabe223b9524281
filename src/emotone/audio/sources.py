"""Where audio comes from: a path, bytes, a file object, standard input or an array."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from emotone.audio.limits import Limits
from emotone.audio.waveform import Waveform
from emotone.errors import AudioError

Source: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | IO[bytes]
    | tuple[npt.NDArray[Any], int]
    | Waveform
)
"""What `read` accepts. The string ``"-"`` is standard input."""

STANDARD_INPUT = "-"

_SMALL_FILE = 16 * 1024**2
"""A file up to this many bytes is taken into memory at once: one system call, no seeks."""

_SPOOL_IN_MEMORY = 32 * 1024**2
"""Input that cannot be rewound goes to a temporary file past this many bytes."""

_PIECE = 1024**2

PIPE_S = 10.0
"""Seconds that a named pipe is waited for until a program has it open for writing."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An opened source of encoded audio.

    Attributes
    ----------
    name
        What to call it in messages.
    handle
        Binary, seekable, at its start.
    size
        Bytes from start to end.
    """

    name: str
    handle: IO[bytes]
    size: int


def source_name(source: object) -> str:
    """What to call a source in messages and results."""
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        return "standard input" if path == STANDARD_INPUT else str(path)
    if isinstance(source, bytes | bytearray | memoryview):
        return "<bytes>"
    if isinstance(source, tuple | Waveform | np.ndarray):
        return "<samples>"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<file>"


@contextmanager
def open_encoded(source: object, limits: Limits) -> Iterator[Encoded]:
    """Open a path, bytes, file object or ``"-"`` for reading; a user's file object stays open.

    Raises
    ------
    AudioError
        ``missing_file``, ``is_directory``, ``permission_denied``, ``empty_file``, ``too_large``
        (a pipe past ``limits.max_bytes``) or ``unreadable_audio`` (not binary, or a failing disk).
    TypeError
        When the source is none of the kinds in `Source`.
    """
    name = source_name(source)
    try:
        with _open(source, name, limits) as (handle, size):
            if size == 0:
                raise AudioError(
                    "the file is empty (0 bytes)"
                    if name != "standard input"
                    else "nothing came in",
                    source=name,
                    remedy="Record, export or copy it again.",
                    code="empty_file",
                )
            yield Encoded(name, handle, size)
    except OSError as error:
        raise _explain(error, name) from error


@contextmanager
def _open(source: object, name: str, limits: Limits) -> Iterator[tuple[IO[bytes], int]]:
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source), len(memoryview(source).cast("B"))
    elif isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        if path == STANDARD_INPUT:
            if sys.stdin is None:  # `<&-`, or a program without a console
                raise AudioError(
                    "it is closed",
                    source=name,
                    remedy="Pipe sound into it, or name a file.",
                )
            with _spool(sys.stdin.buffer, name, limits) as spooled:
                yield spooled
            return
        if not path:
            raise AudioError(
                "the name is empty",
                source="''",
                remedy="Name a file; in a script, a variable may not be set.",
                code="missing_file",
            )
        with _opened(path) as handle:
            status = os.fstat(handle.fileno())
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                raise AudioError(
                    "this is a device, not an audio file",
                    source=name,
                    remedy="Record from a microphone with: emotone listen",
                )
            if not stat.S_ISREG(status.st_mode):
                with _spool(handle, name, limits) as spooled:
                    yield spooled
            elif status.st_size <= _SMALL_FILE:
                data = _read_small(handle, status.st_size)
                yield io.BytesIO(data), len(data)
            else:
                yield handle, status.st_size
    elif hasattr(source, "read"):
        stream = cast("IO[bytes]", source)
        if not _starts_and_rewinds(stream):
            with _spool(stream, name, limits) as spooled:
                yield spooled
        else:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            _check_binary(stream.read(1), name)
            stream.seek(0)
            yield stream, size
    else:
        raise TypeError(
            f"audio is read from a path, bytes, a binary file object, '-' or (samples, rate), "
            f"not from {type(source).__name__}"
        )


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file opened for reading; for somebody to open a named pipe it waits a while."""
    if not is_pipe(path):
        with open_binary(path) as handle:
            yield handle
        return
    # Opened as usual, a pipe that nobody writes to would be waited for for ever.
    with _Pipe(os.open(path, os.O_RDONLY | os.O_NONBLOCK), source_name(path)) as pipe:
        yield cast("IO[bytes]", pipe)


def is_pipe(path: str | os.PathLike[str]) -> bool:
    """Whether this is a named pipe; not where that cannot be found out."""
    try:
        return hasattr(os, "O_NONBLOCK") and stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):
        return False  # opening it says what is wrong


class _Pipe(io.FileIO):
    """A named pipe, from when somebody has opened it for writing."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, "r")
        self._first = b""
        ends = time.monotonic() + PIPE_S
        # An empty pipe is at its end where nobody has it open, and else has nothing for now.
        with contextlib.suppress(BlockingIOError):
            while not (first := os.read(descriptor, 1)):
                if time.monotonic() > ends:
                    self.close()
                    raise AudioError(
                        f"no program wrote to this pipe within {PIPE_S:g} s",
                        source=name,
                        remedy="Start the one that does first, or give a file.",
                    )
                time.sleep(0.01)
            self._first = first
        os.set_blocking(descriptor, True)

    def read(self, size: int | None = -1, /) -> bytes:
        first, self._first = self._first, b""
        return first or super().read(-1 if size is None else size)


def _read_small(handle: IO[bytes], size: int) -> bytes:
    """What a file held when it was opened; no more, where another program goes on writing."""
    # Some files of Linux say that they are empty, and are not.
    most = size or _SMALL_FILE
    found = bytearray()
    while len(found) < most and (piece := handle.read(most - len(found))):
        found += piece
    return bytes(found)


def open_binary(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file for reading bytes, refusing a directory on every system alike."""
    try:
        return Path(path).open("rb", buffering=0)
    except PermissionError:
        # Windows answers "permission denied" for a directory.
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory", os.fspath(path)) from None
        raise
    except ValueError as error:  # a null byte in the name
        raise FileNotFoundError(errno.ENOENT, str(error), os.fspath(path)) from error


def _starts_and_rewinds(stream: IO[bytes]) -> bool:
    try:
        return bool(stream.seekable()) and stream.tell() == 0
    except (AttributeError, OSError, ValueError):
        return False


@contextmanager
def _spool(stream: IO[bytes], name: str, limits: Limits) -> Iterator[tuple[IO[bytes], int]]:
    """Copy what cannot be rewound to a temporary place that can."""
    import tempfile

    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY) as spool:
        size = 0
        while piece := stream.read(_PIECE):
            _check_binary(piece, name)
            size += len(piece)
            if size > limits.max_bytes:
                raise AudioError(
                    f"more than {limits.max_bytes:,} bytes came in, the most that is taken "
                    "from a pipe",
                    source=name,
                    remedy="Save it to a file, or raise max_bytes.",
                    code="too_large",
                )
            spool.write(piece)
        spool.seek(0)
        yield spool, size


def _check_binary(piece: object, name: str) -> None:
    if isinstance(piece, str):
        raise AudioError(
            "the file object is open as text", source=name, remedy="Open it with mode 'rb'."
        )


def _explain(error: OSError, name: str) -> AudioError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return AudioError(
            "there is no such file", source=name, remedy="Check the path.", code="missing_file"
        )
    if isinstance(error, IsADirectoryError):
        return AudioError(
            "this is a directory, not an audio file",
            source=name,
            remedy="Name a file in it.",
            code="is_directory",
        )
    if isinstance(error, PermissionError):
        return AudioError(
            "no permission to read the file",
            source=name,
            remedy="Change its permissions, or run as a user who may read it.",
            code="permission_denied",
        )
    if error.errno == errno.ENAMETOOLONG:
        return AudioError(
            "the path is too long for a file",
            source=name[:80] + "…",
            remedy="Check the path; encoded audio is given as bytes, not str.",
            code="missing_file",
        )
    return AudioError(
        f"the system could not read it ({error.strerror or error})",
        source=name,
        remedy="Check the disk or the connection, and try again.",
    )
