"""The live view in a terminal: how loud it is, which emotion it is, and which it was."""

from __future__ import annotations

import math
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from emotone import emotions as vocabulary
from emotone.cli import messages, output
from emotone.stream import Measured, SpeechEnded
from emotone.timeline.clock import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from emotone.live import Session
    from emotone.live.session import Told
    from emotone.timeline import Segment

WIDTH = 64
"""Columns of the view, where the terminal has as many."""

STRIP_S = 60
"""Seconds in the strip of colours at most, a cell each."""

_MARGIN = len("^C") + 1
"""Columns left free, or what the terminal writes at Ctrl-C would break the last line."""

_EVERY_S = 0.1
_SEGMENTS = 4
_LABEL = 11
_FLOOR_DB = -60.0
_WARM_DB, _HOT_DB = -12.0, -3.0
_FALL_DB = 24.0
"""How fast the meter falls, per second; it rises at once."""

_CLIP_S = 1.5
"""How long a clipped sample is shown."""

_BEHIND_S = 0.3
"""A lag from here on is worth a colour."""


class LiveView:
    """Shows a session while its block runs, and is gone after it.

    Parameters
    ----------
    session
        What to show.
    emotions
        What the model knows, in its order: a bar for each stays at its place.
    ready
        Whether the terminal has shown the last picture; one that is paused gets no more of them.
    """

    def __init__(
        self,
        session: Session,
        emotions: tuple[str, ...],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._session, self._emotions, self._ready = session, emotions, ready
        self._scores: dict[str, float] = dict.fromkeys(emotions, 0.0)
        self._emotion: str | None = None
        self._strip: dict[int, str] = {}
        self._segments: deque[Segment] = deque(maxlen=_SEGMENTS)
        self._level_db = _FLOOR_DB
        self._peak = 0.0
        self._clipped = 0
        self._clipped_at = -math.inf
        self._drawn_at = -math.inf
        self._width = WIDTH
        self._live = Live(
            console=output.console(), auto_refresh=False, transient=True, vertical_overflow="crop"
        )

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        self._draw(time.monotonic())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, told: list[Told]) -> None:
        """Take in events, and draw if the last picture is old enough."""
        for event in told:
            if isinstance(event, Measured):
                heard = event.measurement
                self._scores, self._emotion = dict(heard.scores), heard.emotion
                self._strip[int(max(heard.start, heard.end - 0.01))] = heard.emotion
            elif isinstance(event, SpeechEnded):
                self._segments.extend(event.segments)
                for segment in event.segments:
                    for second in range(int(segment.start), math.ceil(segment.end)):
                        self._strip[second] = segment.label
        self._peak = max(self._peak, self._session.peak)
        now = time.monotonic()
        if now - self._drawn_at >= _EVERY_S and self._ready():
            self._draw(now)

    def _draw(self, now: float) -> None:
        passed = min(now - self._drawn_at, 1.0)
        self._drawn_at = now
        peak_db = 20 * math.log10(self._peak) if self._peak > 0 else _FLOOR_DB
        self._level_db = max(peak_db, self._level_db - _FALL_DB * passed, _FLOOR_DB)
        self._peak = 0.0
        if self._session.clipped > self._clipped:
            self._clipped, self._clipped_at = self._session.clipped, now
        first = int(self._session.time) - STRIP_S
        for second in [second for second in self._strip if second < first]:
            del self._strip[second]
        self._live.update(self.picture(now), refresh=True)

    def picture(self, now: float) -> RenderableType:
        """The view as it is at this moment of `time.monotonic`."""
        self._width = max(32, min(WIDTH, self._live.console.width - _MARGIN))
        return Group(
            self._head(),
            self._meter(clipping=now - self._clipped_at < _CLIP_S),
            Text(),
            self._now(),
            Text(),
            *(self._bar(name) for name in self._emotions),
            Text(),
            self._strip_line(),
            *(self._past(segment) for segment in self._segments),
            *(Text() for _ in range(_SEGMENTS - len(self._segments))),
            Text(),
            self._foot(),
        )

    def _head(self) -> RenderableType:
        session = self._session
        mark = Text("● ", "red" if session.recording is not None else "green")
        what = "recording " if session.recording is not None else "listening "
        name = messages.printable(session.source.name)
        left = Text.assemble(mark, (what, "bold"), (name, "dim"), no_wrap=True, overflow="ellipsis")
        return self._line(left, Text(clock(session.time), "bold"))

    def _meter(self, *, clipping: bool) -> RenderableType:
        cells = self._width - 18
        meter = Text("  ")
        for cell in range(cells):
            here_db = _FLOOR_DB * (1 - (cell + 1) / cells)
            lit = self._level_db > _FLOOR_DB and here_db <= self._level_db
            colour = "red" if here_db > _HOT_DB else "yellow" if here_db > _WARM_DB else "green"
            meter.append("▪" if lit else "·", colour if lit else "bright_black")
        silent = self._level_db <= _FLOOR_DB
        said = Text("  silent" if silent else f"{self._level_db:4.0f} dB", "dim")
        return self._line(meter, Text("CLIP", "bold white on red") if clipping else said)

    def _now(self) -> Text:
        if self._session.speaking and self._emotion is not None:
            score = self._scores[self._emotion]
            return Text.assemble(
                "  ",
                output.painted(self._emotion),
                (f"  {100 * score:.0f} %", vocabulary.colour(self._emotion)),
            )
        waits = "speech …" if self._session.speaking else "no speech"
        return Text(f"  {waits}", "dim")

    def _bar(self, name: str) -> Text:
        score = self._scores[name]
        quiet = not self._session.speaking
        colour = vocabulary.colour(name)
        cells = self._width - _LABEL - 8
        halves = round(score * cells * 2)
        bar = "━" * (halves // 2) + "╸" * (halves % 2)
        return Text.assemble(
            (f"  {name:<{_LABEL}}", "dim" if quiet or name != self._emotion else "bold"),
            (f"{bar:<{cells}}", f"dim {colour}" if quiet else colour),
            (f"{100 * score:4.0f} %", "dim"),
            no_wrap=True,
        )

    def _strip_line(self) -> Text:
        last = int(self._session.time)
        first = max(0, last + 1 - min(STRIP_S, self._width - 4))
        line = Text("  ")
        for second in range(first, last + 1):
            name = self._strip.get(second)
            line.append(
                "·" if name is None else "█", "dim" if name is None else vocabulary.colour(name)
            )
        return line

    def _past(self, segment: Segment) -> Text:
        return Text.assemble(
            (f"  {clock(segment.start):>8} – {clock(segment.end):<8}  ", "dim"),
            (f"{segment.label:<{_LABEL}}", vocabulary.colour(segment.label)),
            (f"{100 * (segment.confidence or 0):4.0f} %", "dim"),
            no_wrap=True,
        )

    def _foot(self) -> RenderableType:
        session, said = self._session, Text("  ")
        if session.source.is_live:
            late = session.lag_s > _BEHIND_S
            said.append(f"lag {session.lag_s:.1f} s", "yellow" if late else "dim")
            said.append(
                f"   {output.counted(session.skipped, 'window')} skipped",
                "yellow" if session.skipped else "dim",
            )
        if session.overflows:
            said.append(f"   sound lost {output.counted(session.overflows, 'time')}", "red")
        return self._line(said, Text("Ctrl-C ends", "dim"))

    def _line(self, left: Text, right: Text) -> RenderableType:
        """Two texts at the two ends of a line."""
        line = Table.grid(padding=0)
        line.width = self._width
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_column(justify="right", no_wrap=True)
        line.add_row(left, right)
        return line
