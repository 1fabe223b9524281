"""Whole audio files, through the decoders: nothing but samples or an `AudioError`."""

from __future__ import annotations

import numpy as np
import refusals
from sounds import encoded_briefly

from emotone import audio
from emotone.audio import Limits
from emotone.errors import AudioError

LIMITS = Limits(max_duration_s=20.0, max_bytes=16 * 1024**2)


def seeds() -> list[bytes]:
    """A short file of every container."""
    return list(encoded_briefly().values())


def one_input(data: bytes) -> None:
    """Read whole and in blocks; both give the same, or neither gives anything."""
    try:
        whole = audio.read(data, limits=LIMITS)
    except AudioError as error:
        refusals.check(error)
        return
    assert np.isfinite(whole.samples).all()
    assert whole.samples.dtype == np.float32
    assert whole.duration_s <= LIMITS.max_duration_s
    blocks = list(audio.read_blocks(data, block_s=0.05, limits=LIMITS))
    assert sum(map(len, blocks)) == len(whole)
