"""Options that several commands share, so that one word means one thing everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

from emotone.cli import completion, messages
from emotone.errors import UsageError

if TYPE_CHECKING:
    from emotone.audio import Preparation
    from emotone.corpora import Corpus
    from emotone.execution import Executor
    from emotone.features.cache import FeatureCache
    from emotone.timeline.analysis import Channels as ChannelChoice

_PREPARATION = "Preparation of each clip"
_DATA = "Choice of utterances"

Data: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...",
        help="Corpus folders (NAME=FOLDER chooses the reader), or CSV, JSONL, Parquet manifests.",
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv: TypeAlias = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Jobs: TypeAlias = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes. Else as many as cores."),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A bundle, or the name of an installed model.",
        autocompletion=completion.models,
    ),
]
Channels: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="mix|split|N",
        help="All together, each by itself, or one, from 0.",
        autocompletion=completion.choices("mix", "split"),
    ),
]
Window: TypeAlias = Annotated[
    float, typer.Option(metavar="S", help="Length of the windows that are heard, in seconds.")
]
Step: TypeAlias = Annotated[
    float, typer.Option(metavar="S", help="From one window to the next, in seconds.")
]
Switch: TypeAlias = Annotated[
    float, typer.Option(metavar="X", help="Inertia: 0 lets each step have its own emotion.")
]
Pause: TypeAlias = Annotated[
    float, typer.Option(metavar="S", help="A pause of this length ends an utterance.")
]
Ray: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="auto|local|HOST:PORT",
        help="Work on a Ray cluster: one that is found or started, one started here, or this one.",
    ),
]
Room: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--memory",
        min=0.001,
        metavar="GIB",
        help="What learning from stored features may take. Else half of what there is.",
    ),
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of all chance.")]
Cache: TypeAlias = Annotated[
    bool, typer.Option("--cache/--no-cache", help="Keep features on disk for the next time.")
]

Split: TypeAlias = Annotated[
    str, typer.Option(metavar="SPLIT", help="How training and test are parted.")
]
SplitForVoices: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT",
        help="How training and test are parted.",
        show_default="speakers:5, or clips:5 where voices are known",
    ),
]
Voices: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="new|known",
        help="Whom a model will hear: others than these people, or these, as they sound here.",
        autocompletion=completion.choices("new", "known"),
    ),
]
ClassWeight: TypeAlias = Annotated[
    str | None, typer.Option(metavar="balanced", help="Weigh rare emotions more.")
]
Balance: TypeAlias = Annotated[
    bool, typer.Option("--balance", help="Draw as many clips of each emotion.")
]
Search: TypeAlias = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Trials of a search for parameters, by speaker."),
]
Select: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="N|SHARE|model", help="Keep the most telling features only."),
]
Params: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="A=B", help="A parameter of the family."),
]

Emotions: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="Only these emotions.",
        rich_help_panel=_DATA,
        show_default=False,
        autocompletion=completion.emotions,
    ),
]
Possible: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--emotions",
        metavar="A,B,...",
        help="Those that can occur: the answer is one of them.",
        show_default=False,
        autocompletion=completion.emotions,
    ),
]
Merge: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A=B",
        help="Count emotion A as B; may be repeated.",
        rich_help_panel=_DATA,
        autocompletion=completion.merged,
    ),
]

Rate: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="HZ", help="Resample to this rate.", rich_help_panel=_PREPARATION),
]
Denoise: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Take away this share of the noise.", rich_help_panel=_PREPARATION
    ),
]
Band: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="LOW-HIGH", help="Keep these Hz, e.g. 300-3400.", rich_help_panel=_PREPARATION
    ),
]
TrimDb: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="DB",
        help="Cut ends this far below the loudest part; 30 suits speech.",
        rich_help_panel=_PREPARATION,
    ),
]
Normalize: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="peak|loudness",
        help="Bring to one level.",
        rich_help_panel=_PREPARATION,
        autocompletion=completion.choices("peak", "loudness"),
    ),
]
Length: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", help="Crop or pad to this length.", rich_help_panel=_PREPARATION
    ),
]


def preparation(
    rate: int | None,
    denoise: float | None,
    band: str | None,
    trim_db: float | None,
    normalize: str | None,
    length: float | None,
) -> Preparation:
    """The preparation that the options ask for.

    Raises
    ------
    UsageError
        If a value is outside its range.
    """
    from emotone.audio import Preparation
    from emotone.audio.preparation import Normalization

    return Preparation(
        rate=rate,
        denoise=denoise,
        band_hz=None if band is None else _band(band),
        trim_db=trim_db,
        normalize=cast("Normalization | None", normalize),
        length_s=length,
    )


def _band(text: str) -> tuple[float, float]:
    low, dash, high = text.partition("-")
    try:
        if dash:
            return float(low), float(high)
    except ValueError:
        pass
    raise UsageError(
        f"--band {text} is no band", remedy="Give two frequencies in Hz, such as 300-3400."
    )


def channels(text: str) -> ChannelChoice:
    """What ``--channels`` asks for.

    Raises
    ------
    UsageError
        If it is neither ``mix``, ``split`` nor a number.
    """
    if text in ("mix", "split"):
        return cast("ChannelChoice", text)
    if text.isdecimal():
        return int(text)
    raise UsageError(f"--channels is {text!r}", remedy="Give mix, split, or a number from 0.")


def names(text: str | None) -> list[str] | None:
    """The names in ``"a, b"``; None for None.

    Raises
    ------
    UsageError
        If there is none in it.
    """
    if text is None:
        return None
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise UsageError(f"{text!r} names nothing", remedy="Give names with commas between them.")
    return found


def pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """What ``["calm=neutral"]`` maps.

    Raises
    ------
    UsageError
        If one has no ``=``, or a name on one side of it is missing.
    """
    mapping = {}
    for text in texts or []:
        for part in text.split(","):
            key, _, value = (piece.strip() for piece in part.partition("="))
            if not key or not value:
                raise UsageError(
                    f"{option} {part} is no pair", remedy=f"Write it as {option} NAME=VALUE."
                )
            mapping[key] = value
    return mapping


def parameters(texts: list[str] | None) -> dict[str, Any]:
    """Parameters of a family: ``["C=10", "hidden_layer_sizes=[300]"]``, each value as JSON or text.

    Raises
    ------
    UsageError
        If one has no ``=``.
    """
    import json

    found: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--param {text} is no pair", remedy="Write it as --param C=10.")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value.strip()
    return found


def selection(text: str | None) -> int | float | str | None:
    """How many features to keep: a count, a share below 1, or ``model``; None for all."""
    if text is None or text == "model":
        return text
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise UsageError(
            f"--select {text} is no number", remedy="Give a count, a share such as 0.2, or model."
        ) from None


def corpus(data: list[str], emotions: str | None, merge: list[str] | None) -> Corpus:
    """The utterances that the arguments and options choose."""
    from emotone.corpora import load_many, select

    loaded = load_many(data)
    messages.without_label(loaded.problems)
    if emotions is None and not merge:
        return loaded
    return select(loaded, names(emotions), pairs(merge, "--merge"))


def material(data: list[str], emotions: str | None, merge: list[str] | None) -> Corpus:
    """As `corpus`; of stored features, where the arguments name such.

    Raises
    ------
    UsageError
        If they name features and audio.
    """
    from emotone.feature_table import FeatureTable, is_table

    stored = [source for source in data if is_table(source)]
    if not stored:
        return corpus(data, emotions, merge)
    if len(stored) < len(data):
        audio = next(source for source in data if source not in stored)
        raise UsageError(
            f"{stored[0]} holds features, and {audio} does not",
            remedy="Train from the features of all of them, or from the audio.",
        )
    from emotone.corpora import select

    loaded = FeatureTable.open(data).corpus()
    messages.without_label(loaded.problems)
    if emotions is None and not merge:
        return loaded
    return select(loaded, names(emotions), pairs(merge, "--merge"))


def room(gibibytes: float | None) -> int | None:
    """Bytes of memory that learning from stored features may take."""
    return None if gibibytes is None else round(gibibytes * 2**30)


@contextlib.contextmanager
def executor(ray: str | None) -> Iterator[Executor]:
    """Where folds and trials are worked on: here, or on a Ray cluster until the block ends."""
    from emotone.execution import SERIAL

    if ray is None:
        yield SERIAL
        return
    from emotone.cluster.connection import connect
    from emotone.cluster.executor import RayExecutor

    with connect(ray) as cluster:
        messages.note(f"Folds and trials run on {cluster}.")
        yield RayExecutor()


@contextlib.contextmanager
def feature_cache(wanted: bool) -> Iterator[FeatureCache | None]:
    """The cache of features on disk, closed when the block ends; None where it is not wanted."""
    if not wanted:
        yield None
        return
    from emotone.features.cache import FeatureCache

    with FeatureCache() as cache:
        yield cache
