"""The page of commands, from the Typer app: the words of each ``--help``, as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from typer import Context
from typer.main import get_command

from emotone.cli.app import app

_INTRODUCTION = """\
# Command line

Every command, with what its `--help` says. The conventions are the same for all of them: results go
to stdout and everything else to stderr; `--json` prints JSON and nothing else; the exit status is 0
when all is done, 1 when some inputs failed, 2 for wrong usage; and where a command does not come to
its end, 130 after Ctrl-C, 143 when it was terminated, 129 when its terminal was closed, and 141
when whoever reads its output has left. An option that may be set by a file or by the environment is
in [configuration](configuration.md).
"""


def page() -> str:
    """The whole page."""
    root = get_command(app)
    context = Context(root, info_name="emotone")
    return "\n".join([_INTRODUCTION, *_described(root, context, 1)])


def _described(command: Any, context: Context, depth: int) -> Iterator[str]:
    """A command and all below it, as blocks of Markdown that end in an empty line."""
    yield f"{'#' * min(depth + 1, 4)} {context.command_path}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```\n"
    yield _prose(command.help or "")
    yield from _parameters(command, context)
    names = command.list_commands(context) if hasattr(command, "list_commands") else ()
    for name in names:
        below = command.get_command(context, name)
        if not below.hidden:
            yield from _described(below, Context(below, info_name=name, parent=context), depth + 1)


def _prose(help_text: str) -> str:
    """The text of a help, its indented lines as blocks of code."""
    blocks = []
    for paragraph in re.split(r"\n\s*\n", help_text.replace("\b", "").strip()):
        text: list[str] = []
        code: list[str] = []
        for line in paragraph.splitlines():
            (code if line.startswith("  ") or code else text).append(line)
        if text:
            blocks.append(_escaped(" ".join(text)))
        if code:
            blocks.append("\n".join(["```text", *(line[2:] for line in code), "```"]))
    return "\n\n".join(blocks) + "\n"


def _parameters(command: Any, context: Context) -> Iterator[str]:
    """A table for each panel of arguments and options, in the order of the help."""
    panels: dict[str, list[Any]] = {}
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False) or "--help" in parameter.opts:
            continue
        kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
        panels.setdefault(parameter.rich_help_panel or kind, []).append(parameter)
    for title, parameters in panels.items():
        rows = "\n".join(
            f"| {_spelled(parameter, context)} | {_meant(parameter, context)} |"
            for parameter in parameters
        )
        yield f"| {title} | |\n| --- | --- |\n{rows}\n"


def _spelled(parameter: Any, context: Context) -> str:
    """``--output``, ``-o`` ``OUT``, as in the help."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.make_metavar(context).strip('[]{}')}`"
    names = " ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.is_flag or parameter.count:
        return names
    return f"{names} `{parameter.make_metavar(context)}`".replace("|", "\\|")


def _meant(parameter: Any, context: Context) -> str:
    """Its help, range, default and environment variable."""
    parts = [_escaped(parameter.help or "")]
    extra = parameter.get_help_extra(context) if hasattr(parameter, "get_help_extra") else {}
    if parameter.required:
        parts.append("*Required.*")
    if "range" in extra:
        parts.append(f"*Range:* `{extra['range']}`.")
    default = parameter.get_default(context, call=False)
    if parameter.show_default and default not in (None, False, (), []) and not callable(default):
        parts.append(f"*Else* `{getattr(default, 'value', default)}`.")
    if extra.get("envvars"):
        parts.append(" ".join(f"*Environment:* `{name}`." for name in extra["envvars"]))
    return " ".join(part for part in parts if part).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Text that Markdown leaves as it is; what looks like an option or a name is code."""
    text = html.escape(text, quote=False).replace("*", "\\*").replace("_", "\\_")
    text = re.sub(r"\b[A-Z]+(?:\\_[A-Z]+)+(?:=\w+)?", lambda m: f"`{m[0]}`".replace("\\", ""), text)
    return re.sub(r"(?<![\w`-])(--?[a-z][\w-]*)", lambda m: f"`{m[1]}`", text)
