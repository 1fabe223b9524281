"""Results as files for other programs: features as CSV, Parquet or NumPy."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.errors import EmotoneError, MissingExtraError, UsageError
from emotone.features.stored import KEY, Description

Columns = Mapping[str, Sequence[str | None]]
"""Texts that stand before the numbers of each row: ``file``, ``emotion``, ``speaker``."""


def write_features(
    path: str | os.PathLike[str],
    matrix: FloatArray,
    names: Sequence[str],
    columns: Columns,
    *,
    about: Description | None = None,
) -> None:
    """Write a table of features; its form goes by the path's ending.

    Parameters
    ----------
    path
        ``.csv``, ``.parquet`` (needs the extra ``train``) or ``.npz``, which holds the arrays
        ``features`` (float32), ``names``, and one of texts per column; an unknown text is empty
        there. What is at the path is replaced when the new table is complete.
    matrix
        float32, shape ``(n, d)``.
    names
        A name for each of the d numbers.
    columns
        Texts for each of the n rows.
    about
        Which features these are; in Parquet it is written beside them, for `emotone train`.

    Raises
    ------
    UsageError
        If the ending is another one.
    MissingExtraError
        For Parquet without its package.

    Examples
    --------
    >>> write_features("out.csv", matrix, names, {"file": files})      # doctest: +SKIP
    """
    path = Path(path)
    write = _writer(path)
    with replacing(path) as unfinished:
        if about is not None and write is _parquet:
            _parquet(unfinished, matrix, names, columns, about)
        else:
            write(unfinished, matrix, names, columns)


def check_features_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that `write_features` would, before the work is done.

    Raises
    ------
    UsageError, MissingExtraError
        As `write_features`.
    """
    _writer(Path(path))


def features_csv(
    stream: TextIO, matrix: FloatArray, names: Sequence[str], columns: Columns
) -> None:
    """Write a table of features as CSV: a header, then a line per row.

    Numbers have nine significant digits, which is what a float32 holds.
    """
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*columns, *names])
    for index, row in enumerate(matrix):
        texts = [column[index] or "" for column in columns.values()]
        writer.writerow([*texts, *(f"{number:.9g}" for number in row)])


def _csv(path: Path, matrix: FloatArray, names: Sequence[str], columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        features_csv(stream, matrix, names, columns)


def _parquet(
    path: Path,
    matrix: FloatArray,
    names: Sequence[str],
    columns: Columns,
    about: Description | None = None,
) -> None:
    import pyarrow
    import pyarrow.parquet

    arrays = {name: pyarrow.array(list(texts), pyarrow.string()) for name, texts in columns.items()}
    arrays |= {name: pyarrow.array(matrix[:, index]) for index, name in enumerate(names)}
    metadata = None if about is None else {KEY: json.dumps(about.to_dict())}
    pyarrow.parquet.write_table(pyarrow.table(arrays, metadata=metadata), path)


def _npz(path: Path, matrix: FloatArray, names: Sequence[str], columns: Columns) -> None:
    # As fixed-width text: object arrays would need pickle to be read.
    texts = {
        name: np.array([text or "" for text in column], dtype=np.str_)
        for name, column in columns.items()
    }
    arrays = {"features": matrix, "names": np.array(names, dtype=np.str_), **texts}
    # Not by numpy.savez, which cannot have an array called "file".
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


_WRITERS: dict[str, Callable[[Path, FloatArray, Sequence[str], Columns], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".npz": _npz,
}


def _writer(path: Path) -> Callable[[Path, FloatArray, Sequence[str], Columns], None]:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"no table can be written as {path.suffix or 'a file without an ending'}",
            source=path,
            remedy=f"End its name with one of {', '.join(_WRITERS)}.",
        )
    if writer is _parquet:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise MissingExtraError("writing Parquet", "report") from None
    return writer


FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""What the system says where a disk, a share of it, or a file system's largest file is full."""


def unwritten(error: OSError, what: str, path: Path) -> EmotoneError:
    """Why a file was not written: for want of space, or since it cannot be where it should."""
    cause = f"{what} cannot be written ({error.strerror})"
    if error.errno in FULL:
        remedy = "Free some space, or write it to another disk."
        return EmotoneError(cause, source=path, remedy=remedy, code="storage_full")
    remedy = "Check that the folder exists and may be written to."
    return UsageError(cause, source=path, remedy=remedy)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside the wanted one, moved there when the block ends well, else deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with full_at(path):
        prefix = f".{path.name}."
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
        os.close(handle)
        unfinished = Path(name)
        try:
            yield unfinished
            umask = os.umask(0)
            os.umask(umask)
            unfinished.chmod(0o666 & ~umask)  # mkstemp gives the owner's alone
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def full_at(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an error for want of space name what was to be written.

    The system names nothing where a file that is open cannot grow, and `shutil` what it copies
    from.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from error
