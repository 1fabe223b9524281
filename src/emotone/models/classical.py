"""A classifier of emotions from features: preparation, one or more heads, calibrated scores."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.clips import Clips
from emotone.errors import MissingExtraError, TrainingError
from emotone.models import families
from emotone.models.calibration import FloatMatrix, IntArray, fit_temperature, softmax
from emotone.models.families import Family
from emotone.models.graph import Graph
from emotone.models.heads import Head
from emotone.models.labels import encode, grouped
from emotone.models.preprocessing import Preprocessing, Selection
from emotone.models.streamed import Features, Streamed, too_large

SMALL_MATRIX = 1_000_000
"""Matrices of fewer numbers than this are worked on by one thread."""

AGREEMENT_FLOOR = 1e-7
"""Added to an ensemble's mean score before its logarithm, the same here and in the ONNX graph."""


Watched = tuple[FloatMatrix | Streamed, IntArray]


@dataclass
class _Member:
    """One family inside a classifier: its own preparation, head and temperature."""

    preprocessing: Preprocessing
    head: Head
    classes: int
    temperature: float = 1.0

    def logits(self, X: FloatMatrix | Streamed) -> FloatMatrix:
        if isinstance(X, Streamed):
            return X.map(self.logits, self.classes)
        return self.head.logits(self.preprocessing.transform(X))


