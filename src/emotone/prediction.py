"""What a recognizer answers about one clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emotone.errors import EmotoneError

UNCERTAIN = "uncertain"
"""The answer in place of an emotion when the confidence is below the asked-for threshold."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The emotion of one clip.

    Attributes
    ----------
    emotion
        The most probable emotion, or ``"uncertain"`` where a threshold was asked for and missed.
    confidence
        The calibrated probability of the most probable emotion, from 0 to 1.
    scores
        The calibrated probability of every emotion the model knows, summing to 1, highest first.
    duration_s
        Length of the clip in seconds.
    model
        Name and version of the model, ``"emotone-default@1.0"``.
    file
        The path asked about, or None for samples.
    adapted_clips
        How many clips of the speaker the recognizer was adapted to; 0 where it was not.
    """

    emotion: str
    confidence: float
    scores: dict[str, float] = field(repr=False)
    duration_s: float
    model: str
    file: str | None = None
    adapted_clips: int = 0

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k most probable emotions with their scores, highest first."""
        return list(self.scores.items())[:k]

    def to_dict(self) -> dict[str, Any]:
        """The prediction as plain types, ready for JSON.

        ``adapted_clips`` is there only where the recognizer was adapted.
        """
        about = {"adapted_clips": self.adapted_clips} if self.adapted_clips else {}
        return {
            "file": self.file,
            "emotion": self.emotion,
            "confidence": round(self.confidence, 4),
            "scores": {name: round(score, 4) for name, score in self.scores.items()},
            "duration_s": round(self.duration_s, 3),
            "model": self.model,
            **about,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be answered; the others of its batch are.

    Attributes
    ----------
    file
        The path asked about.
    error
        Why, with the remedy.
    """

    file: str
    error: EmotoneError

    def to_dict(self) -> dict[str, Any]:
        """The failure as plain types, ready for JSON."""
        return {"file": self.file, "error": self.error.to_dict()}
