"""From labels and scores to every figure of merit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.metrics.bootstrap import intervals, units_of
from emotone.metrics.evaluation import HEADLINES, EmotionFigures, Estimate, Evaluation, IntArray
from emotone.metrics.sums import FloatMatrix, calibration_bins, figures_of, sums
from emotone.selective import coverage_curve


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

    Raises
    ------
    UsageError
        As `metrics` does; also if there is no fold.
    """
    if not folds or not emotions:
        raise UsageError("there is nothing to evaluate", remedy="Give at least one labelled clip.")
    k = len(emotions)
    truth = [_codes(y, emotions) for y, _, _ in folds]
    scores = [_probabilities(s, len(y), k) for y, (_, s, _) in zip(truth, folds, strict=True)]
    names, by_speaker = units_of([speakers for _, _, speakers in folds], [len(y) for y in truth])
    distinct, flat_units = np.unique(np.concatenate(names), return_inverse=True)
    units = np.split(flat_units, np.cumsum([len(y) for y in truth])[:-1])
    tables = [
        sums(y, s, unit, len(distinct)) for y, s, unit in zip(truth, scores, units, strict=True)
    ]

    point = figures_of(tables, np.ones((1, len(distinct))), k)
    low, high = intervals(tables, point[0], k, len(distinct), bootstrap, seed)

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
        calibration=calibration_bins(totals[k * k + 1 :]),
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


def _speaker_count(speakers: Sequence[Sequence[str | None] | None]) -> int | None:
    names = {name for part in speakers for name in ((None,) if part is None else part)}
    return None if None in names else len(names)
