"""From a corpus to a tested model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emotone.audio import Preparation
from emotone.bundle.card import is_name
from emotone.corpora import Corpus
from emotone.dataset import Dataset
from emotone.errors import EmotoneError, EmotoneWarning, UsageError
from emotone.execution import SERIAL, Callback, Executor, Progress
from emotone.features.cache import FeatureCache
from emotone.models import AnyClassifier, families
from emotone.models.neural.files import TrainingFiles
from emotone.models.preprocessing import Selection
from emotone.models.search import Search
from emotone.splits import Fold
from emotone.training.card import card_of
from emotone.training.folds import (
    FoldResult,
    answers,
    evaluate_fold,
    evaluate_folds,
    fit,
    run_fold,
    searched,
)
from emotone.training.history import epochs, learning_curve
from emotone.training.recipe import (
    Recipe,
    dataset_for,
    default_split,
    feature_set_for,
    tell_confounded,
)
from emotone.training.run import TrainingRun


def train(
    corpus: Corpus,
    *,
    family: str = "svm-linear",
    features: str | None = None,
    split: str | None = None,
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
    voices: str = "new",
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
        A spec, see `emotone.splits.make`. When None, five folds that share no speaker; or five
        folds of clips that share them, where the voices are known.
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
    voices
        Whom the model will hear. ``"new"``: people that it has not learned from. ``"known"``: those
        of these clips, on microphones like theirs. Then scores are calibrated for them, and a
        neural family keeps to what it hears of them: it is more often right on them, and less on
        others. See `emotone.models.neural.voices`.
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
    recipe = Recipe(
        family, params or {}, seed, class_weight, sampling, select, trials, kept, voices
    )
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
        default_split(voices) if split is None else split,
        preparation=preparation,
        seed=seed,
        cache=cache,
        jobs=jobs,
        tell=tell,
        room=room,
    )
    if voices == "known":
        tell_confounded(dataset)
    folds = [fold for fold in dataset.folds if len(fold.test)]
    results, whole = _fitted(dataset, recipe, folds, tell, executor)
    history = epochs(results[0].classifier) if results else None
    if results and history is None and curve:
        history = learning_curve(dataset, folds[0], recipe, results[0], tell, executor)
    if whole is None:
        classifier, found, fitted = results[0].classifier, results[0].search, folds[0].train
    else:
        fitted = np.arange(len(dataset.utterances))
        classifier, found = whole
        if not results:
            history = epochs(classifier)
    tell(Progress("model", 1, 1, f"trained {family}"))
    _tell_failed([result.search for result in results] + [found])

    evaluation = evaluate_folds(dataset, results, bootstrap, seed) if results else None
    per_fold = {result.name: evaluate_fold(dataset, result, bootstrap, seed) for result in results}
    card = card_of(dataset, recipe, classifier, found, fitted, evaluation, per_fold, results)
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
