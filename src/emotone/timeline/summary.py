"""A timeline in a few numbers, added up segment by segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone.timeline.segments import Segment


@dataclass(frozen=True, slots=True)
class Peak:
    """Where an emotion was surest.

    Attributes
    ----------
    emotion
        Which.
    time
        The middle of the segment, in seconds.
    confidence
        Of the segment.
    channel
        That of the segment, where channels were heard by themselves; else None.
    """

    emotion: str
    time: float
    confidence: float
    channel: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "emotion": self.emotion,
            "time": round(self.time, 3),
            "confidence": round(self.confidence, 4),
            "channel": self.channel,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """A timeline in a few numbers.

    Attributes
    ----------
    duration_s
        Of the recording.
    speech_s
        Seconds of speech; those of all channels added up.
    shares
        Of the speech that each emotion takes, from 0 to 1, the largest first.
    changes_per_minute
        How often, in a minute of speech, a segment has another emotion than the one before of the
        same channel and speaker.
    valence, arousal
        Means over the speech; None without any.
    peaks
        The surest segment of each emotion, in order of time.
    """

    duration_s: float
    speech_s: float
    shares: Mapping[str, float]
    changes_per_minute: float
    valence: float | None
    arousal: float | None
    peaks: tuple[Peak, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "duration_s": round(self.duration_s, 3),
            "speech_s": round(self.speech_s, 3),
            "shares": {name: round(share, 4) for name, share in self.shares.items()},
            "changes_per_minute": round(self.changes_per_minute, 2),
            "valence": None if self.valence is None else round(self.valence, 4),
            "arousal": None if self.arousal is None else round(self.arousal, 4),
            "peaks": [peak.to_dict() for peak in self.peaks],
        }


class Tally:
    """Adds up segments one at a time, in order of time, in the same memory however many come."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._surest: dict[str, Peak] = {}
        self._before: dict[tuple[int | None, str | None], str] = {}
        self._changes = 0
        self._valence, self._arousal = _Mean(), _Mean()

    def add(self, segment: Segment) -> None:
        """Count a segment, if it is one of speech."""
        if segment.kind != "speech":
            return
        name, seconds, sure = segment.label, segment.duration_s, segment.confidence or 0.0
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        if name not in self._surest or sure > self._surest[name].confidence:
            middle = (segment.start + segment.end) / 2
            self._surest[name] = Peak(name, middle, sure, segment.channel)
        who = (segment.channel, segment.speaker)
        self._changes += self._before.get(who, name) != name
        self._before[who] = name
        self._valence.add(segment.valence, seconds)
        self._arousal.add(segment.arousal, seconds)

    def summary(self, duration_s: float) -> Summary:
        """What has come so far, of a recording of that length in seconds."""
        seconds = sum(self._seconds.values())
        order = sorted(self._seconds, key=lambda name: -self._seconds[name])
        return Summary(
            duration_s=duration_s,
            speech_s=seconds,
            shares={name: self._seconds[name] / seconds for name in order} if seconds else {},
            changes_per_minute=60 * self._changes / seconds if seconds else 0.0,
            valence=self._valence.value,
            arousal=self._arousal.value,
            peaks=tuple(sorted(self._surest.values(), key=lambda peak: peak.time)),
        )


class _Mean:
    """The mean of what is known, by weight."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    def add(self, value: float | None, weight: float) -> None:
        """Count a value, if it is known."""
        if value is not None:
            self._sum += value * weight
            self._weight += weight

    @property
    def value(self) -> float | None:
        """So far; None without any."""
        return self._sum / self._weight if self._weight else None
