"""The frame-level features a feature set is made of, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.features import constantq, spectral
from emotone.features.analysis import Analysis
from emotone.features.filters import PITCH_CLASSES

Compute = Callable[[Analysis, int], FloatArray]


@dataclass(frozen=True, slots=True)
class Part:
    """A frame-level feature.

    Attributes
    ----------
    name
        What the grammar calls it, such as ``"mfcc"``.
    description
        One line for a person.
    compute
        From an `Analysis` and a number of values to float32 ``(t, values)``.
    sizes
        The numbers of values it can have.
    size
        How many it has when the name says nothing.
    labels
        Names of the values where they have better ones than numbers.
    spectrum
        Whether it needs the complex spectrum, phases and all.
    """

    name: str
    description: str
    compute: Compute
    sizes: range = range(1, 2)
    size: int = 1
    labels: tuple[str, ...] = ()
    spectrum: bool = False

    def names(self, size: int) -> tuple[str, ...]:
        """A name for each of ``size`` values: ``rms``, or ``mfcc_1``, ``mfcc_2``, …"""
        if self.sizes == range(1, 2):
            return (self.name,)
        labels = self.labels or tuple(str(i + 1) for i in range(size))
        return tuple(f"{self.name}_{label}" for label in labels)


def _only(size: int) -> range:
    return range(size, size + 1)


def _column(values: FloatArray) -> FloatArray:
    return np.asarray(values[:, None], np.float32)


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part(
            "mfcc",
            "mel-frequency cepstral coefficients",
            lambda clip, size: spectral.mfcc(clip.mel_decibels, size),
            range(1, 129),
            40,
        ),
        Part(
            "chroma",
            "energy per pitch class, the strongest of each frame 1",
            lambda clip, _: spectral.chroma(clip.magnitude, clip.rate, clip.tuning),
            _only(12),
            12,
            PITCH_CLASSES,
        ),
        Part(
            "mel",
            "power in mel bands",
            lambda clip, size: clip.mel(size),
            range(1, 257),
            128,
        ),
        Part(
            "contrast",
            "spectral contrast in seven octave bands, dB",
            lambda clip, _: spectral.contrast(clip.magnitude, clip.rate),
            _only(7),
            7,
        ),
        Part(
            "tonnetz",
            "tonal centroids of the harmonic part",
            lambda clip, _: constantq.tonnetz(clip.harmonic_chroma),
            _only(6),
            6,
            spectrum=True,
        ),
        Part(
            "rms",
            "root mean square of the samples",
            lambda clip, _: _column(spectral.rms(clip.samples)),
        ),
        Part(
            "zcr",
            "changes of sign per sample",
            lambda clip, _: _column(spectral.zero_crossing_rate(clip.samples)),
        ),
        Part(
            "centroid",
            "centre of mass of the spectrum, Hz",
            lambda clip, _: _column(spectral.centroid(clip.magnitude, clip.rate)),
        ),
        Part(
            "bandwidth",
            "standard deviation of the spectrum around its centroid, Hz",
            lambda clip, _: _column(spectral.bandwidth(clip.magnitude, clip.rate)),
        ),
        Part(
            "rolloff",
            "frequency below which 85 % of the magnitude lies, Hz",
            lambda clip, _: _column(spectral.rolloff(clip.magnitude, clip.rate)),
        ),
        Part(
            "flatness",
            "geometric over arithmetic mean of the power spectrum",
            lambda clip, _: _column(spectral.flatness(clip.power)),
        ),
        Part(
            "f0",
            "fundamental frequency, Hz, drawn across unvoiced frames",
            lambda clip, _: _column(clip.voice.f0),
        ),
        Part(
            "voicing",
            "share of the energy that is periodic, from 0 to 1",
            lambda clip, _: _column(clip.voice.voicing),
        ),
        Part(
            "hnr",
            "harmonics-to-noise ratio, dB",
            lambda clip, _: _column(clip.voice.hnr),
        ),
        Part(
            "jitter",
            "irregularity of the periods of the voice, a ratio; one value per clip",
            lambda clip, _: _column(clip.voice.constant(clip.voice.perturbation.jitter)),
        ),
        Part(
            "shimmer",
            "irregularity of the cycles' amplitudes, a ratio; one value per clip",
            lambda clip, _: _column(clip.voice.constant(clip.voice.perturbation.shimmer)),
        ),
        Part(
            "syllables",
            "syllables per second, a proxy of the speaking rate; one value per clip",
            lambda clip, _: _column(clip.voice.constant(clip.voice.rhythm.syllables_per_s)),
        ),
        Part(
            "voiced",
            "share of the clip that is voiced, from 0 to 1; one value per clip",
            lambda clip, _: _column(clip.voice.constant(clip.voice.rhythm.voiced_share)),
        ),
        Part(
            "pause",
            "mean pause between voiced stretches, seconds; one value per clip",
            lambda clip, _: _column(clip.voice.constant(clip.voice.rhythm.pause_mean_s)),
        ),
    )
}
"""Every part of the grammar, by name."""
