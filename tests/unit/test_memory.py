"""Memory that is given back."""

from __future__ import annotations

import ctypes
import sys

import pytest

from emotone import memory


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it does nothing")
def test_what_is_free_goes_back_to_the_system() -> None:
    def resident_mib() -> float:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * 4096 / 2**20

    if memory._trim() is None:
        pytest.skip("this C library cannot be told")
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(60_000) for _ in range(1500)]  # each too small for pages of its own
    for block in blocks:
        ctypes.memset(block, 1, 60_000)
    for block in blocks[:-1]:  # the last keeps the heap from shrinking by itself
        libc.free(block)
    held = resident_mib()
    memory.give_back()
    assert resident_mib() < held - 60
    libc.free(blocks[-1])


def test_where_it_cannot_be_told_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", lambda: None)
    memory.give_back()
