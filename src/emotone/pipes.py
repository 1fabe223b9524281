"""Named pipes in the place of files, which nobody may ever write to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_OWN = ("/dev/", "/proc/")
"""Where a program's open files have names: ``<(command)`` of a shell, standard input."""


def refuse_pipe(path: str | os.PathLike[str]) -> None:
    """Refuse a named pipe where a file is wanted: opening it waits until somebody writes to it.

    What a shell puts in the place of ``<(command)`` passes: that command writes, or has ended.

    Parameters
    ----------
    path
        To be opened next, there or not.

    Raises
    ------
    OSError
        If it is a named pipe; ``strerror`` says so.
    """
    if Path(path).is_fifo() and not os.path.abspath(path).startswith(_OWN):  # noqa: PTH100
        raise OSError(errno.EINVAL, "a named pipe is not a file", os.fspath(path))
