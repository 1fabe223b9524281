"""How far a recording is tuned from A440: a vote of its spectral peaks."""

from __future__ import annotations

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.features.filters import octaves_above_a0

_FMIN_HZ = 150.0
_FMAX_HZ = 4000.0
_PEAK_THRESHOLD = 0.1
_CELLS = 100
_EDGES = np.linspace(-0.5, 0.5, _CELLS + 1)


def spectral_peaks(magnitude: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
    """Frequency (Hz) and height of the peaks between 150 and 4000 Hz in all frames.

    A peak is a local maximum above a tenth of its frame's maximum, placed by a parabola through it
    and its neighbours (J. O. Smith, "Spectral audio signal processing", 2011); as
    ``librosa.piptrack`` finds them, with the same roundings.

    Parameters
    ----------
    magnitude
        Magnitude spectrum, float32, shape ``(t, bins)``.
    rate
        Sampling rate in Hz.

    Returns
    -------
    Two float32 arrays of shape ``(peaks,)``.
    """
    n_fft = 2 * (magnitude.shape[1] - 1)
    step = rate / n_fft
    low = max(1, int(np.ceil(_FMIN_HZ / step)))
    high = min(int(np.ceil(min(_FMAX_HZ, rate / 2) / step)), magnitude.shape[1] - 1)
    floor = np.float32(_PEAK_THRESHOLD) * magnitude.max(axis=1, keepdims=True)
    middle = magnitude[:, low:high]
    is_peak = middle > floor
    is_peak &= middle > magnitude[:, low - 1 : high - 1]
    is_peak &= middle >= magnitude[:, low + 1 : high + 1]
    frame, bin_ = np.divmod(np.flatnonzero(is_peak), high - low)
    bin_ += low
    flat = magnitude.reshape(-1)
    at = frame * magnitude.shape[1] + bin_
    peak, left, right = flat[at], flat[at - 1], flat[at + 1]
    curvature = (right + left).astype(np.float64) - 2.0 * peak.astype(np.float64)
    slope = (right - left).astype(np.float64) / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(np.abs(slope) >= np.abs(curvature), 0.0, -slope / curvature)
    shift = shift.astype(np.float32)
    frequency = ((bin_ + shift.astype(np.float64)) * float(rate) / n_fft).astype(np.float32)
    height = peak + np.float32(0.5) * ((right - left) / np.float32(2.0)) * shift
    return frequency, height


def estimate_tuning(magnitude: FloatArray, rate: float, bins_per_octave: int = 12) -> float:
    """Deviation from A440, in fractions of a pitch bin, from -0.5 to 0.5, in steps of 0.01.

    The upper half of the peaks by height vote with the distance of their pitch from the nearest
    bin; the fullest histogram cell wins. Equals ``librosa.estimate_tuning``.

    Parameters
    ----------
    magnitude
        Magnitude spectrum, float32, shape ``(t, bins)``.
    rate
        Sampling rate in Hz.
    bins_per_octave
        Pitch bins in an octave: 12 for semitones.
    """
    frequency, height = spectral_peaks(magnitude, rate)
    frequency = frequency[height >= _median(height)] if len(height) else frequency
    frequency = frequency[frequency > 0]
    if not len(frequency):
        return 0.0
    residual = np.mod(bins_per_octave * octaves_above_a0(frequency), np.float32(1.0))
    residual[residual >= 0.5] -= 1.0
    # np.histogram, for values that are known to lie near evenly spaced edges.
    exact = residual.astype(np.float64)
    cell = np.clip(((exact + 0.5) * _CELLS).astype(np.intp), 0, _CELLS - 1)
    cell -= exact < _EDGES[cell]
    cell += (exact >= _EDGES[cell + 1]) & (cell < _CELLS - 1)
    return float(_EDGES[np.argmax(np.bincount(cell))])


def _median(values: FloatArray) -> np.float32:
    """np.median, which would import all of numpy.ma: a tenth of the time of one prediction."""
    middle = [(len(values) - 1) // 2, len(values) // 2]
    median: np.float32 = np.partition(values, middle)[middle].mean()
    return median
