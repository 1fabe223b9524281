"""`emotone batch`: any number of recordings to Parquet, and what they come to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from emotone.cli import batches, messages, options, output
from emotone.errors import UsageError

if TYPE_CHECKING:
    from emotone.batch.summary import Summary

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `emotone predict`

_RUN = "run"


class _Group(TyperGroup):
    """A group whose first word may be the first input of `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the word ``run`` before what is none of the subcommands."""
        known = {*self.commands, "--help", "-h"}
        if args and args[0] not in known:
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    no_args_is_help=True,
    subcommand_metavar="IN... OUT | COMMAND [ARGS]...",
    help="""Hear any number of recordings: 'batch IN... OUT' is 'batch run'.

    Examples:
      emotone batch calls/ heard/
      emotone batch calls/ heard/ --resume
      emotone batch summarize heard/ --by speaker
    """,
)


@app.command(_RUN)
def run_batch(
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="Folders, patterns, lists, files or addresses; last a folder for the results.",
        ),
    ],
    model: options.Model = None,
    emotions: options.Possible = None,
    segments: Annotated[
        bool,
        typer.Option("--segments", help="Make a timeline of each; else each is one clip."),
    ] = False,
    channels: options.Channels = "mix",
    partition: Annotated[
        str,
        typer.Option(metavar="none|day|speaker", help="How the results lie in folders."),
    ] = "none",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what an earlier run left.")
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="--resume, and hear again what failed and may not do so again."
        ),
    ] = False,
    allow_failures: Annotated[
        bool,
        typer.Option(
            "--allow-failures", help="Exit with 0 where all rows are written, some with an error."
        ),
    ] = False,
    jobs: options.Jobs = None,
    ray: options.Ray = None,
    as_json: options.Json = False,
) -> None:
    """Hear any number of recordings and write what was heard as Parquet.

    IN is a folder, a pattern, a list (CSV, TSV, JSONL or Parquet with a
    column path and, if wanted, speaker and recorded; or .txt with a path a
    line), a file, or an address such as s3://bucket/calls. OUT is a folder or
    an address. A file that cannot be heard is a row with its error, and the
    exit status is 1, or 0 with --allow-failures. After a kill, --resume goes
    on: no file is done twice and none is left out; --retry-failed also tries
    again what a store, a missing disk or a lack of memory may have been the
    cause of. With --ray the machines of a cluster do the same work, and all
    of them must see IN and OUT. Each input that is called as a command is
    needs a ./ before it.

    Examples:
      emotone batch run calls/ heard/
      emotone batch run calls/ heard/ --resume
      emotone batch run 'calls/2026-*/*.mp3' heard/ --segments --partition day
      emotone batch run s3://calls/october list.csv s3://heard --segments \\
        --channels split
      emotone batch run s3://calls s3://heard --ray auto
    """
    from emotone.batch import run
    from emotone.batch.count import RETRIED

    if len(places) < 2:
        raise UsageError(
            "there is nowhere to write to", remedy="Give inputs and then a folder: IN... OUT."
        )
    *inputs, out = places
    task = run.task(
        model,
        emotions=options.names(emotions),
        segments=segments,
        channels=options.channels(channels),
    )
    plan, count = batches.carry_out(
        inputs,
        out,
        task,
        partition=partition,  # type: ignore[arg-type]  # others are refused
        resume=resume or retry_failed,
        again=retry_failed,
        jobs=jobs,
        ray=ray,
    )
    if as_json:
        output.write_json(count.to_dict() | {"out": plan.out.address})
    else:
        messages.note(batches.told(count, plan.out.address))
    if count.failed:
        kinds = ", ".join(f"{number:,} {code}" for code, number in count.failures.most_common())
        recordings = output.counted(count.done, "recording")
        messages.error(f"{count.failed:,} of {recordings} could not be heard ({kinds}).")
        if count.failures.keys() & RETRIED:
            messages.note("The same command with --retry-failed tries these again.")
        if not allow_failures:
            raise typer.Exit(1)


@app.command("summarize")
def summarize_batch(
    out: Annotated[str, typer.Argument(metavar="OUT", help="Where the batch was written to.")],
    by: Annotated[
        str, typer.Option(metavar="all|day|speaker|channel", help="What a row stands for.")
    ] = "day",
    low: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Confidence below this is low.")
    ] = 0.5,
    drift: Annotated[
        str | None,
        typer.Option(metavar="DAY|A..B,C..D", help="Compare before and since, or two periods."),
    ] = None,
    write: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write .csv or .html; repeatable."),
    ] = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """Sum up a batch: shares of the emotions, low confidence, failures, drift.

    Shares are of the clips, or of the time where the batch has segments.
    --drift gives the population stability index of the emotions and scores
    between two periods: below 0.1 they are the same, from 0.25 on others. With
    few answers chance alone gives more; then it says so.

    Examples:
      emotone batch summarize heard/
      emotone batch summarize heard/ --by speaker --csv > speakers.csv
      emotone batch summarize heard/ --drift 2026-11-01 -o november.html
    """
    from emotone.batch import drift as drifts
    from emotone.batch import summary, tables

    output.only_one(json=as_json, csv=as_csv)
    for path in write or []:
        tables.check(path)  # before the work, not after it
    compare = None if drift is None else drifts.periods(drift)
    found = summary.summarize(out, by=by, low=low, compare=compare)  # type: ignore[arg-type]
    for path in write or []:
        tables.write(found, path)
        messages.note(f"Written: {path}")
    if not found.complete:
        messages.warning(f"{out}: {tables.INCOMPLETE}")
    if as_json:
        output.write_json(found.to_dict())
    elif as_csv:
        sys.stdout.write(tables.csv_text(found))
    else:
        _print(found)


def _print(found: Summary) -> None:
    from rich.text import Text

    from emotone.batch import tables

    columns, rows = tables.groups(found)
    # Apart from the tables, to whose widths they would be broken.
    output.show(Text(messages.printable(tables.title(found)), style="bold"))
    table = output.table(*columns, numbers=columns[1:])
    for row in rows:
        table.add_row(Text(messages.printable(row[0])), *row[1:])
    output.show(table)
    if found.periods is None:
        return
    columns, rows = tables.drift(found)
    output.show(Text(tables.compared(found), style="bold"))
    table = output.table(*columns, numbers=columns[1:3])
    for row in rows:
        table.add_row(*row)
    output.show(table)
