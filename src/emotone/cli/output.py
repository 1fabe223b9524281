"""What goes to stdout: tables for a person, JSON and CSV for a program."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from emotone import emotions
from emotone.cli import messages
from emotone.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_UNBOUNDED = 100_000
"""Columns where there is no terminal: a file or a pipe gets whole names, on one line each."""

_ESCAPED = re.compile("[\x7f-\x9f\ud800-\udfff]")
"""How Python holds the bytes of a file name that are no UTF-8; and what steers a terminal."""

BAR_CELLS = 16
"""Width of a full score bar in the terminal."""


def console() -> Console:
    """The Rich console on stdout."""
    from rich.console import Console

    # Rich measures a terminal by itself; elsewhere it would cut lines at 80.
    width = None if sys.stdout.isatty() else _UNBOUNDED
    colour = messages.said.colour
    return Console(
        highlight=False,
        emoji=False,
        width=width,
        color_system="truecolor" if colour == "always" and not sys.stdout.isatty() else "auto",
        no_color=None if colour in (None, "auto") else colour == "never",
    )


def show(thing: RenderableType) -> None:
    """Print a table on stdout; in a file or a pipe without the blanks that fill its lines."""
    screen = console()
    plain = screen.options.ascii_only
    if screen.is_terminal and not plain:
        screen.print(thing)
        return
    with screen.capture() as printed:
        screen.print(thing)
    text = messages.in_ascii(printed.get()) if plain else printed.get()
    for line in text.splitlines():
        print(line.rstrip())


def table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """An empty table in the house style.

    Parameters
    ----------
    columns
        The headings.
    numbers
        The headings of the columns that are aligned to the right and never cut.
    """
    from rich import box
    from rich.table import Table

    result = Table(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )
    right = set(numbers)
    for name in columns:
        if name in right:
            result.add_column(name, justify="right", no_wrap=True)
        else:
            result.add_column(name, overflow="fold")
    return result


def painted(emotion: str, text: str | None = None) -> Text:
    """An emotion's name, or another text, in the emotion's colour."""
    from rich.text import Text

    style = "dim" if emotion == "uncertain" else f"bold {emotions.colour(emotion)}"
    return Text(emotion if text is None else text, style=style, no_wrap=True)


def names_in_colour(names: Iterable[str]) -> Text:
    """Emotions with commas between them, each in its colour."""
    from rich.text import Text

    return Text(", ").join([Text(name, style=emotions.colour(name)) for name in names])


def bar(share: float, emotion: str, *, plain: bool) -> Text:
    """A bar for a share from 0 to 1, in eighths of a cell; of ``#`` where ``plain``."""
    from rich.text import Text

    if plain:
        filled = "#" * round(share * BAR_CELLS)
        rest = "." * (BAR_CELLS - len(filled))
    else:
        eighths = round(share * BAR_CELLS * 8)
        filled = "█" * (eighths // 8) + "▏▎▍▌▋▊▉"[eighths % 8 - 1 : eighths % 8][: eighths % 8]
        rest = " " * (BAR_CELLS - len(filled))
    return Text.assemble((filled, emotions.colour(emotion)), (rest, "dim"), no_wrap=True)


def short_path(path: str, width: int) -> str:
    """A path cut at its front to a width, for its end tells more; ``-`` by its name."""
    if path == "-":
        return "standard input"
    path = messages.printable(path)
    width = max(width, 16)
    return path if len(path) <= width else f"…{path[1 - width :]}"


def only_one(**asked: bool) -> None:
    """Refuse two output formats at once.

    Raises
    ------
    UsageError
        If more than one is asked for.
    """
    chosen = [f"--{name}" for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other", remedy="Give one of them.")


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    # Names are kept readable, but bytes of a file name that are no UTF-8 may not come out as such:
    # as \udcff they make valid JSON, which Python reads as the very same name.
    return _ESCAPED.sub(lambda byte: f"\\u{ord(byte[0]):04x}", text)


def write_json(value: Any) -> None:
    """One JSON document on stdout. Nothing else may be printed there."""
    print(_json(value, indent=2))


def write_json_line(value: Any) -> None:
    """A JSON object on a line of its own on stdout, at once."""
    print(_json(value), flush=True)


def write_json_items(items: Iterable[dict[str, Any]]) -> None:
    """A JSON array on stdout, one element a line, each as soon as it is there."""
    opening = "["
    for item in items:
        print(opening, _json(item), sep="\n", end="")
        sys.stdout.flush()
        opening = ","
    print("[]" if opening == "[" else "\n]")


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows as CSV on stdout, each as soon as it is there."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(row)
        sys.stdout.flush()


def percent(value: float | None) -> str:
    """``73.1`` for 0.731, and a dash for nothing."""
    return "–" if value is None or value != value else f"{100 * value:.1f}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 file``, ``2,400 files``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def length(seconds: float) -> str:
    """``3.7 s``, ``12 min 05 s`` or ``9 h 38 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02} min"
