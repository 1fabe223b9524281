"""`emotone features`: numbers from sound, as a table."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli import batches, completion, messages, options, output
from emotone.errors import UsageError

if TYPE_CHECKING:
    from emotone.batch.vectors import FeatureTask

app = typer.Typer(add_completion=False)

_SHOWN = 20
"""Failures printed in full; a thousand more say the same."""


@app.command(no_args_is_help=True)
def features(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Clips, and folders of clips.", show_default=False),
    ] = None,
    feature_set: Annotated[
        str,
        typer.Option(
            "--set",
            "-s",
            metavar="SET",
            help="A named set, or parts joined by +.",
            autocompletion=completion.feature_sets,
        ),
    ] = "tutorial-180",
    out: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help=".csv, .parquet or .npz; or a folder for any number of clips. Else CSV to stdout.",
        ),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Read FILE as corpora; add their labels as columns.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with what an earlier run left in the folder OUT."),
    ] = False,
    ray: options.Ray = None,
    list_sets: Annotated[bool, typer.Option("--list", help="List the named sets and end.")] = False,
    cache_info: Annotated[
        bool, typer.Option("--cache-info", help="Print the place and size of the cache and end.")
    ] = False,
    clear_cache: Annotated[
        bool, typer.Option("--clear-cache", help="Forget all features that were kept and end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --list or --cache-info, print JSON.")
    ] = False,
    jobs: options.Jobs = None,
    cache: options.Cache = True,
    rate: options.Rate = None,
    denoise: options.Denoise = None,
    band: options.Band = None,
    trim_db: options.TrimDb = None,
    normalize: options.Normalize = None,
    length: options.Length = None,
) -> None:
    """Compute features of clips and write them as a table.

    A row per clip, a column per number. Clips that did not change are taken
    from the cache the next time.

    With a folder or an address as OUT, any number of clips go to Parquet in
    parts, on all cores or a Ray cluster, in little memory. FILE may then be
    all that 'emotone batch' takes: patterns, lists (whose columns emotion,
    speaker and so on are kept), addresses such as s3://bucket/calls. After a
    kill, --resume goes on. 'emotone train' learns from such a folder.

    Examples:
      emotone features clip.wav --set mfcc-13
      emotone features recordings/ --set tutorial-180 -o features.csv
      emotone features ravdess/ --labels -s mfcc40+chroma12:mean,std -o out.npz
      emotone features ravdess/ --labels --set rich -o ravdess-rich/
      emotone features --list
      emotone features --cache-info
    """
    output.only_one(**{"list": list_sets, "cache-info": cache_info, "clear-cache": clear_cache})
    if list_sets:
        _list_sets(as_json=as_json)
        return
    if cache_info:
        _show_cache(as_json=as_json)
        return
    if clear_cache:
        _clear_cache()
        return
    parts = out is not None and _is_folder(out)
    if as_json and not parts:
        raise UsageError(
            "--json goes with --list, --cache-info, or a folder for OUT",
            remedy="For a table give -o OUT.csv.",
        )
    if (resume or ray) and not parts:
        raise UsageError(
            "--resume and --ray need a folder or an address for OUT", remedy="Give -o FOLDER/."
        )
    if not files:
        raise UsageError("no file was named", remedy="Name clips or folders, or ask for --list.")
    wanted = options.preparation(rate, denoise, band, trim_db, normalize, length)
    if out is not None and parts:
        from emotone.batch import vectors

        task = vectors.task(feature_set, preparation=wanted, labels=labels)
        _in_parts(files, out, task, resume=resume, jobs=jobs, ray=ray, as_json=as_json)
        return
    from emotone import exports
    from emotone.cli import progress
    from emotone.features import extraction, get
    from emotone.features.stored import Description

    if out is not None:
        exports.check_features_path(out)
    found = get(feature_set)
    paths, columns = _labelled(files) if labels else _plain(files)
    with options.feature_cache(cache) as kept, progress.bar("Extracting", "clips") as report:
        result = extraction.extract_many(
            paths,
            feature_set,
            preparation=wanted,
            cache=kept,
            jobs=jobs,
            progress=report,
        )
    columns = {name: [texts[i] for i in result.ok] for name, texts in columns.items()}
    if out is None:
        exports.features_csv(sys.stdout, result.matrix, found.names, columns)
    elif result.ok:
        exports.write_features(
            out, result.matrix, found.names, columns, about=Description.of(found, wanted)
        )
        clips = output.counted(len(result.ok), "clip")
        known = f", {result.from_cache:,} of them from the cache" if result.from_cache else ""
        messages.note(f"Wrote {clips} × {found.dimension:,} features to {out}{known}.")
    for failure in result.failures[:_SHOWN]:
        messages.error(str(failure.error))
    if result.failures:
        clips = output.counted(len(paths), "clip")
        messages.error(f"{len(result.failures):,} of {clips} gave no features.")
        raise typer.Exit(1)


def _is_folder(out: str) -> bool:
    """Whether a place is for many parts: an address, a folder, or a name without an ending."""
    return "://" in out or out.endswith(("/", os.sep)) or Path(out).is_dir() or not Path(out).suffix


def _in_parts(
    files: list[str],
    out: str,
    task: FeatureTask,
    *,
    resume: bool,
    jobs: int | None,
    ray: str | None,
    as_json: bool,
) -> None:
    """Extract to Parquet in parts, as a batch."""
    plan, count = batches.carry_out(files, out, task, resume=resume, jobs=jobs, ray=ray)
    if as_json:
        output.write_json(count.to_dict() | plan.task.about() | {"out": plan.out.address})
    else:
        messages.note(batches.told(count, plan.out.address))
        messages.note(f"Next: emotone train {out} -f logistic -o mine.emotone")
    if count.failed:
        kinds = ", ".join(f"{number:,} {code}" for code, number in count.failures.most_common())
        clips = output.counted(count.done, "clip")
        messages.error(f"{count.failed:,} of {clips} gave no features ({kinds}).")
        raise typer.Exit(1)


def _plain(files: list[str]) -> tuple[list[Path], dict[str, list[str | None]]]:
    from emotone.audio import find_audio

    paths = find_audio(files)
    return paths, {"file": [str(path) for path in paths]}


def _labelled(files: list[str]) -> tuple[list[Path], dict[str, list[str | None]]]:
    from emotone.corpora import load_many

    corpus = load_many(files)
    messages.without_label(corpus.problems)
    said = corpus.utterances
    return corpus.paths, {
        "file": [str(utterance.path) for utterance in said],
        "emotion": [utterance.emotion for utterance in said],
        "speaker": [utterance.speaker for utterance in said],
        "corpus": [utterance.corpus for utterance in said],
        "language": [utterance.language for utterance in said],
    }


def _show_cache(*, as_json: bool) -> None:
    from emotone.features.cache import FeatureCache

    with FeatureCache() as cache:
        kept = cache.size_bytes()
    if as_json:
        output.write_json({"path": str(cache.path), "bytes": kept, "max_bytes": cache.max_bytes})
    else:
        print(
            f"{cache.path}: {_mebibytes(kept)} of features, at most {_mebibytes(cache.max_bytes)}"
        )


def _clear_cache() -> None:
    from emotone.features.cache import FeatureCache

    with FeatureCache() as cache:
        kept = cache.size_bytes()
        if not cache.clear():  # which has warned why
            raise typer.Exit(1)
    messages.note(f"Forgot {_mebibytes(kept)} of features in {cache.path}.")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _list_sets(*, as_json: bool) -> None:
    from emotone.features import available

    sets = available()
    if as_json:
        output.write_json(
            [
                {
                    "name": each.name,
                    "dimension": each.dimension,
                    "description": each.description,
                    "extra": each.extra,
                }
                for each in sets
            ]
        )
        return
    table = output.table("Set", "Numbers", "What it holds", numbers=["Numbers"])
    for each in sets:
        needs = f" (extra '{each.extra}')" if each.extra else ""
        table.add_row(each.name, f"{each.dimension:,}", f"{each.description}{needs}")
    output.show(table)
    messages.note("Write your own: mfcc20:mean,std+chroma12+rms. See emotone features --help.")
