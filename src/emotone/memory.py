"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable


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
