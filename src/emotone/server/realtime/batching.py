"""Many streams, heard together by a thread or a few; fairly, where there are too many of them."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from emotone.features.job import check_count
from emotone.server.realtime.effects import Told
from emotone.server.realtime.lines import Block, Line
from emotone.server.realtime.sharing import Share
from emotone.stream import Event, Measured, Stream, feed_each

if TYPE_CHECKING:
    from emotone.recognizer import Recognizer
    from emotone.timeline.settings import TimelineSettings

_LOG = logging.getLogger("emotone.server")

LEAST_ROUND_S, MOST_ROUND_S = 0.01, 0.03
"""From one round to the next at least, in seconds, where there is little to do and where there is
much: what comes in meanwhile is heard together, and the more there is, the less each costs."""

TOGETHER = 256
"""Streams that are heard in one round at most; what more there are wait for the next one."""

_LEAST_TOGETHER = 4

_MUCH, _PATIENCE = 0.7, 2.0
"""Of the threads' time; where less is used, sound may wait so many times longer."""

_FADING = 0.95
"""Weight of the rounds before in what a stream takes of one, against that of the last."""

LATE_S = 0.08
"""Sound that has waited for so long is heard in a hurry."""

_GOLDEN = 0.618034
"""Its multiples, without their whole parts, lie as far from each other as can be."""

_AHEAD = 2
"""Streams ahead of real time that are heard in one round."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A stream cannot be heard any further."""


class Deliver(Protocol):
    """Takes the outcomes of a round, on a thread of the batching."""

    def __call__(self, outcomes: list[tuple[Line, Told | Failed]], /) -> None:
        """Each with its line; those without news are left out."""


@dataclass(slots=True)
class Figures:
    """What has been done since the beginning.

    Attributes
    ----------
    audio_s
        Seconds of audio heard.
    busy_s
        Seconds that the threads were at work.
    measurements, skipped
        Windows heard and left out.
    rounds
        Of streams heard together.
    """

    audio_s: float = 0.0
    busy_s: float = 0.0
    measurements: int = 0
    skipped: int = 0
    rounds: int = 0


