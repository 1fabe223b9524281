"""Pitch classes through a constant-Q transform, and the tonal centroids made of them.

The transform follows Schörkhuber and Klapuri, "Constant-Q transform toolbox for music processing"
(SMC 2010), as librosa has it: the top octave's filters, applied again each time the sound has been
slowed to half its rate. Because the filters of all octaves are then the same numbers, one matrix of
them in the time domain serves every octave.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.errors import FeatureError
from emotone.features.filters import Float64Array
from emotone.features.stft import HOP, framed

_C1_HZ = 440.0 * 2.0 ** (-45 / 12)
_OCTAVES = 7
BINS_PER_OCTAVE = 36

# Equivalent noise bandwidth of the Hann window, in bins, of which half lies above the centre.
_HANN_BANDWIDTH = 1.50018310546875
_SPARSITY = 0.01
_RATIO = 2.0 ** (2 / BINS_PER_OCTAVE)
_Q = (_RATIO + 1) / (_RATIO - 1)


def _top_octave(tuning: float) -> Float64Array:
    steps = np.arange(BINS_PER_OCTAVE) + tuning
    return np.asarray(_C1_HZ * 2.0 ** (_OCTAVES - 1 + steps / BINS_PER_OCTAVE), np.float64)


@lru_cache(maxsize=128)
def _filters(rate: float, tuning: float) -> tuple[FloatArray, FloatArray]:
    """The top octave's 36 filters for frames of 2n samples: real and imaginary halves ``(n, 36)``.

    Wavelets of unit sum, stripped in the frequency domain of the weakest bins that make up 1 % of
    each (as librosa does to have sparse matrices: they ring a little in time), and over the square
    root of their length. They are turned in phase, which no magnitude feels, so that each mirrors
    into its conjugate: sample j with sample 1 - j of the frame, counted round its end. So halves
    suffice, from sample 1 to the middle; see `_fold`.
    """
    pitches = _top_octave(tuning)
    lengths = _Q * rate / pitches
    n = int(2.0 ** np.ceil(np.log2(lengths.max())))
    basis = np.zeros((BINS_PER_OCTAVE, n), np.complex64)
    for row, pitch, length in zip(basis, pitches, lengths, strict=True):
        time = np.arange(-length // 2, length // 2)
        size = len(time)
        wavelet = np.exp(2j * np.pi * pitch / rate * time)
        wavelet *= 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
        left = (n - size) // 2
        # The wave starts at zero phase half a sample off the middle of its window.
        wavelet *= np.exp(1j * np.pi * pitch / rate) / np.abs(wavelet).sum()
        row[left : left + size] = wavelet
    basis *= (lengths / n)[:, None]
    spectrum = np.fft.fft(basis)[:, : n // 2 + 1]
    weight = np.abs(spectrum)
    ranked = np.sort(weight, axis=1)
    below = np.cumsum(ranked / weight.sum(axis=1, keepdims=True), axis=1) < _SPARSITY
    spectrum[weight < np.take_along_axis(ranked, below.argmin(axis=1)[:, None], 1)] = 0
    half = np.fft.fft(spectrum, n)[:, 1 : n // 2 + 1] / np.sqrt(lengths)[:, None]
    return (
        np.ascontiguousarray(half.real.T, np.float32),
        np.ascontiguousarray(half.imag.T, np.float32),
    )


def _fold(samples: FloatArray, n: int, hop: int) -> tuple[FloatArray, FloatArray]:
    """Sums and differences of the samples that mirror each other in frames of n: ``(t, n // 2)``.

    Sample j of a frame, from 1 to n / 2, is paired with sample 1 - j, counted round its end.
    """
    frames = framed(samples, n, hop)
    backward = framed(samples[::-1], n, 1)[len(samples) :: -hop]
    pairs = np.empty((2, len(frames), n // 2), np.float32)
    np.add(frames[:, 2 : n // 2 + 1], backward[:, : n // 2 - 1], out=pairs[0, :, 1:])
    np.subtract(frames[:, 2 : n // 2 + 1], backward[:, : n // 2 - 1], out=pairs[1, :, 1:])
    np.add(frames[:, 1], frames[:, 0], out=pairs[0, :, 0])
    np.subtract(frames[:, 1], frames[:, 0], out=pairs[1, :, 0])
    return pairs[0], pairs[1]


@lru_cache(maxsize=1)
def _bins_to_pitch_classes() -> FloatArray:
    """Which of the 36 bins of an octave count for which of 12 pitch classes, ``(36, 12)``."""
    classes = np.repeat(np.eye(12, dtype=np.float32), BINS_PER_OCTAVE // 12, axis=0)
    return np.roll(classes, -(BINS_PER_OCTAVE // 12 // 2), axis=0)


def _halved(samples: FloatArray, factor: int) -> FloatArray:
    """The samples at a rate ``factor`` times lower, with about the same energy."""
    import soxr

    slow: FloatArray = soxr.resample(samples, factor, 1, "soxr_hq")
    count = -(-len(samples) // factor)
    if len(slow) != count:  # soxr rounds where librosa rounds up
        slow = np.pad(slow[:count], (0, max(0, count - len(slow))))
    slow /= np.sqrt(1.0 / factor)
    return slow


def _head_start(rate: float, cutoff_hz: float) -> int:
    """How many times the rate can be halved before the top octave is touched."""
    headroom = int(np.ceil(np.log2(rate / 2 / cutoff_hz)) - 1) - 1
    hop_halvings = HOP.bit_length() - 1
    return min(max(0, headroom), max(0, hop_halvings - _OCTAVES + 1))


def constant_q_chroma(samples: FloatArray, rate: int, tuning: float) -> FloatArray:
    """Magnitude per pitch class, C to B, summed over seven octaves from C1: ``(t, 12)``.

    As ``librosa.feature.chroma_cqt`` before it scales each frame.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    rate
        In Hz.
    tuning
        Deviation from A440 in thirds of a semitone, from -0.5 to 0.5.

    Raises
    ------
    FeatureError
        If the rate is too low for seven octaves, about 8.4 kHz.
    """
    cutoff = float(_top_octave(tuning)[-1]) * (1 + 0.5 * _HANN_BANDWIDTH / _Q)
    if cutoff > rate / 2:
        raise FeatureError(
            f"tonal centroids reach up to {cutoff:.0f} Hz and need twice that as rate, "
            f"this is {rate} Hz",
            remedy="Resample the clip to 16000 Hz or use a feature set without tonnetz.",
            code="rate_too_low",
        )
    hop, speed = HOP, float(rate)
    start = _head_start(rate, cutoff)
    if start:
        samples = _halved(samples, 2**start)
        hop, speed = hop >> start, speed / 2**start
    real, imaginary = _filters(speed, tuning)
    responses: list[FloatArray] = []
    for octave in range(_OCTAVES):
        if octave:
            samples = _halved(samples, 2)
            hop //= 2
        sums, differences = _fold(samples, 2 * len(real), hop)
        response = np.empty((len(sums), BINS_PER_OCTAVE), np.complex64)
        response.real, response.imag = sums @ real, differences @ imaginary
        responses.append(np.abs(response))
    count = min(len(response) for response in responses)
    total = np.sum([response[:count] for response in responses], axis=0)
    return np.asarray(total @ _bins_to_pitch_classes(), np.float32)


def _circles() -> FloatArray:
    """From 12 pitch classes to points on the circles of fifths and of thirds: ``(12, 6)``."""
    turns = np.array([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3])[:, None] * np.arange(12.0)
    turns[::2] -= 0.5
    radius = np.array([1, 1, 1, 1, 0.5, 0.5])[:, None]
    return np.ascontiguousarray((radius * np.cos(np.pi * turns)).T, np.float32)


def tonnetz(chroma: FloatArray) -> FloatArray:
    """Tonal centroids of pitch classes ``(t, 12)``: ``(t, 6)``, from -1 to 1, 0 in silence.

    Harte, Sandler and Gasser, "Detecting harmonic change in musical audio" (ACM MM 2006): sine and
    cosine on the circles of fifths, minor thirds and major thirds. As ``librosa.feature.tonnetz``.
    """
    total = chroma.sum(axis=1, keepdims=True)
    total[total < np.finfo(np.float32).tiny] = 1.0
    return np.asarray((chroma / total) @ _circles(), np.float32)
