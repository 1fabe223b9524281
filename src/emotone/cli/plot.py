"""`emotone plot`: pictures of sound, features and results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli import completion, messages, options
from emotone.errors import UsageError
from emotone.pipes import refuse_pipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from emotone.audio import Waveform
    from emotone.corpora import Corpus
    from emotone.features.extraction import ExtractionResult
    from emotone.metrics import Evaluation

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="""Draw sound, features and results as PNG, SVG or PDF.

    Examples:
      emotone plot spectrogram clip.wav -o spectrogram.png
      emotone plot map emodb/ -o map.png
      emotone plot confusion mine.json -o confusion.png
    """,
)

Clip = Annotated[str, typer.Argument(metavar="FILE", help="A clip, or - for standard input.")]
Out = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="OUT", help="A name ending in .png, .svg or .pdf."),
]
Title = Annotated[str | None, typer.Option(metavar="TEXT", help="Above the plot.")]
Result = Annotated[
    Path,
    typer.Argument(
        metavar="RESULT",
        help="The JSON that 'emotone train' wrote, or 'emotone evaluate --json' printed.",
    ),
]
Set = Annotated[
    str,
    typer.Option(
        "--set",
        "-s",
        metavar="SET",
        help="A named set, or parts joined by +.",
        autocompletion=completion.feature_sets,
    ),
]


@app.command(no_args_is_help=True)
def waveform(clip: Clip, out: Out, title: Title = None) -> None:
    """Draw amplitude over time.

    Examples:
      emotone plot waveform clip.wav -o waveform.png
    """
    from emotone import plots

    _save(plots.waveform(_read(clip), title=title), out)


@app.command(no_args_is_help=True)
def spectrogram(
    clip: Clip,
    out: Out,
    max_hz: Annotated[
        float | None, typer.Option(min=1, metavar="HZ", help="Highest frequency shown.")
    ] = None,
    title: Title = None,
) -> None:
    """Draw the level over time and frequency.

    Examples:
      emotone plot spectrogram clip.wav -o spectrogram.svg --max-hz 8000
    """
    from emotone import plots

    _save(plots.spectrogram(_read(clip), max_hz=max_hz, title=title), out)


@app.command(no_args_is_help=True)
def mel(
    clip: Clip,
    out: Out,
    bands: Annotated[int, typer.Option(min=1, metavar="N", help="How many mel bands.")] = 128,
    title: Title = None,
) -> None:
    """Draw the level over time and mel bands.

    Examples:
      emotone plot mel clip.wav -o mel.png --bands 80
    """
    from emotone import plots

    _save(plots.mel_spectrogram(_read(clip), bands=bands, title=title), out)


@app.command(no_args_is_help=True)
def mfcc(
    clip: Clip,
    out: Out,
    count: Annotated[int, typer.Option(min=2, metavar="N", help="How many coefficients.")] = 20,
    title: Title = None,
) -> None:
    """Draw the mel-frequency cepstral coefficients over time.

    Examples:
      emotone plot mfcc clip.wav -o mfcc.png --count 40
    """
    from emotone import plots

    _save(plots.mfcc(_read(clip), count=count, title=title), out)


@app.command(no_args_is_help=True)
def chroma(clip: Clip, out: Out, title: Title = None) -> None:
    """Draw the energy of the twelve pitch classes over time.

    Examples:
      emotone plot chroma clip.wav -o chroma.png
    """
    from emotone import plots

    _save(plots.chroma(_read(clip), title=title), out)


@app.command(no_args_is_help=True)
def features(
    data: options.Data,
    out: Out,
    feature_set: Set = "tutorial-180",
    which: Annotated[
        str,
        typer.Option(metavar="N|A,B", help="The N that part the emotions best, or their names."),
    ] = "6",
    box: Annotated[bool, typer.Option("--box", help="Boxes instead of violins.")] = False,
    title: Title = None,
    emotions: options.Emotions = None,
    merge: options.Merge = None,
    jobs: options.Jobs = None,
    cache: options.Cache = True,
) -> None:
    """Draw how features are distributed within each emotion of a corpus.

    Examples:
      emotone plot features ravdess/ -o features.png
      emotone plot features ravdess/ -s mfcc-13 --which mfcc_1_mean -o one.png
    """
    from emotone import plots
    from emotone.features import get

    found, said = _extracted(options.corpus(data, emotions, merge), feature_set, jobs, cache)
    figure = plots.feature_distributions(
        found.matrix,
        get(feature_set).names,
        said,
        which=int(which) if which.isdecimal() else options.names(which) or [],
        kind="box" if box else "violin",
        title=title,
    )
    _save(figure, out)
    if found.failures:
        raise typer.Exit(1)


@app.command("map", no_args_is_help=True)
def embedding_map(
    data: options.Data,
    out: Out,
    feature_set: Set = "tutorial-180",
    pca: Annotated[
        bool, typer.Option("--pca", help="The two directions of most variance; else t-SNE.")
    ] = False,
    seed: options.Seed = 0,
    title: Title = None,
    emotions: options.Emotions = None,
    merge: options.Merge = None,
    jobs: options.Jobs = None,
    cache: options.Cache = True,
) -> None:
    """Draw the clips of a corpus on a plane, the alike near each other.

    Examples:
      emotone plot map emodb/ -o map.png
      emotone plot map ravdess/ --emotions angry,calm --pca -o map.svg
    """
    from emotone import plots

    found, said = _extracted(options.corpus(data, emotions, merge), feature_set, jobs, cache)
    method: Any = "pca" if pca else "tsne"
    _save(plots.embedding_map(found.matrix, said, method=method, seed=seed, title=title), out)
    if found.failures:
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def loss(result: Result, out: Out, title: Title = None) -> None:
    """Draw the loss over the epochs of a training, or its learning curve.

    A family without epochs has a learning curve: UA against training clips.

    Examples:
      emotone train emodb/ -f mlp -o mine.emotone
      emotone plot loss mine.json -o loss.png
    """
    from emotone import plots
    from emotone.training import History

    history: Any = _json_object(result).get("history")
    try:
        figure = plots.history(History(**history), title=title)
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            "it holds no loss or learning curve",
            source=result,
            remedy="Give the JSON that 'emotone train' wrote beside the bundle.",
        ) from error
    _save(figure, out)


@app.command(no_args_is_help=True)
def confusion(result: Result, out: Out, title: Title = None) -> None:
    """Draw what was said against what was heard.

    Examples:
      emotone plot confusion mine.json -o confusion.png
      emotone evaluate mine.emotone emodb/ --json > emodb.json
      emotone plot confusion emodb.json -o confusion.png
    """
    from emotone import plots

    found = _evaluation(result)
    _save(plots.confusion(found.confusion, found.emotions, title=title), out)


@app.command(no_args_is_help=True)
def reliability(result: Result, out: Out, title: Title = None) -> None:
    """Draw how often a model is right when it says how sure it is.

    Examples:
      emotone plot reliability mine.json -o reliability.svg
    """
    from emotone import plots

    found = _evaluation(result)
    _save(plots.reliability(found.calibration, ece=found.ece.value, title=title), out)


@app.command(no_args_is_help=True)
def coverage(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="The .csv or .jsonl of 'emotone evaluate --predictions', or the JSON of a result.",
        ),
    ],
    out: Out,
    target: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Mark where answers are right by this.")
    ] = 0.8,
    title: Title = None,
) -> None:
    """Draw how often a model is right where it may answer 'uncertain'.

    Examples:
      emotone evaluate mine.emotone emodb/ --predictions answers.csv
      emotone plot coverage answers.csv -o coverage.png --target 0.9
    """
    from emotone import plots
    from emotone.evaluation import read_predictions
    from emotone.selective import coverage_curve

    if result.suffix in (".csv", ".jsonl"):
        clips = read_predictions(result)
        curve = coverage_curve(
            [clip.predicted == clip.true for clip in clips], [clip.confidence for clip in clips]
        )
    else:
        kept = _evaluation(result).coverage
        if kept is None:
            raise UsageError("it holds no coverage curve", source=result, remedy=_RESULT)
        curve = kept
    _save(plots.coverage(curve, target=target, title=title), out)


@app.command(no_args_is_help=True)
def timeline(
    result: Annotated[
        Path, typer.Argument(metavar="TIMELINE", help="The JSON of 'emotone analyze -o OUT.json'.")
    ],
    out: Out,
    sound: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The recording, to draw its waveform and spectrogram."),
    ] = None,
    title: Title = None,
) -> None:
    """Draw who sounds how when: segments, scores, valence and arousal.

    'emotone analyze FILE -o OUT.png' draws the same in one step.

    Examples:
      emotone analyze meeting.mp3 -o meeting.json
      emotone plot timeline meeting.json --sound meeting.mp3 -o meeting.svg
    """
    from emotone import plots
    from emotone.cli import timelines
    from emotone.timeline import Timeline

    try:
        found = Timeline.from_dict(_json_object(result))
    except UsageError as error:
        raise UsageError(error.cause, source=result, remedy=_TIMELINE) from error
    _save(plots.timeline(found, timelines.overview(found, sound), title=title), out)


def _read(clip: str) -> Waveform:
    from emotone import audio

    return audio.read(clip)


def _save(figure: Figure, out: Path) -> None:
    from emotone import plots

    plots.save(figure, out)
    messages.note(f"Wrote {out}")


def _extracted(
    corpus: Corpus, feature_set: str, jobs: int | None, cache: bool
) -> tuple[ExtractionResult, list[str]]:
    """The features of a corpus's clips, and the emotion of each row; names what cannot be read."""
    from emotone.cli import progress
    from emotone.features.extraction import extract_many

    with options.feature_cache(cache) as kept, progress.bar("Extracting", "clips") as report:
        found = extract_many(corpus.paths, feature_set, cache=kept, jobs=jobs, progress=report)
    messages.left_out(found.failures)
    if not found.ok:
        raise UsageError("none of the clips can be read", source=corpus.root)
    return found, [corpus.labels[index] for index in found.ok]


def _json_object(path: Path) -> dict[str, Any]:
    import json

    try:
        refuse_pipe(path)
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError("it is not a JSON object", source=path, remedy=_RESULT)
    return found


def _evaluation(path: Path) -> Evaluation:
    from emotone.metrics import Evaluation

    found = _json_object(path)
    if "card" in found and found.get("evaluation") is None:
        raise UsageError("nothing was held out in this training", source=path, remedy=_RESULT)
    return Evaluation.from_dict(found.get("evaluation", found))


_TIMELINE = "Give the JSON that 'emotone analyze FILE -o OUT.json' wrote."
_RESULT = "Give the JSON that 'emotone train' wrote, or 'emotone evaluate --json' printed."
