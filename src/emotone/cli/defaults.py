"""What the options of a command are where nobody gives them: from the environment and files.

For the option ``--top`` of `emotone predict`, the first of these that is there: the variable
``EMOTONE_PREDICT_TOP``, the key ``top`` in the table ``[predict]`` of the project's file, the same
in the user's, and what the command does by itself. See `emotone.configuration` for the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption
from typer.models import TyperPath

from emotone import configuration
from emotone.configuration import Configuration, ConfigurationFile, suggestion
from emotone.errors import UsageError

_OF_ONE_CALL = frozenset(
    (
        "accept-licence",
        "cache-info",
        "clear-cache",
        "colour",
        "csv",
        "fresh",
        "help",
        "json",
        "list",
        "list-devices",
        "output",
        "overwrite",
        "predictions",
        "quiet",
        "record",
        "resume",
        "stdin",
        "verbose",
    )
)
"""Options that belong to one call: what it writes and in which form, and what is done but once."""

_NOT_BY_PROJECT = ("serve", "server")
_NOT_BY_PROJECT_OPTIONS = ("ray",)
"""What opens this machine to others, or sends recordings to another. A project's file may have come
with a folder from a stranger, and may not do that."""

_EXCLUSIVE = ({"threshold", "uncertain"}, {"split", "folds"})
"""Options of which one on the command line outdoes the others in a file."""

_OWN_VARIABLES = ("CACHE", "CONFIG", "CORPORA", "DATABASE", "DEBUG", "HOSTS", "LOG", "SERVER")
"""Variables that are no setting of `emotone.configuration` and no option by its name."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is given for an option.

    Attributes
    ----------
    option
        Its name, without dashes.
    value
        As it stands there.
    origin
        The variable or the file.
    """

    option: str
    value: Any
    origin: str


def commands(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The commands below one, each with the words that call it; itself where it is no group."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield words, command
        return
    for name, each in inner.items():
        yield from commands((*words, name), each)


def options(command: Any) -> dict[str, TyperOption]:
    """The options that may be set other than on the command line, by their names."""
    found = {}
    for param in command.params:
        name = _name(param)
        if name and name not in _OF_ONE_CALL and not param.required and param.expose_value:
            found[name] = param
    return found


def given(words: tuple[str, ...], command: Any, configuration: Configuration) -> tuple[Given, ...]:
    """What the environment and the files say of a command's options, the stronger only.

    Raises
    ------
    UsageError
        If a file or a variable sets what is no option of the command, or may not.
    """
    known = options(command)
    _check_variables(words, known, configuration.environment)
    for file in configuration.files:
        _check_table(words, command, file)
    found = []
    for name in known:
        one = _one(words, name, configuration)
        if one is not None:
            found.append(one)
    return tuple(found)


def default_map(
    words: tuple[str, ...],
    command: Any,
    configuration: Configuration,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """What Click takes for the parameters of a command, or of all below a group.

    Parameters
    ----------
    words
        What calls it.
    command
        Of Typer.
    configuration
        What was read.
    arguments
        What stands after the words: there an option outdoes what excludes it.

    Raises
    ------
    UsageError
        If something that is set is unknown, not allowed, or none of the option's values.
    """
    inner = getattr(command, "commands", None)
    if inner:
        for file in configuration.files:
            _check_group(words, command, file)
        return {
            name: default_map((*words, name), each, configuration, arguments)
            for name, each in inner.items()
        }
    known = options(command)
    typed = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    found = {}
    for each in given(words, command, configuration):
        rivals = {name for group in _EXCLUSIVE if each.option in group for name in group}
        if any(typed & {*known[name].opts} for name in (rivals & {*known}) - {each.option}):
            continue
        param = known[each.option]
        assert param.name is not None
        found[param.name] = _converted(param, each)
    return found


def in_force(tree: Mapping[tuple[str, ...], Any], configured: Configuration) -> list[str]:
    """What is set for some commands, by the words that call them, and where: a line each."""
    found = [
        f"{setting} = {configured.value(setting).value} ({configured.value(setting).origin})"
        for setting in configuration.SETTINGS
        if configured.value(setting).is_set
    ]
    for called, each in tree.items():
        found += [
            f"{' '.join(called)} --{one.option} = {one.value} ({one.origin})"
            for one in given(called, each, configured)
        ]
    return found


def check_tables(configuration: Configuration, names: Mapping[str, object]) -> None:
    """Refuse a table that is of no command.

    Raises
    ------
    UsageError
        If there is one.
    """
    for file in configuration.files:
        for name in file.content:
            if name not in configuration_names(names):
                raise UsageError(
                    f"there is no command {name!r}",
                    source=file.path,
                    remedy=suggestion(name, names),
                    code="bad_configuration",
                )


def configuration_names(names: Mapping[str, object]) -> set[str]:
    """What may stand at the top of a file: the settings, and the commands."""
    return {*configuration.SETTINGS, *names}


def unknown_variables(
    tree: Mapping[tuple[str, ...], Any], environment: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Variables that look like ours and mean nothing, each with what may have been meant.

    Parameters
    ----------
    tree
        Every command by the words that call it.
    environment
        The variables.
    """
    known = {setting.variable for setting in configuration.SETTINGS.values()}
    known |= {configuration.variable(name) for name in _OWN_VARIABLES}
    for words, command in tree.items():
        known |= {configuration.variable(*words, name) for name in options(command)}
    return [
        (name, suggestion(name, known) if _alike(name, known) else "")
        for name in sorted(environment)
        if name.startswith("EMOTONE_") and name not in known
    ]


