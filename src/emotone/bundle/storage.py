"""The two shapes of a bundle on disk, read within bounds and written whole or not at all.

A bundle is a folder, or a zip file named ``*.emotone``, with exactly two files: ``card.json`` and
``model.onnx``. Reading allocates no more than the bound it is given, whatever a header says.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from emotone.errors import BundleError

CARD, MODEL = "card.json", "model.onnx"
NAMES = (CARD, MODEL)
SUFFIX = ".emotone"

DEFAULT_MAX_BYTES = 256 * 2**20
"""Bytes of model that are read unless the caller says otherwise."""

MAX_CARD_BYTES = 4 * 2**20
MAX_RATIO = 200
"""Unpacked over packed bytes of one file; weights never come near, a decompression bomb does."""

_AGAIN = "Get the bundle again from where it came from, or train it again."
_END_OF_ARCHIVE = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
# The end record of a zip without a comment, and the locator that may stand before it.
_END_BYTES, _LOCATOR_BYTES = 22, 20
_MAX_DIRECTORY_BYTES = 4096


def read_files(path: Path, *, max_bytes: int) -> dict[str, bytes]:
    """The content of the two files of a bundle.

    Parameters
    ----------
    path
        A folder or a zip file.
    max_bytes
        The most that ``model.onnx`` may hold.

    Raises
    ------
    BundleError
        If there is none, it is damaged, too large, or holds anything else than the two files.
    """
    try:
        if path.is_dir():
            return _read_folder(path, max_bytes)
        if path.is_file():
            return _read_zip(path, max_bytes)
        if path.exists():
            raise BundleError("not a bundle: neither a file nor a folder", source=path)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(
            f"the bundle is damaged or cut short ({error})", source=path, remedy=_AGAIN
        ) from error
    except PermissionError as error:
        raise BundleError(
            "no permission to read the bundle",
            source=path,
            remedy="Allow reading it, or run as its owner.",
        ) from error
    except OSError as error:
        raise BundleError(
            f"the bundle cannot be read ({error.strerror or error})", source=path, remedy=_AGAIN
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
    for name in NAMES:
        if name not in names:
            raise BundleError(f"not a bundle: {name} is missing", source=path, remedy=_AGAIN)
    extra = sorted(set(names) - set(NAMES))
    if extra or len(names) != len(NAMES):
        what = repr(extra[0][:80]) if extra else "the same file twice"
        raise BundleError(
            f"the bundle holds {what}, which does not belong there",
            source=path,
            remedy=f"A bundle has {CARD} and {MODEL} and nothing else; remove the rest.",
        )


def _read_folder(path: Path, max_bytes: int) -> dict[str, bytes]:
    with os.scandir(path) as entries:
        # Enough to see what is wrong, however many files a wrong folder holds.
        names = [entry.name for entry, _ in zip(entries, range(1000), strict=False)]
    _check_names(path, names)
    return {name: _read_bounded(path, name, _limit(name, max_bytes)) for name in NAMES}


def _read_bounded(path: Path, name: str, limit: int) -> bytes:
    member = path / name
    if not member.is_file():
        raise BundleError(f"{name} is not a regular file", source=path, remedy=_AGAIN)
    with member.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(path, name, limit)
    return data


def _read_zip(path: Path, max_bytes: int) -> dict[str, bytes]:
    size = path.stat().st_size
    if size > max_bytes + MAX_CARD_BYTES + _MAX_DIRECTORY_BYTES:
        raise _too_large(path, "the bundle", max_bytes)
    _check_directory(path, size)
    with ZipFile(path) as archive:
        members = archive.infolist()
        _check_names(path, [member.filename for member in members])
        return {
            member.filename: _read_member(path, archive, member, _limit(member.filename, max_bytes))
            for member in members
        }


def _check_directory(path: Path, size: int) -> None:
    """Refuse an archive whose directory is huge before it is read into memory."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - _END_BYTES - _LOCATOR_BYTES))
        tail = file.read()
    end = tail[-_END_BYTES:]
    if head != b"PK\x03\x04" or len(end) < _END_BYTES or end[:4] != _END_OF_ARCHIVE:
        raise BundleError(
            "not a bundle, or cut short: a .emotone file is a plain zip archive",
            source=path,
            remedy=_AGAIN,
        )
    directory_bytes = int.from_bytes(end[12:16], "little")
    if tail[:4] == _ZIP64_LOCATOR or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise BundleError(
            "the bundle lists more files than a bundle has", source=path, remedy=_AGAIN
        )


def _read_member(path: Path, archive: ZipFile, member: ZipInfo, limit: int) -> bytes:
    name = member.filename
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or member.flag_bits & 0x1:
        raise BundleError(
            f"{name} is encrypted or packed in a way that bundles do not use",
            source=path,
            remedy="Pack it as a plain zip, stored or deflated.",
        )
    if member.file_size > limit:
        raise _too_large(path, name, limit)
    if member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise BundleError(
            f"{name} unpacks to more than {MAX_RATIO} times its size: a decompression bomb",
            source=path,
            remedy=_AGAIN,
            code="oversized_bundle",
        )
    with archive.open(member) as file:
        data = file.read(limit + 1)
    if len(data) != member.file_size:
        raise BundleError(f"{name} is not as long as declared", source=path, remedy=_AGAIN)
    return data


def write_files(path: Path, files: dict[str, bytes]) -> None:
    """Write a bundle in one step: whoever looks sees the old one, or the new one whole.

    Parameters
    ----------
    path
        A name ending in ``.emotone`` makes a zip, any other a folder. Parents are made. A bundle
        that is there is replaced; anything else that is there is kept, and refused.
    files
        Content by name.

    Raises
    ------
    BundleError
        If something that is no bundle is in the way, or the place cannot be written.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 -- "." has no name; keeps symbolic links
    try:
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
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield temporary
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _write_zip(path: Path, files: dict[str, bytes]) -> None:
    if path.is_dir():
        raise _in_the_way(path, "a folder")
    with _beside(path) as temporary:
        with temporary.open("xb") as file:
            with ZipFile(file, "w", ZIP_STORED) as archive:
                for name in NAMES:
                    # A fixed date and mode, so that equal content is equal bytes; stored, since
                    # weights hardly shrink and unpacking would cost every start of a program.
                    member = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                    member.create_system = 3
                    member.external_attr = 0o100644 << 16
                    archive.writestr(member, files[name])
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _write_folder(path: Path, files: dict[str, bytes]) -> None:
    if path.exists():
        if not path.is_dir():
            raise _in_the_way(path, "a file")
        if {entry.name for entry in path.iterdir()} - set(NAMES):
            raise _in_the_way(path, "a folder with other files")
    with _beside(path) as fresh, _beside(path) as old:
        fresh.mkdir()
        for name in NAMES:
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
