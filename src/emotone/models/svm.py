"""Support vector machines: one per pair of classes, joined into logits; see `heads`."""

# ruff: noqa: D102 -- make, fit, logits and export are described once, in Head.

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import Any

import numpy as np

from emotone.errors import TrainingError
from emotone.models.calibration import FloatMatrix, IntArray
from emotone.models.graph import Graph
from emotone.models.heads import Head, Watch, plain_errors

PAIR_STEEPNESS = 3.0
"""How fast a pair of classes is decided as the margin of its support vector machine grows.

Between 2 and 4, recall and log loss hardly change (nEMO, by speaker, the set rich).
"""

MOST_KERNEL_ROWS = 25_000
"""Clips whose kernel matrix still fits into memory: 5 GB of float64."""


class SVMHead(Head):
    """A support vector machine: one per pair of classes, joined into logits.

    The logit of a class is the sum, over its pairs, of log sigmoid(3 d), where d is the margin by
    which the pair's machine prefers it. Counting votes, as `SVC.predict` does, throws the margins
    away; this keeps them, names the same emotion where the votes are clear, and calibrates well.

    All pairs share one kernel matrix, computed by a matrix product: libsvm would compute each entry
    by itself and for every pair again, which on thousands of features is what a fit consists of.
    """

    weighs_classes = True

    def make(self) -> Any:
        from sklearn.svm import SVC

        fixed = {"kernel": "precomputed", "decision_function_shape": "ovo", "cache_size": 500}
        return SVC(**self._weighted(**fixed))

    def fit(self, X: FloatMatrix, y: IntArray, watch: Watch | None = None) -> None:
        if len(X) > MOST_KERNEL_ROWS:
            raise TrainingError(
                f"a support vector machine cannot learn from {len(X):,} clips at once",
                remedy=f"Give it at most {MOST_KERNEL_ROWS:,}, or take mlp or logistic.",
            )
        self._settle(X)
        with plain_errors():
            machine = self.estimator = self.make()
            machine.fit(self._kernel(X, X), y)
        sign = -1.0 if len(machine.classes_) == 2 else 1.0  # scikit-learn turns two classes round
        self._keep(X[machine.support_], sign * _pair_coefficients(machine))
        self._bias = sign * np.asarray(machine.intercept_)

    def logits(self, X: FloatMatrix) -> FloatMatrix:
        margins = self._margins(X)
        first, second = _pairs(len(self.estimator.classes_))
        wins = -np.logaddexp(0.0, -PAIR_STEEPNESS * margins)
        losses = -np.logaddexp(0.0, PAIR_STEEPNESS * margins)
        joined: FloatMatrix = wins @ first + losses @ second
        return joined

    def export(self, graph: Graph, x: str) -> str:
        first, second = _pairs(len(self.estimator.classes_))
        steep = graph.add("Mul", self._export_margins(graph, x), graph.floats(PAIR_STEEPNESS))
        wins = graph.add("Neg", graph.add("Softplus", graph.add("Neg", steep)))
        losses = graph.add("Neg", graph.add("Softplus", steep))
        return graph.add(
            "Add",
            graph.add("MatMul", wins, graph.floats(first)),
            graph.add("MatMul", losses, graph.floats(second)),
        )

    @abstractmethod
    def _settle(self, X: FloatMatrix) -> None:
        """Make the parameters numbers that depend on the data."""

    @abstractmethod
    def _kernel(self, X: FloatMatrix, points: FloatMatrix) -> FloatMatrix:
        """Kernel values, shape (clips, points)."""

    @abstractmethod
    def _keep(self, vectors: FloatMatrix, coefficients: FloatMatrix) -> None:
        """Remember the support vectors (s, d) and what each adds to each pair (s, pairs)."""

    @abstractmethod
    def _margins(self, X: FloatMatrix) -> FloatMatrix:
        """By how much each pair prefers its first class, shape (n, pairs)."""

    @abstractmethod
    def _export_margins(self, graph: Graph, x: str) -> str:
        """The same as a graph."""


class GaussianSVMHead(SVMHead):
    """A support vector machine with the kernel exp(-gamma |x - v|^2)."""

    def _settle(self, X: FloatMatrix) -> None:
        # What SVC calls gamma="scale", made a number so that `export` knows it.
        if self.params.get("gamma", "scale") == "scale":
            spread = float(X.var())
            natural = 1.0 / (X.shape[1] * spread) if spread > 0 else 1.0
            self.params["gamma"] = natural * self.params.pop("gamma_scale", 1.0)

    def _kernel(self, X: FloatMatrix, points: FloatMatrix) -> FloatMatrix:
        lengths = np.einsum("nd,nd->n", X, X)[:, None] + np.einsum("nd,nd->n", points, points)
        distances = X @ points.T
        distances *= -2
        distances += lengths
        np.maximum(distances, 0.0, out=distances)
        distances *= -float(self.params["gamma"])
        kernel: FloatMatrix = np.exp(distances, out=distances)
        return kernel

    def _keep(self, vectors: FloatMatrix, coefficients: FloatMatrix) -> None:
        self._vectors, self._coefficients = vectors, coefficients

    def _margins(self, X: FloatMatrix) -> FloatMatrix:
        margins: FloatMatrix = self._kernel(X, self._vectors) @ self._coefficients + self._bias
        return margins

    def _export_margins(self, graph: Graph, x: str) -> str:
        distances = graph.squared_distances(x, self._vectors.astype(np.float32))
        gamma = graph.constant(np.float64(-float(self.params["gamma"])))
        kernel = graph.to_float(graph.add("Exp", graph.add("Mul", distances, gamma)))
        return graph.affine(kernel, self._coefficients, self._bias)


class LinearSVMHead(SVMHead):
    """A support vector machine without a kernel: its pairs shrink to one matrix."""

    def _settle(self, X: FloatMatrix) -> None:
        self._scale_strength(X)

    def _kernel(self, X: FloatMatrix, points: FloatMatrix) -> FloatMatrix:
        kernel: FloatMatrix = X @ points.T
        return kernel

    def _keep(self, vectors: FloatMatrix, coefficients: FloatMatrix) -> None:
        self._weights: FloatMatrix = vectors.T @ coefficients

    def _margins(self, X: FloatMatrix) -> FloatMatrix:
        margins: FloatMatrix = X @ self._weights + self._bias
        return margins

    def _export_margins(self, graph: Graph, x: str) -> str:
        return graph.affine(x, self._weights, self._bias)


def _pairs(k: int) -> tuple[FloatMatrix, FloatMatrix]:
    """Which class is first, and which second, of each pair: two matrices of shape (pairs, k)."""
    pairs = list(itertools.combinations(range(k), 2))
    first, second = np.zeros((len(pairs), k)), np.zeros((len(pairs), k))
    for row, (i, j) in enumerate(pairs):
        first[row, i], second[row, j] = 1.0, 1.0
    return first, second


def _pair_coefficients(machine: Any) -> FloatMatrix:
    """What each support vector adds to each pair's margin, shape (vectors, pairs).

    libsvm packs them as (k - 1, vectors): for the pair (i, j), the vectors of class i have theirs
    in row j - 1 and those of class j in row i.
    """
    packed = np.asarray(machine.dual_coef_)
    k = len(machine.classes_)
    ends = np.cumsum([0, *machine.n_support_])
    table = np.zeros((packed.shape[1], k * (k - 1) // 2))
    for column, (i, j) in enumerate(itertools.combinations(range(k), 2)):
        of_i, of_j = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        table[of_i, column] = packed[j - 1, of_i]
        table[of_j, column] = packed[i, of_j]
    return table
