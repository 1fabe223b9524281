"""Lines for the person at the terminal. They go to stderr, so that stdout holds results alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotone.corpora import Problem
    from emotone.prediction import Failure

_RED, _YELLOW, _DIM = "31", "33", "2"


def debugging() -> bool:
    """Whether ``EMOTONE_DEBUG`` asks for tracebacks and every library's warnings."""
    return os.environ.get("EMOTONE_DEBUG", "") not in ("", "0")


def _paint(text: str, colour: str) -> str:
    # By hand rather than by Rich: an error must not wait for an import.
    if not text.isprintable() and sys.stderr.isatty():
        text = printable(text, keep="\n")
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def printable(text: str, keep: str = "") -> str:
    """A text that a terminal cannot take for commands, nor a line of a table for two.

    A file may be called anything, escape sequences included.
    """
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text)


def error(text: str) -> None:
    """Print ``error: text``."""
    print(_paint(f"error: {text}", _RED), file=sys.stderr)


def warning(text: str) -> None:
    """Print ``warning: text``."""
    print(_paint(f"warning: {text}", _YELLOW), file=sys.stderr)


def left_out(failures: Iterable[Failure]) -> None:
    """Name the clips that could not be read and were left out."""
    for failure in failures:
        warning(f"left out: {failure.error}")


def without_label(problems: Sequence[Problem]) -> None:
    """Say, in one line, that some files or rows of a corpus gave no utterance."""
    if not problems:
        return
    first = problems[0]
    rest = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
    warning(
        f"left out: {first.path}: {first.reason}{rest}. "
        "'emotone corpus check' with the same folders lists what is left out."
    )


def note(text: str) -> None:
    """Print a line of comment: what was written where, what to do next."""
    print(_paint(text, _DIM), file=sys.stderr)
