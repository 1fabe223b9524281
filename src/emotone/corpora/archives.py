"""Unpacking an archive from somewhere else without letting it reach outside its folder."""

from __future__ import annotations

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from emotone import locks
from emotone.errors import CorpusError

_CHUNK = 1 << 20
_WORK = ".unpacking-"
_LONGEST_HEADER = 1 << 16  # of a tar entry: names and the like
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a way of packing that Python does not know
)
_DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may unpack to.

    Attributes
    ----------
    max_bytes
        Total size unpacked, in bytes.
    max_files
        Number of entries.
    """

    max_bytes: int = 20 * 2**30
    max_files: int = 200_000


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path,
    folder: Path,
    *,
    inside: str = "",
    limits: ArchiveLimits | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Unpack a zip or tar archive (gz, bz2 or xz too) into a folder that does not exist yet.

    All or nothing: the folder appears once everything is in it. Refused as a whole is an archive
    with an absolute path, a path that climbs (``..``), a link, a device, two entries of one name,
    a password, or more than the limits; what comes out is counted, whatever it declares. File modes
    and owners are not taken over.

    Parameters
    ----------
    archive
        The file.
    folder
        Where to; its parent must exist.
    inside
        Only entries below a folder of this name; their paths begin there.
    limits
        Bounds; `ArchiveLimits` if None.
    progress
        Called with the number of files so far.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    CorpusError
        If it is refused or damaged (code ``unsafe_archive`` or ``bad_archive``), or cannot be
        written (``not_unpacked``).
    """
    bounds = limits or ArchiveLimits()
    work: Path | None = None
    try:
        work = locks.folder(folder.parent, _WORK)
        files = work / "files"
        files.mkdir()
        number = _unpack_into(archive, files, inside, bounds, progress)
        if number == 0:
            raise CorpusError(
                f"holds no files{f' in a folder {inside!r}' if inside else ''}",
                source=archive,
                remedy="Download it again; if it stays so, the corpus has moved.",
                code="bad_archive",
            )
        files.rename(folder)
    except (*_DAMAGED, OSError, ValueError) as error:
        # Libraries raise OSError for damage too, which has no number then.
        if isinstance(error, OSError) and error.errno is not None:
            raise CorpusError(
                f"cannot be unpacked ({error})",
                source=archive,
                remedy=f"Check the space and permissions at {folder.parent}.",
                code="not_unpacked",
            ) from None
        raise CorpusError(
            f"is damaged or no archive ({error})",
            source=archive,
            remedy="Delete it and download it again.",
            code="bad_archive",
        ) from None
    finally:
        if work is not None:
            locks.drop(work)
    return number


def sweep(folder: Path) -> None:
    """Take away what processes that were killed had unpacked in a folder by then."""
    locks.sweep(folder, _WORK)


def _unpack_into(
    archive: Path,
    work: Path,
    inside: str,
    limits: ArchiveLimits,
    progress: Callable[[int], None] | None,
) -> int:
    written = number = 0
    entries = _zip_entries if zipfile.is_zipfile(archive) else _tar_entries
    for count, entry in enumerate(entries(archive), start=1):
        if count > limits.max_files:
            raise _unsafe(archive, f"more than {limits.max_files} entries")
        path = _below(_checked(archive, entry.name), inside)
        if path is None:
            continue
        if written + entry.size > limits.max_bytes:
            raise _unsafe(archive, f"more than {limits.max_bytes} bytes unpacked")
        source = entry.open()
        if source is None:
            raise _unsafe(archive, f"an entry without content ({entry.name!r})")
        target = work / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with source, target.open("xb") as out:
                while chunk := source.read(_CHUNK):
                    written += len(chunk)
                    if written > limits.max_bytes:
                        raise _unsafe(archive, f"more than {limits.max_bytes} bytes unpacked")
                    out.write(chunk)
        except FileExistsError:
            raise _unsafe(archive, f"two entries of one name ({entry.name!r})") from None
        number += 1
        if progress is not None:
            progress(number)
    return number


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as container:
        for member in container.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(archive, f"a link or device ({member.filename!r})")
            if member.flag_bits & 0x1:
                raise _unsafe(archive, f"an entry with a password ({member.filename!r})")
            if not member.is_dir():
                yield _Entry(member.filename, member.file_size, partial(container.open, member))


class _BoundedTarInfo(tarfile.TarInfo):
    """A tar header; one that announces a long name or attribute block is not read into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _BoundedTarInfo:
        member = super().frombuf(buf, encoding, errors)
        if not member.isfile() and member.size > _LONGEST_HEADER:
            raise CorpusError(
                f"was refused: an entry has a header of {member.size} bytes",
                source="the archive",
                remedy="Do not use it; tell whoever distributes it.",
                code="unsafe_archive",
            )
        return member


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive, tarinfo=_BoundedTarInfo) as container:
        for member in container:
            if member.isdir():
                continue
            if not member.isfile():
                raise _unsafe(archive, f"a link or device ({member.name!r})")
            yield _Entry(member.name, member.size, partial(container.extractfile, member))


def _checked(archive: Path, name: str) -> PurePosixPath:
    """The path of an entry, refused if it could lead out of the folder on any system."""
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if path.is_absolute() or _DRIVE.match(plain):
        raise _unsafe(archive, f"an absolute path ({name!r})")
    if ".." in path.parts:
        raise _unsafe(archive, f"a path that climbs out of its folder ({name!r})")
    if not path.parts or ":" in plain or any(ord(character) < 32 for character in plain):
        raise _unsafe(archive, f"a path that is no plain file name ({name!r})")
    return path


def _below(path: PurePosixPath, inside: str) -> PurePosixPath | None:
    if not inside:
        return path
    parts = path.parts
    if inside not in parts[:-1]:
        return None
    return PurePosixPath(*parts[parts.index(inside) :])


def _unsafe(archive: Path, what: str) -> CorpusError:
    return CorpusError(
        f"was refused: it holds {what}",
        source=archive,
        remedy="Do not use it; tell whoever distributes it.",
        code="unsafe_archive",
    )
