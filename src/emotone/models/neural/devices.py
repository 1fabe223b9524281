"""What a network is trained and asked on: processor or accelerator, its precision, its memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from emotone.errors import TrainingError
from emotone.models.neural.settings import CLOSED_FORM, Settings

_MALLOPT = {-4: 0, -1: 2**31 - 1, -2: 2**28}
"""Of malloc.h: no blocks apart from the heap (M_MMAP_MAX), which never shrinks (M_TRIM_THRESHOLD)
and grows by so many bytes (M_TOP_PAD)."""


def device(accelerator: str) -> torch.device:
    """Where a single network runs."""
    kind = chosen_devices(accelerator, 1)[0]
    return torch.device("cuda" if kind in ("gpu", "cuda") else kind)


def chosen_devices(accelerator: str, devices: int | str) -> tuple[str, int]:
    """What "auto" comes to on this machine: the accelerator's name for Lightning, and how many.

    Raises
    ------
    TrainingError
        If there is no such accelerator, or there are not so many of them.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if accelerator == "auto":
        accelerator = "cuda" if gpus else "cpu"
    there = {"gpu": gpus, "cuda": gpus, "mps": int(torch.backends.mps.is_available())}
    if accelerator == "cpu":
        return accelerator, 1 if devices == "auto" else int(devices)
    count = there[accelerator]
    if not count:
        raise TrainingError(
            f"PyTorch finds no device for accelerator={accelerator} on this machine",
            remedy="Leave accelerator at auto, which takes the processor where there is no other.",
        )
    wanted = count if devices == "auto" else int(devices)
    if wanted > count:
        raise TrainingError(
            f"devices={wanted}, but this machine has {count}",
            remedy=f"Ask for {count}, or leave devices at auto.",
        )
    return accelerator, wanted


def settled(settings: Settings) -> Settings:
    """The settings with what "auto" comes to on this machine in the place of its precision.

    A checkpoint that is moved to another machine so goes on in the arithmetic that it was begun in,
    or is refused.

    Raises
    ------
    TrainingError
        As `chosen_devices`.
    """
    training = settings.training
    accelerator = chosen_devices(training.accelerator, training.devices)[0]
    if settings.family in CLOSED_FORM:
        found = "32-true"
    else:
        found = precision(training.precision, accelerator)
    return replace(settings, training=replace(training, precision=found))


def precision(asked: str, accelerator: str) -> str:
    """What "auto" comes to on this machine."""
    if asked != "auto":
        return asked
    if accelerator == "cpu":
        fast = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    else:
        fast = accelerator in ("gpu", "cuda") and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take numbers that are too small for full precision for zero.

    They turn up all over a network in training, and a processor takes many times as long over them.
    PyTorch's threads inherit this when the first parallel operation starts them, so it has to be on
    by then.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def keep_memory() -> None:
    """Let the C library keep what is freed for the next step: a tenth of the time and more.

    glibc gives blocks as large as a layer's output back to the system, which has to clear them
    again at the next step. Other C libraries are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in _MALLOPT.items():
            mallopt(option, value)
