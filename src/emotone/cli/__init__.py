"""The `emotone` command: Typer over the same few calls that a Python user makes."""

from __future__ import annotations

import gc
import io
import os
import sys

from emotone import interrupts
from emotone.debugging import debugging


def main() -> None:
    """Run the command line and leave with its exit status.

    0 all done, 1 some inputs failed, 2 wrong usage; see `emotone.cli.manual` for the others.
    """
    _fill_closed_streams()
    # A sixth of a short command would be spent on looking for garbage: while modules are loaded,
    # where there is none, and at the end, where the system frees everything anyway.
    gc.set_threshold(50_000)
    _let_any_name_be_printed()
    try:
        with interrupts.unlost():
            from emotone.cli.app import run

            status = run()
    except (KeyboardInterrupt, *interrupts.SPOILED) as end:
        if not interrupts.ends(end) or (debugging() and not isinstance(end, KeyboardInterrupt)):
            raise
        interrupts.taken()  # before or after the command itself
        print("error: interrupted", file=sys.stderr)
        status = interrupts.status()
    gc.freeze()
    sys.exit(status)


def _fill_closed_streams() -> None:
    """Put something in the place of what was closed (`emotone … >&-`), as the C library does.

    The first file that is opened would take its number, and be written to by what means stdout.
    What is put there refuses what stdout is for, so that no result is lost in silence; for stderr
    there is nobody to tell.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _let_any_name_be_printed() -> None:
    """Let stdout take file names that are no text, and those its encoding does not have.

    In UTF-8 they come out byte for byte as they are on disk, elsewhere with escapes.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        utf8 = sys.stdout.encoding.lower() in ("utf-8", "utf8")
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
