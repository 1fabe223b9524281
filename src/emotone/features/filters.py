"""Filter banks and transforms applied to a spectrum, built once and kept.

All are laid out for spectra with one frame per row: a spectrum ``(t, bins)`` times a filter bank
``(bins, filters)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray

Float64Array = npt.NDArray[np.float64]

_A0_HZ = 27.5

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def bin_frequencies(rate: float, n_fft: int) -> Float64Array:
    """Centre frequency of each bin of a real Fourier transform, in Hz, ``(n_fft // 2 + 1,)``."""
    return np.asarray(np.arange(n_fft // 2 + 1) * (rate / n_fft), np.float64)


def octaves_above_a0(frequencies: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Pitch in octaves above A0 = 27.5 Hz, in the precision of the frequencies."""
    return np.log2(np.asanyarray(frequencies) / _A0_HZ)


# Slaney's mel scale (Auditory Toolbox, 1998): linear to 1 kHz, logarithmic above.
_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def _mel_frequencies(count: int, fmax: float) -> Float64Array:
    top = (
        _BREAK_MEL + np.log(fmax / _BREAK_HZ) / _LOG_STEP
        if fmax >= _BREAK_HZ
        else fmax / _HZ_PER_MEL
    )
    mels = np.linspace(0.0, top, count)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels >= _BREAK_MEL, above, mels * _HZ_PER_MEL)


@dataclass(frozen=True, slots=True)
class FilterBank:
    """A filter bank whose filters each cover few neighbouring bins, multiplied in blocks.

    Attributes
    ----------
    size
        Number of filters.
    blocks
        ``(first filter, first bin, weights)`` with weights ``(bins, filters)``.
    """

    size: int
    blocks: tuple[tuple[int, int, FloatArray], ...]

    def apply(self, spectrum: FloatArray) -> FloatArray:
        """Filter a spectrum ``(t, bins)`` to ``(t, size)``, float32."""
        out = np.empty((len(spectrum), self.size), np.float32)
        for first, low, weights in self.blocks:
            bins, filters = weights.shape
            out[:, first : first + filters] = spectrum[:, low : low + bins] @ weights
        return out


@lru_cache(maxsize=32)
def mel_filters(rate: int, n_fft: int, n_mels: int) -> FilterBank:
    """Triangular mel filters from 0 Hz to half the rate, each of unit area (Slaney 1998).

    The same numbers as ``librosa.filters.mel``. A filter narrower than a bin may be empty and
    respond with zeros, as it does there.
    """
    edges = _mel_frequencies(n_mels + 2, rate / 2.0)
    widths = np.diff(edges)
    ramps = edges[:, None] - bin_frequencies(rate, n_fft)
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    blocks = []
    step = 8
    for first in range(0, n_mels, step):
        part = weights[first : first + step]
        used = np.flatnonzero(part.any(axis=0))
        low, high = (used[0], used[-1] + 1) if len(used) else (0, 1)
        blocks.append((first, int(low), np.ascontiguousarray(part[:, low:high].T)))
    return FilterBank(n_mels, tuple(blocks))


@lru_cache(maxsize=32)
def dct_matrix(n_in: int, n_out: int) -> FloatArray:
    """The orthonormal cosine transform, type II: ``(n_in, n_out)``, applied by ``x @ matrix``."""
    n = np.arange(n_in)[:, None]
    k = np.arange(n_out)[None, :]
    matrix = np.cos(np.pi * k * (2 * n + 1) / (2 * n_in)) * np.sqrt(2.0 / n_in)
    matrix[:, 0] /= np.sqrt(2.0)
    return np.asarray(matrix, np.float32)


@lru_cache(maxsize=128)
def chroma_filters(rate: int, n_fft: int, tuning: float) -> FloatArray:
    """Gaussian bumps from Fourier bins to the 12 pitch classes, C first: ``(bins, 12)``.

    After Ellis, "Chroma feature analysis and synthesis" (2007); the numbers of
    ``librosa.filters.chroma``. ``tuning`` is the deviation from A440 in fractions of a semitone.
    """
    bins = n_fft // 2 + 1
    frequencies = np.arange(1, bins + 1) * (rate / n_fft)
    pitch = 12.0 * octaves_above_a0(frequencies / 2.0 ** (tuning / 12.0))
    # Bin 0 has no pitch; it is put an octave and a half below bin 1.
    pitch = np.concatenate(([pitch[0] - 18.0], pitch))
    width = np.maximum(np.diff(pitch), 1.0)
    pitch = pitch[:bins]
    distance = np.remainder(pitch[:, None] - np.arange(12) + 126.0, 12.0) - 6.0
    weights = np.exp(-0.5 * (2.0 * distance / width[:, None]) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    # Octaves count less the further they are from the fifth (around 880 Hz).
    weights *= np.exp(-0.5 * ((pitch / 12.0 - 5.0) / 2.0) ** 2)[:, None]
    return np.asarray(np.roll(weights, -3, axis=1), np.float32)
