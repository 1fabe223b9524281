"""`emotone train`: from labelled clips to a bundle with its report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli import completion, figures, messages, options, output

if TYPE_CHECKING:
    from emotone.training import TrainingRun

app = typer.Typer(add_completion=False)

_NEURAL = "Training of neural families"

_OTHERS = {
    ".onnx", ".pt", ".pth", ".ckpt", ".safetensors", ".h5", ".keras", ".tflite", ".pkl", ".pickle",
    ".joblib", ".npz", ".zip", ".tar", ".gz", ".json", ".html", ".png", ".csv",
}  # fmt: skip
"""Endings of other formats, by which no folder is called."""


@app.command(no_args_is_help=True)
def train(
    data: options.Data,
    out: Annotated[
        Path, typer.Option("--output", "-o", metavar="BUNDLE", help="NAME.emotone, or a folder.")
    ],
    family: Annotated[
        str,
        typer.Option(
            "--family",
            "-f",
            metavar="F",
            help="Kind of model, see above.",
            autocompletion=completion.families,
        ),
    ] = "svm-linear",
    feature_set: Annotated[
        str | None,
        typer.Option(
            "--features",
            "-s",
            metavar="SET",
            help="What it hears by.",
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
    param: options.Params = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name on the card. Else that of BUNDLE.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Report and plots beside the bundle.")
    ] = True,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where neural families keep their state, for good. Else in BUNDLE.training "
            "until the bundle is written.",
            rich_help_panel=_NEURAL,
        ),
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Curves for TensorBoard.", rich_help_panel=_NEURAL),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Start over in spite of a state.", rich_help_panel=_NEURAL),
    ] = False,
    voices: options.Voices = "new",
    playable: Annotated[
        bool, typer.Option("--playable", help="Put confused clips, voices, into the report.")
    ] = False,
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
) -> None:
    r"""Train a model, test it, and write it as a bundle with a report.

    Classical families learn from features: mlp, mlp-300,
    mlp-200-200-100-50, svm-rbf, svm-linear, tree, forest, extra-trees,
    gradient-boosting, knn, logistic, ensemble.

    Neural families learn from the sound itself: cnn1d, cnn2d, lstm, gru,
    crnn, conformer; functionals, a perceptron on statistics of the clip;
    ridge, a regression on the same, solved at once; hybrid, a crnn,
    functionals and ridge averaged, the kind of model that comes with emotone;
    and foundation, on a speech encoder that you have downloaded
    (-p encoder=FOLDER or its name on the Hugging Face hub, -p tune=frozen,
    lora or full). All but ridge leave a checkpoint after each epoch: the same
    command goes on where it was cut off, to the same result.

    Splits: speakers:5, speakers:loo, clips:5, random:test=0.25,seed=9,
    corpora:loo, file:folds.csv, none. With several folds the model in the
    bundle is fitted to all clips, and the figures are those of the folds.

    With --voices known a model is for the very people that it learns from: its
    scores are calibrated for them, and it is tested on other clips of them.
    A neural family keeps to how they sound, and is more often right on them,
    and less on others, in noise and on the telephone.

    Clips that cannot be read are left out; then the exit status is 1.

    DATA may be what 'emotone features --labels' wrote as Parquet, a file or
    a folder: the audio is not needed then. Where that is too large for the
    memory, logistic and mlp read it bit by bit.

    With --ray folds and the trials of --search spread over a cluster; the
    same seeds give the same model. A trial that fails is told, the others go
    on, and what was lost with a machine is done again.

    Examples:
      emotone train ravdess/ -o mine.emotone
      emotone train ravdess/ -f mlp-300 --emotions calm,happy,fearful,disgust \
          --split random:test=0.25,seed=9 -o tutorial.emotone
      emotone train emodb/ emovo/ --merge calm=neutral -f svm-rbf --search 20 \
          --trim-db 30 --normalize peak -o european.emotone
      emotone train ravdess/ -f crnn -p epochs=30 --logs runs -o crnn.emotone
      emotone train emodb/ -f hybrid --voices known -o household.emotone
      emotone train ravdess-rich/ -f logistic -o mine.emotone
      emotone train ravdess-rich/ -f svm-rbf --search 50 --ray auto -o a.emotone
    """
    from emotone import training
    from emotone.bundle import check_target
    from emotone.cli import progress
    from emotone.models.neural.files import TrainingFiles
    from emotone.models.streamed import Streamed
    from emotone.report.files import beside, write_beside

    _refuse_other_format(out)
    check_target(out)
    params = options.parameters(param)
    if family == "foundation":
        _check_size(params)
    state = out.absolute().with_name(f"{out.name.removesuffix('.emotone')}.training")
    # Absolute, for a machine of a cluster begins elsewhere.
    kept_in = state if checkpoints is None else checkpoints.absolute()
    files = TrainingFiles(kept_in, logs and logs.absolute(), fresh)
    corpus = options.material(data, emotions, merge)
    preparation = options.preparation(rate, denoise, band, trim_db, normalize, length)
    with (
        options.executor(ray) as executor,
        options.feature_cache(cache) as kept,
        progress.stages() as tell,
    ):
        run = training.train(
            corpus,
            family=family,
            features=feature_set,
            split=split,
            preparation=preparation,
            params=params,
            seed=seed,
            class_weight=class_weight,
            sampling="balanced" if balance else None,
            select=options.selection(select),
            trials=search,
            name=name or _name(out),
            cache=kept,
            jobs=jobs,
            progress=tell,
            files=files,
            voices=voices,
            room=options.room(room),
            executor=executor,
        )
    before = out.exists()
    run.save(out)
    if checkpoints is None:
        files.clear()
    written = write_beside(run, out, playable=playable) if report else []
    if as_json:
        output.write_json({**run.to_dict(), "bundle": str(out), "written": [*map(str, written)]})
    else:
        _print(run)
    messages.left_out(run.failures)
    if isinstance(run.dataset.features, Streamed):
        messages.note("The features were read bit by bit, being too large for the memory.")
    if run.warning:
        messages.warning(run.warning)
    for note in run.dataset.split.notes:
        messages.warning(note)
    if run.modest:
        messages.note(
            "The scores are calibrated for new voices, so on shared ones they are modest."
        )
    if run.caution:
        messages.note(run.caution)
    old = [path.name for path in beside(out) if path.exists() and path not in written]
    if before and old:
        of_old = "is of the model before" if len(old) == 1 else "are of the model before"
        messages.warning(f"{', '.join(old)} beside it {of_old}, not of this one")
    messages.note(f"Wrote {out}")
    for path in written:
        messages.note(f"Wrote {path}")
    messages.note(f"Next: emotone predict CLIP --model {out}")
    if run.failures:
        raise typer.Exit(1)


def _refuse_other_format(out: Path) -> None:
    """Refuse a name by which a folder would pass for a file of another kind.

    Raises
    ------
    UsageError
        If it ends so.
    """
    from emotone.errors import UsageError

    ending = out.suffix.lower()
    if ending not in _OTHERS:
        return
    bundle = out.with_suffix(".emotone")
    export = f"; 'emotone models export {bundle} FOLDER' then writes the ONNX file"
    raise UsageError(
        f"a model is not written as {ending}, but as NAME.emotone or as a folder",
        source=out,
        remedy=f"Give -o {bundle}{export if ending == '.onnx' else ''}.",
    )


def _name(out: Path) -> str:
    """A name for the card, made of that of the bundle."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", out.name.removesuffix(".emotone"))
    return plain.strip("-._")[:80] or "model"


def _check_size(params: dict[str, Any]) -> None:
    """Refuse an encoder that no bundle could hold before it is trained for hours."""
    from emotone.bundle import DEFAULT_MAX_BYTES
    from emotone.models import families
    from emotone.models.neural.encoders import check_size
    from emotone.models.neural.settings import Settings

    resolved = families.resolve(families.get("foundation"), params)
    check_size(Settings.of("foundation", resolved).body, DEFAULT_MAX_BYTES)


def _print(run: TrainingRun) -> None:
    if run.evaluation is None:
        output.show(f"[bold]{run.card.model}[/]: nothing was held out, so there are no figures.")
        return
    figures.print_headlines(run.card.model, run.evaluation)
    figures.print_emotions(run.evaluation)
    figures.print_confused(run.evaluation)
