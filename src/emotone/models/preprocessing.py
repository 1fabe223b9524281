"""What happens to features before an estimator sees them: scaling and selection."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import TrainingError, UsageError
from emotone.models.calibration import FloatMatrix, IntArray
from emotone.models.graph import Graph
from emotone.models.streamed import Prepared, Streamed

Selection = int | float | str | None

CLIP = 6.0
"""Standard deviations beyond which a scaled feature is cut off.

One feature of a strange clip would else outweigh thousands of ordinary ones.
"""


def check_selection(select: Selection) -> None:
    """Refuse what `Preprocessing` would not understand.

    Raises
    ------
    UsageError
        If `select` is neither None, a count, a share between 0 and 1, nor ``"model"``.
    """
    if select is None or select == "model":
        return
    if isinstance(select, bool) or not isinstance(select, (int, float)) or select <= 0:
        raise UsageError(
            f"cannot select features by {select!r}",
            remedy="Give a count (200), a share (0.5), or 'model'.",
        )
    if isinstance(select, float) and select > 1:
        raise UsageError(f"a share of features lies between 0 and 1, not at {select}")


class Preprocessing:
    """Standardise features, then keep the most telling ones; fitted on the training part only.

    Parameters
    ----------
    scale
        Subtract the mean, divide by the standard deviation (1 where a feature is constant), and
        cut off at 6 standard deviations.
    select
        None keeps all; a whole number keeps that many by the F test between emotions; a share
        from 0 to 1 keeps that part of them by the same test; ``"model"`` keeps those that extra
        trees find more important than the average feature.
    seed
        Of the extra trees.

    Notes
    -----
    The result is rounded to float32, as it will be inside the exported model.
    """

    def __init__(self, scale: bool, select: Selection, seed: int) -> None:
        check_selection(select)
        self.scale, self.select, self.seed = scale, select, seed

    def fit(self, X: FloatMatrix, y: IntArray) -> FloatMatrix:
        """Learn from features (n, d) and class indices (n,); gives the prepared features."""
        from sklearn.preprocessing import StandardScaler

        if self.scale:
            scaler = StandardScaler().fit(X)
            self.mean, self.deviation = np.array(scaler.mean_), np.array(scaler.scale_)
        else:
            self.mean, self.deviation = np.zeros(X.shape[1]), np.ones(X.shape[1])
        prepared = self._scaled(X, slice(None))
        self.columns = self._choose(prepared, y)
        kept: FloatMatrix = prepared[:, self.columns].astype(np.float64)
        return kept

    def fit_streamed(self, X: Streamed, y: IntArray) -> Prepared:
        """As `fit`, in one pass over the features, and one more to select some.

        Raises
        ------
        TrainingError
            If they are to be selected by trees, which look at all clips at once.
        """
        from sklearn.preprocessing import StandardScaler

        if self.select == "model":
            raise TrainingError(
                "features cannot be selected by trees while they are read bit by bit",
                remedy="Select a count or a share of them, or allow more memory.",
            )
        d = X.shape[1]
        self.mean, self.deviation = np.zeros(d), np.ones(d)
        if self.scale:
            scaler = StandardScaler()
            for _, rows in X.parts():
                scaler.partial_fit(rows)
            self.mean, self.deviation = np.array(scaler.mean_), np.array(scaler.scale_)
        self.columns = np.arange(d) if self.select is None else self._telling(X, y)
        return Prepared(X, self.transform, len(self.columns))

    def prepared(self, X: FloatMatrix | Streamed) -> FloatMatrix | Prepared:
        """Prepared features; those that are streamed as they are read."""
        if isinstance(X, Streamed):
            return Prepared(X, self.transform, len(self.columns))
        return self.transform(X)

    def transform(self, X: FloatMatrix) -> FloatMatrix:
        """Prepared features, shape (n, columns kept)."""
        kept = slice(None) if len(self.columns) == X.shape[1] else self.columns
        prepared: FloatMatrix = self._scaled(X, kept).astype(np.float64)
        return prepared

    def export(self, graph: Graph, x: str) -> str:
        """Append the same computation to a graph."""
        if len(self.columns) < len(self.mean):
            x = graph.add("Gather", x, graph.constant(self.columns), axis=1)
        if not self.scale:
            return x
        # In double precision: a feature of 1e5 that varies by 1 would lose its last digits.
        centred = graph.add("Sub", graph.to_double(x), graph.constant(self.mean[self.columns]))
        scaled = graph.to_float(
            graph.add("Div", centred, graph.constant(self.deviation[self.columns]))
        )
        return graph.add("Clip", scaled, graph.floats(-CLIP), graph.floats(CLIP))

    def _scaled(self, X: FloatMatrix, columns: IntArray | slice) -> npt.NDArray[np.float32]:
        scaled = (X[:, columns] - self.mean[columns]) / self.deviation[columns]
        if self.scale:
            np.clip(scaled, -CLIP, CLIP, out=scaled)
        return np.asarray(scaled, np.float32)

    def _choose(self, X: npt.NDArray[np.float32], y: IntArray) -> IntArray:
        d = X.shape[1]
        if self.select is None:
            return np.arange(d)
        chosen: Any
        if self.select == "model":
            from sklearn.ensemble import ExtraTreesClassifier

            model = ExtraTreesClassifier(200, min_samples_leaf=2, random_state=self.seed)
            importance = model.fit(X, y).feature_importances_
            chosen = np.flatnonzero(importance >= importance.mean())
        else:
            from sklearn.feature_selection import f_classif

            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                telling = np.nan_to_num(f_classif(X.astype(np.float64), y)[0], nan=-1.0)
            chosen = self._most(telling)
        return np.asarray(chosen, dtype=np.int64)

    def _telling(self, X: Streamed, y: IntArray) -> IntArray:
        """What `_choose` chooses by the F test, from sums over each emotion."""
        k, d = int(y.max()) + 1, X.shape[1]
        counts = np.bincount(y, minlength=k).astype(np.float64)
        sums, squares = np.zeros((k, d)), np.zeros(d)
        for positions, rows in X.parts():
            scaled = self._scaled(rows, slice(None)).astype(np.float64)
            np.add.at(sums, y[positions], scaled)
            squares += np.einsum("nd,nd->d", scaled, scaled)
        there = counts > 0
        within_means = (sums[there] ** 2 / counts[there, None]).sum(axis=0)
        between = within_means - sums.sum(axis=0) ** 2 / counts.sum()
        within = squares - within_means
        groups = int(there.sum())
        with np.errstate(all="ignore"):
            telling = (between / (groups - 1)) / (within / (counts.sum() - groups))
        return np.asarray(self._most(np.nan_to_num(telling, nan=-1.0)), dtype=np.int64)

    def _most(self, telling: FloatMatrix) -> Any:
        """The columns that tell most, so many as are to be kept."""
        assert isinstance(self.select, (int, float))
        share = isinstance(self.select, float)
        count = round(self.select * len(telling)) if share else int(self.select)
        return np.sort(np.argsort(-telling, kind="stable")[: max(1, count)])
