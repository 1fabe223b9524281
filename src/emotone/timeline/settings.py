"""How a recording is heard: windows, smoothing, what counts as silence."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from emotone.errors import UsageError
from emotone.speech import UtteranceSettings


@dataclass(frozen=True)
class TimelineSettings:
    """How a recording is heard.

    Attributes
    ----------
    window_s
        Length of the windows that the model hears, in seconds.
    step_s
        From one window to the next.
    least_window_s
        The first window of an utterance is this long; the next ones grow up to `window_s`.
    switch
        How much surer another emotion has to be before a segment ends: the logarithm of the odds
        against a change from one step to the next. 0 lets every step have its own.
    silence_db
        Sound without speech below this level is silence, in dB relative to full scale.
    utterances
        What counts as an utterance.
    """

    window_s: float = 3.0
    step_s: float = 0.5
    least_window_s: float = 0.5
    switch: float = 2.0
    silence_db: float = -50.0
    utterances: UtteranceSettings = field(default_factory=UtteranceSettings)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("least_window_s", 0.3, 30.0),
            ("window_s", self.least_window_s, 30.0),
            ("step_s", 0.05, self.window_s),
            ("switch", 0.0, 1000.0),
            ("silence_db", -120.0, 0.0),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise UsageError(
                    f"{name} is {value:g}", remedy=f"Give a number from {low:g} to {high:g}."
                )

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return asdict(self)