def _alike(name: str, known: set[str]) -> bool:
    return suggestion(name, known).startswith("Did you mean")


def _name(param: Any) -> str | None:
    """The long name of an option, without dashes."""
    if not isinstance(param, TyperOption) or param.is_eager:
        return None
    long = [opt[2:] for opt in param.opts if opt.startswith("--")]
    return long[0] if long else None


def _one(words: tuple[str, ...], name: str, configured: Configuration) -> Given | None:
    environment = configured.environment
    general = name == "jobs" and words[0] != "serve"  # there it counts what is heard at once
    names = [configuration.variable(*words, name)]
    names += [configuration.variable(name)] if general else []
    for variable in names:
        if environment.get(variable):
            return Given(name, environment[variable], variable)
    for file in configured.files:
        table = file.options(words)
        if name in table:
            return Given(name, table[name], str(file.path))
        if general and name in file.content:
            return Given(name, file.content[name], str(file.path))
    return None


def _converted(param: TyperOption, each: Given) -> Any:
    """The value of an option, of its own type."""

    def refused(cause: str, remedy: str) -> UsageError:
        return UsageError(cause, source=each.origin, remedy=remedy, code="bad_configuration")

    value = each.value
    by_variable = isinstance(value, str) and each.origin.startswith("EMOTONE_")
    if param.multiple and by_variable:
        value = param.type.split_envvar_value(value)
    if param.multiple != isinstance(value, list):
        raise refused(
            f"{each.option} is {each.value!r}",
            'Give a list, ["A", "B"].' if param.multiple else "Give one value.",
        )
    plain = all(isinstance(v, (str, int, float)) for v in (value if param.multiple else [value]))
    if not plain or (not by_variable and param.is_flag != isinstance(value, bool)):
        raise refused(
            f"{each.option} is {each.value!r}",
            "Give true or false." if param.is_flag else f"Give a value as for --{each.option}.",
        )
    if isinstance(param.type, TyperPath) and not by_variable:
        folder = Path(each.origin).parent
        joined = [str(folder / one) for one in (value if param.multiple else [value])]
        value = joined if param.multiple else joined[0]
    try:
        return param.type_cast_value(typer.Context(TyperCommand(None)), value)
    except typer.BadParameter as error:
        raise refused(
            f"{each.option} is {each.value!r} ({error.message.rstrip('.')})",
            f"Give a value as for --{each.option}.",
        ) from error


def _check_variables(
    words: tuple[str, ...], known: Mapping[str, object], environment: Mapping[str, str]
) -> None:
    start = configuration.variable(*words) + "_"
    names = {configuration.variable(*words, name): name for name in known}
    names |= {setting.variable: setting.name for setting in configuration.SETTINGS.values()}
    for name, value in environment.items():
        if name.startswith(start) and value and name not in names:
            raise UsageError(
                "no option of this name may be set by the environment",
                source=name,
                remedy=suggestion(
                    name.replace("_", "-"), {each.replace("_", "-") for each in names}
                ).replace("-", "_"),
                code="bad_configuration",
            )


def _check_group(words: tuple[str, ...], group: Any, file: ConfigurationFile) -> None:
    """Refuse what stands in a group's table and is no table of its commands."""
    for name, value in file.options(words).items():
        if name not in group.commands or not isinstance(value, Mapping):
            tables = (f"[{'.'.join((*words, inner))}]" for inner in group.commands)
            raise UsageError(
                f"[{'.'.join(words)}] has {name!r}, which is none of its commands",
                source=file.path,
                remedy=f"Its tables are {', '.join(tables)}.",
                code="bad_configuration",
            )


def _check_table(words: tuple[str, ...], command: Any, file: ConfigurationFile) -> None:
    """Refuse unknown keys in a command's table, and those that do not belong there."""
    table, known = file.options(words), options(command)
    title = ".".join(words)
    for name in table:
        if name not in known:
            one_call = name in _OF_ONE_CALL and name in {_name(p) for p in command.params}
            raise UsageError(
                f"[{title}] has {name!r}, which "
                + ("belongs to one call" if one_call else "is no option of it"),
                source=file.path,
                remedy=f"Give --{name} on the command line."
                if one_call
                else suggestion(name, known),
                code="bad_configuration",
            )
        if file.role == "project" and (
            words[0] in _NOT_BY_PROJECT or name in _NOT_BY_PROJECT_OPTIONS
        ):
            raise UsageError(
                f"[{title}] sets {name!r}, which a project's file may not",
                source=file.path,
                remedy="It opens this machine to others, which the folder that one is in may not "
                "decide. Put it into your own file, which 'emotone config path' names.",
                code="bad_configuration",
            )
