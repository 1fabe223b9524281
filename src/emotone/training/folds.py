"""One fold: a recipe fitted to its training part and tested on its test part."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from emotone.audio.clips import Clips
from emotone.dataset import Dataset
from emotone.emotions import in_order
from emotone.errors import EmotoneError, SplitError
from emotone.evaluation import TestedClip, tested_clips
from emotone.execution import Callback, Executor, Progress
from emotone.metrics import Evaluation, FloatMatrix, fold_mean, metrics
from emotone.models import FAMILIES, AnyClassifier, Classifier
from emotone.models.search import (
    Search,
    Searching,
    Setting,
    Trial,
    attempt,
    failed,
    search,
)
from emotone.models.streamed import memory_told
from emotone.splits import Fold
from emotone.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One fold: a model of its training part, tested on its test part.

    Attributes
    ----------
    name
        Of the fold.
    classifier
        The fitted model.
    search
        What the search in the training part found, if there was one.
    truth
        The emotion of each tested clip, shape ``(m,)``.
    scores
        Shape ``(m, k)`` over all k emotions of the corpus; 0 where the training part lacks one.
    rows
        Positions of the m tested clips in the dataset.
    unknown
        Test clips left out because the training part has no clip of their emotion.
    train_clips
        Size of the training part.
    fit_s, score_s
        Seconds to fit (all trials and calibration included) and to score all m clips; features
        apart.
    """

    name: str
    classifier: AnyClassifier
    search: Search | None
    truth: npt.NDArray[np.str_]
    scores: FloatMatrix
    rows: npt.NDArray[np.intp]
    unknown: int
    train_clips: int
    fit_s: float
    score_s: float


def fit(
    dataset: Dataset,
    rows: npt.NDArray[np.intp],
    recipe: Recipe,
    tell: Callback,
    watch: npt.NDArray[np.intp] | None = None,
    part: str = "all",
    found: Search | None = None,
) -> tuple[AnyClassifier, Search | None]:
    """A model of some rows of a dataset, by a search inside them if the recipe has trials.

    A neural family keeps its state in the folder `part` of the recipe's files. What a search has
    found already is taken.
    """
    X, y = dataset.features[rows], dataset.labels[rows]
    groups = recipe.kept_apart(dataset.speakers[rows].tolist())
    corpora = dataset.corpora[rows].tolist()
    if found is None and recipe.trials and not isinstance(X, Clips):
        found = search(
            X,
            y,
            groups,
            recipe.family,
            trials=recipe.trials,
            params=recipe.params,
            seed=recipe.seed,
            class_weight=recipe.class_weight,
            sampling=recipe.sampling,
            select=recipe.select,
            progress=lambda done, total: tell(
                Progress("search", done, total, f"searching parameters of {recipe.family}")
            ),
        )
    classifier = recipe.classifier(recipe.params if found is None else found.params)
    seen = None if watch is None else (dataset.features[watch], dataset.labels[watch])
    if isinstance(classifier, Classifier):
        assert not isinstance(X, Clips)
        with memory_told((X.shape[0], X.shape[1])):
            return classifier.fit(X, y, groups=groups, watch=seen, corpora=corpora), found
    classifier.fit(
        X,
        y,
        groups=groups,
        watch=seen,
        corpora=corpora,
        files=recipe.files.part(part),
        progress=lambda done, total, said: tell(
            Progress("epochs", done, total, f"{recipe.family}, {said}")
        ),
    )
    return classifier, found


def searched(
    datasets: Mapping[str, Dataset],
    parts: Sequence[tuple[Recipe, npt.NDArray[np.intp]]],
    tell: Callback,
    executor: Executor,
) -> list[Search | EmotoneError | None]:
    """What a search finds in each of some training parts, the trials of all worked on together.

    Parameters
    ----------
    datasets
        By the family of a recipe.
    parts
        Recipes, and rows of their dataset.
    tell
        Told of the trials.
    executor
        Where they are worked on.

    Returns
    -------
    list
        For each part what was found, or why nothing was; None where the recipe has no trials.
    """
    running = {
        at: Searching(recipe.family, trials=recipe.trials, params=recipe.params, seed=recipe.seed)
        for at, (recipe, _) in enumerate(parts)
        if recipe.trials and not isinstance(datasets[recipe.family].features, Clips)
    }
    shared = (datasets, parts)
    done, total = 0, sum(each.total for each in running.values())
    while active := [at for at in running if not running[at].over]:
        drawn = [(at, params) for at in active for params in running[at].draw()]
        tried: dict[int, Trial] = {}
        for finished in executor.run(_try, shared, drawn, tell):
            at, params = drawn[finished.index]
            error = finished.error
            tried[finished.index] = finished.get() if error is None else failed(params, error)
            done += 1
            family = parts[at][0].family
            tell(Progress("search", done, total, f"searching parameters of {family}"))
        for at in active:
            running[at].tell([tried[i] for i, (of, _) in enumerate(drawn) if of == at])
    outcomes: list[Search | EmotoneError | None] = [None] * len(parts)
    for at, each in running.items():
        try:
            outcomes[at] = each.found()
        except EmotoneError as error:
            outcomes[at] = error
    return outcomes


