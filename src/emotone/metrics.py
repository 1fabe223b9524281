"""Figures of merit for a classifier of emotions, each with a bootstrap 95 % interval.

Pure numpy, so that a model can be evaluated on the base install.

>>> import numpy as np
>>> scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
>>> evaluation = metrics(["sad", "happy", "sad", "sad"], scores, ["sad", "happy"], bootstrap=0)
>>> evaluation.wa.value, round(evaluation.ua.value, 3)
(0.75, 0.833)
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.selective import CoverageCurve, coverage_curve

FloatMatrix = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CALIBRATION_BINS = 15
"""Equal-width bins of confidence behind the expected calibration error (Guo et al. 2017)."""

SMALLEST_PROBABILITY = 1e-12
"""Scores below this count as this in the log loss, which would otherwise be infinite."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes
    ----------
    value
        The figure on the whole test set; NaN where it is undefined (recall of an absent emotion).
    ci95
        Lower and upper end of the bootstrap percentile interval, or None without a bootstrap.
    """

    value: float
    ci95: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """``{"value": ..., "ci95": [low, high] or None}``; undefined figures are None."""
        value = None if np.isnan(self.value) else round(self.value, 6)
        return {"value": value, "ci95": None if self.ci95 is None else _rounded(self.ci95)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimate:
        """The inverse of `to_dict`."""
        value, ci95 = data["value"], data["ci95"]
        return cls(
            float("nan") if value is None else float(value),
            None if ci95 is None else (float(ci95[0]), float(ci95[1])),
        )


@dataclass(frozen=True, slots=True)
class EmotionFigures:
    """How well one emotion is found: recall, precision and F1, and how many clips hold it."""

    recall: Estimate
    precision: Estimate
    f1: Estimate
    support: int


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Clips whose confidence lies in ``(low, high]``: how many, how sure, how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model did on labelled clips.

    Attributes
    ----------
    emotions
        The names behind the rows and columns of `confusion`.
    clips, speakers
        How many were tested; speakers is None where they are not known.
    resampled
        What the bootstrap drew with replacement: ``"speakers"`` (whole speakers, since clips of
        one speaker are alike) or ``"clips"``.
    ua, wa, f1
        Unweighted average recall (balanced accuracy), accuracy, and F1 averaged over emotions;
        from 0 to 1. UA and F1 average over the emotions present in the test set.
    log_loss
        Mean negative log of the probability given to the true emotion, in nats.
    ece
        Expected calibration error over 15 equal-width bins of confidence, from 0 to 1.
    per_emotion
        Recall, precision, F1 and support of each emotion.
    confusion
        Counts, shape ``(k, k)``: rows are the true emotion, columns the predicted one.
    calibration
        The bins of the reliability diagram.
    coverage
        Accuracy against the share of clips answered, over all clips together. None where it was
        read from the JSON of an emotone that did not keep it.
    """

    emotions: tuple[str, ...]
    clips: int
    speakers: int | None
    resampled: str
    ua: Estimate
    wa: Estimate
    f1: Estimate
    log_loss: Estimate
    ece: Estimate
    per_emotion: dict[str, EmotionFigures]
    confusion: IntArray
    calibration: tuple[CalibrationBin, ...]
    coverage: CoverageCurve | None = None

    def most_confused(self, count: int = 5) -> list[tuple[str, str, int, float]]:
        """The commonest mistakes: (true, predicted, clips, share of the true emotion's clips)."""
        support = self.confusion.sum(axis=1)
        pairs = [
            (self.emotions[i], self.emotions[j], int(hits), float(hits / support[i]))
            for (i, j), hits in np.ndenumerate(self.confusion)
            if i != j and hits > 0
        ]
        return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:count]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain types, ready for JSON; `from_dict` reads it back."""
        return {
            "emotions": list(self.emotions),
            "clips": self.clips,
            "speakers": self.speakers,
            "resampled": self.resampled,
            **{name: getattr(self, name).to_dict() for name in HEADLINES},
            "per_emotion": {
                name: {
                    "recall": figures.recall.to_dict(),
                    "precision": figures.precision.to_dict(),
                    "f1": figures.f1.to_dict(),
                    "support": figures.support,
                }
                for name, figures in self.per_emotion.items()
            },
            "confusion": self.confusion.tolist(),
            "calibration": [
                {
                    "low": bin.low,
                    "high": bin.high,
                    "count": bin.count,
                    "confidence": round(bin.confidence, 6),
                    "accuracy": round(bin.accuracy, 6),
                }
                for bin in self.calibration
            ],
            "coverage": None if self.coverage is None else self.coverage.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """An evaluation from what `to_dict` gave.

        Raises
        ------
        UsageError
            If the data is not an evaluation.
        """
        try:
            curve = data.get("coverage")
            return cls(
                emotions=tuple(data["emotions"]),
                clips=int(data["clips"]),
                speakers=None if data["speakers"] is None else int(data["speakers"]),
                resampled=str(data["resampled"]),
                per_emotion={
                    name: EmotionFigures(
                        recall=Estimate.from_dict(figures["recall"]),
                        precision=Estimate.from_dict(figures["precision"]),
                        f1=Estimate.from_dict(figures["f1"]),
                        support=int(figures["support"]),
                    )
                    for name, figures in data["per_emotion"].items()
                },
                confusion=np.asarray(data["confusion"], dtype=np.int64),
                calibration=tuple(CalibrationBin(**bin) for bin in data["calibration"]),
                coverage=None if curve is None else CoverageCurve.from_dict(curve),
                **{name: Estimate.from_dict(data[name]) for name in HEADLINES},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"this is not an evaluation ({type(error).__name__}: {error})",
                remedy="Give the JSON that 'emotone evaluate --json' or 'emotone train' wrote.",
            ) from error

    def record(self, **about: Any) -> dict[str, Any]:
        """A flat benchmark record: what ``about`` says, then the figures; ``ci95`` is that of UA.

        >>> record = evaluation.record(benchmark="emobox", corpus="ravdess")  # doctest: +SKIP
        """
        flat: dict[str, Any] = dict(about)
        flat["clips"], flat["speakers"], flat["resampled"] = (
            self.clips,
            self.speakers,
            self.resampled,
        )
        for name in HEADLINES:
            estimate: Estimate = getattr(self, name)
            flat[name] = None if np.isnan(estimate.value) else round(estimate.value, 6)
            key = "ci95" if name == "ua" else f"{name}_ci95"
            flat[key] = None if estimate.ci95 is None else _rounded(estimate.ci95)
        return flat


HEADLINES = ("ua", "wa", "f1", "log_loss", "ece")
"""The names of the figures over all emotions, in the order they are shown."""


def metrics(
    y_true: Sequence[str] | npt.NDArray[Any],
    scores: npt.ArrayLike,
    emotions: Sequence[str],
    speakers: Sequence[str | None] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Every figure of merit for scores over labelled clips.

    Parameters
    ----------
    y_true
        The true emotion of each clip, as a name or as an index into `emotions`; n of them.
    scores
        Calibrated probabilities, shape ``(n, k)``, rows summing to 1.
    emotions
        The k names behind the columns.
    speakers
        Who speaks in each clip. With at least two distinct speakers and none unknown the bootstrap
        draws whole speakers (a cluster bootstrap), else single clips.
    bootstrap
        Resamples behind the 95 % percentile intervals; 0 leaves the intervals out.
    seed
        Of the resampling.

    Raises
    ------
    UsageError
        If lengths differ, nothing is given, a label is not among `emotions`, or scores are not
        probabilities.
    """
    truth = _codes(y_true, emotions)
    probabilities = _probabilities(scores, len(truth), len(emotions))
    return fold_mean([(truth, probabilities, speakers)], emotions, bootstrap=bootstrap, seed=seed)


