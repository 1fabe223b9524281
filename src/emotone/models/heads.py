"""Estimators of scikit-learn behind one face: fit, logits, and the same logits as an ONNX graph.

A head works on prepared features (scaled, selected, rounded to float32) and class indices from 0
to k - 1. Its logits become scores by a softmax with a temperature; see `classical`.
"""

# ruff: noqa: D102 -- make, fit, logits and export are described once, in Head.

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from emotone import interrupts
from emotone.errors import TrainingError
from emotone.models import trees
from emotone.models.calibration import FloatMatrix, IntArray, softmax
from emotone.models.graph import Graph
from emotone.models.streamed import Streamed

Watch = tuple[FloatMatrix | Streamed, IntArray]

LINEAR_STRENGTH = 6.0
"""C times the number of features, for linear models with C="scale".

The margin of a clip grows with the number of (standardised) features and the best C falls with it.
Between 1 and 30, recall and log loss hardly change (nEMO, by speaker, the set rich).
"""

VOTE_FLOOR = 0.01
"""Added to class fractions before their logarithm, so that no class is impossible."""


class Head(ABC):
    """One fitted estimator.

    Attributes
    ----------
    loss_curve
        Training loss after each epoch, for heads that learn in epochs.
    watch_curve
        Log loss on the watched clips after each epoch, if any were given to `fit`.
    """

    weighs_classes = False
    """Whether the estimator takes `class_weight`."""

    streams = False
    """Whether it has `fit_streamed`."""

    def __init__(self, params: dict[str, Any], seed: int, class_weight: str | None) -> None:
        self.params = dict(params)
        self.seed = seed
        self.class_weight = class_weight
        self.loss_curve: list[float] = []
        self.watch_curve: list[float] = []
        self.estimator: Any = None

    @abstractmethod
    def make(self) -> Any:
        """The unfitted scikit-learn estimator."""

    @abstractmethod
    def logits(self, X: FloatMatrix) -> FloatMatrix:
        """One number per clip and class, shape ``(n, k)``; larger is likelier."""

    @abstractmethod
    def export(self, graph: Graph, x: str) -> str:
        """Append the computation of `logits` to a graph and give the name of its output."""

    def fit(self, X: FloatMatrix, y: IntArray, watch: Watch | None = None) -> None:
        """Learn from features (n, d) and class indices (n,); `watch` is only looked at."""
        with plain_errors():
            self.estimator = self.make()
            self.estimator.fit(X, y)

    def fit_streamed(self, X: Streamed, y: IntArray, watch: Watch | None = None) -> None:
        """As `fit`, from features that are read in pieces, as often as is needed.

        Raises
        ------
        TrainingError
            If it cannot learn so, with these parameters or at all.
        """
        raise TrainingError("this family learns from all clips at once and not bit by bit")

    def _refuse(self, names: Sequence[str]) -> None:
        """Refuse parameters that only learning at once heeds."""
        given = [name for name in names if name in self.params]
        if given:
            raise TrainingError(
                f"{', '.join(given)} cannot be heeded while the features are read bit by bit",
                remedy="Leave that out, or allow more memory.",
            )

    def _scale_strength(self, X: FloatMatrix | Streamed) -> None:
        """Make the parameter C a number where it is "scale"."""
        if self.params.get("C") == "scale":
            self.params["C"] = LINEAR_STRENGTH / X.shape[1]

    def _seeded(self, **defaults: Any) -> dict[str, Any]:
        return {**defaults, **self.params, "random_state": self.seed}

    def _weighted(self, **defaults: Any) -> dict[str, Any]:
        return {**self._seeded(**defaults), "class_weight": self.class_weight}


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what scikit-learn says into what a user can act on.

    Raises
    ------
    TrainingError
        If it refuses the settings or the data.
    KeyboardInterrupt
        On a Ctrl-C that it would have swallowed.
    """
    with interrupts.heeded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # scikit-learn swallows Ctrl-C while it fits an MLP and keeps the half-trained network.
        warnings.filterwarnings("error", message="Training interrupted by user")
        try:
            yield
        except UserWarning as interruption:
            raise KeyboardInterrupt from interruption
        except (ValueError, TypeError) as error:
            raise TrainingError(
                f"scikit-learn refuses these settings or data: {error}",
                remedy="Correct the parameters of the family.",
            ) from error


class LogisticHead(Head):
    """Multinomial logistic regression."""

    weighs_classes = True
    streams = True

    def make(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**self._weighted(max_iter=1000))

    def fit(self, X: FloatMatrix, y: IntArray, watch: Watch | None = None) -> None:
        self._scale_strength(X)
        super().fit(X.astype(np.float32), y)  # what the features are; half the time

    def fit_streamed(self, X: Streamed, y: IntArray, watch: Watch | None = None) -> None:
        from emotone.models.logistic import solve

        self._refuse(("solver", "penalty", "l1_ratio", "dual", "intercept_scaling"))
        self._scale_strength(X)
        with plain_errors():
            estimator = self.estimator = self.make()
            weights, bias = solve(
                X,
                y,
                strength=estimator.C,
                balanced=self.class_weight is not None,
                intercept=estimator.fit_intercept,
                tolerance=estimator.tol,
                steps=estimator.max_iter,
            )
        estimator.classes_ = np.unique(y)
        estimator.coef_, estimator.intercept_ = weights, bias

    def logits(self, X: FloatMatrix) -> FloatMatrix:
        return X @ self._weights() + self._bias()

    def export(self, graph: Graph, x: str) -> str:
        return graph.affine(x, self._weights(), self._bias())

    def _weights(self) -> FloatMatrix:
        weights = np.asarray(self.estimator.coef_).T
        return _both_sides(weights) if weights.shape[1] == 1 else weights

    def _bias(self) -> FloatMatrix:
        bias = np.asarray(self.estimator.intercept_)
        return np.array([0.0, bias[0]]) if len(bias) == 1 else bias


def _both_sides(column: FloatMatrix) -> FloatMatrix:
    """Two columns of logits (0, z) whose softmax is the logistic function of z."""
    return np.concatenate([np.zeros_like(column), column], axis=1)


class MLPHead(Head):
    """A multi-layer perceptron with ReLU units, cross-entropy and Adam."""

    streams = True

    def make(self) -> Any:
        from sklearn.neural_network import MLPClassifier

        params = self._seeded()
        sizes = params.get("hidden_layer_sizes", (100,))
        params["hidden_layer_sizes"] = (sizes,) if isinstance(sizes, int) else tuple(sizes)
        return MLPClassifier(**params)

    def fit(self, X: FloatMatrix, y: IntArray, watch: Watch | None = None) -> None:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        self.loss_curve, self.watch_curve = [], []
        # Prepared features are float32 already, and scikit-learn learns in the type it is given:
        # half the time and memory.
        single = X.astype(np.float32)
        # The batches are so small that more threads cost more than they bring.
        with plain_errors(), threadpool_limits(1, "blas"):
            estimator = self.estimator = self.make()
            if isinstance(estimator.batch_size, int):
                estimator.batch_size = min(estimator.batch_size, len(X))
            if estimator.solver != "adam" or estimator.early_stopping:
                estimator.fit(single, y)
                self.loss_curve = list(getattr(estimator, "loss_curve_", []))
                return

            def epoch() -> float:
                estimator.partial_fit(single, y, classes=classes)
                return float(estimator.loss_)

            classes = np.unique(y)
            self._learn(epoch, watch)

    def fit_streamed(self, X: Streamed, y: IntArray, watch: Watch | None = None) -> None:
        """As `fit`, but the clips of a batch are drawn from one piece instead of from all."""
        from threadpoolctl import threadpool_limits

        self._refuse(("solver", "early_stopping", "validation_fraction"))
        self.loss_curve, self.watch_curve = [], []
        generator = np.random.default_rng(self.seed)
        with plain_errors(), threadpool_limits(1, "blas"):
            estimator = self.estimator = self.make()

            def epoch() -> float:
                total = 0.0
                for positions, rows in X.pieces(generator):
                    estimator.partial_fit(rows, y[positions], classes=classes)
                    total += float(estimator.loss_) * len(rows)
                return total / len(y)

            classes = np.unique(y)
            self._learn(epoch, watch)

    def _learn(self, epoch: Callable[[], float], watch: Watch | None) -> None:
        """Epoch by epoch, as the estimator's fit() does it, to see the watched loss too.

        The rule to stop is fit()'s: the training loss no longer falls by tol.
        """
        estimator = self.estimator
        # One generator for all epochs: partial_fit would start a seed anew in each, and show
        # the clips in the same order every time.
        estimator.random_state = np.random.RandomState(self.seed)
        best, idle = np.inf, 0
        for _ in range(estimator.max_iter):
            loss = epoch()
            self.loss_curve.append(loss)
            if watch is not None:
                self.watch_curve.append(self._log_loss(*watch))
            idle = idle + 1 if loss > best - estimator.tol else 0
            best = min(best, loss)
            if idle > estimator.n_iter_no_change:
                break

    def _log_loss(self, X: FloatMatrix | Streamed, y: IntArray) -> float:
        k = len(self.estimator.classes_)
        logits = X.map(self.logits, k) if isinstance(X, Streamed) else self.logits(X)
        scores = softmax(logits)[np.arange(len(y)), y]
        return float(-np.log(np.maximum(scores, 1e-12)).mean())

    def logits(self, X: FloatMatrix) -> FloatMatrix:
        layers = list(zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True))
        hidden = X
        for weights, bias in layers[:-1]:
            hidden = np.maximum(hidden @ weights + bias, 0.0)
        weights, bias = layers[-1]
        out: FloatMatrix = hidden @ weights + bias
        return _both_sides(out) if out.shape[1] == 1 else out

    def export(self, graph: Graph, x: str) -> str:
        layers = list(zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True))
        hidden = x
        for weights, bias in layers[:-1]:
            hidden = graph.add("Relu", graph.affine(hidden, weights, bias))
        weights, bias = layers[-1]
        if weights.shape[1] == 1:
            weights, bias = _both_sides(weights), np.array([0.0, bias[0]])
        return graph.affine(hidden, weights, bias)


class _VoteHead(Head):
    """A head whose estimator gives class fractions; the logits are their logarithms."""

    def logits(self, X: FloatMatrix) -> FloatMatrix:
        votes: FloatMatrix = np.log(self.estimator.predict_proba(X) + VOTE_FLOOR)
        return votes

    def export(self, graph: Graph, x: str) -> str:
        votes = self._export_votes(graph, x)
        return graph.add("Log", graph.add("Add", votes, graph.floats(VOTE_FLOOR)))

    @abstractmethod
    def _export_votes(self, graph: Graph, x: str) -> str: ...


class TreeHead(_VoteHead):
    """A single decision tree."""

    weighs_classes = True

    def make(self) -> Any:
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(**self._weighted())

    def _export_votes(self, graph: Graph, x: str) -> str:
        tree = trees.from_sklearn(self.estimator.tree_, 1.0)
        return trees.export_sum(graph, x, [tree], np.zeros(tree.values.shape[1]))


class ForestHead(_VoteHead):
    """A random forest."""

    weighs_classes = True

    def make(self) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(**self._weighted(n_jobs=-1))

    def fit(self, X: FloatMatrix, y: IntArray, watch: Watch | None = None) -> None:
        super().fit(X, y)
        # Threads add up the trees' votes in any order, which would shake the last bit.
        self.estimator.n_jobs = None

    def _export_votes(self, graph: Graph, x: str) -> str:
        members = self.estimator.estimators_
        ensemble = (trees.from_sklearn(member.tree_, 1 / len(members)) for member in members)
        return trees.export_sum(graph, x, ensemble, np.zeros(len(self.estimator.classes_)))


class ExtraTreesHead(ForestHead):
    """Extremely randomised trees."""

    def make(self) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        return ExtraTreesClassifier(**self._weighted(n_jobs=-1))


class BoostingHead(Head):
    """Histogram gradient boosting of trees."""

    weighs_classes = True

    def make(self) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(**self._weighted(early_stopping=False))

    def logits(self, X: FloatMatrix) -> FloatMatrix:
        raw = np.asarray(self.estimator.decision_function(X))
        return _both_sides(raw[:, None]) if raw.ndim == 1 else raw

    def export(self, graph: Graph, x: str) -> str:
        machine = self.estimator
        base = np.asarray(machine._baseline_prediction, dtype=np.float64).ravel()
        k = len(base)
        ensemble = (
            trees.from_histogram_boosting(predictor.nodes, target, k)
            for iteration in machine._predictors
            for target, predictor in enumerate(iteration)
        )
        raw = trees.export_sum(graph, x, ensemble, base)
        if k > 1:
            return raw
        return graph.add("MatMul", raw, graph.floats([[0.0, 1.0]]))


class NeighboursHead(_VoteHead):
    """The k nearest neighbours by Euclidean distance."""

    NEAREST = 1e-4
    """Distances below this count as this, where neighbours are weighted by inverse distance."""

    def make(self) -> Any:
        from sklearn.neighbors import KNeighborsClassifier

        params = dict(self.params)
        self._weighted_votes = params.pop("weights", "uniform") == "distance"
        weights: Any = self._inverse if self._weighted_votes else "uniform"
        return KNeighborsClassifier(**params, weights=weights, algorithm="brute")

    def fit(self, X: FloatMatrix, y: IntArray, watch: Watch | None = None) -> None:
        self._points, self._labels = X.astype(np.float32), y
        with plain_errors():
            self.estimator = self.make()
            self.estimator.n_neighbors = min(self.estimator.n_neighbors, len(X))
            self.estimator.fit(X, y)

    def _inverse(self, distances: FloatMatrix) -> FloatMatrix:
        inverse: FloatMatrix = 1.0 / np.maximum(distances, self.NEAREST)
        return inverse

    def _export_votes(self, graph: Graph, x: str) -> str:
        distances = graph.squared_distances(x, self._points)
        count = graph.constant(np.array([self.estimator.n_neighbors], dtype=np.int64))
        nearest, index = graph.add_many("TopK", distances, count, outputs=2, axis=1, largest=0)
        one_hot = np.eye(len(self.estimator.classes_))[self._labels]
        votes = graph.add("Gather", graph.constant(one_hot), index, axis=0)  # (n, neighbours, k)
        if not self._weighted_votes:
            return graph.to_float(graph.add("ReduceMean", votes, axes=[1], keepdims=0))
        apart = graph.add("Max", graph.add("Sqrt", nearest), graph.constant(self.NEAREST))
        weights = graph.add("Reciprocal", apart)
        third = graph.constant(np.array([2], dtype=np.int64))
        weighted = graph.add("Mul", votes, graph.add("Unsqueeze", weights, third))
        axis = graph.constant(np.array([1], dtype=np.int64))
        sums = graph.add("ReduceSum", weighted, axis, keepdims=0)
        total = graph.add("ReduceSum", weights, axis, keepdims=1)
        return graph.to_float(graph.add("Div", sums, total))
