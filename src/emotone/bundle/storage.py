"""The two shapes of a bundle on disk, read within bounds and written whole or not at all.

A bundle is a folder, or a zip file named ``*.emotone``, with ``card.json``, ``model.onnx``, and
``frames.onnx`` where the model has one; nothing else. Reading allocates no more than the bound it
is given, whatever a header says.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from emotone.bundle import archive
from emotone.errors import BundleError

CARD, MODEL, FRAMES = "card.json", "model.onnx", "frames.onnx"
NAMES = (CARD, MODEL, FRAMES)
NEEDED = (CARD, MODEL)
SUFFIX = ".emotone"

DEFAULT_MAX_BYTES = 256 * 2**20
"""Bytes of model that are read unless the caller says otherwise."""

MAX_CARD_BYTES = 4 * 2**20
MAX_RATIO = 200
"""Unpacked over packed bytes of one file; weights never come near, a decompression bomb does."""

REMEDY = "Get the bundle again from where it came from, or train it again."
"""For whatever is wrong with a bundle itself."""


def read_files(path: Path, *, max_bytes: int) -> dict[str, bytes]:
    """The content of the files of a bundle.

    Parameters
    ----------
    path
        A folder or a zip file.
    max_bytes
        The most that ``model.onnx`` may hold, and ``frames.onnx``.

    Raises
    ------
    BundleError
        If there is none, it is damaged, too large, or holds anything that does not belong there.
    """
    try:
        if path.is_dir():
            return _read_folder(path, max_bytes)
        if path.is_file():
            return _read_zip(path, max_bytes)
        if path.exists():
            raise BundleError("not a bundle: neither a file nor a folder", source=path)
    except archive.ArchiveError as error:
        raise BundleError(str(error), source=path, remedy=REMEDY) from error
    except PermissionError as error:
        raise BundleError(
            "no permission to read the bundle",
            source=path,
            remedy="Allow reading it, or run as its owner.",
        ) from error
    except OSError as error:
        raise BundleError(
            f"the bundle cannot be read ({error.strerror or error})", source=path, remedy=REMEDY
        ) from error
    raise BundleError(
        "there is no such bundle",
        source=path,
        remedy="Check the path, or name one that `emotone models list` shows.",
        code="missing_bundle",
    )


def _limit(name: str, max_bytes: int) -> int:
    return MAX_CARD_BYTES if name == CARD else max_bytes


def _too_large(path: Path, name: str, limit: int) -> BundleError:
    return BundleError(
        f"{name} is larger than the {limit / 2**20:.0f} MiB that are allowed",
        source=path,
        remedy="If you trust it, open it with a higher max_bytes.",
        code="oversized_bundle",
    )


def _check_names(path: Path, names: list[str]) -> None:
    for name in NEEDED:
        if name not in names:
            raise BundleError(f"not a bundle: {name} is missing", source=path, remedy=REMEDY)
    extra = sorted(set(names) - set(NAMES))
    if extra or len(names) != len(set(names)):
        what = repr(extra[0][:80]) if extra else "the same file twice"
        raise BundleError(
            f"the bundle holds {what}, which does not belong there",
            source=path,
            remedy=f"A bundle has {CARD}, {MODEL}, and perhaps {FRAMES}; remove the rest.",
        )


def _read_folder(path: Path, max_bytes: int) -> dict[str, bytes]:
    with os.scandir(path) as entries:
        # Enough to see what is wrong, however many files a wrong folder holds.
        names = [entry.name for entry, _ in zip(entries, range(1000), strict=False)]
    _check_names(path, names)
    return {
        name: _read_bounded(path, name, _limit(name, max_bytes)) for name in NAMES if name in names
    }


def _read_bounded(path: Path, name: str, limit: int) -> bytes:
    member = path / name
    if not member.is_file():
        raise BundleError(f"{name} is not a regular file", source=path, remedy=REMEDY)
    with member.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(path, name, limit)
    return data


def _read_zip(path: Path, max_bytes: int) -> dict[str, bytes]:
    size = path.stat().st_size
    if size > 2 * max_bytes + MAX_CARD_BYTES + archive.MAX_DIRECTORY_BYTES:
        raise _too_large(path, "the bundle", max_bytes)
    with path.open("rb") as file:
        members = archive.directory(file, size)
        _check_names(path, [member.name for member in members])
        for member in members:
            _check_member(path, member, _limit(member.name, max_bytes))
        found = {member.name: archive.read(file, member) for member in members}
        return {name: found[name] for name in NAMES if name in found}


def _check_member(path: Path, member: archive.Member, limit: int) -> None:
    if member.size > limit:
        raise _too_large(path, member.name, limit)
    if member.size > MAX_RATIO * max(member.packed_size, 1):
        raise BundleError(
            f"{member.name} unpacks to more than {MAX_RATIO} times its size: a decompression bomb",
            source=path,
            remedy=REMEDY,
            code="oversized_bundle",
        )


def check_target(path: Path) -> None:
    """Refuse a place where `write_files` would find something in the way, before the work is done.

    Raises
    ------
    BundleError
        If something that is no bundle is there, or its folder may not be written to.
    """
    path = _absolute(path)
    if path.suffix == SUFFIX:
        if path.is_dir():
            raise _in_the_way(path, "a folder")
    elif path.exists():
        if not path.is_dir():
            raise _in_the_way(path, "a file")
        if {entry.name for entry in path.iterdir()} - set(NAMES):
            raise _in_the_way(path, "a folder with other files")
    there = next(folder for folder in path.parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise BundleError(
            "the bundle cannot be written there",
            source=path,
            remedy="Check the folder and its permissions.",
        )


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 -- "." has no name; keeps symbolic links


def write_files(path: Path, files: dict[str, bytes]) -> None:
    """Write a bundle in one step: whoever looks sees the old one, or the new one whole.

    Parameters
    ----------
    path
        A name ending in ``.emotone`` makes a zip, any other a folder. Parents are made. A bundle
        that is there is replaced; anything else that is there is kept, and refused.
    files
        Content by name, in the order in which a zip file holds them.

    Raises
    ------
    BundleError
        If something that is no bundle is in the way, or the place cannot be written.
    """
    path = _absolute(path)
    try:
        check_target(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == SUFFIX:
            _write_zip(path, files)
        else:
            _write_folder(path, files)
    except OSError as error:
        raise BundleError(
            f"the bundle cannot be written ({error.strerror or error})",
            source=path,
            remedy="Check the folder, its permissions and the free space.",
        ) from error


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A hidden name on the same file system, gone afterwards whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{time.perf_counter_ns()}.tmp")
    try:
        yield temporary
    finally:
        if temporary.is_dir():
            import shutil

            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _write_zip(path: Path, files: dict[str, bytes]) -> None:
    from zipfile import ZIP_STORED, ZipFile, ZipInfo

    with _beside(path) as temporary:
        with temporary.open("xb") as file:
            with ZipFile(file, "w", ZIP_STORED) as packed:
                for name in files:
                    # A fixed date and mode, so that equal content is equal bytes; stored, since
                    # weights hardly shrink and unpacking would cost every start of a program.
                    member = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                    member.create_system = 3
                    member.external_attr = 0o100644 << 16
                    packed.writestr(member, files[name])
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _write_folder(path: Path, files: dict[str, bytes]) -> None:
    with _beside(path) as fresh, _beside(path) as old:
        fresh.mkdir()
        for name in files:
            with (fresh / name).open("xb") as file:
                file.write(files[name])
                file.flush()
                os.fsync(file.fileno())
        if path.exists():
            path.rename(old)
        try:
            fresh.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise


def _in_the_way(path: Path, what: str) -> BundleError:
    return BundleError(
        f"{what} is in the way", source=path, remedy="Move it, or give the bundle another name."
    )
