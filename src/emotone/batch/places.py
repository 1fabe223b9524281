"""Where recordings and results lie: a local path, or an address such as ``s3://bucket/calls``."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from emotone import interrupts
from emotone.audio import is_folder
from emotone.batch.names import in_order
from emotone.errors import EmotoneError, MissingExtraError, UsageError
from emotone.exports import full_at
from emotone.pipes import refuse_pipe

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")
_ARROW = ("s3", "gs", "gcs")
"""Schemes that pyarrow reads by itself; for the others fsspec is asked."""

_QUERY = re.compile(r"\?\w+=[^?/]*(?:/[^?]*)?$")
"""Options at the end of an address, rather than a question mark in a name."""

_COPY = 4 * 1024**2

_FOLDER = "\0"
"""Marks the name of a folder: no name holds it, and it changes no order."""


class Entry(NamedTuple):
    """A file that a place holds.

    Attributes
    ----------
    path
        Inside of the place's file system, with forward slashes; a local path as the system has it.
    size
        In bytes; 0 where unknown.
    changed
        When it was last changed, in seconds since 1970; None where unknown.
    """

    path: str
    size: int
    changed: float | None


class Place:
    """A folder or file, local or in an object store.

    Parameters
    ----------
    address
        A path, or ``SCHEME://…``: ``file://``, ``s3://`` and ``gs://`` through pyarrow (keys,
        region and endpoint come from the environment, as for AWS's and Google's own tools, or as
        ``?region=…&endpoint_override=…``), every other scheme through fsspec.

    Raises
    ------
    MissingExtraError
        If it is an address and the extra ``batch`` is not installed.
    UsageError
        If there is no such scheme, or the address is malformed.
    """

    def __init__(self, address: str | os.PathLike[str]) -> None:
        self.address = os.fspath(address)
        self._files: Any = None
        self.path = self.address
        found = _SCHEME.match(self.address)
        if found is None:
            return
        self._files, self.path = _file_system(found[1].lower(), self.address)
        if self._files is None:
            self.address = self.path

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine."""
        return self._files is None

    @property
    def files(self) -> Any:
        """Its `pyarrow.fs.FileSystem`; None for this machine's own."""
        return self._files

    def __truediv__(self, name: str) -> Place:
        """What lies in it under this name."""
        if self.is_local:
            return self.at(os.path.join(self.path, name))  # noqa: PTH118
        return self.at(f"{self.path.rstrip('/')}/{name}")

    def at(self, path: str) -> Place:
        """Another path in the same file system."""
        other = object.__new__(Place)
        other._files, other.path, other.address = self._files, path, path
        if not self.is_local:
            query = _QUERY.search(self.address)
            other.address = (
                f"{self.address.partition('://')[0]}://{path}{query[0] if query else ''}"
            )
        return other

    def kind(self) -> str:
        """``"folder"``, ``"file"`` or ``"missing"``.

        Raises
        ------
        EmotoneError
            If the store does not answer.
        """
        if self.is_local:
            there = os.path.exists(self.path)  # noqa: PTH110 -- Path's raises for odd names
            return "folder" if is_folder(self.path) else "file" if there else "missing"
        import pyarrow.fs

        with self._told():
            found = self._files.get_file_info(self.path).type
        if found == pyarrow.fs.FileType.Directory:
            return "folder"
        return "missing" if found == pyarrow.fs.FileType.NotFound else "file"

    def entry(self) -> Entry | None:
        """The file itself; None where there is none."""
        if self.is_local:
            try:
                status = os.stat(self.path)  # noqa: PTH116
            except (OSError, ValueError):
                return None
            return Entry(self.path, status.st_size, status.st_mtime)
        with self._told():
            info = self._files.get_file_info(self.path)
        return _entry(info) if info.is_file else None

    def walk(self, *, again: bool = False) -> Iterator[Entry]:
        """All files below it, hidden ones and folders left out, each folder in order of names.

        Linked folders are followed. One that several links lead to comes once, and by its own name
        if it has one below; with `again` by each name, but not inside of itself.

        Of a store the memory that it takes is that of the largest folder, since pyarrow lists a
        folder as a whole; here it is the same for any.

        Raises
        ------
        EmotoneError
            If the store does not answer.
        """
        if self.is_local:
            real = os.path.realpath(self.path)
            yield from _walk_local(self.path, real, {real}, again)
            return
        import pyarrow.fs

        with self._told():
            selector = pyarrow.fs.FileSelector(self.path, allow_not_found=True)
            inside = sorted(self._files.get_file_info(selector), key=lambda info: info.path)
        for info in inside:
            if info.base_name.startswith("."):
                continue
            if info.is_file:
                yield _entry(info)
            elif info.type == pyarrow.fs.FileType.Directory:
                yield from self.at(info.path).walk()

    def open(self) -> Any:
        """A binary file object to read it from the start, which can be rewound.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        if self.is_local:
            refuse_pipe(self.path)
            return Path(self.path).open("rb")
        return self._files.open_input_file(self.path)

    def bring(self, folder: str) -> Path:
        """A copy of the file in a local folder, or the file itself where it is local.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        if self.is_local:
            return Path(self.path)
        ending = os.path.splitext(self.path)[1]  # noqa: PTH122
        handle, name = tempfile.mkstemp(dir=folder, suffix=ending)
        with self.open() as source, os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(source, copy, _COPY)
        return Path(name)

    def take(self, finished: Path) -> None:
        """Put a finished local file here, so that it appears whole or not at all; it is moved.

        A request to end waits for the end of an upload; a second one does not.

        Raises
        ------
        EmotoneError
            If it cannot be written.
        """
        if self.is_local:
            target = Path(self.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            # A neighbour first, for only a move within one file system is a single step.
            # Another machine may be at the same part, if this one was taken for dead.
            beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
            try:
                with full_at(target):
                    shutil.copyfile(finished, beside)
                    with beside.open("rb+") as written:
                        os.fsync(written.fileno())
                    beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
            finished.unlink()
            return
        with self._told():
            self._files.create_dir(self.path.rpartition("/")[0], recursive=True)
            with interrupts.deferred():
                self._upload(finished)
        finished.unlink()

    def _upload(self, finished: Path) -> None:
        # Object stores show an upload when it is closed, so that of a process that is killed
        # nothing is seen. There is no other way to let go of one: its end closes it too.
        with finished.open("rb") as source:
            sink = self._files.open_output_stream(self.path)
            try:
                shutil.copyfileobj(source, sink, _COPY)
                sink.close()
            except BaseException:
                with contextlib.suppress(Exception):
                    sink.close()
                    self._files.delete_file(self.path)
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the store as one that names the place."""
        try:
            yield
        except (OSError, ValueError) as error:  # pyarrow's for a malformed path
            text = (str(error).splitlines() or [type(error).__name__])[0]
            raise EmotoneError(
                f"the store does not do what is asked of it ({text[:300]})",
                source=self.address,
                remedy="Check the address, the keys in the environment, and the connection.",
                code="store_failed",
            ) from error


def _walk_local(folder: str, real: str, passed: set[str], again: bool) -> Iterator[Entry]:
    """The files of a folder, of which the real path is given too.

    ``passed`` are real paths of folders in which the walk was: the one that it began at and those
    that links led to; with ``again`` the ones that it is in.
    """
    for name in in_order(_names(folder)):
        path = os.path.join(folder, name.rstrip(_FOLDER))  # noqa: PTH118
        linked = not name.endswith(_FOLDER)
        if not linked or is_folder(path):
            inside = os.path.realpath(path) if linked else os.path.join(real, name[:-1])  # noqa: PTH118
            if inside in passed or (linked and not again and _is_below(inside, passed)):
                continue
            if again:
                yield from _walk_local(path, inside, passed | {inside}, again)
                continue
            if linked:
                passed.add(inside)
            yield from _walk_local(path, inside, passed, again)
        else:
            try:
                status = os.stat(path)  # noqa: PTH116
                yield Entry(path, status.st_size, status.st_mtime)
            except OSError:  # a link to nothing, or to itself: reading it tells
                yield Entry(path, 0, None)


def _is_below(path: str, folders: set[str]) -> bool:
    """Whether a walk of one of the folders comes to a path by itself."""
    while not os.path.basename(path).startswith("."):  # noqa: PTH119
        above = os.path.dirname(path)  # noqa: PTH120
        if above == path:
            return False
        if above in folders:
            return True
        path = above
    return False


def _names(folder: str) -> Iterator[str]:
    """What a folder holds, hidden ones left out, folders marked."""
    try:
        listing = os.scandir(folder)
    except OSError:  # as os.walk: what may not be read is not there
        return
    with listing:  # what fails in the middle is told: a part is not the folder
        for entry in listing:
            if not entry.name.startswith("."):
                yield entry.name + _FOLDER * entry.is_dir(follow_symlinks=False)


def _entry(info: Any) -> Entry:
    changed = None if info.mtime_ns is None else info.mtime_ns / 1e9
    return Entry(info.path, info.size or 0, changed)


def _file_system(scheme: str, address: str) -> tuple[Any, str]:
    """The file system of an address, None for this machine's own; and the path in it."""
    if scheme == "file":
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        return None, url2pathname(urlsplit(address).path)
    try:
        if scheme not in _ARROW:
            import fsspec

            other, path = fsspec.core.url_to_fs(address)
            return _wrapped(other), path
        query = _QUERY.search(address)
        plain = address if query is None else address[: query.start()]
        bucket, _, key = plain.partition("://")[2].partition("/")
        if not bucket:
            raise ValueError("it names no bucket")
        # Keys may hold what no URI does, blanks for one, so pyarrow is told of the bucket alone.
        store = _store(f"{scheme}://{bucket}{query[0] if query else ''}")
        return store, f"{bucket}/{key}".rstrip("/")
    except ImportError as error:
        if getattr(error, "name", None) in ("pyarrow", "fsspec"):
            raise MissingExtraError(f"reading {scheme}://", "batch") from error
        raise UsageError(
            f"reading {scheme}:// needs a package that is not installed ({error})",
            source=address,
            remedy="Install it with pip; fsspec's documentation names it.",
        ) from error
    except (ValueError, OSError) as error:
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"this is no address that can be opened ({text[:200]})",
            source=address,
            remedy="Give a path, or an address such as s3://bucket/folder.",
        ) from error


@functools.lru_cache(maxsize=16)
def _store(bucket: str) -> Any:
    """The file system of a bucket; opening one takes longer than reading a clip."""
    import pyarrow.fs

    return pyarrow.fs.FileSystem.from_uri(bucket)[0]


def _wrapped(other: Any) -> Any:
    import pyarrow.fs

    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(other))
