"""Linear filters in plain NumPy: convolution by FFT, and a band-pass."""

from __future__ import annotations

import numpy as np

from emotone.audio.waveform import FloatArray

_ATTENUATION_DB = 60.0
"""How far the band-pass takes down what lies outside."""

_SEGMENT = 1 << 14
"""Samples filtered at a time: transforms of this size stay in the processor's cache."""


def convolve(samples: FloatArray, kernel: FloatArray, delay: int = 0) -> FloatArray:
    """Convolve by overlap-add, keeping the length.

    Parameters
    ----------
    samples
        Shape ``(n,)``.
    kernel
        Impulse response, shape ``(k,)``.
    delay
        Samples of the filter's delay to take away: ``(k - 1) // 2`` for a symmetric kernel, 0 for
        a causal one.

    Returns
    -------
    FloatArray
        float32, shape ``(n,)``.

    Examples
    --------
    >>> click, echo = np.array([1, 0, 0], np.float32), np.array([0.5, 0.25], np.float32)
    >>> convolve(click, echo).round(3).tolist()
    [0.5, 0.25, 0.0]
    """
    step = min(max(_SEGMENT, len(kernel)), len(samples))
    size = _fast_length(step + len(kernel) - 1)
    response = np.fft.rfft(kernel, size)
    result = np.zeros(len(samples) + len(kernel) - 1, np.float32)
    for start in range(0, len(samples), step):
        piece = samples[start : start + step]
        length = len(piece) + len(kernel) - 1
        result[start : start + length] += np.fft.irfft(np.fft.rfft(piece, size) * response, size)[
            :length
        ]
    return result[delay : delay + len(samples)]


def _fast_length(length: int) -> int:
    """The smallest product of 2, 3 and 5 (at most one of each odd) that is no less."""
    power = 1 << max(0, length - 1).bit_length()
    return min(
        size for size in (power, power * 3 // 4, power * 5 // 8, power * 15 // 16) if size >= length
    )


def band_pass(samples: FloatArray, rate: int, low_hz: float, high_hz: float) -> FloatArray:
    """Keep the frequencies from ``low_hz`` to ``high_hz``, without shifting anything in time.

    A linear-phase windowed-sinc filter (Kaiser window, 60 dB; Oppenheim and Schafer,
    *Discrete-Time Signal Processing*, section 7.5), half amplitude at both edges. An edge of 0 Hz,
    or at half the rate and above, is left open.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    rate
        In Hz.
    low_hz, high_hz
        Edges of the band, in Hz.

    Returns
    -------
    FloatArray
        float32, shape ``(n,)``.
    """
    nyquist = rate / 2
    high_open = high_hz >= nyquist
    if low_hz <= 0 and high_open:
        return samples
    width_hz = float(np.clip(low_hz / 2, 20.0, 200.0)) if low_hz > 0 else 200.0
    if not high_open:
        width_hz = min(width_hz, max(20.0, nyquist - high_hz))
    half = int(np.ceil((_ATTENUATION_DB - 7.95) / (2.285 * 2 * np.pi * width_hz / rate) / 2))
    time = np.arange(-half, half + 1)
    high = 1.0 if high_open else high_hz / nyquist
    kernel = high * np.sinc(high * time) - low_hz / nyquist * np.sinc(low_hz / nyquist * time)
    kernel *= np.kaiser(2 * half + 1, 0.1102 * (_ATTENUATION_DB - 8.7))
    return convolve(samples, kernel.astype(np.float32), delay=half)
