"""Loudness as people hear it: ITU-R BS.1770-5, with the gate of EBU R 128."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emotone.audio.filters import convolve
from emotone.audio.waveform import FloatArray

TARGET_LUFS = -23.0
"""The programme loudness of EBU R 128."""

_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_BLOCK_S = 0.4
_STEPS_PER_BLOCK = 4
_MEMORY_S = 0.25
"""The K weighting has forgotten a click after this long (its slowest pole is at 38 Hz)."""


def loudness(samples: FloatArray, rate: int) -> float:
    """Integrated loudness of mono audio in LUFS; minus infinity where there is no sound.

    Blocks of 400 ms every 100 ms; those under -70 LUFS, then those 10 LU under the mean of the
    rest, are left out. A clip shorter than one block counts as one, and a clip that is wholly
    under the gate is measured without it.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``, full scale from -1 to 1.
    rate
        In Hz.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000).astype(np.float32)
    >>> round(loudness(tone, 48000), 1)
    -3.0
    """
    if not len(samples):
        return float("-inf")
    weighted = convolve(samples, _k_weighting(rate)).astype(np.float64)
    step = round(_BLOCK_S * rate / _STEPS_PER_BLOCK)
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    block = step * _STEPS_PER_BLOCK
    if len(samples) < block:
        powers = energy[-1:] / len(samples)
    else:
        starts = np.arange(0, len(samples) - block + 1, step)
        powers = (energy[starts + block] - energy[starts]) / block
    kept = powers[_lufs(powers) > _ABSOLUTE_GATE_LUFS]
    if not len(kept):
        return float(_lufs(powers.mean()))
    kept = kept[_lufs(kept) > _lufs(kept.mean()) + _RELATIVE_GATE_LU]
    return float(_lufs(kept.mean()))


def _lufs(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        result: npt.NDArray[np.float64] = -0.691 + 10 * np.log10(np.maximum(power, 0))
    return result


@lru_cache(maxsize=8)
def _k_weighting(rate: int) -> FloatArray:
    """Impulse response of the K weighting: a high shelf for the head, then a high-pass.

    BS.1770 tables the two biquads for 48 kHz only; these are the analogue filters behind that
    table, brought to any rate by the bilinear transform (B. De Man, *Evaluation of implementations
    of the EBU R128 loudness measurement*, AES 145, 2018).
    """
    k, q = np.tan(np.pi * 1681.974450955533 / rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    shelf = (
        [high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k],
        [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k],
    )
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    scale = 1 + k / q + k * k
    high_pass = (
        [scale, -2 * scale, scale],  # BS.1770 leaves this numerator at 1, -2, 1
        [scale, 2 * (k * k - 1), 1 - k / q + k * k],
    )
    length = int(_MEMORY_S * rate)
    # Sampled at twice its length, the response has died before it could fold over.
    size = 2 * length
    response = np.ones(size // 2 + 1, np.complex128)
    for numerator, denominator in (shelf, high_pass):
        response *= np.fft.rfft(numerator, size) / np.fft.rfft(denominator, size)
    return np.fft.irfft(response, size)[:length].astype(np.float32)
