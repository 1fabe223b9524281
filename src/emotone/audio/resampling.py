"""Changing the rate with soxr, at once or block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from emotone.audio.waveform import FloatArray

QUALITY = "HQ"
"""soxr's default recipe: 20-bit precision, flat up to 91 % of the lower Nyquist frequency."""


def resample(samples: FloatArray, rate: int, new_rate: int) -> FloatArray:
    """Resample mono audio.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    rate, new_rate
        In Hz.

    Returns
    -------
    FloatArray
        float32, shape ``(m,)`` with m within one of ``n * new_rate / rate``; the same array where
        the rates are equal.
    """
    if rate == new_rate:
        return samples
    import soxr

    result: FloatArray = soxr.resample(samples, rate, new_rate, quality=QUALITY)
    return result


def resample_stream(chunks: Iterable[FloatArray], rate: int, new_rate: int) -> Iterator[FloatArray]:
    """Resample chunks of one signal; joined they equal `resample` of the joined chunks.

    Parameters
    ----------
    chunks
        float32 arrays of shape ``(n,)``, in order.
    rate, new_rate
        In Hz.
    """
    if rate == new_rate:
        yield from chunks
        return
    import soxr

    stream = soxr.ResampleStream(rate, new_rate, 1, dtype="float32", quality=QUALITY)
    for chunk in chunks:
        yield stream.resample_chunk(chunk)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