class Batching:
    """Hears many streams.

    Whatever has come in is heard in rounds, so that the windows of all streams go through the model
    together. Where there are more windows than the machine can hear, each stream has the same share
    of its own left out, evenly over time, so that the others are heard soon. Sound that comes in
    faster than real time is heard as fast as is possible without anybody else waiting for it.

    Parameters
    ----------
    deliver
        Called with the outcomes of each round.
    threads
        That hear; each takes another part of the streams that wait.
    late_s
        Seconds that sound may wait before it is heard in a hurry.
    clock
        Seconds, from anywhere; that of `put`.

    Attributes
    ----------
    figures
        What has been done since the beginning.

    Raises
    ------
    UsageError
        If there are no threads.
    """

    def __init__(
        self,
        deliver: Deliver,
        *,
        threads: int = 1,
        late_s: float = LATE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_count("threads", threads)
        self.figures = Figures()
        self._deliver, self._late_s, self._clock = deliver, late_s, clock
        self._changed = threading.Condition()
        self._ready: dict[Line, None] = {}  # those with something to hear, in turn
        self._open: set[Line] = set()
        self._closed = False
        self._opened = 0
        self._rounds_s = self._rounds_lines = 0.0  # what rounds took, and of how many, of late
        self._share = Share(threads, late_s, clock())
        self._threads = [
            threading.Thread(target=self._run, name=f"emotone-batching-{number}", daemon=True)
            for number in range(threads)
        ]

    @property
    def lines(self) -> int:
        """Streams that are open."""
        return len(self._open)

    @property
    def waiting_bytes(self) -> int:
        """Of sound that waits to be heard."""
        with self._changed:
            return sum(line.waiting_bytes for line in self._open)

    @property
    def share(self) -> float:
        """Of the windows that are heard, from 0 to 1; below 1 where there are too many."""
        with self._changed:
            return self._share.at(self._clock())

    def start(self) -> None:
        """Begin to hear."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Hear no more, and wait for what is just heard."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def open(self, recognizer: Recognizer, rate: int, settings: TimelineSettings) -> Line:
        """A new stream.

        Raises
        ------
        UsageError
            If the rate is outside 8 to 192 kHz.
        """
        stream = Stream(recognizer, rate, settings=settings)
        with self._changed:
            self._opened += 1
            line = Line(stream, phase=self._opened * _GOLDEN % 1)
            self._open.add(line)
            return line

    def put(self, line: Line, pcm: bytes, arrived: float) -> None:
        """Let little-endian integers of 16 bits be heard, which came in at this time."""
        with self._changed:
            if not (line.over or line.last):
                line.add(pcm, arrived)
                self._mark(line)

    def finish(self, line: Line) -> None:
        """Nothing more comes of it: tell of the rest, then that it is done."""
        with self._changed:
            line.last = True
            self._mark(line)

    def drop(self, line: Line) -> None:
        """Forget what waits of it; nothing more is told, but for what is on its way."""
        with self._changed:
            line.clear()
            self._ready.pop(line, None)
            self._let_go(line)

    def lag_s(self, line: Line) -> float:
        """How long its sound has been waiting since it was due."""
        with self._changed:
            return max(0.0, self._clock() - line.due) if line.waits else 0.0

    # -- within

    def _mark(self, line: Line) -> None:
        """There is something to hear."""
        if line.over or line.taken or line in self._ready:
            return
        self._ready[line] = None
        if len(self._ready) == 1:
            self._changed.notify()

    def _let_go(self, line: Line) -> None:
        line.over = True
        self._open.discard(line)

    # -- on a thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ready and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
            time.sleep(self._turn())

    def _turn(self) -> float:
        """Hear what is due; how long to wait for more, in seconds, before the next turn."""
        began = self._clock()
        blocks, more = self._take(began)
        if blocks:
            self._round(blocks, began)
        round_s = LEAST_ROUND_S + self._share.use * (MOST_ROUND_S - LEAST_ROUND_S)
        return 0.0 if more else max(0.0, began + round_s - self._clock())

    def _take(self, now: float) -> tuple[list[Block], bool]:
        """What is to be heard next, and whether more is due.

        Those that are due for the longest time, and a few that are ahead of it.
        """
        with self._changed:
            share = self._share.at(now)
            most = min(TOGETHER, -(-len(self._ready) // len(self._threads)))
            if self._rounds_s > 0:  # who comes last should not be late for it
                each_s = self._rounds_s / max(1.0, self._rounds_lines)
                most = min(most, round(self._late_s / 2 / each_s))
            most = max(_LEAST_TOGETHER, most)
            due = [line for line in self._ready if line.due <= now]
            chosen = heapq.nsmallest(most, due, key=lambda line: line.turn)
            if share >= 1:
                ahead = (line for line in self._ready if line.due > now)
                chosen += itertools.islice(ahead, _AHEAD)
            for line in chosen:
                del self._ready[line]
                line.taken = True
            if self._ready:
                self._changed.notify()
            # Where there is time, what a hitch has held up is heard all the same.
            late_s = self._late_s if self._share.use > _MUCH else _PATIENCE * self._late_s
            return [line.take(share, now, late_s) for line in chosen], len(due) > most

    def _round(self, blocks: list[Block], began: float) -> None:
        # What is ahead of real time has time: nobody waits for it, nor is left out because of it.
        now = [block for block in blocks if block.waited_s >= 0]
        self._hear(now)
        due_s = self._clock() - began
        self._hear([block for block in blocks if block.waited_s < 0])
        with self._changed:
            self.figures.rounds += 1
            self.figures.busy_s += self._clock() - began
            self._rounds_s = _FADING * self._rounds_s + due_s
            self._rounds_lines = _FADING * self._rounds_lines + len(now)
            self._share.spent(due_s, [block.waited_s for block in now])

    def _hear(self, blocks: list[Block]) -> None:
        alike: dict[tuple[int, bool], list[Block]] = {}
        for block in blocks:
            alike.setdefault((id(block.line.stream.recognizer), block.hurry), []).append(block)
        outcomes: list[tuple[Line, Told | Failed]] = []
        for (_, hurry), some in alike.items():
            outcomes += self._heard(some, hurry)
        if outcomes:
            # Before another thread can take these lines, so that what is told comes in its order.
            self._deliver(outcomes)
        with self._changed:
            for block in blocks:
                line = block.line
                line.taken = False
                if block.last:
                    self._let_go(line)
                elif line.waits or line.last:
                    self._mark(line)

    def _heard(self, blocks: list[Block], hurry: bool) -> list[tuple[Line, Told | Failed]]:
        """What there is to tell of blocks of one recognizer."""
        told: list[tuple[Line, Told | Failed]] = []
        for block, events in zip(blocks, _fed(blocks, hurry), strict=True):
            if events is None:
                with self._changed:
                    self._let_go(block.line)
                told.append((block.line, Failed()))
                continue
            news = self._noted(block, events)
            if news is not None:
                told.append((block.line, news))
        return told

    def _noted(self, block: Block, events: list[Event]) -> Told | None:
        """What was heard of a line; None if it is nothing new."""
        line = block.line
        measured = sum(isinstance(event, Measured) for event in events)
        skipped = line.stream.skipped - line.skipped
        line.skipped += skipped
        line.credit -= measured
        if measured:
            line.unheard_s = 0.0
        with self._changed:
            self.figures.audio_s += block.seconds
            self.figures.measurements += measured
            self.figures.skipped += skipped
        if not (events or skipped or block.last):
            return None
        return Told(
            events=tuple(events),
            arrived=tuple(block.arrived(event) for event in events),
            time_s=line.heard / line.stream.rate,
            lag_s=self.lag_s(line),
            skipped=line.skipped,
            done=block.last,
        )


def _fed(blocks: Sequence[Block], hurry: bool) -> list[list[Event] | None]:
    """The events of each block; None for those whose stream cannot be heard any further."""
    streams = [block.line.stream for block in blocks]
    told: list[list[Event] | Exception]
    try:
        told = feed_each(streams, [block.samples for block in blocks], hurry=hurry)
    except Exception as error:  # whatever it is, the others are heard on
        told = [error for _ in blocks]
    return [_ended(block, events) for block, events in zip(blocks, told, strict=True)]


def _ended(block: Block, told: list[Event] | Exception) -> list[Event] | None:
    """What a block told, with the end of its stream where that has come; None where it failed."""
    if isinstance(told, Exception):  # a model that fails, or no memory: the stream has a gap now
        _LOG.error("a live stream cannot be heard any further", exc_info=told)
        return None
    if not block.last:
        return told
    try:
        return told + block.line.stream.finish()
    except Exception:
        _LOG.exception("the end of a live stream cannot be heard")
        return None
