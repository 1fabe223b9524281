"""What a recording comes to: measurements, segments, the timeline they make, and its summary."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from emotone.emotions import EMOTIONS
from emotone.errors import UsageError

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
    """

    emotion: str
    time: float
    confidence: float


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
            "peaks": [
                {
                    "emotion": peak.emotion,
                    "time": round(peak.time, 3),
                    "confidence": round(peak.confidence, 4),
                }
                for peak in self.peaks
            ],
        }


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
        speech = tuple(s for s in self.speech if speaker is None or s.speaker == speaker)
        seconds = math.fsum(segment.duration_s for segment in speech)
        of_each: dict[str, float] = {}
        surest: dict[str, Segment] = {}
        before: dict[tuple[int | None, str | None], str] = {}
        changes = 0
        for segment in speech:
            name = segment.label
            of_each[name] = of_each.get(name, 0.0) + segment.duration_s
            if name not in surest or _sure(segment) > _sure(surest[name]):
                surest[name] = segment
            who = (segment.channel, segment.speaker)
            changes += before.get(who, name) != name
            before[who] = name
        order = sorted(of_each, key=lambda name: -of_each[name])
        peaks = [
            Peak(name, (segment.start + segment.end) / 2, _sure(segment))
            for name, segment in surest.items()
        ]
        return Summary(
            duration_s=self.duration_s,
            speech_s=seconds,
            shares={name: of_each[name] / seconds for name in order} if seconds else {},
            changes_per_minute=60 * changes / seconds if seconds else 0.0,
            valence=_mean([(s.valence, s.duration_s) for s in speech]),
            arousal=_mean([(s.arousal, s.duration_s) for s in speech]),
            peaks=tuple(sorted(peaks, key=lambda peak: peak.time)),
        )

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
                segments=tuple(_segment(entry) for entry in values["segments"]),
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


def _sure(segment: Segment) -> float:
    return segment.confidence or 0.0


def _mean(values: Iterable[tuple[float | None, float]]) -> float | None:
    """The mean of what is known, by weight."""
    known = [(value, weight) for value, weight in values if value is not None]
    total = math.fsum(weight for _, weight in known)
    return math.fsum(value * weight for value, weight in known) / total if total else None


def _segment(values: Mapping[str, Any]) -> Segment:
    if values["kind"] not in KINDS:
        raise ValueError(f"a segment of {values['kind']!r}")
    numbers = {
        name: float(values[name])
        for name in ("confidence", "valence", "arousal")
        if values.get(name) is not None
    }
    return Segment(
        start=float(values["start"]),
        end=float(values["end"]),
        kind=cast(Kind, values["kind"]),
        emotion=values.get("emotion"),
        scores={str(name): float(score) for name, score in values.get("scores", {}).items()},
        channel=values.get("channel"),
        speaker=values.get("speaker"),
        **numbers,
    )
