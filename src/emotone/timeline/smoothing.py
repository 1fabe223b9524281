"""From the windows of an utterance to its segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatMatrix = npt.NDArray[np.float64]
_FLOOR = 1e-6


class Stretch(NamedTuple):
    """A stretch of one emotion.

    Attributes
    ----------
    start, end
        In the unit of the windows.
    emotion
        Its column of the scores.
    scores
        Their mean over it, summing to 1; shape ``(k,)``.
    """

    start: float
    end: float
    emotion: int
    scores: npt.NDArray[np.float64]


def stretches(
    start: float,
    end: float,
    windows: Sequence[tuple[float, float]],
    scores: npt.ArrayLike,
    *,
    step: float,
    switch: float,
) -> list[Stretch]:
    """The stretches of one emotion in an utterance.

    The utterance is divided into steps. What is heard in a step is the mean of the scores of the
    windows that it lies in, each weighted by how near to the window's middle. The emotions are the
    most probable sequence (Viterbi 1967) of a model in which each step repeats the emotion of the
    one before but for odds of ``exp(-switch)``.

    Parameters
    ----------
    start, end
        Of the utterance, in any unit.
    windows
        Beginning and end of each of n windows in it, in the same unit; one at least.
    scores
        Of each, shape ``(n, k)``.
    step
        Length of a step.
    switch
        Logarithm of the odds against a change from one step to the next.

    Returns
    -------
    list of Stretch
        In order; they cover the utterance, and neighbours differ in their emotion.
    """
    heard = np.asarray(scores, dtype=np.float64)
    count = max(1, round((end - start) / step))
    edges = np.append(start + step * np.arange(count), end)
    steps = _spread(edges, np.asarray(windows, dtype=np.float64), heard)
    path = _path(np.log(steps + _FLOOR), switch)
    lengths = np.diff(edges)
    bounds = np.flatnonzero(np.diff(path)) + 1
    found = []
    for rows in np.split(np.arange(count), bounds):
        mean = lengths[rows] @ steps[rows] / lengths[rows].sum()
        found.append(
            Stretch(float(edges[rows[0]]), float(edges[rows[-1] + 1]), int(path[rows[0]]), mean)
        )
    return found


def _spread(
    edges: npt.NDArray[np.float64], windows: FloatMatrix, scores: FloatMatrix
) -> FloatMatrix:
    """Scores of each step, shape (steps, k)."""
    middles = (edges[:-1] + edges[1:]) / 2
    centres, halves = windows.mean(axis=1), np.diff(windows, axis=1)[:, 0] / 2
    nearness = 1 - np.abs(middles[:, None] - centres) / np.maximum(halves, 1e-9)
    weights = np.maximum(nearness, 0)
    # A step at the very edge may lie in no window: it takes the nearest.
    alone = weights.sum(axis=1) < 1e-9
    nearest = np.abs(middles[:, None] - centres).argmin(axis=1)
    weights[alone, nearest[alone]] = 1
    spread: FloatMatrix = weights @ scores / weights.sum(axis=1, keepdims=True)
    return spread


def _path(logs: FloatMatrix, switch: float) -> npt.NDArray[np.int64]:
    """The most probable emotion of each step."""
    steps, emotions = logs.shape
    best = logs[0]
    came = np.zeros((steps, emotions), dtype=np.int64)
    for step in range(1, steps):
        leader = int(best.argmax())
        changed = best[leader] - switch
        came[step] = np.where(best >= changed, np.arange(emotions), leader)
        best = np.maximum(best, changed) + logs[step]
    path = np.empty(steps, dtype=np.int64)
    path[-1] = best.argmax()
    for step in range(steps - 1, 0, -1):
        path[step - 1] = came[step, path[step]]
    return path
