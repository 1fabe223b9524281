from __future__ import annotations

import numpy as np
import pytest

from emotone.errors import UsageError
from emotone.selective import CoverageCurve, coverage_curve, uncertain_below


def test_the_curve_by_hand() -> None:
    curve = coverage_curve([True, True, False, True, False], [0.9, 0.8, 0.7, 0.6, 0.5])
    assert [point.coverage for point in curve.points] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert [point.accuracy for point in curve.points] == pytest.approx([1, 1, 2 / 3, 3 / 4, 3 / 5])
    assert curve.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)
    assert curve.reaching(0.7) == curve.points[3]
    assert curve.reaching(0.99) == curve.points[1]
    assert curve.reaching(0.1) == curve.points[-1]
    assert coverage_curve([False], [0.5]).reaching(0.5) is None


def test_answers_of_one_confidence_come_together() -> None:
    forwards = coverage_curve([True, False, True, False], [0.5] * 4)
    assert [(p.coverage, p.accuracy) for p in forwards.points] == [(1.0, 0.5)]
    assert forwards.area == 0.5  # a confidence that says nothing: the error rate
    assert coverage_curve([False, True, False, True], [0.5] * 4) == forwards


def test_many_clips_keep_a_point_per_hundredth() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(5000)
    right = rng.random(5000) < confidence
    curve = coverage_curve(right, confidence)
    assert len(curve.points) == 100
    assert curve.points[-1].coverage == 1
    for point in curve.points:
        answered = confidence >= point.confidence
        assert point.coverage == answered.mean()
        assert point.accuracy == pytest.approx(right[answered].mean())
    assert CoverageCurve.from_dict(curve.to_dict()).to_dict() == curve.to_dict()
    # The error above t is (1 - t) / 2, and so is the mean over coverages a quarter.
    assert curve.area == pytest.approx(0.25, abs=0.02)


def test_the_confidence_to_be_uncertain_below() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(5000)
    right = rng.random(5000) < confidence
    below = uncertain_below(right, confidence, 0.8)
    assert below is not None
    assert (below["target"], below["clips"]) == (0.8, 5000)
    assert below["confidence"] == pytest.approx(0.6, abs=0.05)
    answered = confidence >= below["confidence"]
    assert right[answered].mean() >= 0.8
    assert below["coverage"] == pytest.approx(answered.mean(), abs=1e-3)
    every = uncertain_below([True] * 30, [0.3] * 30)
    assert every is not None
    assert every["confidence"] == 0
    assert uncertain_below(rng.random(500) < 0.5, confidence[:500], 0.99) is None
    assert uncertain_below([True] * 10, [0.9] * 10) is None, "ten answers prove little"


def test_nothing_gives_no_curve() -> None:
    with pytest.raises(UsageError, match="needs answers"):
        coverage_curve([], [])
    with pytest.raises(UsageError, match="a confidence for each"):
        coverage_curve([True], [0.1, 0.2])
