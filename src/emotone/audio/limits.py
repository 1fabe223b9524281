"""How much audio one call may take in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emotone.errors import UsageError

MIN_RATE = 8_000
MAX_RATE = 192_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that hold while decoding, whatever a file's header says.

    A few kilobytes of FLAC or Opus can unfold into days of sound; these stop such a file before
    it fills the memory.

    Attributes
    ----------
    max_duration_s
        Longest audio accepted, in seconds. Default: 24 hours.
    max_bytes
        Most bytes one call may hold at once: decoded float32 samples, or input taken from a pipe.
        A file on disk that is read in blocks may be larger. Default: 2 GiB, three hours at 48 kHz.
    min_duration_s
        Shortest audio accepted, in seconds. Default: 0.1.

    Raises
    ------
    UsageError
        When a bound is negative, not a number, or the shortest exceeds the longest.

    Examples
    --------
    >>> Limits(max_duration_s=600).max_duration_s
    600
    """

    max_duration_s: float = 24 * 3600.0
    max_bytes: int = 2 * 1024**3
    min_duration_s: float = 0.1

    def __post_init__(self) -> None:
        for name in ("max_duration_s", "max_bytes", "min_duration_s"):
            value = getattr(self, name)
            if math.isnan(value) or value < 0:
                raise UsageError(f"{name} is {value}", remedy=f"Give {name} a number of 0 or more.")
        if self.min_duration_s > self.max_duration_s:
            raise UsageError(
                f"min_duration_s {self.min_duration_s} exceeds max_duration_s {self.max_duration_s}"
            )


DEFAULT_LIMITS = Limits()


def check_rate(rate: int, what: str = "rate") -> int:
    """Return a rate asked for, in Hz, after checking that it lies from 8 to 192 kHz.

    Raises
    ------
    UsageError
        When it does not, or is no whole number.
    """
    if isinstance(rate, bool) or int(rate) != rate or not MIN_RATE <= rate <= MAX_RATE:
        raise UsageError(
            f"{what} {rate} is not a whole number of Hz from {MIN_RATE} to {MAX_RATE}",
            remedy="Use 16000 for speech, or the rate of the recording.",
        )
    return int(rate)
