"""Multinomial logistic regression on features that are read in pieces.

The objective is that of scikit-learn's LogisticRegression with its solver lbfgs: the mean log loss
of the clips, each weighted, plus the squared norm of the weights (not of the bias) over 2 C n. It
is convex, so that where the features come from makes no difference: each step of L-BFGS (Liu &
Nocedal 1989) goes once through all of them and adds up loss and gradient.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emotone.models.calibration import FloatMatrix, IntArray
from emotone.models.streamed import Streamed

Vector = npt.NDArray[np.float64]


def solve(
    X: Streamed,
    y: IntArray,
    *,
    strength: float,
    balanced: bool,
    intercept: bool,
    tolerance: float,
    steps: int,
) -> tuple[FloatMatrix, Vector]:
    """Weights and bias of the regression.

    Parameters
    ----------
    X
        Prepared features, shape ``(n, d)``.
    y
        Class of each row, from 0 to k - 1, shape ``(n,)``.
    strength
        C: the larger, the less the weights are held back.
    balanced
        Whether each class weighs the same.
    intercept
        Whether there is a bias.
    tolerance
        Largest slope of the objective at which it counts as solved.
    steps
        Of L-BFGS at most.

    Returns
    -------
    weights, bias
        Shapes ``(k, d)`` and ``(k,)``; for two classes ``(1, d)`` and ``(1,)``, of the second.
    """
    from scipy.optimize import minimize

    n, d = X.shape
    counts = np.bincount(y)
    k = len(counts)
    of_class = n / (k * counts) if balanced else np.ones(k)
    rows = 1 if k == 2 else k
    total = float(of_class[y].sum())

    def objective(flat: Vector) -> tuple[float, Vector]:
        both = flat.reshape(rows, d + 1)
        weights, bias = both[:, :d], both[:, d]
        single = weights.T.astype(np.float32)
        loss, slope = 0.0, np.zeros((rows, d + 1))
        for positions, values in X.pieces():
            labels = y[positions]
            share = of_class[labels] / total
            logits = (values @ single).astype(np.float64) + bias
            if rows == 1:
                logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
            peak = logits.max(axis=1, keepdims=True)
            scores = np.exp(logits - peak)
            sums = scores.sum(axis=1, keepdims=True)
            here = np.arange(len(labels))
            loss += float(share @ (np.log(sums)[:, 0] + peak[:, 0] - logits[here, labels]))
            scores /= sums
            scores[here, labels] -= 1.0
            apart = (scores * share[:, None])[:, -rows:]
            slope[:, :d] += apart.T.astype(np.float32) @ values
            slope[:, d] += apart.sum(axis=0)
        penalty = 1.0 / (strength * total)
        loss += 0.5 * penalty * float(np.square(weights).sum())
        slope[:, :d] += penalty * weights
        if not intercept:
            slope[:, d] = 0.0
        return loss, slope.ravel()

    found = minimize(
        objective,
        np.zeros(rows * (d + 1)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": steps, "gtol": tolerance, "ftol": 64 * np.finfo(float).eps},
    )
    both = found.x.reshape(rows, d + 1)
    return both[:, :d].copy(), both[:, d].copy()