def fold_mean(
    folds: Sequence[
        tuple[
            Sequence[str] | npt.NDArray[Any],
            npt.ArrayLike,
            Sequence[str | None] | None,
        ]
    ],
    emotions: Sequence[str],
    bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """The figures of a cross-validation: each figure is the mean of its values over the folds.

    The bootstrap draws speakers (or clips) over all folds at once and takes the mean over folds
    again, each fold as often as its speakers were drawn, so that folds of one speaker each have the
    interval of a mean over speakers. Counts (the confusion matrix, the calibration bins, support)
    are summed over the folds.

    Parameters
    ----------
    folds
        For each fold: true emotions, scores and speakers, as in `metrics`.
    emotions, bootstrap, seed
        As in `metrics`.
    """
    if not folds or not emotions:
        raise UsageError("there is nothing to evaluate", remedy="Give at least one labelled clip.")
    k = len(emotions)
    truth = [_codes(y, emotions) for y, _, _ in folds]
    scores = [_probabilities(s, len(y), k) for y, (_, s, _) in zip(truth, folds, strict=True)]
    names, by_speaker = _units([speakers for _, _, speakers in folds], [len(y) for y in truth])
    distinct, flat_units = np.unique(np.concatenate(names), return_inverse=True)
    units = np.split(flat_units, np.cumsum([len(y) for y in truth])[:-1])
    tables = [
        _statistics(y, s, unit, len(distinct))
        for y, s, unit in zip(truth, scores, units, strict=True)
    ]

    point = _figures(tables, np.ones((1, len(distinct))), k)
    low, high = _intervals(tables, point[0], k, len(distinct), bootstrap, seed)

    def estimate(column: int) -> Estimate:
        value = float(point[0, column])
        if bootstrap == 0:
            return Estimate(value)
        ends = (float(low[column]), float(high[column]))
        return Estimate(value, None if np.isnan(ends[0]) else ends)

    totals = sum(table.sum(axis=0) for table in tables)
    confusion = np.rint(totals[: k * k]).astype(np.int64).reshape(k, k)
    first = len(HEADLINES)
    return Evaluation(
        emotions=tuple(emotions),
        clips=int(confusion.sum()),
        speakers=_speaker_count([speakers for _, _, speakers in folds]),
        resampled="speakers" if by_speaker else "clips",
        per_emotion={
            name: EmotionFigures(
                recall=estimate(first + i),
                precision=estimate(first + k + i),
                f1=estimate(first + 2 * k + i),
                support=int(confusion[i].sum()),
            )
            for i, name in enumerate(emotions)
        },
        confusion=confusion,
        calibration=_calibration(totals[k * k + 1 :]),
        coverage=coverage_curve(
            np.concatenate([s.argmax(axis=1) == y for y, s in zip(truth, scores, strict=True)]),
            np.concatenate([s.max(axis=1) for s in scores]),
        ),
        **{name: estimate(i) for i, name in enumerate(HEADLINES)},
    )


def _codes(y_true: Sequence[str] | npt.NDArray[Any], emotions: Sequence[str]) -> IntArray:
    labels = np.asarray(y_true)
    if labels.ndim != 1 or not len(labels):
        raise UsageError("there is nothing to evaluate", remedy="Give at least one labelled clip.")
    if labels.dtype.kind in "iu":
        if labels.min() < 0 or labels.max() >= len(emotions):
            raise UsageError(f"an emotion index lies outside 0 to {len(emotions) - 1}")
        return labels.astype(np.int64)
    index = {name: i for i, name in enumerate(emotions)}
    unknown = sorted({str(label) for label in labels} - set(index))
    if unknown:
        raise UsageError(
            f"the model does not know the emotion {', '.join(unknown)}",
            remedy=f"Leave these clips out; it knows {', '.join(emotions)}.",
        )
    return np.array([index[str(label)] for label in labels], dtype=np.int64)


def _probabilities(scores: npt.ArrayLike, n: int, k: int) -> FloatMatrix:
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.shape != (n, k):
        raise UsageError(f"scores have shape {matrix.shape}, expected ({n}, {k})")
    if not np.isfinite(matrix).all() or matrix.min() < -1e-6:
        raise UsageError("scores are not probabilities: some are negative, NaN or infinite")
    if np.abs(matrix.sum(axis=1) - 1).max() > 1e-3:
        raise UsageError("scores are not probabilities: a row does not sum to 1")
    return np.clip(matrix, 0.0, 1.0)


def _units(
    speakers: Sequence[Sequence[str | None] | None], lengths: Sequence[int]
) -> tuple[list[npt.NDArray[Any]], bool]:
    """The name of the unit that the bootstrap draws, for each clip of each fold."""
    known = all(
        names is not None and len(names) == n and all(name is not None for name in names)
        for names, n in zip(speakers, lengths, strict=True)
    )
    if known and len({name for names in speakers if names is not None for name in names}) > 1:
        return [np.asarray(names, dtype=np.str_) for names in speakers], True
    ends = np.cumsum([0, *lengths])
    return [np.arange(a, b) for a, b in itertools.pairwise(ends)], False


def _speaker_count(speakers: Sequence[Sequence[str | None] | None]) -> int | None:
    names = {name for part in speakers for name in ((None,) if part is None else part)}
    return None if None in names else len(names)


def _statistics(truth: IntArray, scores: FloatMatrix, unit: IntArray, units: int) -> FloatMatrix:
    """Sums that every figure follows from, one row per unit: confusion, log loss, bins.

    Columns: k * k of the confusion matrix, one of summed log loss, then for each calibration bin
    its count, summed confidence and hits.
    """
    n, k = scores.shape
    predicted = scores.argmax(axis=1)
    confidence = scores.max(axis=1)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, None)
    bins = np.minimum(bins, CALIBRATION_BINS - 1)
    table = np.zeros((units, k * k + 1 + 3 * CALIBRATION_BINS))
    loss = -np.log(np.maximum(scores[np.arange(n), truth], SMALLEST_PROBABILITY))
    np.add.at(table, (unit, truth * k + predicted), 1.0)
    np.add.at(table, (unit, k * k), loss)
    start = k * k + 1 + 3 * bins
    np.add.at(table, (unit, start), 1.0)
    np.add.at(table, (unit, start + 1), confidence)
    np.add.at(table, (unit, start + 2), (predicted == truth).astype(np.float64))
    return table


