"""What a finished training has to tell, gathered for its report."""

from __future__ import annotations

import io
import platform
import shlex
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone import audio, interrupts
from emotone.errors import EmotoneError
from emotone.report.data import CorpusRow, FoldRow, Mistake, PlayableClip, ReportData

if TYPE_CHECKING:
    import os

    from emotone.bundle import Card
    from emotone.evaluation import TestedClip
    from emotone.training import TrainingRun

MISTAKES = 12
PAIRS_WITH_CLIPS = 5
CLIP_RATE = 16000
CLIP_LIMIT_S = 15.0

_PACKAGES = ("emotone", "scikit-learn", "torch", "lightning", "numpy")

_STRATEGIES = {
    "random": "A random split: clips are drawn for the test whoever speaks in them.",
    "speakers": "Split by speaker: nobody who is tested on was heard in training.",
    "clips": "Split by clip: whoever is tested on was heard in training, in other clips.",
    "corpora": "Split by corpus: each corpus is tested by a model that never heard it.",
    "file": "Split by a fold file.",
    "none": "All clips were used for training.",
}


def report_from_run(
    run: TrainingRun,
    *,
    bundle: str | os.PathLike[str] | None = None,
    clips_per_pair: int = 0,
) -> ReportData:
    """The report of a training run.

    Parameters
    ----------
    run
        What `emotone.training.train` returned.
    bundle
        Where the model was saved, for the commands at the end of the page.
    clips_per_pair
        How many clips to put into the page for each of the five most confused pairs. Each is a
        voice, hence personal data, and under the licence of its corpus: none unless asked for.
    """
    card, dataset = run.card, run.dataset
    root = dataset.corpus.root
    clips, unreadable = _clips(run, root, clips_per_pair)
    training = card.training
    sizes = {fold.name: len(fold.train) for fold in dataset.folds}
    model = str(bundle) if bundle is not None else None
    return ReportData(
        title=card.model,
        summary=f"{training['family']} on {_heard(card)}, "
        f"{len(card.emotions)} emotions, trained on {', '.join(dataset.corpus.corpora)}",
        evaluation=run.evaluation,
        protocol=f"{_STRATEGIES[dataset.split.strategy]} Split: {dataset.split.spec}.",
        warning=run.warning,
        notes=_notes(run, unreadable),
        counts=run.counts,
        corpora=_corpora(run),
        settings=_settings(run),
        history=run.history,
        folds=[
            FoldRow(name, sizes[name], fold.clips, fold.ua.value, fold.wa.value, fold.f1.value)
            for name, fold in run.folds.items()
        ],
        mistakes=_mistakes(run.tested, root),
        clips=clips,
        commands=[]
        if model is None
        else [
            f"emotone predict clip.wav --model {shlex.quote(model)}",
            f"emotone evaluate {shlex.quote(model)} DATA",
        ],
        created=card.created,
    )


def _heard(card: Card) -> str:
    if card.feature_set is None:
        return f"the sound itself at {card.input.rate} Hz"
    return f"the features {card.feature_set}"


def _notes(run: TrainingRun, unreadable: int) -> list[str]:
    notes = list(run.dataset.split.notes)
    if len(run.folds) > 1:
        notes.append(
            "The model in the bundle is fitted to all clips; the figures are those of the models "
            "of the folds, trained in the same way."
        )
    elif run.folds:
        notes.append("The figures are those of the very model in the bundle.")
    if run.caution:
        notes.append(run.caution)
    if run.failures:
        first = run.failures[0]
        notes.append(
            f"{len(run.failures)} clips could not be read and were left out; the first: "
            f"{first.error}"
        )
    if unreadable:
        notes.append(f"{unreadable} clips could not be read again to be played here.")
    return notes


def _corpora(run: TrainingRun) -> list[CorpusRow]:
    utterances = run.dataset.utterances
    licences = run.dataset.corpus.licences
    rows = []
    for name in sorted({utterance.corpus for utterance in utterances}):
        part = [utterance for utterance in utterances if utterance.corpus == name]
        speakers = {utterance.speaker for utterance in part} - {None}
        languages = {utterance.language for utterance in part if utterance.language is not None}
        rows.append(
            CorpusRow(
                name=name,
                utterances=len(part),
                speakers=len(speakers) or None,
                language=", ".join(sorted(languages)) or None,
                licence=licences.get(name),
            )
        )
    return rows


def _settings(run: TrainingRun) -> dict[str, Mapping[str, Any]]:
    card = run.card
    training = card.training
    return {
        "Model": {
            "family": training["family"],
            "voices": training["voices"],
            **training["params"],
            "class weight": training["class_weight"],
            "sampling": training["sampling"],
            "feature selection": training["select"],
            "search": training["search"],
            "seed": training["seed"],
            "calibration": card.calibration,
            "fitted on": training["fitted_on"],
        },
        "Features": {
            "set": card.feature_set or "the waveform",
            "version": card.feature_version,
            "dimension": card.input.dimension,
        },
        "Preparation": {name.replace("_", " "): value for name, value in card.preparation.items()},
        "Versions": {
            **{name: _version(name) for name in _PACKAGES},
            "python": platform.python_version(),
        },
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _shown(file: str, root: Path) -> str:
    """The path from the corpus on: a page that is passed on need not tell the folders above."""
    path = Path(file)
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.name


def _mistakes(tested: Sequence[TestedClip], root: Path) -> list[Mistake]:
    wrong = [clip for clip in tested if clip.predicted != clip.true]
    wrong.sort(key=lambda clip: (-clip.confidence, clip.file))
    return [
        Mistake(
            file=_shown(clip.file, root),
            true=clip.true,
            predicted=clip.predicted,
            confidence=clip.confidence,
            true_score=clip.scores.get(clip.true, 0.0),
        )
        for clip in wrong[:MISTAKES]
    ]


def _clips(
    run: TrainingRun, root: Path, per_pair: int
) -> tuple[dict[tuple[str, str], list[PlayableClip]], int]:
    """Clips for the most confused pairs, the surest mistakes first, and how many are unreadable."""
    if per_pair < 1 or run.evaluation is None:
        return {}, 0
    found: dict[tuple[str, str], list[PlayableClip]] = {}
    unreadable = 0
    for true, predicted, _, _ in run.evaluation.most_confused(PAIRS_WITH_CLIPS):
        wrong = [clip for clip in run.tested if (clip.true, clip.predicted) == (true, predicted)]
        wrong.sort(key=lambda clip: (-clip.confidence, clip.file))
        for clip in wrong[:per_pair]:
            try:
                playable = PlayableClip(_shown(clip.file, root), _flac(clip.file))
            except EmotoneError:
                unreadable += 1
                continue
            found.setdefault((true, predicted), []).append(playable)
    return found, unreadable


def _flac(file: str) -> bytes:
    """The first seconds of a clip as FLAC, which every browser plays."""
    import soundfile

    wave = audio.read(file, rate=CLIP_RATE)
    buffer = io.BytesIO()
    samples = wave.samples[: int(CLIP_LIMIT_S * wave.rate)]
    with interrupts.deferred():
        soundfile.write(buffer, samples, wave.rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
