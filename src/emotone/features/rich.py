"""emotone's own large feature set, `rich`: the descriptors of a voice and how they move.

Six views of the same descriptors, each of which adds to the others on held-out speakers:

- distribution: where each descriptor and its slope lie, over the active and the voiced frames;
- contour: the shape of each course, from its curvature to its echoes;
- logcov: how cepstra and prosody vary together, as the logarithm of their covariance;
- lagcov: how cepstra follow each other 40 to 200 ms apart;
- thirds: the clip's beginning, middle and end;
- level: what the recording level adds, kept apart so that everything else is free of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emotone.audio import Waveform, resample
from emotone.audio.waveform import FloatArray
from emotone.features import functionals as fn
from emotone.features.descriptors import (
    CEPSTRA,
    CLIP_NAMES,
    MELS,
    RATE,
    SPECTRAL_NAMES,
    VOICE_NAMES,
    Descriptors,
    describe,
)
from emotone.features.prosody import HOP_S

_CEPSTRA = slice(MELS, MELS + CEPSTRA)
_SHAPE = slice(MELS, len(SPECTRAL_NAMES))
_ENERGY = SPECTRAL_NAMES.index("energy")
_CONTOUR_CEPSTRA = slice(MELS, MELS + 13)
_LAGGED = slice(MELS, MELS + 16)
_LAGS = (4, 10, 20)

_PROSODY: dict[str, tuple[float, float]] = {
    "energy": (1.64, 0.39),
    "zcr": (0.07, 0.02),
    "centroid": (508.0, 149.0),
    "rolloff50": (535.0, 160.0),
    "flatness": (1.47, 0.39),
    "flux": (0.2, 0.06),
    "alpha_ratio": (2.01, 0.45),
    "hammarberg": (2.12, 0.51),
    "slope0_500": (9.05, 1.77),
    "slope500_1500": (2.93, 0.67),
    "voicing": (0.15, 0.05),
    "f0": (7.99, 0.9),
    "f1": (643.0, 203.0),
    "f2": (860.0, 262.0),
    "f3": (1383.0, 440.0),
}
"""Typical spread in speech of each descriptor and of its slope; covariances need like scales."""

_SLOPE_GAIN, _BEND_GAIN = 3.0, 6.0
"""What brings the first and second slope of a cepstrum to the spread of the cepstrum itself."""


@dataclass(frozen=True)
class RichSet:
    """The feature set `rich`."""

    name: str = "rich"
    version: str = "1"
    rate: int = RATE

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Such as ``mfcc3_p95``, ``voiced_energy_mean`` or ``lagcov100ms_mfcc0_mfcc2``."""
        return tuple(_names())

    @property
    def dimension(self) -> int:
        """Length of the row."""
        return len(self.names)

    def compute(self, waveform: Waveform) -> FloatArray:
        """The row of a waveform: float32, shape ``(dimension,)``."""
        clip = describe(resample(waveform.samples, waveform.rate, RATE))
        return np.concatenate(
            [
                _distribution(clip),
                _contour(clip),
                fn.log_covariance(_moving_cepstra(clip)),
                fn.log_covariance(_moving_prosody(clip)),
                _lagcov(clip),
                _thirds(clip),
                _level(clip),
            ]
        )


def rich() -> RichSet:
    """The feature set `rich`."""
    return RichSet()


def _distribution(clip: Descriptors) -> FloatArray:
    slopes = fn.delta(clip.spectral)[clip.active]
    voice = clip.voice[clip.voiced]
    return np.concatenate(
        [
            fn.statistics(clip.spectral[clip.active], fn.DISTRIBUTION).ravel(),
            fn.statistics(slopes, fn.MOTION).ravel(),
            fn.statistics(voice, fn.DISTRIBUTION).ravel(),
            fn.statistics(fn.delta(voice), fn.MOTION[:4]).ravel(),
            clip.clip,
            fn.statistics(clip.spectral[clip.voiced, _SHAPE], fn.MOMENTS).ravel(),
        ]
    )


