"""What a session wants done, and what it is told of its stream."""

from __future__ import annotations

from dataclasses import dataclass

from emotone.server.realtime.messages import ServerMessage
from emotone.stream import Event
from emotone.timeline.settings import TimelineSettings


@dataclass(frozen=True, slots=True)
class Send:
    """Tell the client."""

    message: ServerMessage


@dataclass(frozen=True, slots=True)
class Admit:
    """Find out whom this key belongs to, then call `Session.admitted` or `Session.refused`."""

    key: str


@dataclass(frozen=True, slots=True)
class Listen:
    """Begin to hear a stream."""

    model: str
    rate: int
    settings: TimelineSettings


@dataclass(frozen=True, slots=True)
class Hear:
    """Sound of the stream, as it came: little-endian integers of 16 bits."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """The stream is over: tell what the rest of it leads to, and then that it is done."""


@dataclass(frozen=True, slots=True)
class End:
    """Close the connection; nothing follows."""

    close_code: int


Effect = Send | Admit | Listen | Hear | Finish | End


@dataclass(frozen=True, slots=True)
class Told:
    """What a stream has come to.

    Attributes
    ----------
    events
        In order of time.
    arrived
        For each, when the sound that led to it had come in, by the session's clock.
    time_s
        Up to where it was heard, in seconds of audio.
    lag_s
        Seconds of audio that wait.
    skipped
        Windows left out so far.
    done
        Whether this is all.
    """

    events: tuple[Event, ...] = ()
    arrived: tuple[float, ...] = ()
    time_s: float = 0.0
    lag_s: float = 0.0
    skipped: int = 0
    done: bool = False
