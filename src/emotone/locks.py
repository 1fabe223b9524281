"""A file that one process alone has locked; the system lets go of it when the process ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO


def lock(path: Path) -> IO[bytes] | None:
    """Lock a file, which is made where there is none, until it is closed or this process ends.

    Parameters
    ----------
    path
        In a folder that there is.

    Returns
    -------
    file
        To be closed; None where another one has locked it.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
