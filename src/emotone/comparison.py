"""Several families side by side, under the same features and the same folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from emotone.audio import Preparation
from emotone.corpora import Corpus
from emotone.dataset import Dataset
from emotone.errors import EmotoneError, UsageError
from emotone.execution import SERIAL, Callback, Executor, Progress
from emotone.features.cache import FeatureCache
from emotone.features.waveforms import NAME as WAVEFORM
from emotone.metrics import Evaluation
from emotone.models import families as known_families
from emotone.models.preprocessing import Selection
from emotone.models.search import Search
from emotone.prediction import Failure
from emotone.splits import Fold
from emotone.training.folds import FoldResult, evaluate_folds, run_fold, searched
from emotone.training.recipe import (
    Recipe,
    dataset_for,
    default_split,
    feature_set_for,
    tell_confounded,
)


@dataclass(frozen=True, eq=False)
class ComparedFamily:
    """One row of a comparison.

    Attributes
    ----------
    family
        Its name.
    feature_set
        What it learned from; ``"waveform"`` for a neural family.
    evaluation
        The figures, averaged over folds; None if it could not be trained.
    train_s
        Seconds to fit one fold (search and calibration included, features apart), on average.
    predict_ms
        Milliseconds to score one clip, from its features or its samples in memory, when all test
        clips are scored at once.
    error
        Why it could not be trained, or None.
    """

    family: str
    feature_set: str
    evaluation: Evaluation | None
    train_s: float
    predict_ms: float
    error: EmotoneError | None = None

    def to_dict(self) -> dict[str, Any]:
        """The row as plain types, ready for JSON: flat, as `Evaluation.record` has it."""
        row: dict[str, Any] = {"family": self.family, "feature_set": self.feature_set}
        if self.evaluation is not None:
            row = self.evaluation.record(**row)
        row["train_s"], row["predict_ms"] = round(self.train_s, 4), round(self.predict_ms, 4)
        row["error"] = None if self.error is None else self.error.to_dict()
        return row


@dataclass(frozen=True, eq=False)
class Comparison:
    """Families under the same folds, best UA first, those that failed last.

    Attributes
    ----------
    rows
        One per family.
    datasets
        What they were trained and tested on, by feature set; the `warning` of their split belongs
        beside the figures.
    """

    rows: tuple[ComparedFamily, ...]
    datasets: Mapping[str, Dataset]

    @property
    def dataset(self) -> Dataset:
        """The first of the datasets; corpus and split are the same in all."""
        return next(iter(self.datasets.values()))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Clips that could not be read in one of the datasets or more."""
        found = {f.file: f for data in self.datasets.values() for f in data.failures}
        return tuple(found.values())

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain types, ready for JSON."""
        return {
            "feature_set": ", ".join(self.datasets),
            "split": self.dataset.split.to_dict(),
            "warning": self.dataset.split.warning,
            "failures": [failure.to_dict() for failure in self.failures],
            "rows": [row.to_dict() for row in self.rows],
        }


def compare(
    corpus: Corpus,
    families: Sequence[str],
    *,
    features: str | None = None,
    split: str | None = None,
    preparation: Preparation | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    class_weight: str | None = None,
    sampling: str | None = None,
    select: Selection = None,
    trials: int = 0,
    voices: str = "new",
    bootstrap: int = 1000,
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    progress: Callback | None = None,
    room: int | None = None,
    executor: Executor = SERIAL,
) -> Comparison:
    """Train and test several families on the same folds.

    Parameters
    ----------
    corpus, split, preparation, seed, class_weight, sampling, voices
        As in `emotone.training.train`.
    features, select, trials
        As there, for the classical families among those that are compared.
    families
        Names in `emotone.models.FAMILIES`.
    params
        Parameters by family.
    bootstrap
        Resamples behind the 95 % intervals.
    cache, jobs, progress, room, executor
        As in `emotone.training.train`.

    Raises
    ------
    UsageError
        If no family, an unknown or a repeated one is named, or the split has no test part.
    FeatureError, SplitError, TrainingError
        As in `emotone.training.train`; a family that cannot be trained on these clips is reported
        in its row and the others are done.
    """
    if not families or len(set(families)) < len(families):
        raise UsageError("name one or more different families to compare")
    stray = sorted(set(params or {}) - set(families))
    if stray:
        raise UsageError(f"parameters are given for {', '.join(stray)}, which is not compared")
    classical = any(known_families.get(name).input == "features" for name in families)
    recipes = []
    for name in families:
        recipe = Recipe(
            name,
            (params or {}).get(name, {}),
            seed,
            class_weight,
            sampling,
            select,
            trials,
            voices=voices,
        )
        if classical and known_families.get(name).input == "waveform":
            recipe = replace(recipe, select=None, trials=0)
        recipes.append(recipe)
    tell = progress or (lambda event: None)
    split = default_split(voices) if split is None else split
    sets = {r.family: _feature_set(r.family, features, classical, corpus) for r in recipes}
    for recipe in recipes:  # all of them, before any long work
        recipe.check()
    datasets: dict[str, Dataset] = {}
    for feature_set in sorted(set(sets.values()), key=lambda name: name == WAVEFORM):
        datasets[feature_set] = dataset_for(
            [recipe for recipe in recipes if sets[recipe.family] == feature_set],
            corpus,
            feature_set,
            split,
            preparation=preparation,
            seed=seed,
            cache=cache,
            jobs=jobs,
            tell=tell,
            room=room,
        )
    if voices == "known":
        tell_confounded(next(iter(datasets.values())))
    if not any(len(fold.test) for data in datasets.values() for fold in data.folds):
        raise UsageError(
            f"the split '{split}' leaves nothing to test",
            remedy="Give another, such as speakers:5.",
        )
    prepared = {recipe.family: datasets[sets[recipe.family]] for recipe in recipes}
    found = _results(prepared, recipes, tell, executor)
    rows = [_row(prepared[name], name, found[name], bootstrap, seed) for name in prepared]
    rows.sort(key=lambda row: (row.evaluation is None, -_ua(row), row.family))
    return Comparison(tuple(rows), datasets)


def _feature_set(family: str, features: str | None, classical: bool, corpus: Corpus) -> str:
    """What a family learns from; beside classical ones a neural family overlooks their set."""
    neural = known_families.get(family).input == "waveform"
    return feature_set_for(family, None if neural and classical else features, corpus)


def _ua(row: ComparedFamily) -> float:
    return row.evaluation.ua.value if row.evaluation is not None else 0.0


def _results(
    datasets: Mapping[str, Dataset], recipes: Sequence[Recipe], tell: Callback, executor: Executor
) -> dict[str, list[FoldResult] | EmotoneError]:
    """The results of each family, or why it cannot be trained."""
    folds = [
        (recipe, fold)
        for recipe in recipes
        for fold in datasets[recipe.family].folds
        if len(fold.test)
    ]
    found = searched(datasets, [(recipe, fold.train) for recipe, fold in folds], tell, executor)
    results: dict[str, dict[int, FoldResult]] = {recipe.family: {} for recipe in recipes}
    errors: dict[str, EmotoneError] = {}
    given: list[int] = []

    def pieces() -> Iterator[tuple[Recipe, Fold, Search | None]]:
        for at, ((recipe, fold), outcome) in enumerate(zip(folds, found, strict=True)):
            if isinstance(outcome, EmotoneError):
                errors.setdefault(recipe.family, outcome)
            elif recipe.family not in errors:  # the other folds would fail as the first did
                given.append(at)
                yield recipe, fold, outcome

    total = len(folds)
    accelerated = any(known_families.get(r.family).input == "waveform" for r in recipes)
    tell(Progress("fold", 0, total, f"training {recipes[0].family}"))
    for done, finished in enumerate(
        executor.run(_part, datasets, pieces(), tell, accelerated=accelerated), start=1
    ):
        at = given[finished.index]
        family = folds[at][0].family
        if finished.error is not None:
            errors.setdefault(family, finished.error)
        else:
            results[family][at] = finished.get()
        tell(Progress("fold", done, total, f"tested {family}"))
    tell(Progress("fold", total, total, f"tested {len(recipes)} families"))
    return {
        name: errors[name] if name in errors else [found[at] for at in sorted(found)]
        for name, found in results.items()
    }


def _part(
    datasets: Mapping[str, Dataset], piece: tuple[Recipe, Fold, Search | None], tell: Callback
) -> FoldResult:
    recipe, fold, found = piece
    return run_fold(datasets[recipe.family], fold, recipe, tell, found)


def _row(
    dataset: Dataset,
    family: str,
    results: list[FoldResult] | EmotoneError,
    bootstrap: int,
    seed: int,
) -> ComparedFamily:
    if isinstance(results, EmotoneError):
        return ComparedFamily(family, dataset.feature_set, None, 0.0, 0.0, results)
    clips = sum(len(result.rows) for result in results)
    return ComparedFamily(
        family=family,
        feature_set=dataset.feature_set,
        evaluation=evaluate_folds(dataset, results, bootstrap, seed),
        train_s=sum(result.fit_s for result in results) / len(results),
        predict_ms=1000 * sum(result.score_s for result in results) / clips,
    )
