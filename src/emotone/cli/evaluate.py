"""`emotone evaluate`: how well a model does on labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli import completion, figures, messages, options, output

if TYPE_CHECKING:
    from emotone.evaluation import EvaluationRun

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE",
            help="A bundle, or the name of an installed model.",
            autocompletion=completion.models,
        ),
    ],
    data: options.Data,
    split: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="Test only on the test parts of this split's folds."),
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A fold file; the same as --split file:FILE."),
    ] = None,
    fold: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of those, only this fold.")
    ] = None,
    restrict: Annotated[
        bool,
        typer.Option("--restrict", help="Let it choose among the emotions of DATA only. Easier."),
    ] = False,
    bootstrap: Annotated[
        int, typer.Option(min=0, metavar="N", help="Resamplings behind the intervals; 0 for none.")
    ] = 1000,
    seed: options.Seed = 0,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write every answer to this .csv or .jsonl."),
    ] = None,
    emotions: options.Emotions = None,
    merge: options.Merge = None,
    jobs: options.Jobs = None,
    cache: options.Cache = True,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """Test a model on labelled clips.

    UA (the mean recall of the emotions), WA (accuracy), macro F1, log loss,
    calibration error, and recall and precision per emotion, each with a
    bootstrap 95 % interval, resampled by speaker where speakers are known.

    Examples:
      emotone evaluate mine.emotone path/to/emodb
      emotone evaluate default ravdess/ --folds emobox/ravdess.csv --fold 1
      emotone evaluate mine.emotone test.csv --predictions answers.csv --json
    """
    output.only_one(json=as_json, csv=as_csv)
    output.only_one(split=split is not None, folds=folds is not None)
    from emotone.cli import progress
    from emotone.evaluation import check_predictions_path, write_predictions
    from emotone.evaluation import evaluate as test
    from emotone.recognizer import load

    if predictions is not None:
        check_predictions_path(predictions)
    recognizer = load(model)
    corpus = options.corpus(data, emotions, merge)
    with options.feature_cache(cache) as kept, progress.bar("Extracting", "clips") as report:
        run = test(
            recognizer,
            corpus,
            split=f"file:{folds}" if folds is not None else split,
            fold=fold,
            restrict=restrict,
            bootstrap=bootstrap,
            seed=seed,
            cache=kept,
            jobs=jobs,
            progress=report,
        )
    if predictions is not None:
        write_predictions(run.tested, predictions)
        messages.note(f"Wrote {output.counted(len(run.tested), 'answer')} to {predictions}")
    if as_json:
        output.write_json(run.to_dict())
    elif as_csv:
        figures.write_csv(run.evaluation)
    else:
        _print(run)
    if not as_json:  # which holds them
        for note in run.notes:
            messages.warning(note)
    for failure in run.failures:
        messages.error(str(failure.error))
    if run.failures:
        raise typer.Exit(1)


def _print(run: EvaluationRun) -> None:
    figures.print_headlines(run.model, run.evaluation)
    figures.print_emotions(run.evaluation)
    figures.print_confused(run.evaluation)
