"""Low-level descriptors: what a voice is like every 10 ms, at 16 kHz.

The choice follows eGeMAPS (Eyben et al., IEEE Trans. Affective Computing 7(2), 2016) and ComParE
(Schuller et al., Interspeech 2013): spectral shape, energy, voice quality, pitch and formants.
All are measured on the clip scaled to a peak of 1, so that none depends on the recording level;
`Descriptors.level` keeps what was divided out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.features.filters import dct_matrix
from emotone.features.formants import formants, linear_prediction
from emotone.features.functionals import percentiles
from emotone.features.prosody import (
    HOP_S,
    Perturbation,
    PitchTrack,
    Rhythm,
    frame,
    perturbation,
    rhythm,
    track_pitch,
)

RATE = 16_000
"""Hz; the rate all descriptors are defined at."""

MELS, CEPSTRA = 40, 20
_LENGTH, _HOP, _SIZE = 400, round(RATE * HOP_S), 512
_LOWEST_HZ = 50.0
_FLOOR = 1e-6
_ORDER = 12
_ACTIVE_DB = 40.0
_FEWEST_ACTIVE = 10

SPECTRAL_NAMES: tuple[str, ...] = (
    *(f"logmel{i + 1}" for i in range(MELS)),
    *(f"mfcc{i}" for i in range(CEPSTRA)),
    "energy",
    "zcr",
    "centroid",
    "bandwidth",
    "rolloff25",
    "rolloff50",
    "rolloff75",
    "rolloff90",
    "entropy",
    "flatness",
    "flux",
    "alpha_ratio",
    "hammarberg",
    "slope0_500",
    "slope500_1500",
    "residual",
    "voicing",
)
"""Descriptors that every frame has."""

VOICE_NAMES: tuple[str, ...] = ("hnr", "f0", "f1", "f2", "f3", "b1", "b2", "b3")
"""Descriptors that mean something in voiced frames only."""

CLIP_NAMES: tuple[str, ...] = (
    "jitter",
    "shimmer",
    "syllables_per_s",
    "voiced_share",
    "voiced_mean_s",
    "voiced_std_s",
    "pause_mean_s",
    "stretches_per_s",
    "duration_s",
)
"""Values of the clip as a whole."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The descriptors of one clip, without the silence before and after it.

    Attributes
    ----------
    spectral
        ``(t, len(SPECTRAL_NAMES))``: log mel power, cepstra, log energy, zero crossings per sample,
        frequencies in Hz, ratios in nepers, slopes in nepers per kHz.
    voice
        ``(t, len(VOICE_NAMES))``: HNR in dB, F0 in semitones above 27.5 Hz, formants and their
        bandwidths in Hz.
    clip
        ``(len(CLIP_NAMES),)``.
    active
        Frames within 40 dB of the loud ones, ``(t,)``.
    voiced
        Frames with a pitch, ``(t,)``.
    level
        Natural logarithm of the clip's peak, which the descriptors are relative to.
    whole_energy
        Log energy of all frames, also before and after the voice, ``(T,)``.
    """

    spectral: FloatArray
    voice: FloatArray
    clip: FloatArray
    active: npt.NDArray[np.bool_]
    voiced: npt.NDArray[np.bool_]
    level: float
    whole_energy: FloatArray


@lru_cache(maxsize=1)
def _mel_filters() -> FloatArray:
    """Triangles of unit sum on the mel scale of O'Shaughnessy, from 50 Hz to 8 kHz, ``(257, 40)``.

    Unit sums make each band a mean power, so that the floor means the same in all.
    """
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    bottom = 2595 * np.log10(1 + _LOWEST_HZ / 700)
    edges = 700 * (10 ** (np.linspace(bottom, top, MELS + 2) / 2595) - 1)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    hz = _frequencies()[:, None]
    triangles = np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle))
    triangles = np.maximum(triangles, 0.0)
    return np.asarray(triangles / np.maximum(triangles.sum(axis=0), 1e-9), np.float32)


@lru_cache(maxsize=1)
def _frequencies() -> FloatArray:
    return np.asarray(np.fft.rfftfreq(_SIZE, 1 / RATE), np.float32)


@lru_cache(maxsize=1)
def _window() -> FloatArray:
    return np.asarray(np.hanning(_LENGTH + 2)[1:-1], np.float32)


def describe(samples: FloatArray) -> Descriptors:
    """The descriptors of a clip at 16 kHz.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``, at 16 kHz; a tenth of a second at least.
    """
    centred = samples - samples.mean()
    peak = max(float(np.abs(centred).max(initial=0.0)), 1e-4)
    centred = centred / np.float32(peak)
    track = track_pitch(centred, RATE)
    frames = frame(centred, _LENGTH, _HOP)
    predictor, residual = linear_prediction(_emphasised(frames), _ORDER)
    spectral, energy = _spectral(frames, residual, track)
    loudness = np.asarray(10 / np.log(10) * energy, np.float32)
    perturbed, pace = perturbation(centred, RATE, track), rhythm(loudness, track)

    active = energy > percentiles(energy, (95.0,))[0] - _ACTIVE_DB * np.log(10) / 10
    if active.sum() < _FEWEST_ACTIVE:
        active[:] = True
    inside = np.flatnonzero(active)
    speech = slice(int(inside[0]), int(inside[-1]) + 1)
    return Descriptors(
        spectral=spectral[speech],
        voice=_voice(predictor[speech], track, speech),
        clip=_clip(perturbed, pace, len(samples) / RATE),
        active=active[speech],
        voiced=track.voiced[speech],
        level=float(np.log(peak)),
        whole_energy=energy,
    )


def _emphasised(frames: FloatArray) -> FloatArray:
    """Windowed frames with the glottal tilt of 6 dB per octave taken out."""
    flat = np.zeros_like(frames)
    np.subtract(frames[:, 1:], np.float32(0.97) * frames[:, :-1], out=flat[:, 1:])
    flat *= _window()
    return flat


def _voice(predictor: npt.NDArray[np.float64], track: PitchTrack, speech: slice) -> FloatArray:
    voiced = track.voiced[speech]
    values = np.zeros((len(voiced), len(VOICE_NAMES)), np.float32)
    values[:, 0] = track.hnr_db[speech]
    values[:, 1] = 12 * np.log2(np.maximum(track.f0_hz[speech], 27.5) / 27.5)
    # Roots are dear, and formants of unvoiced frames are of no use.
    centre, width = formants(predictor[voiced], RATE)
    values[voiced, 2:5], values[voiced, 5:8] = centre, width
    return values


def _clip(perturbed: Perturbation, pace: Rhythm, duration_s: float) -> FloatArray:
    return np.array(
        [
            perturbed.jitter,
            perturbed.shimmer,
            pace.syllables_per_s,
            pace.voiced_share,
            pace.voiced_mean_s,
            pace.voiced_std_s,
            pace.pause_mean_s,
            pace.stretches_per_s,
            duration_s,
        ],
        np.float32,
    )


def _spectral(
    frames: FloatArray, residual: npt.NDArray[np.float64], track: PitchTrack
) -> tuple[FloatArray, FloatArray]:
    spectrum = np.fft.rfft(frames * _window(), _SIZE, axis=1)
    power = np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
    hz = _frequencies()
    total = power.sum(axis=1) + np.float32(_FLOOR)
    energy = np.log(total)
    logmel = np.log(power @ _mel_filters() + np.float32(_FLOOR))
    cepstra = logmel @ dct_matrix(MELS, CEPSTRA)

    share = power / total[:, None]
    centroid = share @ hz
    bandwidth = np.sqrt(np.maximum(share @ hz**2 - centroid**2, 0.0))
    below = np.cumsum(share, axis=1)
    rolloff = [hz[np.argmax(below >= quantile, axis=1)] for quantile in (0.25, 0.5, 0.75, 0.9)]
    entropy = -(share * np.log(share + np.float32(1e-9))).sum(axis=1)
    logpower = np.log(power + np.float32(_FLOOR))
    flatness = logpower.mean(axis=1) - np.log(power.mean(axis=1) + np.float32(_FLOOR))
    shape = np.sqrt(power) / np.sqrt(total)[:, None]
    flux = np.concatenate([[0.0], np.sqrt(((shape[1:] - shape[:-1]) ** 2).sum(axis=1))])

    def band(low: float, high: float) -> slice:
        return slice(int(np.searchsorted(hz, low)), int(np.searchsorted(hz, high)))

    def log_sum(low: float, high: float) -> FloatArray:
        return np.asarray(np.log(power[:, band(low, high)].sum(axis=1) + _FLOOR), np.float32)

    def log_peak(low: float, high: float) -> FloatArray:
        return np.asarray(np.log(power[:, band(low, high)].max(axis=1) + _FLOOR), np.float32)

    def slope(low: float, high: float) -> FloatArray:
        deviation = hz[band(low, high)] - hz[band(low, high)].mean()
        return np.asarray(
            logpower[:, band(low, high)] @ deviation / (deviation @ deviation) * 1000, np.float32
        )

    crossings = np.count_nonzero(np.diff(np.signbit(frames), axis=1), axis=1) / _LENGTH
    columns = [
        energy,
        crossings,
        centroid,
        bandwidth,
        *rolloff,
        entropy,
        flatness,
        flux,
        log_sum(50, 1000) - log_sum(1000, 5000),
        log_peak(0, 2000) - log_peak(2000, 5000),
        slope(0, 500),
        slope(500, 1500),
        np.log(np.maximum(residual, 1e-9)),
        track.strength,
    ]
    values = np.concatenate([logmel, cepstra, np.column_stack(columns)], axis=1)
    return np.asarray(values, np.float32), np.asarray(energy, np.float32)
