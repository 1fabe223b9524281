"""The search stays inside the training part, repeats itself, and finds what there is to find."""

from __future__ import annotations

import numpy as np
import pytest

from emotone.errors import TrainingError, UsageError
from emotone.models.search import search


@pytest.fixture
def ring() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two emotions, one inside the other: a Gaussian kernel of the wrong width fails."""
    rng = np.random.default_rng(0)
    angle, label = rng.uniform(0, 2 * np.pi, 160), rng.integers(0, 2, 160)
    radius = 1 + 2 * label + rng.normal(scale=0.2, size=160)
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    return X, np.array(["sad", "angry"])[label], [f"s{i % 8}" for i in range(160)]


def test_it_improves_on_bad_parameters(ring: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    seen: list[tuple[int, int]] = []
    found = search(
        *ring, "knn", trials=4, params={"n_neighbors": 100}, progress=lambda *at: seen.append(at)
    )
    assert found.params["n_neighbors"] == 100  # what the caller fixes stays
    wide = search(*ring, "svm-rbf", trials=1, params={"gamma": 0.5})
    assert wide.trials[1].params.keys() == {"C", "gamma"}  # and rules out what it excludes
    free = search(*ring, "svm-rbf", trials=5)
    assert free.ua >= free.trials[0].ua
    assert free.trials[0].params == {}
    assert free.ua > 0.95
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_the_same_seed_tries_the_same(ring: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    first, second = (search(*ring, "tree", trials=4, seed=3) for _ in range(2))
    assert first.trials == second.trials
    assert first.trials != search(*ring, "tree", trials=4, seed=4).trials


def test_folds_are_grouped_by_speaker() -> None:
    # The features name the speaker and nothing else; each speaker has one emotion. A search that
    # let a speaker be in both parts would see a perfect score.
    rng = np.random.default_rng(1)
    speaker = np.repeat(np.arange(8), 12)
    X = (np.eye(8)[speaker] * 5 + rng.normal(size=(96, 8)) * 0.1).astype(np.float32)
    y = np.array(["sad", "angry"])[speaker % 2]
    honest = search(X, y, [f"s{i}" for i in speaker], "knn", trials=1)
    leaking = search(X, y, None, "knn", trials=1)
    assert leaking.ua > 0.95
    assert honest.ua < 0.8


def test_what_cannot_be_searched(ring: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    with pytest.raises(UsageError, match="preset"):
        search(*ring, "mlp-300", trials=2)
    with pytest.raises(UsageError, match="at least one"):
        search(*ring, "mlp", trials=0)
    X = ring[0]
    with pytest.raises(TrainingError, match="too few clips"):
        search(X[:2], ["sad", "angry"], None, "knn", trials=1)
    with pytest.raises(UsageError, match="C, gamma"):
        search(*ring, "svm-rbf", trials=2, params={"C": 1.0, "gamma": 0.1})
    members = {"members": ["forest", "knn"]}
    with pytest.raises(UsageError, match="members"):
        search(*ring, "ensemble", trials=2, params=members)
