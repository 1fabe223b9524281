"""Folders that a process needs for a while; what a killed one leaves, the next takes away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotone import locks

_PREFIX = "emotone-batch-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process among the temporary ones, gone with all that is in it at the end."""
    path = folder()
    try:
        yield path
    finally:
        locks.drop(path)


def folder() -> Path:
    """As `scratch`, but it stays until `emotone.locks.drop`."""
    return locks.folder(Path(tempfile.gettempdir()), _PREFIX)


def sweep() -> None:
    """Take away what processes that are gone left of theirs: copies of recordings, or a model."""
    locks.sweep(Path(tempfile.gettempdir()), _PREFIX)
