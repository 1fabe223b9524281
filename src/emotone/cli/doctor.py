"""`emotone doctor`: what is there, what is missing, and the command that fixes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated

import typer

from emotone import configuration
from emotone.cli import defaults, messages, options, output
from emotone.diagnosis import Finding, examine
from emotone.errors import EmotoneError

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `emotone predict`

app = typer.Typer(add_completion=False)

_STYLES = {"fine": "green", "absent": "dim", "broken": "bold red"}
_DRAWN = {"fine": "✓", "absent": "–", "broken": "✗", "remedy": "→"}
_PLAIN = {"fine": "ok", "absent": "-", "broken": "!!", "remedy": "->"}
"""Where the terminal, or the file, has no signs beside ASCII."""


@app.command()
def doctor(
    ask_torch: Annotated[
        bool | None,
        typer.Option(
            "--ask-torch/--no-ask-torch",
            help="Load PyTorch to look for an accelerator. Else where there are signs of one.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say what is there, what is missing, and the command to fix it.

    Versions of Python, of what emotone needs and of its extras; processor,
    accelerator, microphones, codecs; whether the model loads and answers; the
    cache; the configuration. What an extra would bring and is not there is no
    fault: the exit status is 1 only for what is broken.

    Examples:
      emotone doctor
      emotone doctor --json
    """
    findings = [*examine(ask_torch=ask_torch), *_configuration()]
    broken = [each for each in findings if each.state == "broken"]
    if as_json:
        output.write_json(
            {"healthy": not broken, "findings": [each.to_dict() for each in findings]}
        )
    else:
        _print(findings)
        if broken:
            messages.error(f"{output.counted(len(broken), 'thing')} to mend.")
        else:
            messages.note("Nothing is broken")
    if broken:
        raise typer.Exit(1)


def _configuration() -> Iterator[Finding]:
    """The files, what they and the environment set, and what they should not."""
    from emotone.cli.app import COMMANDS, every_command

    places = [place for place, _ in configuration.places()]
    told = ", ".join(f"{place}{'' if place.is_file() else ' (not there)'}" for place in places)
    facts = {"files": [str(place) for place in places if place.is_file()]}
    try:
        found = configuration.read()
        tree = dict(every_command())
        defaults.check_tables(found, COMMANDS)
        lines = defaults.in_force(tree, found)
        for words, command in tree.items():
            defaults.default_map(words, command, found)
    except EmotoneError as error:
        where = f"{error.source}: {error.cause}"
        yield Finding("configuration", "files", "broken", where, error.remedy, facts)
        return
    yield Finding("configuration", "files", "fine", told or "none", facts=facts)
    yield Finding(
        "configuration",
        "in force",
        "fine",
        "; ".join(lines) if lines else "what emotone does by itself",
        facts={"set": lines},
    )
    for name, meant in defaults.unknown_variables(tree, found.environment):
        yield Finding(
            "configuration", name, "absent", "a variable that means nothing", meant or None
        )


def _print(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    signs = _PLAIN if output.console().options.ascii_only else _DRAWN
    grid = Table.grid(padding=(0, 2))
    area = ""
    for each in findings:
        shown = Text(messages.printable(each.detail))
        if each.remedy:
            shown.append(f"\n{signs['remedy']} {messages.printable(each.remedy)}", style="bold")
        grid.add_row(
            Text("" if each.area == area else each.area, style="bold"),
            Text(signs[each.state], style=_STYLES[each.state]),
            Text(each.name),
            shown,
        )
        area = each.area
    output.show(grid)
