"""Files and folders that one process alone has; the system lets go of them when it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from emotone.errors import EmotoneError

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
"""What systems say where another one has the lock, Windows the last."""

_LOCK = ".lock"
_MADE_S = 3600.0
"""Within which a folder that has just been made is locked for certain."""

_held: dict[Path, IO[bytes]] = {}
"""The locks of this process's folders."""


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


def folder(inside: Path, prefix: str) -> Path:
    """A new folder of this process, which `sweep` leaves alone until it ends or `drop` s it.

    Parameters
    ----------
    inside
        A folder that there is; others, on other machines too, may see it.
    prefix
        What its name begins with.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=_own(prefix), dir=inside))
        try:
            held = lock(path / _LOCK)
        except EmotoneError:  # without locks nothing is swept there
            return path
        if held is not None and (path / _LOCK).exists():
            _held[path] = held
            return path
        # another process looked into it before it was locked, and takes it away


def drop(folder: Path) -> None:
    """Take a folder away with all that is in it."""
    if (held := _held.pop(folder, None)) is not None:
        held.close()  # else Windows keeps it
    shutil.rmtree(folder, ignore_errors=True)


def sweep(inside: Path, prefix: str) -> None:
    """Take away what processes that are gone left of their folders, where `folder` made them.

    Only of this machine, or container, by its name: a share may tell none of the locks of others.
    """
    for path in inside.glob(f"{_own(prefix)}*"):
        with contextlib.suppress(OSError, EmotoneError):
            _sweep(path)


def _sweep(path: Path) -> None:
    status = path.lstat()
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return  # what lies in it may be there to mislead
    if not (path / _LOCK).exists():  # it is made, or was taken away in part
        if time.time() - status.st_mtime > _MADE_S:
            shutil.rmtree(path, ignore_errors=True)
        return
    held = lock(path / _LOCK)
    if held is not None:
        if sys.platform == "win32":  # which takes nothing away that is open
            held.close()
        shutil.rmtree(path, ignore_errors=True)
        held.close()


def _own(prefix: str) -> str:
    """A prefix with the name of this machine."""
    return f"{prefix}{re.sub(r'[^a-zA-Z0-9.]', '_', socket.gethostname())}-"
