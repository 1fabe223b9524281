"""The options that every command has: --quiet, --verbose, --colour."""

from __future__ import annotations

from typing import Any

from typer.core import TyperOption

from emotone.cli import messages
from emotone.configuration import Configuration
from emotone.errors import UsageError

_PANEL = "Options of every command"
COLOURS = ("auto", "always", "never")


def options() -> list[TyperOption]:
    """New ones, to be added to the parameters of a command."""
    return [
        TyperOption(
            param_decls=["--quiet", "-q"],
            is_flag=True,
            default=False,
            expose_value=False,
            callback=_quiet,
            help="No progress and no comments: results, warnings and errors alone.",
            rich_help_panel=_PANEL,
        ),
        TyperOption(
            param_decls=["--verbose", "-v"],
            is_flag=True,
            default=False,
            expose_value=False,
            callback=_verbose,
            help="Tell what is in force, how long it took, and more about errors.",
            rich_help_panel=_PANEL,
        ),
        TyperOption(
            param_decls=["--colour"],
            default=None,
            expose_value=False,
            callback=_coloured,
            metavar="WHEN",
            help="auto, always or never.",
            rich_help_panel=_PANEL,
            autocompletion=lambda *_: list(COLOURS),
        ),
    ]


def add(command: Any) -> None:
    """Give them to a command, and to all below a group."""
    for inner in getattr(command, "commands", {}).values():
        add(inner)
    command.params += options()


def settle(configured: Configuration) -> None:
    """Take from the environment and the files what the command line does not say.

    To be called before the options of the command are looked at, which come after it and win.
    """
    said = messages.said
    quiet, verbose = configured.value("quiet"), configured.value("verbose")
    if quiet.value and verbose.value and quiet.origin == verbose.origin:
        raise UsageError(
            "quiet and verbose exclude each other", source=quiet.origin, remedy="Give one of them."
        )
    asked = [
        (_rank(setting.origin, configured), level)
        for setting, level in ((quiet, messages.QUIET), (verbose, messages.VERBOSE))
        if setting.value
    ]
    if said.level_by is None and asked:
        _, said.level = min(asked)  # the stronger of two that are said in different places
    if said.colour is None:
        colour = configured.value("colour")
        if colour.is_set and not ("NO_COLOR" in configured.environment and _is_file(colour.origin)):
            said.colour = str(colour.value)


def _is_file(origin: str) -> bool:
    return not origin.startswith("EMOTONE_")


def _rank(origin: str, configured: Configuration) -> int:
    """How strong a place is that sets something, the strongest lowest."""
    return [str(file.path) for file in configured.files].index(origin) if _is_file(origin) else -1


def _quiet(_context: Any, _param: Any, value: bool) -> None:
    if value:
        _level(messages.QUIET, "--quiet")


def _verbose(_context: Any, _param: Any, value: bool) -> None:
    if value:
        _level(messages.VERBOSE, "--verbose")


def _level(level: int, option: str) -> None:
    if messages.said.level_by not in (None, option):
        raise UsageError("--quiet and --verbose exclude each other", remedy="Give one of them.")
    messages.said.level, messages.said.level_by = level, option


def _coloured(_context: Any, _param: Any, value: str | None) -> None:
    if value is None:
        return
    if value not in COLOURS:
        raise UsageError(f"--colour is {value!r}", remedy="Give auto, always or never.")
    messages.said.colour = value
