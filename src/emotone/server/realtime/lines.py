"""One stream's sound on its way to be heard."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.server.realtime.limits import CLOCK_TOLERANCE
from emotone.server.realtime.messages import SAMPLE_BYTES
from emotone.speech import CHUNK
from emotone.speech import RATE as HEARD_RATE
from emotone.stream import Event, Measured, Stream

PIECE_S = 0.25
"""Of one stream in one round: others wait for it."""

LATE_PIECE_S = 2.0
"""Likewise, of what is heard in a hurry and costs little."""

SLACK_S = 1.0
"""Sound that comes in further ahead of real time than this waits, if others would."""

UNHEARD_S, HOPELESS_S = 2.0, 0.5
"""Seconds of speech of which one window is heard even where it is late, but not where it has waited
for so many seconds: then there is no time even for that."""

_CATCH_UP = 10.0
"""How many times faster than real time a long frame is due."""

_MOST_CREDIT = 2.0
"""Windows that a stream may be owed; those of less would be lost between two that are heard."""

_TURN_S = 0.05
"""How much earlier a stream's turn is for each window that it is owed."""

_SCALE = np.float32(1 / 32768)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some sound of a stream.

    Attributes
    ----------
    pcm
        Little-endian integers of 16 bits.
    arrived, due
        When it came in, and when it should be heard.
    end
        How many samples there are up to its end.
    """

    pcm: bytes
    arrived: float
    due: float
    end: int


class Line:
    """What came in of one stream and waits, in order. Whoever uses it holds a lock.

    Parameters
    ----------
    stream
        What hears it.
    phase
        From 0 to 1, another one for each: so streams that speak at the same moment have their turns
        one after the other, where not all of their windows can be heard.

    Attributes
    ----------
    stream
        What hears it.
    heard
        Samples that were taken to be heard.
    waiting_bytes
        Of sound that was not.
    last
        Whether nothing comes after what waits.
    taken
        Whether it is heard just now.
    over
        Whether nothing will be heard any more.
    skipped
        Windows left out, as far as was told.
    credit
        Windows whose turn it is, where not all of them can be heard.
    unheard_s
        Seconds of speech since the last window that was heard.
    """

    def __init__(self, stream: Stream, phase: float = 0.0) -> None:
        self.stream = stream
        self.heard = self.waiting_bytes = 0
        self.last = self.taken = self.over = False
        self.skipped = 0
        self.credit = self._phase = phase
        self.unheard_s = 0.0
        self._pieces: deque[Piece] = deque()
        self._samples = 0
        self._began = math.nan  # when the sound would have begun to come at real time

    @property
    def waits(self) -> bool:
        """Whether there is something to hear."""
        return bool(self._pieces)

    @property
    def due(self) -> float:
        """When what comes next should be heard; an end at once."""
        return self._pieces[0].due if self._pieces else -math.inf

    @property
    def turn(self) -> float:
        """Of two streams, the one with the smaller is heard first."""
        return self.due - _TURN_S * self.credit

    def add(self, pcm: bytes, arrived: float) -> None:
        """Take sound in, in pieces that can be heard in one round."""
        rate = self.stream.rate
        if not self._samples:
            self._began = arrived
        spoken = self._began + self._samples / rate * (1 - CLOCK_TOLERANCE)
        due = max(arrived, spoken - SLACK_S)
        self.waiting_bytes += len(pcm)
        size = round(PIECE_S * rate) * SAMPLE_BYTES
        for at in range(0, len(pcm), size):
            part = pcm[at : at + size] if len(pcm) > size else pcm
            self._samples += len(part) // SAMPLE_BYTES
            offset_s = at / SAMPLE_BYTES / rate
            self._pieces.append(Piece(part, arrived, due + offset_s / _CATCH_UP, self._samples))

    def clear(self) -> None:
        """Forget what waits."""
        self._pieces.clear()
        self.waiting_bytes = 0

    def take(self, share: float, now: float, late_s: float) -> Block:
        """What is to be heard in a round.

        Parameters
        ----------
        share
            Of all windows that can be heard.
        now
            By the clock of the arrivals.
        late_s
            After so many seconds of waiting it is heard in a hurry.
        """
        waited_s = now - self.due if self.waits else 0.0
        late = waited_s > late_s
        rate, before = self.stream.rate, self.heard
        most = before + (LATE_PIECE_S if late else PIECE_S) * rate
        pieces: list[Piece] = []
        while self._pieces and (not pieces or self._pieces[0].end <= most):
            pieces.append(self._pieces.popleft())
            self.waiting_bytes -= len(pieces[-1].pcm)
        if pieces:
            self.heard = pieces[-1].end
        seconds = (self.heard - before) / rate
        if self.stream.speaking:
            self.unheard_s += seconds
        if share >= 1:
            self.credit = self._phase
        elif self.stream.speaking:
            steps = seconds / self.stream.settings.step_s
            self.credit = min(_MOST_CREDIT, self.credit + share * steps)
        hurry = late or (share < 1 and self.credit < 1)
        if self.unheard_s >= max(UNHEARD_S, self.stream.settings.step_s):
            hurry = waited_s > HOPELESS_S
        last = self.last and not self.waits
        return Block(self, tuple(pieces), seconds, last, hurry, waited_s)


@dataclass(frozen=True, slots=True)
class Block:
    """What is heard of a line in a round.

    Attributes
    ----------
    line
        Whose it is.
    pieces
        In order.
    seconds
        Of audio in it.
    last
        Whether it is all that will ever come.
    hurry
        Whether its windows are left out.
    waited_s
        How long it has been due; below 0 where it is ahead of real time.
    """

    line: Line
    pieces: tuple[Piece, ...]
    seconds: float
    last: bool
    hurry: bool
    waited_s: float

    @property
    def samples(self) -> FloatArray:
        """As floats, shape ``(n,)``."""
        joined = b"".join(piece.pcm for piece in self.pieces)
        found: FloatArray = np.frombuffer(joined, dtype="<i2").astype(np.float32) * _SCALE
        return found

    def arrived(self, event: Event) -> float:
        """When the sound had come in that this event was told for."""
        if not isinstance(event, Measured):
            return self.pieces[-1].arrived if self.pieces else math.inf
        # Speech is found chunk by chunk. A window that had to wait until it was sure to be part of
        # the utterance was told for something in these pieces: then for the first, at the worst.
        chunks = math.ceil(round(event.measurement.end * HEARD_RATE) / CHUNK)
        needed = chunks * CHUNK / HEARD_RATE * self.line.stream.rate
        for piece in self.pieces:
            if piece.end >= needed:
                return piece.arrived
        return self.pieces[0].arrived if self.pieces else math.inf
