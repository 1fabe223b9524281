"""From frames to one row per clip: the statistics of a feature over time."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.errors import FeatureError
from emotone.features.filters import Float64Array

STATISTICS = ("mean", "std", "min", "max", "slope")
"""Statistics by name; ``p0`` to ``p100`` are percentiles."""

_PERCENTILE = re.compile(r"p(\d{1,2}|100)")


def check(statistic: str) -> str:
    """The statistic, if it is one.

    Raises
    ------
    FeatureError
        If it is neither in `STATISTICS` nor a percentile.
    """
    if statistic not in STATISTICS and not _PERCENTILE.fullmatch(statistic):
        raise FeatureError(
            f"unknown statistic {statistic!r}",
            remedy=f"Choose among {', '.join(STATISTICS)} and p0 to p100.",
        )
    return statistic


@lru_cache(maxsize=64)
def _slope_weights(count: int, hop_s: float) -> Float64Array:
    """What frames are weighted with to give the slope of the least-squares line."""
    time = (np.arange(count) - (count - 1) / 2) * hop_s
    spread = float(time @ time)
    return np.asarray(time / spread if spread else time)


def summarise(values: FloatArray, statistics: tuple[str, ...], hop_s: float) -> FloatArray:
    """The statistics of frame-level values over time.

    Parameters
    ----------
    values
        Shape ``(t, d)`` with ``t`` at least 1.
    statistics
        Among `STATISTICS` and percentiles; ``std`` divides by t, ``slope`` is per second.
    hop_s
        Seconds between frames.

    Returns
    -------
    float32, shape ``(len(statistics) * d,)``: all d values of the first statistic, then the next.

    Examples
    --------
    >>> values = np.array([[1.0], [2.0], [3.0]], np.float32)
    >>> summarise(values, ("mean", "max", "slope"), 0.5).tolist()
    [2.0, 3.0, 2.0]
    """
    percentiles = [float(s[1:]) for s in statistics if _PERCENTILE.fullmatch(s)]
    ranked = iter(np.percentile(values, percentiles, axis=0) if percentiles else ())
    rows = []
    for statistic in statistics:
        if statistic == "mean":
            row = values.mean(axis=0, dtype=np.float64)
        elif statistic == "std":
            row = values.std(axis=0, dtype=np.float64)
        elif statistic == "min":
            row = values.min(axis=0)
        elif statistic == "max":
            row = values.max(axis=0)
        elif statistic == "slope":
            row = _slope_weights(len(values), hop_s) @ values.astype(np.float64)
        else:
            row = next(ranked)
        rows.append(row)
    return np.concatenate(rows).astype(np.float32)
