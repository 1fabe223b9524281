"""What `emotone listen` prints while it hears: JSON, rows, lines, or a view in a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emotone.cli import output
from emotone.timeline.clock import clock

if TYPE_CHECKING:
    from emotone.cli.printer import Printer
    from emotone.live import Session
    from emotone.live.session import Told
    from emotone.timeline import Segment


Show = Callable[["list[Told]"], None]


@contextlib.contextmanager
def shown(
    session: Session, emotions: tuple[str, ...], printer: Printer, as_json: bool, as_csv: bool
) -> Iterator[Show]:
    """What to tell events to: JSON or CSV for a program, a view in a terminal, lines elsewhere."""
    if as_json:
        yield _write_json
    elif as_csv:
        yield _rows(session)
    elif (screen := output.console()).is_terminal and not screen.is_dumb_terminal:
        from emotone.cli.liveview import LiveView

        with LiveView(session, emotions, lambda: printer.idle) as view:
            yield view.show
    else:
        yield _write_lines


def _write_json(told: list[Told]) -> None:
    for event in told:
        output.write_json_line(event.to_dict())


def _write_lines(told: list[Told]) -> None:
    """A line for each segment, once it is over."""
    from emotone.stream import SpeechEnded

    for event in told:
        if isinstance(event, SpeechEnded):
            for segment in event.segments:
                print(_line(segment), flush=True)


def _line(segment: Segment) -> str:
    times = f"{clock(segment.start):>9} {clock(segment.end):>9}"
    return f"{times}  {segment.label:<10} {output.percent(segment.confidence):>5} %"


def _rows(session: Session) -> Show:
    """Print the rows of `emotone analyze --csv`, each as soon as it is known."""
    from dataclasses import replace

    from emotone.timeline import exports

    bare = session.timeline()
    sys.stdout.write(exports.text(bare, "csv"))
    sys.stdout.flush()
    done = 0

    def show(_: list[Told]) -> None:
        nonlocal done
        fresh, done = tuple(session.segments[done:]), len(session.segments)
        if fresh:
            rows = exports.text(replace(bare, segments=fresh), "csv")
            sys.stdout.write(rows.split("\n", 1)[1])
            sys.stdout.flush()

    return show
