"""The waveform: samples and the rate they were taken at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


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
