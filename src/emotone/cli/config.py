"""`emotone config`: the settings in force, and where each comes from."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from emotone import configuration
from emotone.cli import completion, defaults, messages, options, output
from emotone.errors import UsageError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="""Show the settings in force, and where each comes from.

    Examples:
      emotone config show predict
      emotone config path
    """,
)


@app.command()
def show(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND...",
            help="Its options too, such as 'corpus check'.",
            autocompletion=completion.commands,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show the settings in force, and where each comes from.

    The first of these that says something wins: an option on the command
    line; a variable of the environment (EMOTONE_MODEL, EMOTONE_PREDICT_TOP);
    emotone.toml in this folder; config.toml in your own; emotone itself.
    EMOTONE_CONFIG names one file in place of the two. A file looks so:
      model = "mine.emotone"
      [predict]
      top = 3
    What is unknown in it is an error. The settings at its top hold for Python
    as well.

    Examples:
      emotone config show
      emotone config show predict
      emotone config show corpus check --json
    """
    configured = configuration.read()
    tree = _tree()
    defaults.check_tables(configured, dict.fromkeys(words[0] for words in tree))
    rows = [_row(name, configured) for name in configuration.SETTINGS]
    wanted = tuple(command or ())
    if wanted and wanted not in tree:
        known = [" ".join(words) for words in tree]
        raise UsageError(
            f"there is no command {' '.join(wanted)!r}",
            remedy=configuration.suggestion(" ".join(wanted), known),
        )
    for words, each in tree.items():
        found = {one.option: one for one in defaults.given(words, each, configured)}
        if wanted == words:
            rows += [_option(words, name, p, found) for name, p in defaults.options(each).items()]
        elif not wanted:
            rows += [_option(words, name, None, found) for name in found]
        defaults.default_map(words, each, configured)  # whose values are checked so
    unknown = defaults.unknown_variables(tree, os.environ)
    if as_json:
        output.write_json({"values": rows, "unknown_variables": [name for name, _ in unknown]})
    else:
        _print(rows)
    for name, meant in unknown:
        messages.warning(f"{name} in the environment means nothing. {meant}".rstrip())


@app.command()
def path(as_json: options.Json = False) -> None:
    """Show the files that are looked for, the stronger first.

    Examples:
      emotone config path
      emotone config path --json
    """
    rows = [
        {"role": role, "path": str(place.absolute()), "exists": place.is_file()}
        for place, role in configuration.places()
    ]
    if as_json:
        output.write_json(rows)
        return
    for row in rows:
        print(row["path"] if row["exists"] else f"{row['path']} (not there)")
    if not rows:
        messages.note(f"None: {configuration.VARIABLE} is empty")


def _tree() -> dict[tuple[str, ...], Any]:
    """Every command by the words that call it."""
    from emotone.cli.app import every_command

    return dict(every_command())


def _row(name: str, configured: configuration.Configuration) -> dict[str, Any]:
    found = configured.value(name)
    return {"command": None, "name": name, "value": found.value, "origin": found.origin}


def _option(
    words: tuple[str, ...], name: str, param: Any, found: dict[str, defaults.Given]
) -> dict[str, Any]:
    given = found.get(name)
    default = None if param is None else param.default
    return {
        "command": " ".join(words),
        "name": name,
        "value": default if given is None else given.value,
        "origin": configuration.BUILT_IN if given is None else given.origin,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    table = output.table("Command", "Name", "Value", "From")
    for row in rows:
        value = row["value"]
        shown = (
            "–"
            if value is None
            else str(value).lower()
            if value is True or value is False
            else str(value)
        )
        style = "dim" if row["origin"] == configuration.BUILT_IN else ""
        cells = (row["command"] or "all", row["name"], shown, row["origin"])
        table.add_row(*(Text(messages.printable(cell), style=style) for cell in cells))
    output.show(table)
