"""Pitch and voice quality on the frames of the feature grammar."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from emotone.audio import resample
from emotone.audio.waveform import FloatArray
from emotone.features.prosody import (
    Perturbation,
    PitchTrack,
    Rhythm,
    frame,
    perturbation,
    rhythm,
    track_pitch,
)

RATE = 16_000
"""Hz; clips at higher rates are brought down to it, since a voice's pitch is far below."""


class Voice:
    """The pitch of a clip and what follows from it, computed when first asked for.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    rate
        Samples per second, in Hz.
    hop_s
        Seconds between the frames that values are wanted for, from 0 on.
    """

    def __init__(self, samples: FloatArray, rate: int, hop_s: float) -> None:
        self._rate = min(rate, RATE)
        self._samples = resample(samples, rate, self._rate)
        count = 1 + int(len(samples) / rate / hop_s + 1e-9)
        self._at_s = np.arange(count) * hop_s

    @cached_property
    def track(self) -> PitchTrack:
        """Pitch every 10 ms."""
        return track_pitch(self._samples, self._rate)

    @cached_property
    def f0(self) -> FloatArray:
        """F0 in Hz per frame, ``(t,)``, drawn straight across unvoiced frames; 0 if all are."""
        voiced = np.flatnonzero(self.track.voiced)
        if not len(voiced):
            return np.zeros(len(self._at_s), np.float32)
        known_s = voiced * self.track.hop_s
        return np.asarray(np.interp(self._at_s, known_s, self.track.f0_hz[voiced]), np.float32)

    @cached_property
    def voicing(self) -> FloatArray:
        """Share of the frame's energy that is periodic, from 0 to 1, ``(t,)``."""
        return self.track.strength[self._nearest]

    @cached_property
    def hnr(self) -> FloatArray:
        """Harmonics-to-noise ratio in dB, ``(t,)``."""
        return self.track.hnr_db[self._nearest]

    @cached_property
    def perturbation(self) -> Perturbation:
        """Jitter and shimmer of the clip."""
        return perturbation(self._samples, self._rate, self.track)

    @cached_property
    def rhythm(self) -> Rhythm:
        """Speaking-rate proxies of the clip."""
        hop = round(self._rate * self.track.hop_s)
        power = (frame(self._samples, 2 * hop, hop) ** 2).mean(axis=1)
        return rhythm(np.asarray(10 * np.log10(power + 1e-10), np.float32), self.track)

    def constant(self, value: float) -> FloatArray:
        """A value of the whole clip, on every frame, ``(t,)``."""
        return np.full(len(self._at_s), value, np.float32)

    @cached_property
    def _nearest(self) -> npt.NDArray[np.intp]:
        nearest = np.round(self._at_s / self.track.hop_s).astype(np.intp)
        return np.minimum(nearest, len(self.track.f0_hz) - 1)
