"""`emotone benchmark`: runs the scripts in benchmarks/ of a checkout."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from emotone.cli import completion, messages
from emotone.errors import EmotoneError, UsageError

app = typer.Typer(add_completion=False)


@app.command(
    no_args_is_help=True,
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],  # --help after a NAME is for its script
    },
)
def benchmark(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Such as speed, or 'list'.", autocompletion=completion.benchmarks
        ),
    ],
) -> None:
    """Measure what the README quotes, on this machine.

    The benchmarks are scripts in the folder benchmarks/ of the source, since
    they need the programs that emotone is compared with. NAME runs NAME.py,
    a dash in it being an underscore; further options go to it: --help says
    which. What is measured is written over benchmarks/results/NAME.json,
    which the README's tables are made of; --json OUT writes elsewhere. The
    exit status is that of the script, 1 where it was killed.

    Examples:
      emotone benchmark list
      emotone benchmark speed
      emotone benchmark cross-corpus
    """
    if name in ("--help", "-h"):
        print(context.get_help())
        return
    known = scripts()
    if name == "list":
        for stem, path in known.items():
            print(f"{stem:20}{_first_line(path)}")
        return
    script = known.get(name.replace("-", "_"))
    if script is None:
        raise UsageError(f"there is no benchmark {name!r}", remedy=f"There are {', '.join(known)}.")
    messages.note(f"» python benchmarks/{script.name} {' '.join(context.args)}".rstrip())
    status = subprocess.run([sys.executable, script, *context.args]).returncode
    if status < 0:  # by a signal, of which the script could say nothing itself
        raise EmotoneError(
            f"was killed by {_signal(-status)}",
            source=f"benchmarks/{script.name}",
            remedy="Where nobody did that, see whether the memory ran out.",
        )
    if status:  # it has said why
        raise typer.Exit(status)


def _signal(number: int) -> str:
    """``"SIGKILL"``; the number where it has no name here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def scripts() -> dict[str, Path]:
    """The benchmarks of the checkout by name.

    Raises
    ------
    UsageError
        If there is no checkout.
    """
    return {path.stem: path for path in sorted(_folder().glob("*.py")) if _is_program(path)}


def _is_program(script: Path) -> bool:
    """Whether a script does something by itself, rather than for others."""
    return 'if __name__ == "__main__":' in script.read_text(encoding="utf-8")


def _first_line(script: Path) -> str:
    """The first line of a script's docstring."""
    import ast

    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def _folder() -> Path:
    """``benchmarks/`` of the checkout that emotone runs from, else of the working directory."""
    # What is measured is the emotone that runs. Another folder is taken where it has no benchmarks
    # of its own, never in their place: its scripts are run.
    for root in (Path(__file__).resolve().parents[3], Path.cwd()):
        if (root / "benchmarks").is_dir() and (root / "src" / "emotone").is_dir():
            return root / "benchmarks"
    raise UsageError(
        "the benchmarks are not here: they come with the source, not with the package",
        remedy="Run this in a checkout of emotone.",
    )
