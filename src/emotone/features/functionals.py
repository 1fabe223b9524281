"""Functionals: what a sequence of frames is like as a whole.

Each function takes ``(t, d)`` frames and returns ``(k, d)`` values, one row per name it lists.
Sequences too short for a shape count as flat, never as an error.
"""

from __future__ import annotations

import re

import numpy as np

from emotone.audio.waveform import FloatArray

DISTRIBUTION: tuple[str, ...] = (
    "mean", "std", "p5", "p25", "p50", "p75", "p95", "skewness", "slope",
)  # fmt: skip
MOTION: tuple[str, ...] = ("mean", "std", "p5", "p95", "skewness", "absdiff")
MOMENTS: tuple[str, ...] = ("mean", "std")
CONTOUR: tuple[str, ...] = (
    "curvature", "tilt", "unevenness", "above25", "above50", "above75", "above90", "rising",
    "rise", "fall", "peaks_per_s", "peak_height", "argmax", "argmin", "range",
    "echo20ms", "echo50ms", "echo100ms", "echo200ms", "echo400ms",
)  # fmt: skip

_ECHO_FRAMES = (2, 5, 10, 20, 40)
_SMALL = 1e-6
_PERCENTILE = re.compile(r"p\d+")


def delta(frames: FloatArray) -> FloatArray:
    """Slope over five frames (the regression formula of HTK), per frame, ``(t, d)``."""
    if len(frames) == 0:
        return frames
    padded = np.pad(frames, ((2, 2), (0, 0)), "edge")
    slope = (2 * (padded[4:] - padded[:-4]) + (padded[3:-1] - padded[1:-3])) / 10
    return np.asarray(slope, np.float32)


def percentiles(values: FloatArray, shares: tuple[float, ...]) -> FloatArray:
    """Percentiles along the first axis, between two values by a line, as ``np.percentile``.

    NumPy's own brings in ``numpy.ma`` with its first call, which takes longer than all of these.

    Parameters
    ----------
    values
        Shape ``(t, ...)`` with ``t`` at least 1.
    shares
        From 0 to 100.

    Returns
    -------
    Shape ``(len(shares), ...)``.
    """
    ordered = np.sort(values, axis=0)
    rows = []
    for share in shares:
        at = share / 100 * (len(values) - 1)
        low = int(at)
        high = min(low + 1, len(values) - 1)
        rows.append(ordered[low] + np.float32(at - low) * (ordered[high] - ordered[low]))
    return np.asarray(rows, np.float32)


