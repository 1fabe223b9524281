"""The harmonic part of a sound: what lasts in time and is narrow in frequency.

Median filtering along time keeps the harmonic, along frequency the percussive part of a spectrum
(Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010). The result equals
``librosa.effects.harmonic`` bit for bit, rounding for rounding: the tuning taken from it is a vote
that a last bit can turn, and in near silence the pitch classes are scaled up from very little.
"""

from __future__ import annotations

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.features.median import median_over_rows
from emotone.features.stft import HOP, N_FFT, ComplexArray, hann

_TINY = np.finfo(np.float32).tiny
_BLOCK = 64


def harmonic_part(spectrum: ComplexArray, magnitude: FloatArray, count: int) -> FloatArray:
    """The samples of the harmonic part.

    Parameters
    ----------
    spectrum, magnitude
        The short-time Fourier transform of the samples and its magnitude, ``(t, 1025)``.
    count
        Number of samples to give.

    Returns
    -------
    float32, shape ``(count,)``.
    """
    harmonic = median_over_rows(magnitude)
    percussive = np.ascontiguousarray(median_over_rows(np.ascontiguousarray(magnitude.T)).T)
    segments = np.zeros((len(spectrum) + N_FFT // HOP - 1, HOP), np.float32)
    window = hann(N_FFT)
    # A frame's four quarters fall on four segments. Within a block each quarter of all frames is
    # added at once, last quarter first: so every segment adds up its frames in order of time.
    for start in range(0, len(spectrum), _BLOCK):
        block = slice(start, start + _BLOCK)
        mask = _mask(harmonic[block], percussive[block])
        frames = np.fft.irfft(_masked(spectrum[block], magnitude[block], mask))
        for quarter in range(N_FFT // HOP - 1, -1, -1):
            part = slice(quarter * HOP, (quarter + 1) * HOP)
            segments[start + quarter : start + quarter + len(frames)] += (
                frames[:, part] * window[part]
            )
    _divide_by_overlap(segments)
    return segments.reshape(-1)[N_FFT // 2 : N_FFT // 2 + count]


def _mask(harmonic: FloatArray, percussive: FloatArray) -> FloatArray:
    """The share of each bin that is harmonic (a Wiener mask): one half where both are silent."""
    largest = np.maximum(harmonic, percussive)
    silent = largest < _TINY if largest.min() < _TINY else None
    if silent is not None:
        largest[silent] = 1.0
    wanted = harmonic / largest
    np.square(wanted, out=wanted)
    total = np.divide(percussive, largest, out=largest)
    np.square(total, out=total)
    total += wanted
    if silent is not None:
        wanted[silent], total[silent] = 0.5, 1.0
    return np.divide(wanted, total, out=wanted)


def _masked(spectrum: ComplexArray, magnitude: FloatArray, mask: FloatArray) -> ComplexArray:
    """Masked magnitude times phase, in librosa's order of operations."""
    wanted = magnitude * mask
    divisor = magnitude if magnitude.min() > 0 else magnitude + (magnitude == 0)
    out = np.empty_like(spectrum)
    np.multiply(spectrum.real / divisor, wanted, out=out.real)
    np.multiply(spectrum.imag / divisor, wanted, out=out.imag)
    return out


def _divide_by_overlap(segments: FloatArray) -> None:
    """Undo what the squared windows of all frames that cover a sample add up to."""
    quarters = (hann(N_FFT) ** 2).reshape(-1, HOP)
    # Past the first and before the last frames the sum repeats: seven frames show all of it.
    frames = min(len(segments) - len(quarters) + 1, 7)
    total = np.zeros((frames + len(quarters) - 1, HOP), np.float32)
    for quarter in range(len(quarters) - 1, -1, -1):
        total[quarter : quarter + frames] += quarters[quarter]
    total[total <= _TINY] = 1.0
    if len(segments) == len(total):
        segments /= total
    else:
        segments[:5] /= total[:5]
        segments[5:-5] /= total[4]
        segments[-5:] /= total[-5:]