class Classifier:
    """Features in, calibrated probabilities of each emotion out.

    Made by `emotone.models.build`. Scores are ``softmax(logits / T)``; the temperature T is fitted
    on the predictions of an inner cross-validation over the training clips, grouped by speaker
    where speakers are given. An ensemble averages its members' calibrated scores p and is
    calibrated again, with log p as the logits.

    Attributes
    ----------
    family, params, seed, class_weight, sampling, select
        As given to `build`, defaults filled in.
    classes_
        The emotions in the order of the scores' columns, that of the vocabulary, after `fit`.
    temperature_
        T, after `fit`; 1 if it could not be fitted.
    calibration_
        How T came about, for the card.
    loss_curve_, watch_curve_
        Training loss, and log loss of the watched clips, after each epoch (mlp only, else empty).
        The training loss is scikit-learn's: cross-entropy plus the L2 penalty.
    """

    def __init__(
        self,
        *,
        family: Family,
        params: dict[str, Any],
        seed: int,
        class_weight: str | None,
        sampling: str | None,
        select: Selection,
        calibration_folds: int,
    ) -> None:
        self.family = family
        self.params = params
        self.seed = seed
        self.class_weight = class_weight
        self.sampling = sampling
        self.select = select
        self.calibration_folds = calibration_folds
        self.classes_: npt.NDArray[np.str_] = np.array([], dtype=np.str_)
        self.temperature_ = 1.0
        self.calibration_: dict[str, Any] = {}
        self.loss_curve_: list[float] = []
        self.watch_curve_: list[float] = []
        self._members: list[_Member] = []
        self._dimension = 0

    def fit(
        self,
        X: Features,
        y: Sequence[str] | npt.NDArray[Any],
        groups: Sequence[str | None] | None = None,
        watch: tuple[npt.ArrayLike | Clips | Streamed, Sequence[str] | npt.NDArray[Any]]
        | None = None,
        corpora: Sequence[str] | None = None,
    ) -> Classifier:
        """Learn from labelled clips.

        Parameters
        ----------
        X
            Features, shape ``(n, d)``; taken as float32. Those that are `Streamed` are read as
            often as is needed, by the families that can learn so (`streams`).
        y
            The emotion of each clip.
        groups
            The speaker of each, for the inner cross-validation; None where unknown.
        watch
            Features and emotions of clips whose loss is followed in `watch_curve_`. They are only
            looked at: nothing is fitted to them and nothing stops because of them.
        corpora
            Of no use here; neural families heed the corpus of each clip.

        Returns
        -------
        Classifier
            Itself.

        Raises
        ------
        TrainingError
            If the data cannot be learned from: fewer than two emotions, NaN features, lengths
            that differ; or scikit-learn refuses a parameter's value.
        """
        try:
            import sklearn  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("training a model", "train") from error
        features = _features(X)
        labels = np.asarray(y, dtype=np.str_)
        if len(labels) != len(features):
            raise TrainingError(f"{len(features)} rows of features for {len(labels)} labels")
        if groups is not None and len(groups) != len(labels):
            raise TrainingError(
                f"{len(groups)} speakers for {len(labels)} labels",
                remedy="Give one for every clip, None where it is unknown.",
            )
        self.classes_, codes = encode(labels)
        if len(self.classes_) < 2:
            raise TrainingError(
                f"there are clips of {len(self.classes_)} emotion",
                remedy="Train on clips of two emotions or more.",
            )
        self._dimension = features.shape[1]
        watched = None
        if watch is not None:
            seen = np.asarray(watch[1], dtype=np.str_)
            known = np.isin(seen, self.classes_)
            if known.any():
                hits = seen[known][:, None] == self.classes_[None, :]
                watched = (_features(watch[0])[np.flatnonzero(known)], hits.argmax(axis=1))
        if isinstance(features, Streamed) and not self.streams:
            raise too_large(self.family.name, features.shape)
        with _threads(features):
            temperatures = self._calibrate(features, codes, groups)
            self._members = self._fit_members(features, codes, watched)
        for member, temperature in zip(self._members, temperatures, strict=True):
            member.temperature = temperature
        if len(self._members) == 1:
            self.loss_curve_ = self._members[0].head.loss_curve
            self.watch_curve_ = self._members[0].head.watch_curve
        return self

    def scores(self, X: Features, corpora: Sequence[str] | None = None) -> FloatMatrix:
        """Calibrated probabilities, shape ``(n, k)``, columns in the order of `classes_`.

        The corpora are of no use here, as in `fit`.

        Raises
        ------
        TrainingError
            If it has not been fitted, or to another number of features.
        """
        if not self._members:
            raise TrainingError("this classifier has not been fitted yet")
        features = _features(X)
        if features.shape[1] != self._dimension:
            raise TrainingError(
                f"the classifier takes {self._dimension} features, not {features.shape[1]}"
            )
        with _threads(features):
            own = [member.logits(features) for member in self._members]
        logits = self._joined(own, [member.temperature for member in self._members])
        return softmax(logits, self.temperature_)

    @property
    def streams(self) -> bool:
        """Whether it can learn from features that are read bit by bit."""
        heads = [family.head for family, _ in self._specs()]
        return all(head is not None and head.streams for head in heads)

    def predict(self, X: Features) -> npt.NDArray[np.str_]:
        """The most probable emotion of each clip, shape ``(n,)``."""
        chosen: npt.NDArray[np.str_] = self.classes_[self.scores(X).argmax(axis=1)]
        return chosen

    def to_onnx(self) -> bytes:
        """The model as ONNX: ``features`` float32 (n, d) in, ``scores`` float32 (n, k) out.

        It agrees with `scores` within 1e-4. The same training gives the same bytes.

        Raises
        ------
        TrainingError
            If it was not fitted or is too large to write.
        """
        if not self._members:
            raise TrainingError("this classifier has not been fitted yet")
        graph = Graph()
        logits = [m.head.export(graph, m.preprocessing.export(graph, "features"))
                  for m in self._members]  # fmt: skip
        joined = logits[0]
        if len(logits) > 1:
            parts = [
                graph.softmax(z, m.temperature) for z, m in zip(logits, self._members, strict=True)
            ]
            mean = graph.add("Mean", *parts)
            joined = graph.add("Log", graph.add("Add", mean, graph.floats(AGREEMENT_FLOOR)))
        scores = graph.softmax(joined, self.temperature_)
        return graph.to_bytes(scores, self._dimension, len(self.classes_))

    def out_of_fold(
        self,
        X: Features,
        y: Sequence[str] | npt.NDArray[Any],
        groups: Sequence[str | None] | None,
        folds: int,
    ) -> tuple[FloatMatrix, IntArray, npt.NDArray[np.str_]]:
        """Scores for clips by models that did not train on them nor (if grouped) on their speaker.

        Uncalibrated (T = 1). Returns scores (n, k), class indices (n,) and class names (k,).

        Raises
        ------
        TrainingError
            If there are too few clips of an emotion to cross-validate.
        """
        classes, codes = encode(np.asarray(y, dtype=np.str_))
        features = _features(X)
        with _threads(features):
            parts = inner_folds(codes, groups, folds, self.seed)
            if not parts:
                raise TrainingError(
                    "there are too few clips of every emotion to cross-validate",
                    remedy="Give at least one emotion two clips; more is better.",
                )
            per_member = self._held_out_logits(features, codes, len(classes), parts)
        joined = self._joined(per_member, [1.0] * len(per_member))
        return softmax(joined), codes, classes

    @staticmethod
    def _joined(logits: Sequence[FloatMatrix], temperatures: Sequence[float]) -> FloatMatrix:
        if len(logits) == 1:
            return logits[0]
        parts = [softmax(z, t) for z, t in zip(logits, temperatures, strict=True)]
        joined: FloatMatrix = np.log(np.mean(parts, axis=0) + AGREEMENT_FLOOR)
        # What no member could know stays unknown: the floor would make it a gross error.
        joined[np.all(np.isneginf(logits), axis=0)] = -np.inf
        return joined

    def _calibrate(
        self, X: FloatMatrix | Streamed, y: IntArray, groups: Sequence[str | None] | None
    ) -> list[float]:
        """Fit the joint temperature; returns those of the members (1 for a single one)."""
        count = len(self._specs())
        self.temperature_ = 1.0
        self.calibration_ = {"method": "none", "temperature": 1.0}
        if self.calibration_folds == 0:
            return [1.0] * count
        parts = inner_folds(y, groups, self.calibration_folds, self.seed)
        if not parts:
            return [1.0] * count
        logits = self._held_out_logits(X, y, len(self.classes_), parts)
        own = [1.0] if count == 1 else [fit_temperature(z, y) for z in logits]
        self.temperature_ = fit_temperature(self._joined(logits, own), y)
        self.calibration_ = {
            "method": "temperature",
            "temperature": round(self.temperature_, 6),
            "folds": len(parts),
            "grouped_by": "speaker" if grouped(groups) else "nothing",
        }
        return own

    def _held_out_logits(
        self,
        X: FloatMatrix | Streamed,
        y: IntArray,
        k: int,
        parts: Sequence[tuple[IntArray, IntArray]],
    ) -> list[FloatMatrix]:
        logits = [np.full((len(X), k), -np.inf) for _ in self._specs()]
        for train, test in parts:
            present, codes = np.unique(y[train], return_inverse=True)
            if len(present) < 2:
                continue
            members = self._fit_members(X[train], codes, None)
            for matrix, member in zip(logits, members, strict=True):
                matrix[np.ix_(test, present)] = member.logits(X[test])
        tested = np.isfinite(logits[0]).any(axis=1)
        if not tested.all():
            for matrix in logits:
                matrix[~tested] = 0.0
        return logits

    def _specs(self) -> list[tuple[Family, dict[str, Any]]]:
        """The single families that make up this one, each with its parameters."""
        if self.family.head is not None:
            return [(self.family, self.params)]
        specs = []
        for name in self.params.get("members", self.family.members):
            member = families.get(name)
            own = {
                key.split(".", 1)[1]: value
                for key, value in self.params.items()
                if key.startswith(f"{name}.")
            }
            specs.append((member, families.resolve(member, own)))
        return specs

    def _fit_members(
        self, X: FloatMatrix | Streamed, y: IntArray, watch: Watched | None
    ) -> list[_Member]:
        members = []
        for family, params in self._specs():
            assert family.head is not None
            own = dict(params)
            scale = bool(own.pop("scale", family.scale))
            weighs = family.head.weighs_classes
            balance = self.sampling or (self.class_weight and not weighs)
            rows = _balanced_rows(y, self.seed) if balance else np.arange(len(y))
            preprocessing = Preprocessing(scale, self.select, self.seed)
            head = family.head(own, self.seed, self.class_weight if weighs else None)
            if isinstance(X, Streamed):
                streamed = preprocessing.fit_streamed(X, y)
                seen = None if watch is None else (preprocessing.prepared(watch[0]), watch[1])
                head.fit_streamed(streamed[rows], y[rows], seen)
            else:
                prepared = preprocessing.fit(X, y)
                seen = None if watch is None else (preprocessing.prepared(watch[0]), watch[1])
                head.fit(prepared[rows], y[rows], seen)
            members.append(_Member(preprocessing, head, int(y.max()) + 1))
        return members


