"""What client and service say to each other in a live session, as types.

This room and `protocol` need the standard library alone, so that clients can have them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

ENCODING = "pcm_s16le"
"""Of the sound: integers of 16 bits, the lower byte first."""

SAMPLE_BYTES = 2


# -- what a client says


@dataclass(frozen=True, slots=True)
class Update:
    """How a session is to be heard; what is None stays as it is.

    Attributes
    ----------
    rate
        Of the sound that will come, in Hz.
    model
        The name of one of the service's models.
    encoding
        `ENCODING`, the only one.
    channels
        1, the only number.
    window_s, step_s
        Length of the windows that the model hears, and from one to the next, in seconds.
    threshold
        Confidence from 0 to 1 below which the emotion is told as ``"uncertain"``.
    key
        What the client is allowed by, where it cannot set a header.
    """

    type: ClassVar[str] = "session.update"
    rate: int | None = None
    model: str | None = None
    encoding: str | None = None
    channels: int | None = None
    window_s: float | None = None
    step_s: float | None = None
    threshold: float | None = None
    key: str | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON; without what is None."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        return {"type": self.type, **told}


@dataclass(frozen=True, slots=True)
class Close:
    """Nothing more comes: what was sent is to be heard to its end, and the session to be closed."""

    type: ClassVar[str] = "session.close"

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {"type": self.type}


ClientMessage = Update | Close


# -- what the service says


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session is heard.

    Attributes
    ----------
    model
        The name of one of the service's models, to ask for it.
    encoding, channels
        Of the sound.
    window_s, step_s
        Length of the windows that the model hears, and from one to the next, in seconds.
    threshold
        Confidence below which the emotion is told as ``"uncertain"``; None where there is none.
    """

    model: str
    encoding: str
    channels: int
    window_s: float
    step_s: float
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Created:
    """A session has begun, or will when a key was shown.

    Attributes
    ----------
    session
        What to call it in a report of a fault.
    authorised
        Whether sound may be sent. If not, the first message has to be a `session.update` with a
        ``key``.
    model
        Name and version of the model, ``"emotone-default@1.0"``.
    emotions
        What it knows, in the order of its scores.
    rate
        In Hz, as it is expected unless another one is declared.
    settings
        As they are unless others are asked for.
    limits
        Numbers by which the session is judged, see `emotone.server.realtime.session.Limits`.
    """

    type: ClassVar[str] = "session.created"
    session: str
    authorised: bool
    model: str
    emotions: tuple[str, ...]
    rate: int
    settings: Settings
    limits: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class Updated:
    """What was asked for holds.

    Attributes
    ----------
    model, emotions, rate, settings
        As in `Created`, and as they now are.
    """

    type: ClassVar[str] = "session.updated"
    model: str
    emotions: tuple[str, ...]
    rate: int
    settings: Settings

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class UtteranceStart:
    """Someone began to speak.

    Attributes
    ----------
    time
        When, in seconds of audio since the beginning of the session.
    """

    type: ClassVar[str] = "utterance.start"
    time: float

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {"type": self.type, "time": round(self.time, 3)}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was heard in the last seconds of speech.

    Attributes
    ----------
    start, end
        Of the window, in seconds of audio since the beginning of the session.
    emotion
        The most probable one, or ``"uncertain"`` where a threshold was asked for and missed.
    confidence
        The probability of the most probable emotion, from 0 to 1.
    scores
        The probability of every emotion, in the order of the model.
    valence, arousal
        From -1 to 1, see `emotone.timeline.Segment`.
    latency_ms
        From when the sound that it took had come in to when this was told, in milliseconds; without
        the way over the network.
    """

    type: ClassVar[str] = "measurement"
    start: float
    end: float
    emotion: str
    confidence: float
    scores: Mapping[str, float] = field(repr=False)
    valence: float
    arousal: float
    latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "type": self.type,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "emotion": self.emotion,
            "confidence": round(self.confidence, 4),
            "scores": {name: round(score, 4) for name, score in self.scores.items()},
            "valence": round(self.valence, 4),
            "arousal": round(self.arousal, 4),
            "latency_ms": round(self.latency_ms, 1),
        }


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """A pause: the utterance is over.

    Attributes
    ----------
    time
        When it ended, in seconds of audio since the beginning of the session.
    segments
        Its stretches of one emotion, as `emotone.timeline.Segment.to_dict` gives them.
    """

    type: ClassVar[str] = "utterance.end"
    time: float
    segments: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        segments = [dict(segment) for segment in self.segments]
        return {"type": self.type, "time": round(self.time, 3), "segments": segments}


@dataclass(frozen=True, slots=True)
class Behind:
    """The service cannot keep up, so windows are left out; no sound is.

    Attributes
    ----------
    time
        Up to where it has heard, in seconds of audio since the beginning of the session.
    lag_s
        Seconds of audio that have come in since then.
    skipped
        Windows left out so far.
    """

    type: ClassVar[str] = "behind"
    time: float
    lag_s: float
    skipped: int

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        times = {"time": round(self.time, 3), "lag_s": round(self.lag_s, 3)}
        return {"type": self.type, **times, "skipped": self.skipped}


@dataclass(frozen=True, slots=True)
class Error:
    """Something was not as it should be.

    Attributes
    ----------
    code
        One of `CODES`.
    message
        What it was and what to do about it, for a person.
    fatal
        Whether the session is over.
    """

    type: ClassVar[str] = "error"
    code: str
    message: str
    fatal: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class Closed:
    """The last message of a session.

    Attributes
    ----------
    audio_s
        Seconds of audio that were heard.
    measurements, utterances
        How many there were.
    skipped
        Windows that were left out because the service could not keep up.
    bad_frames
        Binary frames that were refused; their sound is not in `audio_s`.
    reason
        ``"client"`` where the client closed it, else the code of the error that did.
    """

    type: ClassVar[str] = "session.closed"
    audio_s: float
    measurements: int
    utterances: int
    skipped: int
    bad_frames: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {**_plain(self), "audio_s": round(self.audio_s, 3)}


ServerMessage = (
    Created | Updated | UtteranceStart | Measurement | UtteranceEnd | Behind | Error | Closed
)
"""What the service says in a live session."""


def _plain(message: Any) -> dict[str, Any]:
    found = asdict(message)
    if "emotions" in found:
        found["emotions"] = list(found["emotions"])
    return {"type": message.type, **found}
