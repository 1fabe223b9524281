"""Figures of merit for a classifier of emotions, each with a bootstrap 95 % interval.

Pure numpy, so that a model can be evaluated on the base install.

>>> import numpy as np
>>> scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
>>> evaluation = metrics(["sad", "happy", "sad", "sad"], scores, ["sad", "happy"], bootstrap=0)
>>> evaluation.wa.value, round(evaluation.ua.value, 3)
(0.75, 0.833)
"""

from emotone.metrics.evaluation import (
    HEADLINES,
    CalibrationBin,
    EmotionFigures,
    Estimate,
    Evaluation,
    IntArray,
)
from emotone.metrics.measuring import fold_mean, metrics
from emotone.metrics.sums import CALIBRATION_BINS, SMALLEST_PROBABILITY, FloatMatrix

__all__ = [
    "CALIBRATION_BINS",
    "HEADLINES",
    "SMALLEST_PROBABILITY",
    "CalibrationBin",
    "EmotionFigures",
    "Estimate",
    "Evaluation",
    "FloatMatrix",
    "IntArray",
    "fold_mean",
    "metrics",
]
