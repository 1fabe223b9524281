"""The `emotone` command: Typer over the same few calls that a Python user makes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit status.

    0 all done, 1 some inputs failed, 2 wrong usage, 130 interrupted.
    """
    try:
        from emotone.cli.app import run

        status = run()
    except KeyboardInterrupt:  # while the command itself was still being loaded
        print("interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)
