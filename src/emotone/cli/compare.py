"""`emotone compare`: families side by side under the same folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli import completion, figures, messages, options, output

if TYPE_CHECKING:
    from emotone.comparison import Comparison
    from emotone.metrics import Estimate

app = typer.Typer(add_completion=False)

_FAMILIES = "svm-rbf,svm-linear,mlp,forest,logistic,knn"


@app.command(no_args_is_help=True)
def compare(
    data: options.Data,
    families: Annotated[
        str,
        typer.Option(
            "--families",
            "-f",
            metavar="A,B,...",
            help="Which; or 'all'.",
            autocompletion=completion.several_families,
        ),
    ] = _FAMILIES,
    feature_set: Annotated[
        str | None,
        typer.Option(
            "--features",
            "-s",
            metavar="SET",
            help="What classical ones hear by.",
            show_default="rich",
            autocompletion=completion.feature_sets,
        ),
    ] = None,
    split: options.SplitForVoices = None,
    seed: options.Seed = 0,
    class_weight: options.ClassWeight = None,
    balance: options.Balance = False,
    search: options.Search = 0,
    select: options.Select = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="F.A=B", help="A parameter of the family F."),
    ] = None,
    voices: options.Voices = "new",
    emotions: options.Emotions = None,
    merge: options.Merge = None,
    rate: options.Rate = None,
    denoise: options.Denoise = None,
    band: options.Band = None,
    trim_db: options.TrimDb = None,
    normalize: options.Normalize = None,
    length: options.Length = None,
    jobs: options.Jobs = None,
    cache: options.Cache = True,
    room: options.Room = None,
    ray: options.Ray = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    r"""Train families under the same folds and show them side by side.

    Families are those of 'emotone train'. Neural ones hear the sound itself,
    whatever set of features is named; --select and --search leave them alone.

    Each figure has its bootstrap 95 % interval below it. Times are per fold
    for the training, and per clip, from its features or sound, for the
    prediction. The exit status is 1 where a family failed or a clip could
    not be read.

    Examples:
      emotone compare emodb/ --families svm-rbf,mlp,forest
      emotone compare ravdess/ -f all --split random:test=0.2,seed=7
      emotone compare emodb-rich/ -f svm-rbf,mlp,logistic --search 20 --ray auto
      emotone compare emodb/ -f crnn,foundation -p crnn.epochs=30 \
          -p foundation.encoder=microsoft/wavlm-base
    """
    output.only_one(json=as_json, csv=as_csv)
    from emotone import comparison
    from emotone.cli import progress
    from emotone.feature_table import StoredCorpus
    from emotone.models import FAMILIES

    corpus = options.material(data, emotions, merge)
    params = _by_family(options.parameters(param))
    chosen = options.names(families) or []
    if families == "all":  # a foundation needs an encoder of the user's
        chosen = [
            name
            for name, family in FAMILIES.items()
            if (name != "foundation" or name in params)
            and not (isinstance(corpus, StoredCorpus) and family.input == "waveform")
        ]
    with (
        options.executor(ray) as executor,
        options.feature_cache(cache) as kept,
        progress.stages() as tell,
    ):
        found = comparison.compare(
            corpus,
            chosen,
            features=feature_set,
            split=split,
            voices=voices,
            preparation=options.preparation(rate, denoise, band, trim_db, normalize, length),
            params=params,
            seed=seed,
            class_weight=class_weight,
            sampling="balanced" if balance else None,
            select=options.selection(select),
            trials=search,
            cache=kept,
            jobs=jobs,
            progress=tell,
            room=options.room(room),
            executor=executor,
        )
    if as_json:
        output.write_json(found.to_dict())
    elif as_csv:
        _write_csv(found)
    else:
        _print(found)
    if found.dataset.split.warning and not as_json:  # which holds it
        messages.warning(found.dataset.split.warning)
    for note in found.dataset.split.notes:
        messages.warning(note)
    messages.left_out(found.failures)
    failed = [row for row in found.rows if row.error is not None]
    for row in failed:
        messages.error(f"{row.family}: {row.error}")
    if failed or found.failures:
        raise typer.Exit(1)


def _by_family(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """``{"svm-rbf.C": 3}`` as ``{"svm-rbf": {"C": 3}}``.

    Raises
    ------
    UsageError
        If a name has no family in front.
    """
    from emotone.errors import UsageError

    grouped: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        family, dot, rest = name.partition(".")
        if not dot:
            raise UsageError(
                f"--param {name} does not say of which family",
                remedy="Write it as --param FAMILY.PARAMETER=VALUE.",
            )
        grouped.setdefault(family, {})[rest] = value
    return grouped


def _print(found: Comparison) -> None:
    dataset = found.dataset
    tested = [row.evaluation.clips for row in found.rows if row.evaluation is not None]
    clips = output.counted(tested[0] if tested else len(dataset.utterances), "clip")
    output.show(f"[bold]{', '.join(found.datasets)}[/] on {clips}, split {dataset.split.spec}")
    numbers = ["UA %", "WA %", "F1 %", "Train s", "ms/clip"]
    table = output.table("Family", *numbers, numbers=numbers)
    for row in found.rows:
        if row.evaluation is None:
            table.add_row(row.family, "[red]failed[/]")
            continue
        table.add_row(
            row.family,
            *(_over_interval(getattr(row.evaluation, name)) for name in ("ua", "wa", "f1")),
            f"{row.train_s:,.2f}",
            f"{row.predict_ms:.3f}",
        )
    output.show(table)


def _over_interval(estimate: Estimate) -> str:
    """A figure with its interval below it: side by side, three would not fit 80 columns."""
    return f"{figures.value(estimate)}\n[dim]{figures.interval(estimate, between='–')}[/]"


def _write_csv(found: Comparison) -> None:
    from emotone.metrics import HEADLINES

    header = [f"{name}{end}" for name in HEADLINES for end in ("", "_low", "_high")]
    rows: list[list[object]] = []
    for row in found.rows:
        if row.evaluation is None:
            rows.append([row.family, *[""] * (len(header) + 2), row.error])
            continue
        values = [
            cell for name in HEADLINES for cell in figures.cells(getattr(row.evaluation, name))
        ]
        rows.append([row.family, *values, round(row.train_s, 4), round(row.predict_ms, 4), ""])
    output.write_csv(["family", *header, "train_s", "predict_ms", "error"], rows)