def statistics(frames: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """The named statistics of each column.

    Parameters
    ----------
    frames
        float32, shape ``(t, d)``; fewer than three frames count as a steady value, none as zero.
    names
        Of mean, std, skewness, slope (per half length), absdiff (mean absolute change from frame to
        frame) and pN (the N-th percentile).

    Returns
    -------
    float32, shape ``(len(names), d)``.
    """
    if len(frames) < 3:
        steady = (
            frames.mean(axis=0, keepdims=True) if len(frames) else np.zeros((1, *frames.shape[1:]))
        )
        frames = np.repeat(np.asarray(steady, np.float32), 3, axis=0)
    count = len(frames)
    mean = frames.mean(axis=0)
    centred = frames - mean
    std = np.sqrt((centred**2).mean(axis=0))
    wanted = tuple(float(name[1:]) for name in names if _PERCENTILE.fullmatch(name))
    ranked = iter(percentiles(frames, wanted))
    position = np.linspace(-1.0, 1.0, count, dtype=np.float32)[:, None]
    rows = []
    for name in names:
        if name == "mean":
            rows.append(mean)
        elif name == "std":
            rows.append(std)
        elif name == "skewness":
            rows.append(((centred / (std + _SMALL)) ** 3).mean(axis=0))
        elif name == "slope":
            rows.append((position * centred).sum(axis=0) / (position**2).sum())
        elif name == "absdiff":
            rows.append(np.abs(np.diff(frames, axis=0)).mean(axis=0))
        else:
            rows.append(next(ranked))
    return np.asarray(rows, np.float32)


def contour(frames: FloatArray, frames_per_s: float) -> FloatArray:
    """The shape of each column's course: `CONTOUR`, after ComParE's contour functionals.

    The course is smoothed over 50 ms and scaled so that its 1st and 99th percentiles are 0 and 1;
    only ``range`` keeps the scale that was taken out.

    Parameters
    ----------
    frames
        float32, shape ``(t, d)``.
    frames_per_s
        Frames per second.

    Returns
    -------
    float32, shape ``(len(CONTOUR), d)``.
    """
    if len(frames) < 4:
        return np.zeros((len(CONTOUR), frames.shape[1]), np.float32)
    count = len(frames)
    weights = np.hanning(7)[1:-1].astype(np.float32)
    padded = np.pad(frames, ((2, 2), (0, 0)), "edge")
    smooth = sum(w * padded[i : i + count] for i, w in enumerate(weights / weights.sum()))
    low, high = percentiles(np.asarray(smooth), (1.0, 99.0))
    extent = np.maximum(high - low, _SMALL)
    course = np.asarray((smooth - low) / extent, np.float32)

    line = np.linspace(-1.0, 1.0, count, dtype=np.float32)[:, None]
    bow = line**2 - (line**2).mean()
    curvature = (bow * course).sum(axis=0) / (bow**2).sum()
    tilt = (line * course).sum(axis=0) / (line**2).sum()
    centred = course - course.mean(axis=0)
    unevenness = np.sqrt(((centred - tilt * line - curvature * bow) ** 2).mean(axis=0))
    above = [(course > threshold).mean(axis=0) for threshold in (0.25, 0.5, 0.75, 0.9)]
    change = np.diff(course, axis=0)
    up, down = change > 0, change < 0
    rise = np.where(up, change, 0).sum(axis=0) / np.maximum(up.sum(axis=0), 1)
    fall = np.where(down, change, 0).sum(axis=0) / np.maximum(down.sum(axis=0), 1)
    peaks = (course[1:-1] > course[:-2]) & (course[1:-1] >= course[2:])
    peak_count = peaks.sum(axis=0)
    peak_height = np.where(peaks, course[1:-1], 0).sum(axis=0) / np.maximum(peak_count, 1)
    variance = (centred**2).mean(axis=0) + _SMALL
    echoes = [
        (centred[lag:] * centred[:-lag]).mean(axis=0) / variance
        if count > lag + 2
        else np.zeros_like(variance)
        for lag in _ECHO_FRAMES
    ]
    rows = [
        curvature,
        tilt,
        unevenness,
        *above,
        up.mean(axis=0),
        rise,
        fall,
        peak_count / count * frames_per_s,
        peak_height,
        course.argmax(axis=0) / count,
        course.argmin(axis=0) / count,
        extent,
        *echoes,
    ]
    return np.asarray(rows, np.float32)


def log_covariance(frames: FloatArray) -> FloatArray:
    """The matrix logarithm of the covariance, as a vector of ``d (d + 1) / 2`` values.

    In the log-Euclidean metric covariances are points of a vector space, so that a linear model can
    weigh them (Arsigny et al., SIAM J. Matrix Anal. Appl. 29(1), 2007). Off-diagonal entries are
    scaled by the square root of two, which keeps the distance.

    Parameters
    ----------
    frames
        float32, shape ``(t, d)``.
    """
    dimension = frames.shape[1]
    covariance = np.zeros((dimension, dimension))
    if len(frames):
        centred = (frames - frames.mean(axis=0)).astype(np.float64)
        covariance = centred.T @ centred / len(frames)
    values, vectors = np.linalg.eigh(covariance + 1e-3 * np.eye(dimension))
    logarithm = (vectors * np.log(np.maximum(values, 1e-6))) @ vectors.T
    rows, columns = np.triu_indices(dimension)
    scale = np.where(rows == columns, 1.0, np.sqrt(2.0))
    return np.asarray(logarithm[rows, columns] * scale, np.float32)


def lagged_covariance(frames: FloatArray, lag: int) -> FloatArray:
    """How columns go with each other ``lag`` frames later, symmetrised: ``d (d + 1) / 2`` values.

    Parameters
    ----------
    frames
        Centred frames, shape ``(t, d)``.
    lag
        In frames; a shorter sequence gives zeros.
    """
    dimension = frames.shape[1]
    rows, columns = np.triu_indices(dimension)
    if len(frames) <= lag:
        return np.zeros(len(rows), np.float32)
    covariance = frames[:-lag].T @ frames[lag:] / (len(frames) - lag)
    return np.asarray(((covariance + covariance.T) / 2)[rows, columns], np.float32)
