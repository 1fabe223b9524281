"""Memory: how much there is, and what is free given back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

_UNKNOWN = 8 * 2**30
"""Taken for the memory of a machine that does not say."""

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container on Linux says how much it may have, in version 2 and 1."""


def available() -> int:
    """Bytes of memory that this machine, or the container on it, has in all."""
    found = _UNKNOWN
    with contextlib.suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUPS:
        with contextlib.suppress(ValueError, OSError):  # no such file, or "max"
            found = min(found, int(Path(path).read_text()))
    return found


def give_back() -> None:
    """Let the system have what the C library keeps of freed memory, where that can be told to.

    Results are kept between large buffers that come and go. In hours of sound the C library of
    Linux takes ever new pages for these, though most of what it holds is free.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@functools.cache
def _trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found  # which musl does not have
