"""Where someone speaks: the probability of speech, and utterances between pauses."""

from __future__ import annotations

from emotone.speech.detector import RATE, SpeechDetector, hear_together
from emotone.speech.network import CHUNK
from emotone.speech.utterances import (
    Ended,
    Event,
    Started,
    UtteranceFinder,
    UtteranceSettings,
    utterances,
)

__all__ = [
    "CHUNK",
    "RATE",
    "Ended",
    "Event",
    "SpeechDetector",
    "Started",
    "UtteranceFinder",
    "UtteranceSettings",
    "hear_together",
    "utterances",
]
