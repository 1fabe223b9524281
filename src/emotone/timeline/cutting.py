"""Sound that arrives in pieces, cut into utterances, the windows in them, and what lies between."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.speech import (
    CHUNK,
    RATE,
    Ended,
    SpeechDetector,
    Started,
    UtteranceFinder,
    hear_together,
)
from emotone.timeline.settings import TimelineSettings

_BLOCK = 16
"""Chunks whose level decides together whether there is silence: half a second."""

_LEAST_GAP = 2
"""Blocks that silence or noise must last to count, unless it is all there is."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples without speech, silent or not."""

    start: int
    end: int
    silent: bool


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """An utterance has begun, at this sample."""

    start: int


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Sound for the model to hear, from sample `start` to before `end`."""

    start: int
    end: int
    samples: FloatArray


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """An utterance is over; all its windows came before."""

    start: int
    end: int


Piece = Gap | UtteranceStarted | Window | UtteranceEnded


class Cutter:
    """Cuts sound at `RATE` that arrives in pieces. What comes out depends on the sound alone.

    Gaps and utterances follow each other without a hole from the first sample to the last.
    The memory it takes does not grow with the sound.

    Parameters
    ----------
    settings
        Length and step of the windows, and what counts as an utterance and as silence.
    """

    def __init__(self, settings: TimelineSettings | None = None) -> None:
        self.settings = settings or TimelineSettings()
        self._detector = SpeechDetector()
        self._finder = UtteranceFinder(self.settings.utterances)
        self._sound = _Tail(0, np.empty(0, dtype=np.float32))
        self._chunks = 0
        self._over = 0  # before this sample everything has been told
        self._loud: list[bool] = []  # of each block since then, as far as nobody may speak there
        self._powers: list[float] = []  # of each chunk after those
        self._first_chunk = 0  # of which these begin
        self._started: int | None = None
        self._next = 0

    @property
    def heard(self) -> int:
        """Samples fed so far."""
        return self._sound.end

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and not ended."""
        return self._started is not None

    def feed(self, samples: npt.ArrayLike) -> list[Piece]:
        """What is certain with these samples, mono and from -1 to 1, in order of time."""
        return feed_together([self], [samples])[0]

    def _take(self, piece: FloatArray, probabilities: npt.NDArray[np.float32]) -> list[Piece]:
        """Samples, and how probably someone speaks in the chunks that are complete with them."""
        self._sound.append(piece)
        found: list[Piece] = []
        for probability in probabilities.tolist():
            found += self._advance(probability)
        self._forget()
        return found

    def finish(self) -> list[Piece]:
        """What the end of the sound leads to."""
        found: list[Piece] = []
        for probability in self._detector.finish():
            found += self._advance(float(probability))
        for event in self._finder.finish(self.heard):
            found += self._ended(min(event.at, self.heard))
        return [*found, *self._gaps(self.heard)]

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Where it is, for another to go on from with `restore`: a few seconds of sound at most."""
        started = -1 if self._started is None else self._started
        numbers = [self._sound.begin, self.heard, self._chunks, self._over, self._first_chunk,
                   started, self._next]  # fmt: skip
        return {
            "numbers": np.array(numbers, np.int64),
            "sound": self._sound.since(self._sound.begin).copy(),
            "loud": np.array(self._loud, np.bool_),
            "powers": np.array(self._powers, np.float64),
            "finder": self._finder.state(),
            **self._detector.state(),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where another with the same settings was: what comes out is the same."""
        begin, _, self._chunks, self._over = state["numbers"].tolist()[:4]
        self._first_chunk, started, self._next = state["numbers"].tolist()[4:]
        self._started = None if started < 0 else started
        self._sound = _Tail(begin, state["sound"])
        self._loud, self._powers = state["loud"].tolist(), state["powers"].tolist()
        self._finder.restore(state["finder"])
        self._detector.restore(state)

    def _advance(self, probability: float) -> list[Piece]:
        at = self._chunks * CHUNK
        self._chunks += 1
        chunk = self._sound.between(max(at, self._sound.begin), min(at + CHUNK, self.heard))
        self._powers.append(float(np.dot(chunk, chunk)) / max(1, len(chunk)))
        found: list[Piece] = []
        for event in self._finder.feed(probability):
            if isinstance(event, Started):
                found += self._gaps(event.at)
                self._started = event.at
                self._next = event.at + self._samples(self.settings.least_window_s)
                found.append(UtteranceStarted(event.at))
            elif isinstance(event, Ended):
                found += self._ended(min(event.at, self.heard))
        if self._started is not None:
            found += self._windows(self._finder.settled)
            self._pass_over(min(self._finder.settled, self.heard) // CHUNK)
        else:
            self._join(self._finder.earliest)
        return found

    def _windows(self, until: int) -> list[Piece]:
        found: list[Piece] = []
        while self._next <= min(until, self.heard):
            found.append(self._window(self._next))
            self._next += self._samples(self.settings.step_s)
        return found

    def _window(self, end: int) -> Window:
        assert self._started is not None
        start = max(self._started, end - self._samples(self.settings.window_s))
        return Window(start, end, self._sound.between(start, end).copy())

    def _ended(self, end: int) -> list[Piece]:
        assert self._started is not None
        found = self._windows(end)
        step = self._samples(self.settings.step_s)
        none = self._next == self._started + self._samples(self.settings.least_window_s)
        if none or end - (self._next - step) >= step / 2:
            found.append(self._window(end))
        found.append(UtteranceEnded(self._started, end))
        self._started = None
        self._tell(end)
        return found

    def _tell(self, end: int) -> None:
        """Forget the levels of what has been told of."""
        self._over = end
        self._loud = []
        self._pass_over(-(-end // CHUNK))

    def _pass_over(self, chunk: int) -> None:
        """Forget the powers of chunks before one."""
        passed = min(chunk - self._first_chunk, len(self._powers))
        if passed > 0:
            del self._powers[:passed]
            self._first_chunk += passed

    def _join(self, until: int) -> None:
        """Let whole blocks before a sample, from which on someone may speak, be loud or not."""
        while len(self._powers) >= _BLOCK and (self._first_chunk + _BLOCK) * CHUNK <= until:
            self._loud.append(self._is_loud(self._powers[:_BLOCK]))
            self._pass_over(self._first_chunk + _BLOCK)

    def _is_loud(self, powers: Sequence[float]) -> bool:
        return sum(powers) / len(powers) > 10 ** (self.settings.silence_db / 10)

    def _gaps(self, end: int) -> list[Piece]:
        """Silence and noise from what has been told of up to here.

        Of chunks that speech shares nothing is asked, as even its quiet ends are louder.
        """
        if end <= self._over:
            return []
        self._join(end)
        first = -(-self._over // CHUNK)
        loud = list(self._loud)
        whole = -(-end // CHUNK) if end == self.heard else end // CHUNK
        rest = self._powers[: max(0, whole - self._first_chunk)]
        if len(rest) >= _BLOCK // 2 or (rest and not loud):
            loud.append(self._is_loud(rest))
        if not loud:  # it is shorter than two chunks
            sound = self._sound.since(max(self._over, self._sound.begin))[: end - self._over]
            loud.append(bool(len(sound)) and self._is_loud(np.square(sound).tolist()))
        found: list[Piece] = []
        start, blocks = self._over, 0
        stretches = _stretches(loud)
        for number, (more, is_loud) in enumerate(stretches):
            blocks += more
            last = number == len(stretches) - 1
            stop = end if last else (first + blocks * _BLOCK) * CHUNK
            found.append(Gap(start, stop, not is_loud))
            start = stop
        self._tell(end)
        return found

    def _samples(self, seconds: float) -> int:
        return round(seconds * RATE)

    def _forget(self) -> None:
        """Drop sound that no window can need any more."""
        if self._started is not None:
            # The last window may end up to a step before the next one would.
            reach = self.settings.window_s + self.settings.step_s
            needed = max(self._started, self._next - self._samples(reach))
        else:
            needed = self._finder.earliest
        self._sound.forget(min(needed, self._chunks * CHUNK))


class _Tail:
    """The last samples of a sound that grows. What is taken from it is overwritten later on.

    Parameters
    ----------
    begin
        Place of its first sample in the sound.
    samples
        What it begins with.
    """

    def __init__(self, begin: int, samples: FloatArray) -> None:
        self.begin = begin
        self._room = samples  # with space at its end
        self._first, self._last = 0, len(samples)

    @property
    def end(self) -> int:
        """Place after its last sample."""
        return self.begin + self._last - self._first

    def append(self, samples: FloatArray) -> None:
        """Grow. What is kept moves only once as many samples have come as it holds."""
        kept = self._last - self._first
        if self._last + len(samples) > len(self._room):
            room = np.empty(2 * (kept + len(samples)), dtype=np.float32)
            room[:kept] = self._room[self._first : self._last]
            self._room, self._first, self._last = room, 0, kept
        self._room[self._last : self._last + len(samples)] = samples
        self._last += len(samples)

    def between(self, start: int, end: int) -> FloatArray:
        """The samples at these places, which have to be there."""
        shift = self._first - self.begin
        return self._room[start + shift : end + shift]

    def since(self, start: int) -> FloatArray:
        """The samples from a place on."""
        return self.between(start, self.end)

    def forget(self, before: int) -> None:
        """Let go of what is before a place, at most all."""
        if before > self.begin:
            self._first += before - self.begin
            self.begin = before


def feed_together(cutters: Sequence[Cutter], blocks: Sequence[npt.ArrayLike]) -> list[list[Piece]]:
    """What `Cutter.feed` gives for each of several cutters, in less time.

    Parameters
    ----------
    cutters
        Each once.
    blocks
        What each is fed.
    """
    pieces = [np.asarray(block, dtype=np.float32) for block in blocks]
    heard = hear_together([cutter._detector for cutter in cutters], pieces)
    return [
        cutter._take(piece, probabilities)
        for cutter, piece, probabilities in zip(cutters, pieces, heard, strict=True)
    ]


def _stretches(loud: list[bool]) -> list[tuple[int, bool]]:
    """How many blocks in turn are loud or not; what is too short goes with what was before."""
    found: list[tuple[int, bool]] = []
    for is_loud, group in itertools.groupby(loud):
        blocks = len(list(group))
        if not found:
            found.append((blocks, is_loud))
            continue
        before, was_loud = found[-1]
        if before < _LEAST_GAP <= blocks:  # only the first can be too short
            found[-1] = (before + blocks, is_loud)
        elif blocks < _LEAST_GAP or is_loud == was_loud:
            found[-1] = (before + blocks, was_loud)
        else:
            found.append((blocks, is_loud))
    return found
