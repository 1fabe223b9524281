"""Corpus, feature set, split and family in; a tested model, ready to be a bundle, out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import adaptation, bundle
from emotone.audio import Preparation
from emotone.audio.clips import Clips
from emotone.bundle import Card, ModelInput
from emotone.bundle.card import is_name
from emotone.corpora import Corpus
from emotone.dataset import Dataset
from emotone.emotions import in_order
from emotone.errors import EmotoneError, EmotoneWarning, UsageError
from emotone.evaluation import TestedClip, confused_pairs
from emotone.execution import SERIAL, Callback, Executor, Progress
from emotone.features import get as get_feature_set
from emotone.features.cache import FeatureCache
from emotone.folds import (
    FoldResult,
    Recipe,
    answers,
    dataset_for,
    evaluate_fold,
    evaluate_folds,
    feature_set_for,
    fit,
    run_fold,
    searched,
)
from emotone.metrics import Evaluation, metrics
from emotone.models import AnyClassifier, Classifier, families
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.shortcut import frames_model
from emotone.models.preprocessing import Selection
from emotone.models.search import Search
from emotone.prediction import Failure
from emotone.selective import uncertain_below
from emotone.splits import Fold

__all__ = ["Callback", "History", "Progress", "TrainingRun", "train"]

Positions = npt.NDArray[np.intp]

CURVE_SHARES = (0.25, 0.5, 0.75)
"""Shares of the training part behind a learning curve, besides the whole."""


@dataclass(frozen=True, slots=True)
class History:
    """A curve of the training on the first fold.

    Attributes
    ----------
    kind
        ``"epochs"``: loss after each epoch (mlp and neural families). ``"training size"``: UA of
        models fitted to growing shares of the training part (every other family).
    measure
        ``"log loss"`` or ``"ua"``.
    x
        Epochs from 1, or numbers of training clips.
    curves
        ``"training"`` and, where there is a test part, ``"test"``; as long as `x`. The training
        loss of an MLP includes its L2 penalty, that of a neural family what makes its task harder
        (altered and mixed clips, smoothed targets). The test curve is only shown: nothing is
        chosen by it. A neural family may be stopped by its ``"validation"`` curve, of speakers held
        out inside the training part.
    """

    kind: str
    measure: str
    x: list[int]
    curves: dict[str, list[float]]

    def to_dict(self) -> dict[str, Any]:
        """The curve as plain types, ready for JSON."""
        curves = {
            name: [round(value, 6) for value in values] for name, values in self.curves.items()
        }
        return {"kind": self.kind, "measure": self.measure, "x": self.x, "curves": curves}


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A finished training.

    Attributes
    ----------
    classifier
        The model that `save` writes.
    card
        Its card.
    dataset
        What it was trained on.
    evaluation
        Figures on the test parts, averaged over folds; None for the split ``none``.
    folds
        The folds with each one's own figures, by name.
    tested
        The answer to every test clip.
    history
        Loss or learning curve, or None.
    """

    classifier: AnyClassifier
    card: Card
    dataset: Dataset
    evaluation: Evaluation | None
    folds: dict[str, Evaluation]
    tested: tuple[TestedClip, ...]
    history: History | None

    @property
    def counts(self) -> dict[str, int]:
        """Clips per emotion, in the order of the vocabulary."""
        labels, counts = np.unique(self.dataset.labels, return_counts=True)
        by_name = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        return {name: by_name[name] for name in in_order(list(by_name))}

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Clips that could not be read and were left out."""
        return self.dataset.failures

    @property
    def warning(self) -> str | None:
        """One sentence to put beside every figure, where train and test share speakers."""
        return self.dataset.split.warning

    @property
    def modest(self) -> bool:
        """Whether the scores are too low for the test clips.

        They are calibrated for new voices, fewer of which are heard right than of those that train
        and test share.
        """
        shared = bool(self.dataset.split.shared_speakers)
        return shared and self.card.calibration.get("grouped_by") == "speaker"

    def save(self, path: str | Path) -> Card:
        """Write the bundle, whole or not at all; see `emotone.bundle.write`."""
        model = self.classifier.to_onnx()
        frames = frames_model(model, self.card.input.rate)
        return bundle.write(path, model, self.card, frames=frames)

    def to_dict(self) -> dict[str, Any]:
        """The run without its clips, as plain types, ready for JSON."""
        figures = self.evaluation
        return {
            "card": self.card.to_dict(),
            "counts": self.counts,
            "evaluation": None if figures is None else figures.to_dict(),
            "most_confused": [] if figures is None else confused_pairs(figures),
            "folds": {name: fold.record() for name, fold in self.folds.items()},
            "history": None if self.history is None else self.history.to_dict(),
            "failures": [failure.to_dict() for failure in self.failures],
            "warning": self.warning,
        }


def train(
    corpus: Corpus,
    *,
    family: str = "svm-linear",
    features: str | None = None,
    split: str = "speakers:5",
    preparation: Preparation | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    class_weight: str | None = None,
    sampling: str | None = None,
    select: Selection = None,
    trials: int = 0,
    curve: bool = True,
    bootstrap: int = 1000,
    name: str = "model",
    version: str = "1.0",
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    progress: Callback | None = None,
    files: TrainingFiles | None = None,
    room: int | None = None,
    executor: Executor = SERIAL,
) -> TrainingRun:
    """Train a model and test it honestly.

    Each fold fits a model to its training part alone (scaling, feature selection, the search, the
    temperature and balancing included) and tests it on its test part. Which model is kept depends
    on the split:

    - one fold (``random:...``, a fold file with one): the model of that fold, so that the figures
      quoted are those of the very model in the bundle;
    - several folds: a model fitted to all clips, while the figures are those of the
      cross-validation, and the card says so;
    - ``none``: a model fitted to all clips, without figures.

    Parameters
    ----------
    corpus
        Labelled clips of two emotions or more. Unreadable ones are left out and reported. A
        `emotone.feature_table.StoredCorpus` brings its features, and needs no audio.
    family, params, seed, class_weight, sampling, select
        The model, see `emotone.models.build`.
    features, preparation
        The feature set it hears by, and what is done to each clip first; see `emotone.features`.
        The set rich when None. Neural families hear the sound itself, trimmed and at 16 kHz, and
        take no feature set.
    split
        A spec, see `emotone.splits.make`.
    trials
        Trials of a search for parameters, run inside each training part; 0 for none.
    curve
        Whether to compute the learning curve of a family without epochs; three more fits.
    bootstrap
        Resamples behind the 95 % intervals.
    name, version
        What the model will be called.
    cache, jobs
        Of the extraction of features.
    progress
        Called as the work goes on. An exception it raises ends the training.
    files
        Where a neural family keeps its state after each epoch, to go on from there when it was cut
        off, and its logs; a folder in each for every fold.
    room
        Bytes of memory that learning from stored features may take; half of what there is when
        None. Where it is too little, logistic and mlp read them in pieces, and others refuse.
    executor
        Where folds and the trials of a search are worked on; see `emotone.execution`.

    Raises
    ------
    UsageError, FeatureError, SplitError, TrainingError
        If an option makes no sense, or the clips cannot be learned from. Nothing is written before
        `TrainingRun.save`, so Ctrl-C leaves nothing behind.

    Examples
    --------
    >>> run = train(corpora.load("emodb=clips"), family="svm-rbf")     # doctest: +SKIP
    >>> run.save("mine.emotone")                                       # doctest: +SKIP
    """
    kept = files or TrainingFiles()
    recipe = Recipe(family, params or {}, seed, class_weight, sampling, select, trials, kept)
    for what, text in (("name", name), ("version", version)):
        if not is_name(text):
            raise UsageError(
                f"{text!r} cannot be the {what} of a model",
                remedy="Use up to 80 letters, digits, dots, dashes and underscores.",
            )
    tell = progress or (lambda event: None)
    dataset = dataset_for(
        [recipe],
        corpus,
        feature_set_for(family, features, corpus),
        split,
        preparation=preparation,
        seed=seed,
        cache=cache,
        jobs=jobs,
        tell=tell,
        room=room,
    )
    folds = [fold for fold in dataset.folds if len(fold.test)]
    results, whole = _fitted(dataset, recipe, folds, tell, executor)
    history = _epochs(results[0].classifier) if results else None
    if results and history is None and curve:
        history = _learning_curve(dataset, folds[0], recipe, results[0], tell, executor)
    if whole is None:
        classifier, found, fitted = results[0].classifier, results[0].search, folds[0].train
    else:
        fitted = np.arange(len(dataset.utterances))
        classifier, found = whole
        if not results:
            history = _epochs(classifier)
    tell(Progress("model", 1, 1, f"trained {family}"))
    _tell_failed([result.search for result in results] + [found])

    evaluation = evaluate_folds(dataset, results, bootstrap, seed) if results else None
    per_fold = {result.name: evaluate_fold(dataset, result, bootstrap, seed) for result in results}
    card = _card(dataset, recipe, classifier, found, fitted, evaluation, per_fold, results)
    return TrainingRun(
        classifier=classifier,
        card=replace(card, name=name, version=version),
        dataset=dataset,
        evaluation=evaluation,
        folds=per_fold,
        tested=tuple(clip for result in results for clip in answers(dataset, result)),
        history=history,
    )


Whole = tuple[AnyClassifier, Search | None]
"""A model of all clips, and the search for its parameters."""


def _fitted(
    dataset: Dataset, recipe: Recipe, folds: Sequence[Fold], tell: Callback, executor: Executor
) -> tuple[list[FoldResult], Whole | None]:
    """The result of each fold; and a model of all clips, unless that of the one fold is kept."""
    family, total = recipe.family, len(folds)
    items: list[Fold | None] = [*folds, *([None] if total != 1 else [])]
    results: dict[int, FoldResult] = {}
    whole: Whole | None = None
    if folds:
        tell(Progress("fold", 0, total, f"training {family} on {total} folds"))
    else:
        tell(Progress("model", 0, 1, f"training {family} on all clips"))
    everything = np.arange(len(dataset.utterances))
    rows = [everything if fold is None else fold.train for fold in items]
    found = searched({family: dataset}, [(recipe, part) for part in rows], tell, executor)
    pieces = []
    for fold, outcome in zip(items, found, strict=True):
        if isinstance(outcome, EmotoneError):
            raise outcome
        pieces.append((fold, outcome))
    accelerated = families.get(family).input == "waveform"
    shared = (dataset, recipe)
    for finished in executor.run(_part, shared, pieces, tell, accelerated=accelerated):
        result = finished.get()
        if isinstance(result, FoldResult):
            results[finished.index] = result
            done = len(results)
            tell(Progress("fold", done, total, f"trained {family} on {done} of {total} folds"))
            if done == total and whole is None and total != 1:
                tell(Progress("model", 0, 1, f"training {family} on all clips"))
        else:
            whole = result
    return [results[at] for at in range(total)], whole


def _part(
    shared: tuple[Dataset, Recipe], piece: tuple[Fold | None, Search | None], tell: Callback
) -> FoldResult | Whole:
    """One fold, or all clips where there is none, with what a search found there."""
    dataset, recipe = shared
    fold, found = piece
    if fold is None:
        return fit(dataset, np.arange(len(dataset.utterances)), recipe, tell, found=found)
    return run_fold(dataset, fold, recipe, tell, found)


def _tell_failed(searches: Sequence[Search | None]) -> None:
    """Warn of trials that failed, which else would be seen nowhere."""
    failed = [trial for search in searches if search is not None for trial in search.failed]
    if failed:
        warnings.warn(
            f"{len(failed)} trials of the search failed, and the others decided; the first, with "
            f"{failed[0].params}: {failed[0].error}",
            EmotoneWarning,
            stacklevel=3,
        )


def _epochs(classifier: AnyClassifier) -> History | None:
    loss, watched = classifier.loss_curve_, classifier.watch_curve_
    if not loss:
        return None
    curves = {"training": loss, **({"test": watched} if watched else {})}
    if not isinstance(classifier, Classifier) and classifier.validation_curve_:
        curves["validation"] = classifier.validation_curve_
    return History("epochs", "log loss", list(range(1, len(loss) + 1)), curves)


def _learning_curve(
    dataset: Dataset,
    fold: Fold,
    recipe: Recipe,
    result: FoldResult,
    tell: Callback,
    executor: Executor,
) -> History:
    """UA against the number of training clips; the last point is the fold's own model."""
    order = np.random.default_rng(recipe.seed).permutation(fold.train)
    known = len(result.classifier.classes_)
    sizes = [round(share * len(order)) for share in CURVE_SHARES]
    # Too small a share does not hold every emotion.
    sizes = [n for n in sizes if len(set(dataset.labels[order[:n]].tolist())) == known]
    total, doing = len(sizes) + 1, "fitting shares of the training part"
    points: dict[int, tuple[float, float]] = {}
    tell(Progress("curve", 0, total, doing))
    shared = (dataset, recipe, result.classifier.params, order, result.rows)
    for finished in executor.run(_point, shared, sizes, tell):
        points[sizes[finished.index]] = finished.get()
        tell(Progress("curve", len(points), total, doing))
    points[len(order)] = _uas(dataset, result.classifier, order, result.rows)
    tell(Progress("curve", total, total, doing))
    x = [*sizes, len(order)]
    training, tested = ([points[n][side] for n in x] for side in (0, 1))
    return History("training size", "ua", x, {"training": training, "test": tested})


