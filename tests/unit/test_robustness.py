"""The figures of the robustness benchmark: UA as everywhere, and drops that are paired."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from emotone.corpora import Utterance
from emotone.metrics import metrics

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import robustness

EMOTIONS = ["angry", "happy", "sad"]


def heard(n: int = 240, speakers: int = 12) -> tuple[list[str], list[str], np.ndarray]:
    """Truth, speakers, and which clips were heard right: clean, as clean, and a quarter worse."""
    random = np.random.default_rng(0)
    truth = random.choice(EMOTIONS, n).tolist()
    clean = random.random(n) < 0.8
    worse = clean & (random.random(n) < 0.75)
    return truth, [f"s{i % speakers}" for i in range(n)], np.stack([clean, clean, worse])


def test_ua_and_its_interval_are_those_of_the_metrics() -> None:
    truth, speakers, hits = heard()
    found = robustness.shares(truth, hits, speakers, (0, 0)).figures(2)
    codes = np.array([EMOTIONS.index(emotion) for emotion in truth])
    answers = np.where(hits[2], codes, (codes + 1) % 3)
    expected = metrics(truth, np.eye(3)[answers], EMOTIONS, speakers=speakers)
    assert found["ua"] == pytest.approx(expected.ua.value, abs=1e-6)
    assert found["ci95"] == pytest.approx(expected.ua.ci95, abs=0.01)


def test_a_drop_is_paired() -> None:
    truth, speakers, hits = heard()
    found = robustness.shares(truth, hits, speakers, (0, 0))
    same, worse = found.figures(1), found.figures(2)
    # The very same answers: no drop, whoever is drawn.
    assert (same["drop"], same["drop_ci95"]) == (0, [0, 0])
    low, high = worse["drop_ci95"]
    assert 0 < low < worse["drop"] < high
    spread = [end - start for start, end in (found.figures(0)["ci95"], worse["ci95"])]
    assert high - low < np.hypot(*spread)


def test_the_mean_is_that_over_corpora() -> None:
    truth, speakers, hits = heard()
    one = robustness.shares(truth, hits, speakers, (0, 0))
    other = robustness.shares(truth, hits[:, ::-1], speakers, (0, 1))
    both = robustness.mean([one, other]).figures(2)
    assert both["ua"] == pytest.approx((one.value[2] + other.value[2]) / 2, abs=1e-6)
    width = [end - start for start, end in (f.figures(2)["ci95"] for f in (one, other))]
    assert both["ci95"][1] - both["ci95"][0] < max(width)


def test_speakers_are_drawn_where_they_are_known() -> None:
    def clips(*speakers: str | None) -> list[Utterance]:
        return [Utterance(Path(f"{i}.wav"), "sad", "x", "sad", s) for i, s in enumerate(speakers)]

    assert robustness.units_of(clips("a", "b", "a")) == ["x/a", "x/b", "x/a"]
    # One speaker, or one who is unknown: each clip by itself.
    assert len(set(robustness.units_of(clips("a", "a")))) == 2
    assert len(set(robustness.units_of(clips("a", None, "b")))) == 3