def inner_folds(
    y: IntArray, groups: Sequence[str | None] | None, folds: int, seed: int
) -> list[tuple[IntArray, IntArray]]:
    """Train and test indices of a cross-validation inside the training part.

    Stratified by emotion, and grouped by speaker if every speaker is known and there are two or
    more. A rare emotion is missing from some of the parts. Empty if every emotion has one clip.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if grouped(groups):
            names = np.asarray(groups, dtype=np.str_)
            count = min(folds, len(np.unique(names)))
            try:
                splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
                parts = list(splitter.split(y, y, names))
            except ValueError:  # every emotion is rarer than there are folds
                return []
            # With few emotions a speaker, some folds may be given none.
            return [(train, test) for train, test in parts if len(train) and len(test)]
        count = min(folds, int(np.bincount(y).max()))
        if count < 2:
            return []
        return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(y, y))


@contextmanager
def _threads(X: FloatMatrix | Streamed) -> Iterator[None]:
    """One thread for small matrices: there, threads wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1 if X.shape[0] * X.shape[1] < SMALL_MATRIX else None):
        yield


def _balanced_rows(y: IntArray, seed: int) -> IntArray:
    """Indices in which each class is as frequent as the commonest: all rows, then repeats."""
    generator = np.random.default_rng(seed)
    counts = np.bincount(y)
    parts = [np.arange(len(y))]
    for label, count in enumerate(counts):
        if 0 < count < counts.max():
            parts.append(generator.choice(np.flatnonzero(y == label), counts.max() - count))
    return np.concatenate(parts)


def _features(X: Features) -> FloatMatrix | Streamed:
    """Features in double precision, rounded to the float32 that the exported model will see."""
    if isinstance(X, Streamed):
        return X
    if isinstance(X, Clips):
        raise TrainingError("a classical family takes features, not clips")
    matrix = np.asarray(X, dtype=np.float32)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise TrainingError(f"features are a matrix with a row per clip, not {matrix.shape}")
    if not np.isfinite(matrix).all():
        bad = int((~np.isfinite(matrix)).any(axis=0).sum())
        raise TrainingError(
            f"{bad} of {matrix.shape[1]} features are NaN or infinite on some clip",
            remedy="Extract them again, or leave those clips out.",
        )
    return matrix.astype(np.float64)
