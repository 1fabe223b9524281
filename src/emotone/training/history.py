"""Curves that a training keeps: loss over its epochs, or UA over growing parts of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.dataset import Dataset
from emotone.execution import Callback, Executor, Progress
from emotone.metrics import metrics
from emotone.models import AnyClassifier, Classifier
from emotone.splits import Fold
from emotone.training.folds import FoldResult
from emotone.training.recipe import Recipe

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


def epochs(classifier: AnyClassifier) -> History | None:
    """The loss after each epoch of a fitted model; None of a family without epochs."""
    loss, watched = classifier.loss_curve_, classifier.watch_curve_
    if not loss:
        return None
    curves = {"training": loss, **({"test": watched} if watched else {})}
    if not isinstance(classifier, Classifier) and classifier.validation_curve_:
        curves["validation"] = classifier.validation_curve_
    return History("epochs", "log loss", list(range(1, len(loss) + 1)), curves)


def learning_curve(
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
        groups=recipe.kept_apart(dataset.speakers[rows].tolist()),
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
