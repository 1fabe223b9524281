"""Features of the magnitude spectrum and of the samples, one row per frame.

Every function here agrees with the librosa function it names, transposed.
"""

from __future__ import annotations

import itertools
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.errors import FeatureError
from emotone.features.filters import bin_frequencies, chroma_filters, dct_matrix, mel_filters
from emotone.features.stft import HOP, N_FFT, framed, stft, stft_magnitude, stft_power

__all__ = [
    "bandwidth",
    "centroid",
    "chroma",
    "contrast",
    "decibels",
    "flatness",
    "mel",
    "mfcc",
    "rms",
    "rolloff",
    "stft",
    "stft_magnitude",
    "stft_power",
    "zero_crossing_rate",
]

_Float = TypeVar("_Float", np.float32, np.float64)

_TINY = np.finfo(np.float32).tiny
_CONTRAST_FMIN_HZ = 200.0
_CONTRAST_BANDS = 6
_CONTRAST_QUANTILE = 0.02


def decibels(power: npt.NDArray[_Float]) -> npt.NDArray[_Float]:
    """``10 log10`` of a power, floored at 1e-10 and at 80 dB below its maximum, in dB re 1."""
    level = np.log10(np.maximum(power, power.dtype.type(1e-10)))
    level *= 10
    np.maximum(level, level.max() - 80, out=level)
    return level


def mel(power: FloatArray, rate: int, n_mels: int = 128) -> FloatArray:
    """Mel power spectrum ``(t, n_mels)`` from a power spectrum ``(t, bins)``.

    As ``librosa.feature.melspectrogram``: Slaney's scale from 0 Hz to half the rate.
    """
    return mel_filters(rate, 2 * (power.shape[1] - 1), n_mels).apply(power)


def mfcc(mel_decibels: FloatArray, count: int = 40) -> FloatArray:
    """Mel-frequency cepstral coefficients ``(t, count)`` from a mel spectrum in dB ``(t, mels)``.

    As ``librosa.feature.mfcc``: orthonormal type-II cosine transform, the constant one first.
    """
    return np.asarray(mel_decibels @ dct_matrix(mel_decibels.shape[1], count), np.float32)


def chroma(spectrum: FloatArray, rate: int, tuning: float) -> FloatArray:
    """Energy per pitch class, C to B, largest of each frame 1: ``(t, 12)``, from 0 to 1.

    As ``librosa.feature.chroma_stft(S=spectrum)``. The tutorials hand it a magnitude, not a power
    spectrum, and so do the feature sets here. Silent frames give zeros.
    """
    raw = spectrum @ chroma_filters(rate, 2 * (spectrum.shape[1] - 1), tuning)
    largest = raw.max(axis=1, keepdims=True)
    largest[largest < _TINY] = 1.0
    return np.asarray(raw / largest, np.float32)


def contrast(magnitude: FloatArray, rate: int) -> FloatArray:
    """Spectral contrast in dB, peaks over valleys in seven octave bands from 0 Hz: ``(t, 7)``.

    As ``librosa.feature.spectral_contrast(S=magnitude)`` (Jiang et al., ICME 2002).

    Raises
    ------
    FeatureError
        If the rate is at most 12.8 kHz: the bands would pass half the rate.
    """
    edges = np.concatenate(([0.0], _CONTRAST_FMIN_HZ * 2.0 ** np.arange(_CONTRAST_BANDS + 1)))
    if edges[-2] >= rate / 2:
        raise FeatureError(
            f"spectral contrast needs a rate above {2 * edges[-2]:.0f} Hz, this is {rate} Hz",
            remedy="Resample the clip to 16000 Hz or use a feature set without contrast.",
            code="rate_too_low",
        )
    frequencies = bin_frequencies(rate, 2 * (magnitude.shape[1] - 1))
    valleys = np.empty((len(magnitude), _CONTRAST_BANDS + 1))
    peaks = np.empty_like(valleys)
    for band, (low_hz, high_hz) in enumerate(itertools.pairwise(edges)):
        low = int(np.searchsorted(frequencies, low_hz, "left")) - (band > 0)
        high = int(np.searchsorted(frequencies, high_hz, "right"))
        if band == _CONTRAST_BANDS:
            high = magnitude.shape[1]
        count = max(1, int(np.rint(_CONTRAST_QUANTILE * (high - low))))
        # Neighbouring bands share an edge bin; all but the last give it up after counting it.
        high -= band < _CONTRAST_BANDS
        ranked = np.sort(magnitude[:, low:high], axis=1)
        valleys[:, band] = ranked[:, :count].mean(axis=1)
        peaks[:, band] = ranked[:, -count:].mean(axis=1)
    return np.asarray(decibels(peaks) - decibels(valleys), np.float32)


