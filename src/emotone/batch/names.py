"""Names in their order, however many: what memory is not to hold waits on the disk."""

from __future__ import annotations

import heapq
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from emotone.errors import EmotoneError

_HELD = 50_000
"""Names that are held in memory at once."""

_RUNS = 64
"""Files that are open at once: as many runs are merged into one."""


def in_order(names: Iterable[str], held: int = _HELD) -> Iterator[str]:
    """The names as `sorted` gives them.

    Parameters
    ----------
    names
        Of any number, surrogates for what is no text included.
    held
        How many may be in memory. Beyond that, sorted runs of them lie in a temporary file each,
        which is gone when the iteration is, and are merged.

    Raises
    ------
    EmotoneError
        If there is no room for the files: ``storage_full``.
    """
    left, runs = iter(names), list[Iterator[str]]()
    while some := sorted(itertools.islice(left, held)):
        if not runs and len(some) < held:
            return iter(some)
        runs.append(_read(_written(some)))
        if len(runs) == _RUNS:
            runs = [_read(_written(heapq.merge(*runs)))]
    return heapq.merge(*runs)


def _written(names: Iterable[str]) -> IO[bytes]:
    try:
        file = tempfile.TemporaryFile(prefix="emotone-")  # noqa: SIM115 -- closed by who reads it
        for name in names:
            written = name.encode("utf-8", "surrogatepass")
            file.write(len(written).to_bytes(4, "little") + written)
        file.seek(0)
    except OSError as error:
        raise EmotoneError(
            f"names of files cannot be kept there while they are sorted ({error})",
            source=tempfile.gettempdir(),
            remedy="Free some space, or set TMPDIR to a folder that has it.",
            code="storage_full",
        ) from error
    return file


def _read(file: IO[bytes]) -> Iterator[str]:
    with file:
        while length := file.read(4):
            yield file.read(int.from_bytes(length, "little")).decode("utf-8", "surrogatepass")
