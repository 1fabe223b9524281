"""Many clips in one flat array: what a neural network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.errors import UsageError

FULL_SCALE = 32767
"""The 16-bit step that stands for 1.0."""


@dataclass(frozen=True, eq=False)
class Clips:
    """Mono waveforms of any lengths at one rate, in 16 bits: half the memory of float32.

    Choosing some of them makes a view: the samples are shared, not copied.

    Attributes
    ----------
    samples
        int16, shape ``(total,)``; 32767 is full scale.
    starts, lengths
        Where each of the n clips begins and how many samples it has; int64, shape ``(n,)``.
    rate
        Samples per second, in Hz.

    Examples
    --------
    >>> clips = Clips.of([np.zeros(8000), np.ones(4000)], rate=16000)
    >>> len(clips), clips[1].shape, clips.durations_s.tolist()
    (2, (4000,), [0.5, 0.25])
    """

    samples: npt.NDArray[np.int16]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    rate: int

    @classmethod
    def of(cls, waveforms: Sequence[npt.ArrayLike], rate: int) -> Clips:
        """The clips of some waveforms, each float of shape ``(samples,)``, full scale -1 to 1.

        Raises
        ------
        UsageError
            If one is not of this shape.
        """
        parts = []
        for waveform in waveforms:
            samples = np.asarray(waveform, dtype=np.float32)
            if samples.ndim != 1:
                raise UsageError(f"a clip has the shape (samples,), not {samples.shape}")
            parts.append(to_int16(samples))
        return cls.joined(parts, rate)

    @classmethod
    def joined(cls, parts: Sequence[npt.NDArray[np.int16]], rate: int) -> Clips:
        """The clips of some int16 arrays, each of shape ``(samples,)``."""
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)[: len(parts)]
        samples = np.concatenate(parts) if parts else np.empty(0, dtype=np.int16)
        return cls(samples, starts, lengths, rate)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, which: int) -> FloatArray: ...
    @overload
    def __getitem__(self, which: slice | npt.NDArray[Any] | Sequence[int]) -> Clips: ...
    def __getitem__(
        self, which: int | slice | npt.NDArray[Any] | Sequence[int]
    ) -> FloatArray | Clips:
        """One clip as float32 of shape ``(samples,)``, or several as a view."""
        if isinstance(which, (int, np.integer)):
            start, length = int(self.starts[which]), int(self.lengths[which])
            return to_float32(self.samples[start : start + length])
        return Clips(self.samples, self.starts[which], self.lengths[which], self.rate)

    @property
    def durations_s(self) -> npt.NDArray[np.float64]:
        """The length of each clip in seconds, shape ``(n,)``."""
        return self.lengths / self.rate


def to_int16(samples: FloatArray) -> npt.NDArray[np.int16]:
    """The nearest 16-bit steps; what is over full scale is clipped."""
    return np.round(np.clip(samples, -1.0, 1.0) * FULL_SCALE).astype(np.int16)


def to_float32(samples: npt.NDArray[np.int16]) -> FloatArray:
    """Full scale -1 to 1 again."""
    scaled: FloatArray = samples.astype(np.float32) * np.float32(1 / FULL_SCALE)
    return scaled
