"""The root command: finds a subcommand's module when it is called, and reports every error."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from emotone.cli import messages
from emotone.errors import (
    EmotoneError,
    EmotoneWarning,
    FeatureError,
    MissingExtraError,
    SplitError,
    UsageError,
)

COMMANDS = (
    "predict",
    "analyze",
    "batch",
    "listen",
    "serve",
    "server",
    "features",
    "corpus",
    "train",
    "evaluate",
    "compare",
    "models",
    "plot",
    "benchmark",
)
"""The subcommands in the order of `emotone --help`, each the module `emotone.cli.NAME`."""

_USAGE_ERRORS = (UsageError, FeatureError, SplitError, MissingExtraError)
"""Errors in what was asked for, whatever the input: exit status 2. The others are 1."""


class LazyGroup(TyperGroup):
    """A group whose subcommands are imported when they are asked for.

    `emotone predict` then pays for no other command's imports.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command = get_command(importlib.import_module(f"emotone.cli.{cmd_name}").app)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; what it raises on purpose becomes one line and an exit status."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except EmotoneError as error:
            if messages.debugging():
                raise
            messages.error(str(error))
            raise typer.Exit(2 if isinstance(error, _USAGE_ERRORS) else 1) from None
        except BrokenPipeError:
            # The reader (`| head`) has seen enough; 141 is what a shell gives for SIGPIPE.
            _drop_stdout()
            raise typer.Exit(141) from None
        except KeyboardInterrupt:
            messages.error("interrupted")
            raise typer.Exit(130) from None
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if messages.debugging() or (error.filename is None and not full):
                raise
            if full:
                _drop_stdout()
            place = error.filename or "what was being written"
            messages.error(f"{place}: {error.strerror}.")
            raise typer.Exit(1) from None
        return result


def _drop_stdout() -> None:
    # Python would complain at exit about the rest of the buffer, so that goes nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from emotone import __version__

        print(f"emotone {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Hear the emotion in a voice: which one, when it changes, and how sure the model is.

    Start with one of these:
      emotone predict clip.wav
      emotone corpus check path/to/ravdess
      emotone train path/to/ravdess --split speakers:5 -o mine.emotone

    Exit status: 0 all done, 1 some inputs failed, 2 wrong usage, 130 interrupted.
    EMOTONE_DEBUG=1 shows the traceback of an error.
    """


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    messages.warning(str(message))


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and give its exit status.

    Parameters
    ----------
    arguments
        What stands after ``emotone``; None for those of the process.
    """
    with warnings.catch_warnings():
        if not messages.debugging():
            # Ours are for the user, one line each; the libraries' are for developers.
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", EmotoneWarning)
            warnings.showwarning = _show_warning
        try:
            get_command(app).main(args=arguments, prog_name="emotone")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
    return 0