def _contour(clip: Descriptors) -> FloatArray:
    count = len(clip.spectral)
    bands = clip.spectral[:, :MELS].reshape(count, MELS // 2, 2).mean(axis=2)
    voice = clip.voice[:, :5].copy()
    voiced = np.flatnonzero(clip.voiced)
    if len(voiced):
        # A pitch has no value between voiced stretches: draw a line across.
        at = np.arange(count)
        for column in voice.T:
            column[:] = np.interp(at, voiced, column[voiced])
    courses = [
        bands,
        clip.spectral[:, _CONTOUR_CEPSTRA],
        clip.spectral[:, _ENERGY:],
        voice,
    ]
    return fn.contour(np.concatenate(courses, axis=1), 1 / HOP_S).ravel()


def _moving_cepstra(clip: Descriptors) -> FloatArray:
    cepstra = clip.spectral[:, _CEPSTRA]
    slope = fn.delta(cepstra)
    moving = [cepstra, _SLOPE_GAIN * slope, _BEND_GAIN * fn.delta(slope)]
    return np.concatenate(moving, axis=1)[clip.active]


def _moving_prosody(clip: Descriptors) -> FloatArray:
    frames = clip.voiced if clip.voiced.sum() >= 5 else np.ones_like(clip.voiced)
    spectral = [SPECTRAL_NAMES.index(name) for name in _PROSODY if name in SPECTRAL_NAMES]
    voice = [VOICE_NAMES.index(name) for name in _PROSODY if name in VOICE_NAMES]
    chosen = np.concatenate([clip.spectral[:, spectral], clip.voice[:, voice]], axis=1)[frames]
    spread = np.array(list(_PROSODY.values()), np.float32)
    return np.concatenate([chosen / spread[:, 0], fn.delta(chosen) / spread[:, 1]], axis=1)


def _lagcov(clip: Descriptors) -> FloatArray:
    cepstra = clip.spectral[:, _LAGGED]
    centred = cepstra - cepstra[clip.active].mean(axis=0)
    return np.concatenate([fn.lagged_covariance(centred, lag) for lag in _LAGS])


def _thirds(clip: Descriptors) -> FloatArray:
    parts = []
    everywhere = clip.voice[clip.voiced]
    fallback = everywhere.mean(axis=0) if len(everywhere) else np.zeros(clip.voice.shape[1])
    for third in np.array_split(np.arange(len(clip.spectral)), 3):
        shape = clip.spectral[third, _SHAPE]
        voice = clip.voice[third[clip.voiced[third]]]
        parts.append(shape.mean(axis=0) if len(shape) else clip.spectral[:, _SHAPE].mean(axis=0))
        parts.append(voice.mean(axis=0) if len(voice) else fallback)
    return np.asarray(np.concatenate(parts), np.float32)


def _level(clip: Descriptors) -> FloatArray:
    # The logarithm of a power, as all energies here: twice that of the peak.
    offset = 2 * clip.level
    bands = clip.spectral[clip.active, :MELS].mean(axis=0)
    voiced = clip.spectral[clip.voiced, :MELS]
    voiced_bands = voiced.mean(axis=0) if len(voiced) else bands
    energy = clip.spectral[clip.active, _ENERGY]
    values = [
        [clip.level],
        [energy.mean() + offset],
        fn.percentiles(energy, (5, 25, 50, 75, 95)) + offset,
        fn.percentiles(clip.whole_energy, (1, 5, 10)) + offset,
        bands + offset,
        voiced_bands + offset,
    ]
    return np.asarray(np.concatenate(values), np.float32)


def _names() -> list[str]:
    def product(columns: list[str], statistics: tuple[str, ...], prefix: str = "") -> list[str]:
        return [f"{prefix}{column}_{statistic}" for statistic in statistics for column in columns]

    def pairs(columns: list[str], prefix: str) -> list[str]:
        return [
            f"{prefix}_{first}_{second}"
            for i, first in enumerate(columns)
            for second in columns[i:]
        ]

    spectral, voice = list(SPECTRAL_NAMES), list(VOICE_NAMES)
    shape, cepstra, prosody = spectral[_SHAPE], spectral[_CEPSTRA], list(_PROSODY)
    bands = [f"band{i + 1}" for i in range(MELS // 2)]
    courses = bands + spectral[_CONTOUR_CEPSTRA] + spectral[_ENERGY:] + voice[:5]
    lagged = spectral[_LAGGED]
    return [
        *product(spectral, fn.DISTRIBUTION),
        *product(spectral, fn.MOTION, "delta_"),
        *product(voice, fn.DISTRIBUTION),
        *product(voice, fn.MOTION[:4], "delta_"),
        *CLIP_NAMES,
        *product(shape, fn.MOMENTS, "voiced_"),
        *product(courses, fn.CONTOUR, "contour_"),
        *pairs(
            cepstra + [f"d_{name}" for name in cepstra] + [f"dd_{name}" for name in cepstra],
            "logcov",
        ),
        *pairs(prosody + [f"d_{name}" for name in prosody], "logcov"),
        *(name for lag in _LAGS for name in pairs(lagged, f"lagcov{lag * 10}ms")),
        *(f"third{i}_{name}" for i in (1, 2, 3) for name in shape + voice),
        "level_peak",
        *(f"level_energy_{name}" for name in ("mean", "p5", "p25", "p50", "p75", "p95")),
        *(f"level_whole_energy_{name}" for name in ("p1", "p5", "p10")),
        *(f"level_{name}" for name in spectral[:MELS]),
        *(f"level_voiced_{name}" for name in spectral[:MELS]),
    ]
