"""Smoothing: the most probable sequence, checked against all sequences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone.timeline.smoothing import _path, stretches


@given(st.integers(1, 6), st.integers(2, 3), st.floats(0, 4), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_no_other_sequence_is_more_probable(n: int, k: int, switch: float, seed: int) -> None:
    logs = np.random.default_rng(seed).normal(size=(n, k))

    def value(path: tuple[int, ...]) -> float:
        changes = sum(a != b for a, b in itertools.pairwise(path))
        return sum(logs[i, p] for i, p in enumerate(path)) - switch * changes

    found = tuple(_path(logs, switch).tolist())
    best = max(value(path) for path in itertools.product(range(k), repeat=n))
    assert value(found) == pytest.approx(best)


def windows(ends: list[float], length: float = 3.0) -> list[tuple[float, float]]:
    return [(max(0.0, end - length), end) for end in ends]


def test_a_change_of_emotion_is_found_where_it_is() -> None:
    ends = np.arange(0.5, 20.01, 0.5).tolist()
    spans = windows(ends)
    # A window's scores are the shares of the two emotions in it; the change is at 10 s.
    shares = [max(0.0, end - max(start, 10.0)) / (end - start) for start, end in spans]
    found = stretches(0, 20, spans, [[1 - s, s] for s in shares], step=0.5, switch=2)
    assert [stretch.emotion for stretch in found] == [0, 1]
    assert found[0].end == pytest.approx(10.0, abs=0.5)
    assert (found[0].start, found[-1].end) == (0, 20)
    assert found[0].scores[0] > 0.85


def test_a_single_odd_window_changes_nothing() -> None:
    ends = np.arange(0.5, 10.01, 0.5).tolist()
    scores = [[0.8, 0.2]] * len(ends)
    scores[9] = [0.2, 0.8]
    calm = stretches(0, 10, windows(ends), scores, step=0.5, switch=2)
    assert len(calm) == 1
    assert calm[0].scores.sum() == pytest.approx(1)
    short = windows(ends, 0.5)
    assert len(stretches(0, 10, short, scores, step=0.5, switch=0)) == 3


@pytest.mark.parametrize("end", [0.1, 0.5, 0.74, 1.3, 7.77])
def test_stretches_cover_an_utterance_of_any_length(end: float) -> None:
    spans = windows([*np.arange(0.5, end, 0.5).tolist(), end])
    generator = np.random.default_rng(3)
    found = stretches(0, end, spans, generator.dirichlet([0.3] * 4, len(spans)), step=0.5, switch=0)
    assert (found[0].start, found[-1].end) == (0, pytest.approx(end))
    for one, other in itertools.pairwise(found):
        assert one.end == other.start
        assert one.emotion != other.emotion
    assert all(s.end > s.start for s in found)
