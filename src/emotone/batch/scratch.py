"""Folders that a process needs for a while; what a killed one leaves, the next takes away."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "emotone-batch-"
"""What the folders begin with; the number of their process follows."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process among the temporary ones, gone with all that is in it at the end."""
    path = folder()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def folder() -> Path:
    """As `scratch`, but it stays."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def sweep() -> None:
    """Take away what processes that are gone left of theirs: copies of recordings, or a model."""
    for other in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        with contextlib.suppress(ValueError):
            number = int(other.name.removeprefix(_PREFIX).partition("-")[0])
            if runs(number) is False:
                shutil.rmtree(other, ignore_errors=True)


def runs(process: int) -> bool | None:
    """Whether there is a process of that number on this machine; None where nobody can be asked."""
    if sys.platform == "win32":  # where os.kill would end it
        return None
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True
