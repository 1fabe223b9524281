"""Sums over clips that every figure follows from, so that a resample costs one product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emotone.metrics.evaluation import CalibrationBin, IntArray

FloatMatrix = npt.NDArray[np.float64]
"""Scores, a row for each clip."""

CALIBRATION_BINS = 15
"""Equal-width bins of confidence behind the expected calibration error (Guo et al. 2017)."""

SMALLEST_PROBABILITY = 1e-12
"""Scores below this count as this in the log loss, which would otherwise be infinite."""


def sums(truth: IntArray, scores: FloatMatrix, unit: IntArray, units: int) -> FloatMatrix:
    """Sums that every figure follows from, one row per unit: confusion, log loss, bins.

    Parameters
    ----------
    truth
        Index of the true emotion of each clip, shape ``(n,)``.
    scores
        Probabilities, shape ``(n, k)``.
    unit
        Which unit (speaker, or clip) each clip belongs to, from 0, shape ``(n,)``.
    units
        How many units there are, those without a clip here among them.

    Returns
    -------
    numpy.ndarray
        Shape ``(units, k * k + 1 + 3 * CALIBRATION_BINS)``: the confusion matrix, the log loss,
        then count, confidence and hits of each bin.
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


def figures_of(tables: Sequence[FloatMatrix], draws: FloatMatrix, k: int) -> FloatMatrix:
    """Figures under how often each unit is drawn, ``(resamples, units)``, averaged over folds.

    Shape ``(resamples, 5 + 3 k)``: `HEADLINES`, then recall, precision and F1 of each emotion. A
    fold counts by how much of it was drawn.
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


def calibration_bins(sums: npt.NDArray[np.float64]) -> tuple[CalibrationBin, ...]:
    """The bins of a reliability diagram from the last columns of `sums`, over all units."""
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
