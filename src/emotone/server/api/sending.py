"""Files on their way out, which leave nothing behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PIECE = 1 << 18


def nameless(path: Path, folder: Path) -> IO[bytes]:
    """A copy of a file that is gone when it is closed, however that comes about.

    Parameters
    ----------
    path
        The file.
    folder
        On whose disk the copy is.
    """
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is closed when it is sent
    with path.open("rb") as source:
        shutil.copyfileobj(source, file, _PIECE)
    file.seek(0)
    return file


def sent(file: IO[bytes]) -> Iterator[bytes]:
    """A file piece by piece; it is closed in the end."""
    with file:
        while piece := file.read(_PIECE):
            yield piece
