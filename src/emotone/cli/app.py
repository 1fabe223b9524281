"""The root command: finds a subcommand's module when it is called, and reports every error."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from emotone import interrupts
from emotone.cli import everywhere, messages
from emotone.debugging import debugging
from emotone.errors import (
    EmotoneError,
    EmotoneWarning,
    FeatureError,
    MissingExtraError,
    SplitError,
    UsageError,
)

COMMANDS = {
    "predict": "Name the emotion of each clip.",
    "analyze": "Say which emotion is heard when in a recording of any length.",
    "batch": "Hear any number of recordings: 'batch IN... OUT' is 'batch run'.",
    "listen": "Hear the emotion in a voice while someone speaks.",
    "serve": "Run the service and open its page.",
    "server": "Keys, backups and the rest of a service's care.",
    "features": "Compute features of clips and write them as a table.",
    "corpus": "Look a corpus over, list the known ones, or download one.",
    "train": "Train a model, test it, and write it as a bundle with a report.",
    "evaluate": "Test a model on labelled clips.",
    "compare": "Train families under the same folds and show them side by side.",
    "models": "List, show, verify and export models.",
    "plot": "Draw sound, features and results as PNG, SVG or PDF.",
    "benchmark": "Measure what the README quotes, on this machine.",
    "config": "Show the settings in force, and where each comes from.",
    "doctor": "Say what is there, what is missing, and the command to fix it.",
}
"""The subcommands in the order of `emotone --help`, each the module `emotone.cli.NAME`, and what
its help begins with: a list of them then needs none of the modules."""

_WITHOUT_CONFIGURATION = ("config", "doctor")
"""They tell what is wrong with it, so they must not stop at that."""

_INTERRUPTED = 130
_BROKEN_PIPE = 141
"""Of one whose reader (`| head`) has seen enough: what a shell gives for SIGPIPE."""
_USAGE_ERRORS = (UsageError, FeatureError, SplitError, MissingExtraError)
"""Errors in what was asked for, whatever the input: exit status 2. The others are 1."""


class LazyGroup(TyperGroup):
    """A group whose subcommands are imported when they are asked for.

    `emotone predict` then pays for no other command's imports.
    """

    listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        if self.listing:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name])
        command = get_command(importlib.import_module(f"emotone.cli.{cmd_name}").app)
        command.name = cmd_name
        everywhere.add(command)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help page, for which no command is loaded."""
        self.listing = True
        super().format_help(ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The subcommand, what its options are where they are not given, and its arguments."""
        if not ctx.resilient_parsing and args[0] not in COMMANDS and args[0][:1] != "-":
            self._unknown(args[0])
        name, command, rest = super().resolve_command(ctx, args)
        if name is None or command is None:  # of a line that is being completed
            return name, command, rest
        helps = bool({"--help", "-h"} & {*rest})
        if helps or not rest:
            from emotone.cli import manual

            manual.add((name,), command)
        if not ctx.resilient_parsing:
            try:
                self._configure(ctx, name, command, rest)
            except EmotoneError:
                if not helps and name not in _WITHOUT_CONFIGURATION:
                    raise
        return name, command, rest

    def _unknown(self, name: str) -> None:
        from emotone.configuration import suggestion

        raise UsageError(
            f"there is no command {name!r}",
            remedy=f"{suggestion(name, COMMANDS)} emotone --help says what each does.",
        )

    def _configure(self, ctx: Any, name: str, command: Any, arguments: list[str]) -> None:
        from emotone import configuration

        found = configuration.read()
        everywhere.settle(found)
        if found.files or any(key.startswith("EMOTONE_") for key in found.environment):
            from emotone.cli import defaults

            defaults.check_tables(found, COMMANDS)
            ctx.default_map = {name: defaults.default_map((name,), command, found, arguments)}
            messages.said.in_force = defaults.in_force(
                dict(defaults.commands((name,), command)), found
            )

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; a request to end becomes one line and an exit status."""
        try:
            with interrupts.terminable():
                result = super().invoke(ctx)
                sys.stdout.flush()
        except (KeyboardInterrupt, *interrupts.SPOILED) as end:
            spoiled = not isinstance(end, KeyboardInterrupt)
            if not interrupts.ends(end) or (spoiled and debugging()):
                raise
            interrupts.taken()
            status = interrupts.status()
            messages.error("interrupted" if status == _INTERRUPTED else "terminated")
            raise typer.Exit(status) from None
        return result


def _told(error: EmotoneError) -> int:
    """Say what went wrong, and give the exit status for it."""
    if debugging():
        raise error
    messages.error(str(error))
    cause = error.__cause__
    if cause is not None:
        messages.detail(f"caused by {type(cause).__name__}: {cause}")
    return 2 if isinstance(error, _USAGE_ERRORS) else 1


def _unwritten(error: OSError) -> int:
    """Say what could not be read or written, and give the exit status for it."""
    from emotone.exports import FULL

    if isinstance(error, BrokenPipeError):
        _drop_stdout()
        return _BROKEN_PIPE
    place, full = error.filename, error.errno in FULL
    if place is None:
        if _stdout_fails():
            place = "standard output"
            _drop_stdout()
        elif full:
            place = f"standard output, or a file in {tempfile.gettempdir()}"
    if debugging() or place is None:
        raise error
    remedy = " Free some space, or write to another disk." if full else ""
    messages.error(f"{place}: {error.strerror}.{remedy}")
    return 1


def _stdout_fails() -> bool:
    """Whether it is stdout that takes nothing: what it did not take is still to be written.

    It is not where Python was told to hold nothing back (``PYTHONUNBUFFERED``).
    """
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _drop_stdout() -> None:
    # Python would complain at exit about the rest of the buffer, so that goes nowhere.
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # it is no file: another program's, which has put it there
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _of_broken_pipe(end: BaseException) -> bool:
    """Whether a library, Rich or Typer, has made an end of its own of a reader that left."""
    before = end.__context__
    return before is not None and (isinstance(before, BrokenPipeError) or _of_broken_pipe(before))


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
    """Hear the emotion in a voice: which, when it changes, how sure the model is.

    Start with one of these:
      emotone predict clip.wav
      emotone corpus check path/to/ravdess
      emotone train path/to/ravdess --split speakers:5 -o mine.emotone

    Options have defaults that you can set: emotone config --help says how.
    Shell completion: emotone --install-completion.

    Exit status: 0 all done, 1 some inputs failed, 2 wrong usage; where a command
    is ended, 129 its terminal was closed, 130 interrupted, 141 its reader has
    left, 143 terminated. EMOTONE_DEBUG=1 shows the traceback of an error.
    """


def every_command() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, by the words that call it; loads all their modules."""
    from emotone.cli.defaults import commands

    root_command = get_command(app)
    assert isinstance(root_command, LazyGroup)
    for name in COMMANDS:
        yield from commands((name,), root_command.get_command(None, name))


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    messages.warning(str(message))


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and give its exit status.

    Parameters
    ----------
    arguments
        What stands after ``emotone``; None for those of the process.
    """
    messages.begin()
    started = time.perf_counter()
    with warnings.catch_warnings():
        if not debugging():
            # Ours are for the user, one line each; the libraries' are for developers.
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", EmotoneWarning)
            warnings.showwarning = _show_warning
        try:
            status = _status(arguments)
            sys.stdout.flush()  # what it printed may only now be found to have no place
        except EmotoneError as error:
            status = _told(error)
        except OSError as error:
            status = _unwritten(error)
    for line in messages.said.in_force:
        messages.detail(line)
    messages.detail(
        f"It took {time.perf_counter() - started:.2f} s{_memory()}; exit status {status}"
    )
    return status


def _status(arguments: list[str] | None) -> int:
    """Run one command line; its exit status, where it comes to an end by itself."""
    try:
        command = get_command(app)
        command.params += everywhere.options()
        command.main(args=arguments, prog_name="emotone")
    except SystemExit as end:
        if _of_broken_pipe(end):
            _drop_stdout()
            return _BROKEN_PIPE
        if end.__context__ is not None and interrupts.ends(end.__context__):
            interrupts.taken()
            messages.error("interrupted")  # before the command began
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _memory() -> str:
    try:
        import resource
    except ImportError:  # on Windows
        return ""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return f" and {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MiB at most"
