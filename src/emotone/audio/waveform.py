"""The waveform: samples and the rate they were taken at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emotone.errors import AudioError

FloatArray = npt.NDArray[np.float32]


LARGEST = 2.0**32
"""No integers are larger, and the powers of what is do not fit into float32."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono audio.

    Attributes
    ----------
    samples
        float32, shape ``(n,)``, full scale from -1 to 1.
    rate
        Samples per second, in Hz.
    """

    samples: FloatArray
    rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def __len__(self) -> int:
        return len(self.samples)


def check_samples(samples: FloatArray) -> None:
    """Refuse samples that are no sound: more than one dimension, not finite, or beyond all scale.

    Raises
    ------
    AudioError
        With the code ``bad_shape`` or ``non_finite``.
    """
    if samples.ndim != 1:
        raise AudioError(
            f"samples of the shape {samples.shape}",
            remedy="Give one channel, shape (n,).",
            code="bad_shape",
        )
    if not np.isfinite(samples).all():
        place = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise AudioError(
            f"sample {place} of these is not finite",
            remedy="Leave the block out, or give silence in its place.",
            code="non_finite",
        )
    if len(samples) and max(float(samples.max()), -float(samples.min())) > LARGEST:
        raise AudioError(
            f"a sample of these is {float(np.abs(samples).max()):.3g}",
            remedy="Give floats from -1 to 1.",
            code="non_finite",
        )
