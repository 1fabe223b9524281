"""Intervals: what figures come to when speakers, or clips, are drawn anew."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.metrics.evaluation import HEADLINES
from emotone.metrics.sums import FloatMatrix, figures_of


def units_of(
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


def intervals(
    tables: Sequence[FloatMatrix],
    point: npt.NDArray[np.float64],
    k: int,
    units: int,
    bootstrap: int,
    seed: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper ends of the 95 % percentile intervals of all figures.

    Parameters
    ----------
    tables
        For each fold what `emotone.metrics.sums.sums` gave, all with the same units.
    point
        The figures themselves, ``(5 + 3 k,)``.
    k
        How many emotions there are.
    units
        How many speakers, or clips, are drawn from.
    bootstrap
        How often; 0 for no interval.
    seed
        Of the drawing.

    Returns
    -------
    low, high
        Each ``(5 + 3 k,)``; NaN where there is no interval.
    """
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
        draws.append(figures_of(tables, weights, k))
    drawn = np.concatenate(draws)
    # A resample has fewer distinct clips, and so larger gaps between confidence and accuracy, than
    # the clips it is drawn from: the interval would lie above the figure itself. What resampling
    # adds on average is taken out (Efron & Tibshirani 1993, section 10.2).
    ece = HEADLINES.index("ece")
    drawn[:, ece] = np.maximum(drawn[:, ece] - (drawn[:, ece].mean() - point[ece]), 0.0)
    low, high = _nanpercentile(drawn)
    return low, high


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
