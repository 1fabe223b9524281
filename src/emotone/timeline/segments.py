"""What a recording comes to: measurements, segments, and the timeline they make."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from emotone.emotions import EMOTIONS
from emotone.errors import UsageError
from emotone.timeline.summary import Summary, Tally

if TYPE_CHECKING:
    import pandas

Kind = Literal["speech", "silence", "non-speech"]
KINDS: tuple[Kind, ...] = ("speech", "silence", "non-speech")

FORMAT_VERSION = 1
"""Of a timeline as JSON."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the model heard in one window.

    Attributes
    ----------
    start, end
        Of the window, in seconds from the beginning of the recording.
    scores
        The calibrated probability of every emotion, in the order of the model, summing to 1.
    channel
        The channel, from 0; None where all were heard together.
    """

    start: float
    end: float
    scores: Mapping[str, float] = field(repr=False)
    channel: int | None = None

    @property
    def emotion(self) -> str:
        """The most probable emotion; of two alike, the one that the model names first."""
        return max(self.scores, key=lambda name: self.scores[name])

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        found: dict[str, Any] = {"start": round(self.start, 3), "end": round(self.end, 3)}
        if self.channel is not None:
            found["channel"] = self.channel
        return found | {"scores": {name: round(score, 4) for name, score in self.scores.items()}}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one emotion, or of none.

    Attributes
    ----------
    start, end
        In seconds from the beginning of the recording.
    kind
        ``"speech"``, ``"silence"``, or ``"non-speech"`` for sound in which nobody speaks.
    emotion, confidence, scores
        As in a `Prediction`, the scores in the order of the model; None and empty but for speech.
    valence, arousal
        From -1 to 1: the mean of the emotions' places in the circumplex (`emotone.emotions`),
        weighted by the scores. For a picture, not a measurement. None but for speech.
    channel
        From 0; None where all were heard together.
    speaker
        Who speaks, where speakers were told apart.
    """

    start: float
    end: float
    kind: Kind
    emotion: str | None = None
    confidence: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict, repr=False)
    valence: float | None = None
    arousal: float | None = None
    channel: int | None = None
    speaker: str | None = None

    @classmethod
    def of_speech(
        cls,
        start: float,
        end: float,
        scores: Mapping[str, float],
        *,
        channel: int | None = None,
        speaker: str | None = None,
        emotion: str | None = None,
    ) -> Segment:
        """A segment of speech from its scores; with another `emotion` than the most probable."""
        chosen = emotion or max(scores, key=lambda name: scores[name])
        valence, arousal = circumplex(scores)
        return cls(
            start=start,
            end=end,
            kind="speech",
            emotion=chosen,
            confidence=scores[chosen],
            scores=scores,
            valence=valence,
            arousal=arousal,
            channel=channel,
            speaker=speaker,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Segment:
        """The segment that `to_dict` gave.

        Raises
        ------
        KeyError, TypeError, ValueError, AttributeError
            If it is none.
        """
        if values["kind"] not in KINDS:
            raise ValueError(f"a segment of {values['kind']!r}")
        for name, kind in (("emotion", str), ("speaker", str), ("channel", int)):
            if not isinstance(values.get(name), (kind, type(None))):
                raise TypeError(f"{name} of a segment: {values[name]!r}")
        numbers = {
            name: float(values[name])
            for name in ("confidence", "valence", "arousal")
            if values.get(name) is not None
        }
        return cls(
            start=float(values["start"]),
            end=float(values["end"]),
            kind=cast(Kind, values["kind"]),
            emotion=values.get("emotion"),
            scores={str(name): float(score) for name, score in values.get("scores", {}).items()},
            channel=values.get("channel"),
            speaker=values.get("speaker"),
            **numbers,
        )

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.end - self.start

    @property
    def label(self) -> str:
        """The emotion, or what there is in place of speech."""
        return self.kind if self.emotion is None else self.emotion

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON; without what is None."""
        found: dict[str, Any] = {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "kind": self.kind,
            "channel": self.channel,
            "speaker": self.speaker,
            "emotion": self.emotion,
        }
        for name in ("confidence", "valence", "arousal"):
            value = getattr(self, name)
            found[name] = None if value is None else round(value, 4)
        if self.scores:
            found["scores"] = {name: round(score, 4) for name, score in self.scores.items()}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Timeline:
    """The segments of a recording.

    Attributes
    ----------
    duration_s
        Of the recording in seconds.
    model
        Name and version of the model, ``"emotone-default@1.0"``.
    emotions
        What the model knows, in its order.
    segments
        In order of time, then of channel. Those of one channel follow each other without a gap from
        the beginning of the recording to its end.
    measurements
        What the segments were made of, in order of time.
    file
        The path asked about, or None.
    settings
        What it was made with: length and step of the windows and so on, as plain types.
    """

    duration_s: float
    model: str
    emotions: tuple[str, ...]
    segments: tuple[Segment, ...]
    measurements: tuple[Measurement, ...] = field(default=(), repr=False)
    file: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def speech(self) -> tuple[Segment, ...]:
        """The segments in which someone speaks."""
        return tuple(segment for segment in self.segments if segment.kind == "speech")

    @property
    def channels(self) -> tuple[int | None, ...]:
        """The channels that there are segments of, in their order; ``(None,)`` for all together."""
        return tuple(dict.fromkeys(segment.channel for segment in self.segments))

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks, by channel and in order of first appearance; empty where speakers were not
        told apart."""
        by_channel = sorted(self.speech, key=lambda segment: segment.channel or 0)
        names = dict.fromkeys(segment.speaker for segment in by_channel)
        return tuple(name for name in names if name is not None)

    def summary(self, speaker: str | None = None) -> Summary:
        """The timeline in a few numbers.

        Parameters
        ----------
        speaker
            Whose speech counts; that of all when None.
        """
        found = Tally()
        for segment in self.segments:
            if speaker is None or segment.speaker == speaker:
                found.add(segment)
        return found.summary(self.duration_s)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON, with the summaries; `from_dict` reads it back."""
        return self.about() | {
            "segments": [segment.to_dict() for segment in self.segments],
            "measurements": [measurement.to_dict() for measurement in self.measurements],
        }

    def about(self) -> dict[str, Any]:
        """What `to_dict` gives but for segments and measurements."""
        speakers = {name: self.summary(name).to_dict() for name in self.speakers}
        return {
            "format": FORMAT_VERSION,
            "file": self.file,
            "duration_s": round(self.duration_s, 3),
            "model": self.model,
            "emotions": list(self.emotions),
            "settings": dict(self.settings),
            "summary": self.summary().to_dict(),
            **({"speakers": speakers} if speakers else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Timeline:
        """The timeline that `to_dict` gave, times to the millisecond.

        Raises
        ------
        UsageError
            If it is none, or of a later version.
        """
        version = values.get("format") if isinstance(values, Mapping) else None
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise UsageError(
                "this is no timeline of emotone, or one of a later version",
                remedy="Give the JSON that `emotone analyze FILE -o OUT.json` writes.",
            )
        try:
            return cls(
                duration_s=float(values["duration_s"]),
                model=str(values["model"]),
                emotions=tuple(map(str, values["emotions"])),
                segments=tuple(Segment.from_dict(entry) for entry in values["segments"]),
                measurements=tuple(
                    Measurement(
                        float(entry["start"]),
                        float(entry["end"]),
                        {str(k): float(v) for k, v in entry["scores"].items()},
                        entry.get("channel"),
                    )
                    for entry in values.get("measurements", ())
                ),
                file=values.get("file"),
                settings=dict(values.get("settings", {})),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"the timeline is damaged ({type(error).__name__}: {error})",
                remedy="Write it again with `emotone analyze FILE -o OUT.json`.",
            ) from error

    def rows(self) -> list[dict[str, Any]]:
        """A row for each segment: start, end, channel, speaker, emotion, confidence, scores.

        The emotion of a segment without speech is its kind; what it does not have is None.
        """
        return [
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "channel": segment.channel,
                "speaker": segment.speaker,
                "emotion": segment.label,
                "confidence": segment.confidence,
                **{name: segment.scores.get(name) for name in self.emotions},
            }
            for segment in self.segments
        ]

    def to_dataframe(self) -> pandas.DataFrame:
        """The `rows` as a pandas table.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            from emotone.errors import MissingExtraError

            raise MissingExtraError("a table of pandas", "train") from error
        columns = ["start", "end", "channel", "speaker", "emotion", "confidence", *self.emotions]
        return pandas.DataFrame(self.rows(), columns=columns)


def circumplex(scores: Mapping[str, float]) -> tuple[float, float]:
    """Valence and arousal of scores: the mean of the emotions' places, weighted by them."""
    known = {name: score for name, score in scores.items() if name in EMOTIONS}
    total = math.fsum(known.values()) or 1.0
    valence = math.fsum(score * EMOTIONS[name].valence for name, score in known.items())
    arousal = math.fsum(score * EMOTIONS[name].arousal for name, score in known.items())
    return valence / total, arousal / total