def _point(
    shared: tuple[Dataset, Recipe, Mapping[str, Any], Positions, Positions],
    size: int,
    tell: Callback,
) -> tuple[float, float]:
    """A point of the learning curve: a model of the first clips, on these and on the test part."""
    dataset, recipe, params, order, test = shared
    rows = order[:size]
    classifier = recipe.classifier(params, calibration_folds=0)
    classifier.fit(
        dataset.features[rows],
        dataset.labels[rows],
        groups=dataset.speakers[rows].tolist(),
        corpora=dataset.corpora[rows].tolist(),
    )
    return _uas(dataset, classifier, rows, test)


def _uas(
    dataset: Dataset, classifier: AnyClassifier, train: Positions, test: Positions
) -> tuple[float, float]:
    names = classifier.classes_.tolist()
    found = []
    for positions in (train, test):
        scores = classifier.scores(dataset.features[positions])
        found.append(metrics(dataset.labels[positions], scores, names, bootstrap=0).ua.value)
    return found[0], found[1]


def _card(
    dataset: Dataset,
    recipe: Recipe,
    classifier: AnyClassifier,
    found: Search | None,
    fitted: npt.NDArray[np.intp],
    evaluation: Evaluation | None,
    per_fold: Mapping[str, Evaluation],
    results: list[FoldResult],
) -> Card:
    used = [dataset.utterances[i] for i in fitted]
    licences = dataset.corpus.licences
    corpora = []
    for name in sorted({utterance.corpus for utterance in used}):
        part = [utterance for utterance in used if utterance.corpus == name]
        known = {utterance.speaker for utterance in part} - {None}
        corpora.append(
            {
                "name": name,
                "clips": len(part),
                "speakers": len(known) or None,
                "licence": licences.get(name),
            }
        )
    labels = [utterance.emotion for utterance in used]
    split = dataset.split.to_dict()
    training = {
        "corpora": corpora,
        "clips": len(used),
        "emotions": {name: labels.count(name) for name in classifier.classes_.tolist()},
        "family": recipe.family,
        "params": _plain(classifier.params),
        "class_weight": recipe.class_weight,
        "sampling": recipe.sampling,
        "select": recipe.select,
        "search": None if found is None else _plain(found.to_dict()),
        "seed": recipe.seed,
        "split": {**split, "folds": len(split["folds"])},
        "fitted_on": "the training part of the split" if len(results) == 1 else "all clips",
    }
    feature_set = None
    if isinstance(dataset.features, Clips):
        heard = ModelInput("waveform", rate=dataset.features.rate)
    else:
        heard = ModelInput("features", dimension=dataset.features.shape[1])
        feature_set = dataset.feature_set
    return Card(
        name="model",
        version="1.0",
        emotions=tuple(classifier.classes_.tolist()),
        input=heard,
        feature_set=feature_set,
        feature_version=None if feature_set is None else get_feature_set(feature_set).version,
        preparation=dataset.preparation.to_dict(),
        calibration={
            **classifier.calibration_,
            **_from_answers(dataset, classifier.classes_.tolist(), results, recipe.seed),
        },
        training=training,
        metrics={} if evaluation is None else _quoted(dataset, evaluation, per_fold, results),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _from_answers(
    dataset: Dataset, names: list[str], results: list[FoldResult], seed: int
) -> dict[str, Any]:
    """What the card says for its users from the answers to the test clips, if they suffice.

    Both are a few numbers read off the answers of all folds, so they hardly fit to them. Adapting
    needs answers to speakers who were not trained on.
    """
    if not results:
        return {}
    found: dict[str, Any] = {}
    everything = in_order(set(dataset.labels.tolist()))
    truth = np.concatenate([result.truth for result in results])
    scores = np.concatenate([result.scores for result in results])
    scores = scores[:, [everything.index(name) for name in names]]
    right = np.array(names)[scores.argmax(axis=1)] == truth
    below = uncertain_below(right, scores.max(axis=1))
    if below is not None:
        found["uncertain_below"] = below
    if not dataset.split.shared_speakers:
        speakers = np.concatenate([dataset.speakers[result.rows] for result in results]).tolist()
        settings = adaptation.estimate(scores, truth, speakers, names, seed=seed)
        if settings is not None:
            found["adaptation"] = settings.to_dict()
    return found


def _quoted(
    dataset: Dataset,
    evaluation: Evaluation,
    per_fold: Mapping[str, Evaluation],
    results: list[FoldResult],
) -> dict[str, Any]:
    """The card's figures, under a key that says how they came about."""
    single = len(results) == 1
    key = "held-out test" if single else "cross-validation"
    about = (
        "this very model on the test part of the split"
        if single
        else f"mean over {len(results)} folds of models trained like this one, each tested on "
        "clips it had not seen; this model is fitted to all clips"
    )
    recalls = {
        name: None if figures.support == 0 else round(figures.recall.value, 6)
        for name, figures in evaluation.per_emotion.items()
    }
    quoted: dict[str, Any] = evaluation.record(split=dataset.split.spec, about=about)
    quoted["recall"] = recalls
    quoted["warning"] = dataset.split.warning
    quoted["unknown_clips"] = sum(result.unknown for result in results)
    if not single:
        quoted["ua_per_fold"] = {name: round(fold.ua.value, 6) for name, fold in per_fold.items()}
    return {key: quoted}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON knows them: tuples become lists, numpy numbers become Python's."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return _plain(value)
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value.item() if isinstance(value, np.generic) else value

    return {str(key): plain(value) for key, value in values.items()}