def _shares(magnitude: FloatArray) -> FloatArray:
    total = magnitude.sum(axis=1, keepdims=True)
    total[total < _TINY] = 1.0
    return np.asarray(magnitude / total, np.float32)


def centroid(magnitude: FloatArray, rate: int) -> FloatArray:
    """Centre of mass of the magnitude spectrum in Hz: ``(t,)``; 0 in silence.

    As ``librosa.feature.spectral_centroid(S=magnitude)``.
    """
    frequencies = bin_frequencies(rate, 2 * (magnitude.shape[1] - 1)).astype(np.float32)
    return np.asarray(_shares(magnitude) @ frequencies, np.float32)


def bandwidth(magnitude: FloatArray, rate: int) -> FloatArray:
    """Standard deviation of the magnitude spectrum around its centroid in Hz: ``(t,)``.

    As ``librosa.feature.spectral_bandwidth(S=magnitude)``.
    """
    frequencies = bin_frequencies(rate, 2 * (magnitude.shape[1] - 1)).astype(np.float32)
    shares = _shares(magnitude)
    deviation = frequencies - (shares @ frequencies)[:, None]
    variance = np.einsum("tf,tf,tf->t", shares, deviation, deviation)
    return np.asarray(np.sqrt(variance), np.float32)


def rolloff(magnitude: FloatArray, rate: int, share: float = 0.85) -> FloatArray:
    """Frequency in Hz below which ``share`` of the magnitude lies: ``(t,)``.

    As ``librosa.feature.spectral_rolloff(S=magnitude)``.
    """
    running = np.cumsum(magnitude, axis=1)
    reached = running >= np.float32(share) * running[:, -1:]
    frequencies = bin_frequencies(rate, 2 * (magnitude.shape[1] - 1))
    return np.asarray(frequencies[np.argmax(reached, axis=1)], np.float32)


def flatness(power: FloatArray) -> FloatArray:
    """Geometric over arithmetic mean of the power spectrum: ``(t,)``; 1 is white, 0 is tonal.

    As ``librosa.feature.spectral_flatness``, with its floor of 1e-10.
    """
    floored = np.maximum(power, np.float32(1e-10))
    return np.asarray(np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1), np.float32)


def rms(samples: FloatArray, frame: int = N_FFT, hop: int = HOP) -> FloatArray:
    """Root mean square of the samples: ``(t,)``, full scale 1. As ``librosa.feature.rms``."""
    frames = framed(samples, frame, hop)
    return np.asarray(np.sqrt(np.einsum("tn,tn->t", frames, frames) / frame), np.float32)


def zero_crossing_rate(samples: FloatArray, frame: int = N_FFT, hop: int = HOP) -> FloatArray:
    """Changes of sign per sample: ``(t,)``, from 0 to 1.

    As ``librosa.feature.zero_crossing_rate``: samples within 1e-10 of zero count as positive, and
    the ends are padded with the first and last sample.
    """
    padded = np.pad(samples, frame // 2, mode="edge")
    negative = padded < -1e-10
    changes = np.concatenate(([0], np.cumsum(negative[1:] != negative[:-1])))
    count = 1 + (len(padded) - frame) // hop
    start = np.arange(count) * hop
    return np.asarray((changes[start + frame - 1] - changes[start]) / frame, np.float32)
