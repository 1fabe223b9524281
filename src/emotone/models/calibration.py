"""Temperature scaling: making a classifier's logits into probabilities that mean what they say.

Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatMatrix = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def softmax(logits: FloatMatrix, temperature: float = 1.0) -> FloatMatrix:
    """Probabilities of shape (n, k) from logits of the same shape; minus infinity gives 0."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    weights: FloatMatrix = np.exp(scaled)
    total: FloatMatrix = weights.sum(axis=1, keepdims=True)
    return weights / total


def fit_temperature(logits: FloatMatrix, labels: IntArray) -> float:
    """The temperature under which the labels are most probable.

    The targets are smoothed by one part in n + 1, after Platt (1999), so that logits which happen
    to separate all clips do not give a temperature of zero.

    Parameters
    ----------
    logits
        Of clips that were not trained on, shape ``(n, k)``. Minus infinity marks a class that the
        model of that row could not know; rows whose own class is such are left out.
    labels
        The index of the true class of each, shape ``(n,)``.

    Returns
    -------
    float
        From 0.001 to 1000; 1 if no row is usable.
    """
    rows = np.isfinite(logits[np.arange(len(labels)), labels])
    logits, labels = logits[rows], labels[rows]
    n = len(labels)
    if n == 0:
        return 1.0
    known = np.isfinite(logits)
    finite = np.where(known, logits, 0.0)
    smoothing = 1.0 / (n + 1)
    wanted = (1 - smoothing) * finite[np.arange(n), labels]
    wanted += smoothing * finite.sum(axis=1) / known.sum(axis=1)

    # The loss is convex in 1 / T and its slope is mean(E_p[z] - E_target[z]): bisect the slope.
    low, high = np.log(1e-3), np.log(1e3)
    for _ in range(60):
        middle = (low + high) / 2
        expected = (softmax(logits, 1 / np.exp(middle)) * finite).sum(axis=1)
        if (expected - wanted).mean() > 0:
            high = middle
        else:
            low = middle
    return float(np.exp(-(low + high) / 2))