def _try(
    shared: tuple[Mapping[str, Dataset], Sequence[tuple[Recipe, npt.NDArray[np.intp]]]],
    item: tuple[int, dict[str, Any]],
    tell: Callback,
) -> Trial:
    """One trial in one training part."""
    datasets, parts = shared
    at, params = item
    recipe, rows = parts[at]
    dataset = datasets[recipe.family]
    setting = Setting(
        recipe.family, recipe.seed, recipe.class_weight, recipe.sampling, recipe.select
    )
    groups = recipe.kept_apart(dataset.speakers[rows].tolist())
    return attempt(setting, params, dataset.features[rows], dataset.labels[rows], groups)


def run_fold(
    dataset: Dataset, fold: Fold, recipe: Recipe, tell: Callback, found: Search | None = None
) -> FoldResult:
    """Fit the training part of a fold, with what a search there has `found`; score its test part.

    Raises
    ------
    SplitError
        If the training part is empty, or no test clip has an emotion of it.
    """
    if not len(fold.train):
        raise SplitError(
            f"fold {fold.name} has no readable clip to train on", source=dataset.split.spec
        )
    started = time.perf_counter()
    watch = fold.test if FAMILIES[recipe.family].learns_in_epochs else None
    part = f"fold-{quote(fold.name, safe='')}"
    searched_s = 0.0 if found is None else sum(trial.seconds for trial in found.trials)
    classifier, found = fit(dataset, fold.train, recipe, tell, watch, part, found)
    fit_s = time.perf_counter() - started + searched_s

    labels = dataset.labels
    known = np.isin(labels[fold.test], classifier.classes_)
    rows = fold.test[known]
    if not len(rows):
        raise SplitError(
            f"fold {fold.name} tests emotions that its training part does not have",
            source=dataset.split.spec,
        )
    started = time.perf_counter()
    own = classifier.scores(dataset.features[rows])
    score_s = time.perf_counter() - started
    names = _emotions(dataset)
    scores = np.zeros((len(rows), len(names)))
    scores[:, [names.index(name) for name in classifier.classes_.tolist()]] = own
    return FoldResult(
        name=fold.name,
        classifier=classifier,
        search=found,
        truth=labels[rows],
        scores=scores,
        rows=rows,
        unknown=int((~known).sum()),
        train_clips=len(fold.train),
        fit_s=fit_s,
        score_s=score_s,
    )


def evaluate_folds(
    dataset: Dataset, results: Sequence[FoldResult], bootstrap: int, seed: int
) -> Evaluation:
    """The figures over all folds; see `emotone.metrics.fold_mean`."""
    return fold_mean(
        [(r.truth, r.scores, dataset.speakers[r.rows].tolist()) for r in results],
        _emotions(dataset),
        bootstrap=bootstrap,
        seed=seed,
    )


def evaluate_fold(dataset: Dataset, result: FoldResult, bootstrap: int, seed: int) -> Evaluation:
    """The figures of one fold."""
    return metrics(
        result.truth,
        result.scores,
        _emotions(dataset),
        speakers=dataset.speakers[result.rows].tolist(),
        bootstrap=bootstrap,
        seed=seed,
    )


def answers(dataset: Dataset, result: FoldResult) -> tuple[TestedClip, ...]:
    """What the fold's model said about each clip of its test part, over the emotions it knows."""
    names = _emotions(dataset)
    known = [names.index(name) for name in result.classifier.classes_.tolist()]
    utterances = [dataset.utterances[i] for i in result.rows]
    return tested_clips(
        utterances, result.scores[:, known], [names[i] for i in known], fold=result.name
    )


def _emotions(dataset: Dataset) -> list[str]:
    return in_order(set(dataset.labels.tolist()))
