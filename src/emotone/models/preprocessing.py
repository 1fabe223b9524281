"""What happens to features before an estimator sees them: scaling and selection."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.models.calibration import FloatMatrix, IntArray
from emotone.models.graph import Graph

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

    def transform(self, X: FloatMatrix) -> FloatMatrix:
        """Prepared features, shape (n, columns kept)."""
        prepared: FloatMatrix = self._scaled(X, self.columns).astype(np.float64)
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
            share = isinstance(self.select, float)
            count = round(self.select * d) if share else int(self.select)
            chosen = np.sort(np.argsort(-telling, kind="stable")[: max(1, count)])
        return np.asarray(chosen, dtype=np.int64)