def _figures(tables: Sequence[FloatMatrix], draws: FloatMatrix, k: int) -> FloatMatrix:
    """Figures under how often each unit is drawn, ``(resamples, units)``, averaged over folds.

    Shape ``(resamples, 5 + 3 k)``. A fold counts by how much of it was drawn.
    """
    figures = np.stack([_fold_figures(draws @ table, k) for table in tables])
    held = np.stack([table[:, : k * k].any(axis=1) for table in tables]).astype(np.float64)
    weights = (held @ draws.T / held.sum(axis=1, keepdims=True))[:, :, None]
    there = ~np.isnan(figures)
    total = np.where(there, figures * weights, 0.0).sum(axis=0)
    return _ratio(total, np.where(there, weights, 0.0).sum(axis=0))


def _fold_figures(sums: FloatMatrix, k: int) -> FloatMatrix:
    confusion = sums[:, : k * k].reshape(-1, k, k)
    clips = confusion.sum(axis=(1, 2))
    hits = np.einsum("bii->bi", confusion)
    support, guesses = confusion.sum(axis=2), confusion.sum(axis=1)
    recall = _ratio(hits, support)
    # As scikit-learn has it: an emotion that is there and never predicted has precision 0.
    either = support + guesses
    precision = np.where(either > 0, _ratio(hits, guesses, empty=0.0), np.nan)
    f1 = _ratio(2 * hits, either)
    bins = sums[:, k * k + 1 :].reshape(-1, CALIBRATION_BINS, 3)
    gap = np.abs(bins[:, :, 1] - bins[:, :, 2]).sum(axis=1)
    headlines = (
        _nanmean(recall, axis=1),
        _ratio(hits.sum(axis=1), clips),
        _nanmean(np.where(support > 0, f1, np.nan), axis=1),
        _ratio(sums[:, k * k], clips),
        _ratio(gap, clips),
    )
    return np.concatenate([np.stack(headlines, axis=1), recall, precision, f1], axis=1)


