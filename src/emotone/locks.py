"""A file that one process alone has locked; the system lets go of it when the process ends."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import IO

from emotone.errors import EmotoneError

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
"""What systems say where another one has the lock, Windows the last."""


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
    EmotoneError
        If the file system cannot lock files: ``no_locks``.
    """
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno in _TAKEN:
            return None
        raise EmotoneError(
            f"the file system there cannot lock files ({error.strerror or error})",
            source=path.parent,
            remedy="Write to a disk of this machine, or have the share mounted with locks.",
            code="no_locks",
        ) from error
    return file
