"""The errors that benchmarks/speakers.py prints, by hand and against pyannote.metrics."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pyannote import core
from pyannote.metrics import diarization

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import speakers  # noqa: E402


def test_errors_by_hand() -> None:
    speaks = speakers.masks([(1, 5, 0), (5, 9, 1), (8, 10, 0)], 1200)
    said = speakers.masks([(1, 6, 1), (6, 9, 0), (10, 11, 0)], 1200)
    found = speakers.errors(speaks, said, collar=0)
    # 10 s are said; 2 of them missed, 1 second of none heard, 1 of 8 heard of the wrong one.
    assert found["miss"] == pytest.approx(0.2)
    assert found["false_alarm"] == pytest.approx(0.1)
    assert found["confusion"] == pytest.approx(0.1)
    assert found["der"] == pytest.approx(0.4)
    assert speakers.confusion(speaks, said) == pytest.approx(2 / 8)
    assert speakers.errors(speaks, speaks)["der"] == 0


def test_errors_against_pyannote() -> None:
    rng = np.random.default_rng(0)

    def turns() -> list[tuple[float, float, int]]:
        starts = np.sort(rng.choice(590, 12, replace=False)) / 10
        ends = np.minimum(starts + rng.integers(5, 90, 12) / 10, 60)
        return [
            (float(a), float(b), int(rng.integers(3))) for a, b in zip(starts, ends, strict=True)
        ]

    def annotation(found: list[tuple[float, float, int]]) -> object:
        made = core.Annotation()
        for number, (start, end, who) in enumerate(found):
            made[core.Segment(start, end), number] = who
        return made.support()

    everything = core.Timeline([core.Segment(0, 61)])
    for _ in range(5):
        true, claimed = turns(), turns()
        for collar in (0, 25):
            metric = diarization.DiarizationErrorRate(collar=2 * collar / 100)
            expected = metric(annotation(true), annotation(claimed), uem=everything, detailed=True)
            mine = speakers.errors(
                speakers.masks(true, 6100), speakers.masks(claimed, 6100), collar=collar
            )
            total = expected["total"]
            assert mine["der"] == pytest.approx(expected["diarization error rate"], abs=0.01)
            assert mine["miss"] == pytest.approx(expected["missed detection"] / total, abs=0.01)
            assert mine["confusion"] == pytest.approx(expected["confusion"] / total, abs=0.01)


def test_a_conversation_is_what_it_says() -> None:
    clips = {who: [np.full(16000, level, np.float32)] for who, level in (("a", 0.5), ("b", 0.1))}
    talk = speakers.conversation(clips, 2, 0.5, seed=0)
    again = speakers.conversation(clips, 2, 0.5, seed=0)
    np.testing.assert_array_equal(talk.samples, again.samples)
    assert talk.speaks.shape == (2, len(talk.samples) // speakers.FRAME)
    assert talk.speaks.any(axis=1).all()
    quiet = np.repeat(~talk.speaks.any(axis=0), speakers.FRAME)
    assert np.abs(talk.samples[quiet]).mean() < 0.01 < np.abs(talk.samples[~quiet]).mean()
    spans = talk.spans()
    assert sum(b - a for a, b in spans) == pytest.approx(talk.speaks.any(axis=0).sum() / 100)
