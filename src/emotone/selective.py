"""Answering only where sure: how accuracy rises as the unsure answers are left out.

A model that may answer "uncertain" is judged by its accuracy at each coverage, the share of clips
that it does answer (El-Yaniv & Wiener, "On the foundations of noise-free selective classification",
JMLR 11, 2010).

>>> curve = coverage_curve([True, False, True, True], [0.9, 0.4, 0.6, 0.8])
>>> [(point.confidence, point.coverage, point.accuracy) for point in curve.points]
[(0.9, 0.25, 1.0), (0.8, 0.5, 1.0), (0.6, 0.75, 1.0), (0.4, 1.0, 0.75)]
>>> curve.reaching(0.9)
CoveragePoint(confidence=0.6, coverage=0.75, accuracy=1.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError

TARGET_ACCURACY = 0.8
"""What the answers given are to be right by, where a training chooses the least confidence."""

LEAST_ANSWERS = 20
"""An accuracy over fewer answers than these is not taken at its word."""

_POINTS = 100


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """What comes of answering only from a confidence up.

    Attributes
    ----------
    confidence
        The least confidence that is answered.
    coverage
        Share of clips that are answered.
    accuracy
        Share of those that is right.
    """

    confidence: float
    coverage: float
    accuracy: float

    def to_dict(self) -> dict[str, float]:
        """The point as plain types."""
        return {
            "confidence": round(self.confidence, 6),
            "coverage": round(self.coverage, 6),
            "accuracy": round(self.accuracy, 6),
        }


@dataclass(frozen=True, slots=True)
class CoverageCurve:
    """The accuracy-coverage curve of a model.

    Attributes
    ----------
    clips
        How many it was measured on.
    area
        Area under the risk-coverage curve, risk being 1 - accuracy: 0 is best, and the error rate
        is what a confidence gives that says nothing.
    points
        By rising coverage, the last at 1; about one per hundredth of the clips.
    """

    clips: int
    area: float
    points: tuple[CoveragePoint, ...]

    def reaching(self, accuracy: float) -> CoveragePoint | None:
        """The widest coverage whose answers are right that often.

        Parameters
        ----------
        accuracy
            From 0 to 1.

        Returns
        -------
        CoveragePoint or None
            None if no point of the curve reaches it.
        """
        found = [point for point in self.points if point.accuracy >= accuracy]
        return found[-1] if found else None

    def to_dict(self) -> dict[str, Any]:
        """The curve as plain types, ready for JSON; `from_dict` reads it back."""
        return {
            "clips": self.clips,
            "area": round(self.area, 6),
            "points": [point.to_dict() for point in self.points],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CoverageCurve:
        """The inverse of `to_dict`."""
        points = tuple(CoveragePoint(**point) for point in data["points"])
        return cls(int(data["clips"]), float(data["area"]), points)


def coverage_curve(right: npt.ArrayLike, confidence: npt.ArrayLike) -> CoverageCurve:
    """How accuracy and coverage depend on the least confidence that is answered.

    Parameters
    ----------
    right
        Whether each answer is right, shape ``(n,)``.
    confidence
        The confidence of each, from 0 to 1. Answers of one confidence are given together or not at
        all.

    Raises
    ------
    UsageError
        If there is no answer.
    """
    hits = np.asarray(right, dtype=bool)
    sure = np.asarray(confidence, dtype=np.float64)
    n = len(hits)
    if not n or sure.shape != hits.shape:
        raise UsageError("a coverage curve needs answers, and a confidence for each")
    order = np.argsort(-sure, kind="stable")
    sure = sure[order]
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))
    answered = ends + 1
    accuracy = np.cumsum(hits[order])[ends] / answered
    area = float(((1 - accuracy) * np.diff(answered, prepend=0)).sum() / n)
    # The last end within each hundredth of the clips.
    part = -(-answered * _POINTS // n)
    kept = np.flatnonzero(np.append(part[1:] != part[:-1], True))
    points = tuple(
        CoveragePoint(float(sure[ends[i]]), float(answered[i] / n), float(accuracy[i]))
        for i in kept
    )
    return CoverageCurve(n, area, points)


def uncertain_below(
    right: npt.ArrayLike, confidence: npt.ArrayLike, accuracy: float = TARGET_ACCURACY
) -> dict[str, Any] | None:
    """The confidence below which a model had better answer "uncertain", for its card.

    It is the least one at which the answers given reach a wanted accuracy on clips that the model
    was not trained on.

    Parameters
    ----------
    right, confidence
        As for `coverage_curve`, of held-out clips.
    accuracy
        What is wanted, from 0 to 1.

    Returns
    -------
    dict or None
        ``confidence``, and what it was chosen by: ``target`` (the wanted accuracy), ``accuracy``
        and ``coverage`` reached, ``clips`` they were measured on. None where the accuracy is
        reached by no confidence, or by fewer than 20 answers.
    """
    curve = coverage_curve(right, confidence)
    point = curve.reaching(accuracy)
    if point is None or point.coverage * curve.clips < LEAST_ANSWERS:
        return None
    # Nothing is uncertain where all answers together are right often enough.
    least = 0.0 if point.coverage == 1 else np.floor(1e4 * point.confidence) / 1e4
    return {
        "confidence": float(least),
        "target": accuracy,
        "accuracy": round(point.accuracy, 6),
        "coverage": round(point.coverage, 6),
        "clips": curve.clips,
    }
