"""Lines for the person at the terminal. They go to stderr, so that stdout holds results alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotone.corpora import Problem
    from emotone.prediction import Failure

_RED, _YELLOW, _DIM = "31", "33", "2"


QUIET, NORMAL, VERBOSE = -1, 0, 1
"""How much is told beside the results: warnings and errors; comments and progress; details."""


@dataclass
class Said:
    """How the user wants to be told things; see `emotone.cli.everywhere`.

    Attributes
    ----------
    level
        `QUIET`, `NORMAL` or `VERBOSE`.
    level_by
        The option that said so, if one did.
    colour
        ``"auto"``, ``"always"`` or ``"never"``; None as nobody has said.
    in_force
        What the configuration has decided, a line each.
    """

    level: int = NORMAL
    level_by: str | None = None
    colour: str | None = None
    in_force: Sequence[str] = ()


said = Said()
"""Of the command that runs: a process has one terminal, and runs one command."""


def begin() -> None:
    """Forget what an earlier command of this process was told."""
    global said
    said = Said()


def quiet() -> bool:
    """Whether only results, warnings and errors are wanted."""
    return said.level <= QUIET


def verbose() -> bool:
    """Whether details are wanted."""
    return said.level >= VERBOSE


_SIGNS = str.maketrans({"…": "...", "–": "-", "→": "->", "×": "x", "·": "."})


def in_ascii(text: str) -> str:
    """A text whose signs are said by others, for where there is nothing beside ASCII.

    Names of files hold none of them there: Python reads them as escapes.
    """
    return text.translate(_SIGNS)


def _paint(text: str, colour: str) -> str:
    # By hand rather than by Rich: an error must not wait for an import.
    if not (sys.stderr.encoding or "").lower().startswith("utf"):
        text = in_ascii(text)
    if not text.isprintable() and sys.stderr.isatty():
        text = printable(text, keep="\n")
    return f"\x1b[{colour}m{text}\x1b[0m" if _coloured() else text


def _coloured() -> bool:
    if said.colour in (None, "auto"):
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        return not plain and sys.stderr.isatty()
    return said.colour == "always"


def printable(text: str, keep: str = "") -> str:
    """A text that a terminal cannot take for commands, nor a line of a table for two.

    A file may be called anything, escape sequences included.
    """
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text)


def _say(text: str, colour: str) -> None:
    try:
        print(_paint(text, colour), file=sys.stderr, flush=True)
    except BrokenPipeError:  # whoever read it has left, as for stdout
        raise
    except OSError:  # it has no place (a full disk), and there is nobody else to tell
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def error(text: str) -> None:
    """Print ``error: text``."""
    _say(f"error: {text}", _RED)


def warning(text: str) -> None:
    """Print ``warning: text``."""
    _say(f"warning: {text}", _YELLOW)


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
    """Print a line of comment, unless that is not wanted: what was written where, what next."""
    if not quiet():
        _say(text, _DIM)


def detail(text: str) -> None:
    """Print a line of comment where details are wanted."""
    if verbose():
        _say(text, _DIM)
