"""How a benchmark ends: an error is one message and an exit status, as of `emotone` itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from emotone.cli import messages
from emotone.debugging import debugging
from emotone.errors import (
    EmotoneError,
    FeatureError,
    MissingExtraError,
    SplitError,
    UsageError,
)

USAGE_ERRORS = (UsageError, FeatureError, SplitError, MissingExtraError)
"""Errors in what was asked for, whatever the input: those of `emotone.cli.app`."""

INTERRUPTED = 130
BROKEN_PIPE = 141
"""The reader of standard output has left."""


def run(main: Callable[[], int | None]) -> None:
    """Run a benchmark, and end the process.

    An error that emotone raises on purpose, and one of a file that cannot be read or written, is
    told on standard error in one message, as is a package that is missing; ``EMOTONE_DEBUG=1``
    shows its traceback.

    Parameters
    ----------
    main
        Gives the exit status, None for 0.

    Raises
    ------
    SystemExit
        Always: with 2 for an error of usage, 1 for another, 130 where it was interrupted, 141 where
        nobody reads on.
    """
    try:
        status = main() or 0
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes what nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = BROKEN_PIPE
    except (EmotoneError, OSError) as error:
        # Of an error that names no file nothing could be said that helps.
        if debugging() or (isinstance(error, OSError) and error.filename is None):
            raise
        said = f"{error.filename}: {error.strerror}." if isinstance(error, OSError) else str(error)
        messages.error(said)
        status = 2 if isinstance(error, USAGE_ERRORS) else 1
    except ModuleNotFoundError as error:
        if debugging():
            raise
        messages.error(
            f"this benchmark needs the module {error.name!r}, such as those of programs that "
            "emotone is compared with. Install them in the checkout with: pip install --group test"
        )
        status = 2
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)
