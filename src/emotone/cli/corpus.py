"""`emotone corpus`: look a corpus over, list the known ones, download one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli import completion, messages, options, output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from emotone.corpora.checks import CheckReport

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="""Look a corpus over, list the known ones, or download one.

    Examples:
      emotone corpus list
      emotone corpus download ravdess
      emotone corpus check path/to/ravdess
    """,
)

_SHOWN = 10
"""Files with one kind of trouble that are named; --json has them all."""


@app.command(no_args_is_help=True)
def check(data: options.Data, jobs: options.Jobs = None, as_json: options.Json = False) -> None:
    """Look a corpus over before training on it.

    Counts per emotion and speaker, lengths, sampling rates, duplicates,
    unreadable files, and names that do not parse. Exit status 1 where
    something is wrong.

    Examples:
      emotone corpus check path/to/ravdess
      emotone corpus check tess=downloads/TESS emodb=downloads/emodb
      emotone corpus check labels.csv --json
    """
    from emotone.cli import progress
    from emotone.corpora import load_many
    from emotone.corpora.checks import check as look_over

    corpus = load_many(data)
    with progress.bar("Reading", "clips") as report:
        found = look_over(corpus, jobs=jobs, progress=report)
    if as_json:
        output.write_json(found.to_dict())
    else:
        _print_report(found)
    if not found.ok:
        raise typer.Exit(1)


@app.command("list")
def list_corpora(as_json: options.Json = False) -> None:
    """List the corpora that emotone reads by name.

    Any other is read as a folder per emotion, or from a manifest: a CSV,
    JSONL or Parquet table with the columns path and emotion.

    Examples:
      emotone corpus list
      emotone corpus list --json
    """
    from emotone.corpora import registry

    known = registry()
    if as_json:
        output.write_json([info.to_dict() for info in known])
        return
    table = output.table("Name", "Lang.", "Emotions", "Download", "Terms", numbers=["Emotions"])
    for info in known:
        table.add_row(
            info.name,
            info.language,
            str(len(info.emotions)),
            "yes" if info.downloads else "by hand",
            info.licence,
        )
    output.show(table)
    messages.note("Titles, citations and addresses: emotone corpus list --json")


@app.command(no_args_is_help=True)
def download(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="As 'emotone corpus list' has it.",
            autocompletion=completion.corpora,
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Else a new folder called NAME."),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="Only this part of it; may be repeated."),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to the terms without being asked.")
    ] = False,
) -> None:
    """Download a corpus from its distributor and unpack it.

    Shows the terms first. A broken download goes on where it stopped.

    Examples:
      emotone corpus download ravdess
      emotone corpus download emodb -o corpora/emodb --accept-licence
    """
    import sys

    from emotone.cli import progress
    from emotone.corpora import info
    from emotone.corpora.download import download as fetch
    from emotone.corpora.download import terms

    asking = not accept_licence and sys.stdin.isatty()
    if info(name).downloads and (accept_licence or asking):
        messages.note(terms(name))
        if asking:
            accept_licence = typer.confirm("Do you agree to these terms?", err=True)
            if not accept_licence:
                messages.note("Nothing was downloaded.")
                raise typer.Exit(1)
    with progress.bar("Downloading", "bytes") as report:
        got = fetch(
            name,
            target or Path(name),
            accept_licence=accept_licence,
            parts=part,
            progress=lambda _, done, total: report(done, total),
        )
    for each in got:
        print(each.folder)
        messages.note(f"{output.counted(each.files, 'file')}; checked against: {each.trust}.")
    messages.note(f"Next: emotone corpus check {name}={target or name}")


def _print_report(report: CheckReport) -> None:
    console = output.console()
    corpus = report.corpus
    facts = [
        output.counted(len(corpus), "clip"),
        output.counted(len(corpus.speakers), "speaker"),
        output.counted(len(corpus.emotions), "emotion"),
    ]
    if report.durations is not None:
        facts.append(output.length(report.durations.total_s))
    output.show(f"[bold]{_escaped(corpus.name)}[/]: {', '.join(facts)}")
    _print_emotions(console, corpus.counts)
    if len(report.by_corpus) > 1:
        _print_crossed(console, "Corpus", report.by_corpus, corpus.emotions)
    else:
        of = next(iter(report.by_corpus), "") + "/"
        speakers = {key.removeprefix(of): row for key, row in report.by_speaker.items()}
        _print_crossed(console, "Speaker", speakers, corpus.emotions)
    _print_facts(report)
    _print_trouble(report)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _print_emotions(console: Console, counts: dict[str, int]) -> None:
    plain = console.options.ascii_only
    table = output.table("Emotion", "Clips", "", numbers=["Clips"])
    most = max(counts.values(), default=1)
    for emotion, count in counts.items():
        bar = output.bar(count / most, emotion, plain=plain)
        table.add_row(output.painted(emotion), f"{count:,}", bar)
    output.show(table)


def _print_crossed(
    console: Console, what: str, rows: dict[str, dict[str, int]], emotions: list[str]
) -> None:
    from rich.text import Text

    letters = _letters(console.width, max([len(what), *map(len, rows)]), rows, emotions)
    table = output.table(what)
    table.columns[0].no_wrap = True
    for emotion in emotions:
        heading = output.painted(emotion, emotion[:letters])
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("All", justify="right", no_wrap=True)
    for name, counts in rows.items():
        cells = [str(counts[emotion]) if emotion in counts else "·" for emotion in emotions]
        table.add_row(Text(name), *cells, str(sum(counts.values())))
    output.show(table)


_GAP = 3
"""Blanks between two columns of a table."""


def _letters(
    width: int, first: int, rows: dict[str, dict[str, int]], emotions: list[str]
) -> int | None:
    """To how many letters the emotions are cut for the table to fit; None where all of them do."""
    digits = [
        max(len(str(counts.get(emotion, 0))) for counts in rows.values()) for emotion in emotions
    ]
    last = max(len(str(sum(counts.values()))) for counts in rows.values())
    left = width - first - max(last, len("All")) - 2 * _GAP
    for letters in (None, 6, 5, 4):
        names = (len(emotion[:letters]) for emotion in emotions)
        if sum(map(max, zip(names, digits, strict=True))) + _GAP * len(emotions) <= left:
            return letters
    return 3


def _print_facts(report: CheckReport) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    durations = report.durations
    if durations is not None:
        shortest, middle, longest = durations.min_s, durations.median_s, durations.max_s
        grid.add_row("Length", f"{shortest:.2f} to {longest:.2f} s, median {middle:.2f} s")
    grid.add_row("Rate", _listed((f"{rate:,} Hz", n) for rate, n in report.rates.items()))
    grid.add_row("Channels", _listed((str(number), n) for number, n in report.channels.items()))
    grid.add_row("Format", _listed(report.containers.items()))
    grid.add_row("Gender", _listed(report.genders.items()))
    grid.add_row("Language", ", ".join(report.corpus.languages) or "unknown")
    licences = report.corpus.licences
    named = [f"{name}: {terms}" for name, terms in licences.items()]
    if named:
        grid.add_row("Terms", Text("\n".join(named if len(named) > 1 else licences.values())))
    output.show(grid)


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    found = list(counts)
    if len(found) == 1:
        return found[0][0]
    return ", ".join(f"{name} ({count:,})" for name, count in found) or "unknown"


def _print_trouble(report: CheckReport) -> None:
    output.show("")
    for hint in report.hints:
        output.show(f"[yellow]![/] {_escaped(hint)}")
    _print_some(
        output.counted(len(report.problems), "name or row is", "names or rows are") + " left out",
        [f"{problem.path}: {problem.reason}" for problem in report.problems],
    )
    _print_some(
        output.counted(len(report.unreadable), "file") + " cannot be read",
        [str(failure.error) for failure in report.unreadable],
    )
    _print_some(
        output.counted(len(report.duplicates), "group") + " of identical files",
        [str(path) for group in report.duplicates for path in group],
        mark="[yellow]![/]",
    )
    if report.ok:
        alone = "" if report.duplicates else ", none is there twice"
        output.show(f"[green]✓[/] Every name parses, every file can be read{alone}.")


def _print_some(heading: str, lines: list[Any], mark: str = "[red]✗[/]") -> None:
    if not lines:
        return
    output.show(f"{mark} {heading}:")
    for line in lines[:_SHOWN]:
        output.show(f"  {_escaped(line)}")
    if len(lines) > _SHOWN:
        output.show(f"  … and {len(lines) - _SHOWN:,} more; --json has them all")