def _intervals(
    tables: Sequence[FloatMatrix],
    point: npt.NDArray[np.float64],
    k: int,
    units: int,
    bootstrap: int,
    seed: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if bootstrap == 0:
        nothing = np.full(len(HEADLINES) + 3 * k, np.nan)
        return nothing, nothing
    generator = np.random.default_rng(seed)
    draws = []
    # In chunks: 1000 weight vectors over 100,000 clips at once would take 800 MB.
    for start in range(0, bootstrap, 100):
        size = min(100, bootstrap - start)
        weights = np.stack(
            [
                np.bincount(generator.integers(units, size=units), minlength=units)
                for _ in range(size)
            ]
        ).astype(np.float64)
        draws.append(_figures(tables, weights, k))
    drawn = np.concatenate(draws)
    # A resample has fewer distinct clips, and so larger gaps between confidence and accuracy, than
    # the clips it is drawn from: the interval would lie above the figure itself. What resampling
    # adds on average is taken out (Efron & Tibshirani 1993, section 10.2).
    ece = HEADLINES.index("ece")
    drawn[:, ece] = np.maximum(drawn[:, ece] - (drawn[:, ece].mean() - point[ece]), 0.0)
    low, high = _nanpercentile(drawn)
    return low, high


def _calibration(sums: npt.NDArray[np.float64]) -> tuple[CalibrationBin, ...]:
    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)
    rows = sums.reshape(CALIBRATION_BINS, 3)
    return tuple(
        CalibrationBin(
            low=round(float(edges[i]), 6),
            high=round(float(edges[i + 1]), 6),
            count=round(float(count)),
            confidence=float(confidence / count) if count else 0.0,
            accuracy=float(hits / count) if count else 0.0,
        )
        for i, (count, confidence, hits) in enumerate(rows)
    )


def _ratio(
    top: npt.NDArray[np.float64], bottom: npt.NDArray[np.float64], empty: float = float("nan")
) -> npt.NDArray[np.float64]:
    result = np.full(top.shape, empty)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result


def _nanmean(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """`numpy.nanmean` that gives NaN for an all-NaN slice without a warning."""
    there = ~np.isnan(values)
    total: npt.NDArray[np.float64] = np.where(there, values, 0.0).sum(axis=axis)
    return _ratio(total, there.sum(axis=axis).astype(np.float64))


def _nanpercentile(
    draws: FloatMatrix,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    ends = np.full((2, draws.shape[1]), np.nan)
    for column in range(draws.shape[1]):
        values = draws[:, column]
        values = values[~np.isnan(values)]
        if len(values):
            ends[:, column] = np.percentile(values, [2.5, 97.5])
    return ends[0], ends[1]


def _rounded(ends: tuple[float, float]) -> list[float]:
    return [round(ends[0], 6), round(ends[1], 6)]
