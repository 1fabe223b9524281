"""`emotone models`: what models there are, what their cards say, and whether they are sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli import completion, messages, options, output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emotone.bundle import Card

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="""List, show, verify and export models.

    Examples:
      emotone models list
      emotone models show default
      emotone models verify downloaded.emotone
      emotone models export default default-model
    """,
)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A bundle, or the name of an installed model.",
        autocompletion=completion.models,
    ),
]


@app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """List the models that can be asked for by name.

    The first ships with emotone. Put your own into the folder that is shown,
    or anywhere, and give their path.

    Examples:
      emotone models list
    """
    from emotone.bundle import Bundle, installed, user_folder
    from emotone.errors import BundleError

    rows: list[dict[str, Any]] = []
    for each in installed():
        row: dict[str, Any] = {"name": each.name, "path": str(each.path), "bundled": each.bundled}
        try:
            card = Bundle.open(each.path).card
            row |= {"model": card.model, "emotions": list(card.emotions)}
            row |= {"feature_set": card.feature_set, "error": None}
        except BundleError as error:
            row |= {"model": None, "emotions": [], "feature_set": None, "error": str(error)}
        rows.append(row)
    if as_json:
        output.write_json(rows)
        return
    from rich.text import Text

    table = output.table("Name", "Model", "Features", "Emotions")
    for row in rows:
        if row["error"] is not None:
            table.add_row(Text(row["name"]), "[red]refused[/]", "", "")
            continue
        emotions = output.names_in_colour(row["emotions"])
        table.add_row(Text(row["name"]), row["model"], row["feature_set"] or "waveform", emotions)
    output.show(table)
    for row in rows:
        if row["error"] is not None:
            messages.error(row["error"])
    messages.note(f"Your own models: {user_folder()}")


@app.command()
def show(model: Model = "default", as_json: options.Json = False) -> None:
    """Show what a model's card says.

    Examples:
      emotone models show
      emotone models show mine.emotone --json
    """
    from emotone.bundle import Bundle, find

    card = Bundle.open(find(model)).card
    if as_json:
        output.write_json(card.to_dict())
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, value in _facts(card):
        if not isinstance(value, Text):
            # What a stranger wrote into a card steers no terminal.
            value = Text(messages.printable(str(value), keep="\n"))
        grid.add_row(messages.printable(name), value)
    output.show(grid)


@app.command()
def verify(model: Model = "default", as_json: options.Json = False) -> None:
    """Check a model: container, card, checksums, graph, and a trial run.

    Nothing in a bundle is ever executed but the numeric operators of its
    graph. Exit status 1 where a check fails.

    Examples:
      emotone models verify
      emotone models verify downloaded.emotone
    """
    from emotone.bundle import find
    from emotone.verification import verify as verify_model

    path = find(model)
    checks = verify_model(path)
    passed = all(check.passed for check in checks)
    if as_json:
        found = [check.to_dict() for check in checks]
        output.write_json({"path": str(path), "passed": passed, "checks": found})
    else:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        for check in checks:
            mark = Text("✓", style="green") if check.passed else Text("✗", style="bold red")
            grid.add_row(mark, Text(check.name, style="bold"), Text(check.detail))
        output.show(grid)
    if not passed:
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def export(
    model: Model,
    target: Annotated[
        Path,
        typer.Argument(metavar="TARGET", help="NAME.emotone for a zip, else a new folder."),
    ],
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights in eight bits: about six tenths of the size.")
    ] = False,
) -> None:
    """Write a model as a folder with model.onnx, or as one .emotone file.

    The ONNX file runs in any ONNX runtime: C++, Java, a browser.

    Examples:
      emotone models export default default-model
      emotone models export default-model mine.emotone
      emotone models export default small.emotone --int8
    """
    from emotone.bundle import Bundle, export, find, write

    bundle = Bundle.open(find(model))
    if not int8:
        print(export(bundle, target))
        return
    from dataclasses import replace

    from emotone.models.quantization import quantize

    smaller = quantize(bundle.model)
    notes = {**bundle.card.notes, "weights": "rounded to 8 bits; the figures are of 16"}
    version = f"{bundle.card.version}-int8"
    card = replace(bundle.card, version=version, notes=notes)
    write(target, smaller, card, frames=bundle.frames)
    before, after = (len(model) / 1e6 for model in (bundle.model, smaller))
    messages.note(f"The model has {after:.1f} MB in place of {before:.1f}.")
    print(target)


def _facts(card: Card) -> Iterator[tuple[str, Any]]:
    yield "Model", card.model
    yield "Emotions", output.names_in_colour(card.emotions)
    if card.feature_set is not None:
        yield "Features", f"{card.feature_set} ({card.input.dimension:,} numbers)"
    else:
        yield "Takes", f"waveform at {card.input.rate:,} Hz"
    yield from _said({"preparation": card.preparation, "calibration": card.calibration})
    counts = card.training.get("emotions")
    for name, value in card.training.items():
        if name == "params" and isinstance(value, dict):
            yield from _params(value)
        elif name != "emotions":
            yield from _said({name: value})
    yield from _said({"clips of each": counts})
    for name, value in card.metrics.items():
        yield _heading(name), _figures(value)
    yield from _said(card.notes)
    yield from _said({"created": card.created, "emotone": card.emotone_version})
    for file, record in card.files.items():
        yield file, f"{record.bytes:,} bytes, sha256 {record.sha256[:16]}…"


def _said(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The free fields of a card that hold something."""
    for name, value in fields.items():
        text = _inline(value)
        if text:
            yield _heading(name), text


def _params(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A row of what all members of a hybrid share, and one for each part of each."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        part, _, last = name.rpartition(".")
        groups.setdefault(part, {})[last] = value
    for part, own in groups.items():
        yield from _said({f"params of {part.replace('.', ' ')}" if part else "params": own})


def _heading(name: str) -> str:
    return name[:1].upper() + name[1:].replace("_", " ")


def _inline(value: Any) -> str:
    """A value of a card in one line, or a line for each of several objects."""
    if isinstance(value, dict):
        said = [(name.replace("_", " "), _inline(inner), inner) for name, inner in value.items()]
        flat = [
            f"{name} ({text})" if isinstance(inner, list) else f"{name} {text}"
            for name, text, inner in said
            if text and not _deep(inner)
        ]
        deep = [f"{name}: {text}" for name, text, inner in said if _deep(inner)]
        return "\n".join([*([", ".join(flat)] if flat else []), *deep])
    if isinstance(value, list):
        between = "\n" if any(isinstance(inner, dict) for inner in value) else ", "
        return between.join(_inline(inner) for inner in value)
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int and abs(value) >= 10_000 else str(value)


def _deep(value: Any) -> bool:
    return isinstance(value, dict) and len(value) > 1


def _figures(value: Any) -> str:
    """UA, WA and F1 in percent where they are among the figures, and what they are about."""
    if not isinstance(value, dict) or not isinstance(value.get("ua"), (int, float)):
        return _inline(value)
    lines = []
    for name, interval in (("ua", "ci95"), ("wa", "wa_ci95"), ("f1", "f1_ci95")):
        if isinstance(value.get(name), (int, float)):
            between = value.get(interval)
            text = f"{name.upper()} {output.percent(value[name])} %"
            if isinstance(between, list) and len(between) == 2:
                text += f" ({' to '.join(output.percent(end) for end in between)})"
            lines.append(text)
    lines += [str(value[key]) for key in ("split", "about", "warning") if value.get(key)]
    return "\n".join(lines)
