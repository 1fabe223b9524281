"""Whether a folder can be written to."""

from __future__ import annotations

import tempfile
from pathlib import Path

_TRIED = 64 * 1024
"""Bytes that a folder has to take."""


def check_writable(folder: Path) -> Path:
    """Raise OSError if nothing can be written in a folder, or where it would be made.

    Returns
    -------
    pathlib.Path
        The folder that was tried: the nearest one that is there.
    """
    folder = folder.absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    # Tried, since rights do not tell it everywhere: a disk may be full, or not to be written. A
    # full one still takes the name of an empty file.
    with tempfile.NamedTemporaryFile(dir=there, prefix=".emotone-") as file:
        file.write(bytes(_TRIED))
        file.flush()
    return there
