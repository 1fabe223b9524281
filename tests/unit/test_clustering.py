"""Ward's clustering against SciPy's, its edges, and the number of groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster import hierarchy

from emotone.errors import UsageError
from emotone.speech import clustering
from emotone.speech.clustering import Tree, count


def groups(people: int, each: int, apart: float, seed: int = 0) -> np.ndarray:
    """Points around so many middles, one after the other."""
    rng = np.random.default_rng(seed)
    middles = apart * np.eye(24)[:people]
    return np.concatenate([m + rng.normal(size=(each, 24)) for m in middles])


@pytest.mark.parametrize("seed", range(5))
def test_it_is_wards_clustering(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(40, 3))
    expected = hierarchy.linkage(points, "ward")
    tree = Tree(points)
    # SciPy's heights are the roots of twice what a join adds.
    np.testing.assert_allclose(np.diff(tree.scatter()[::-1]), expected[:, 2] ** 2 / 2)
    assert tree.scatter()[0] == pytest.approx(((points - points.mean(axis=0)) ** 2).sum())
    for number in range(1, 8):
        mine, theirs = tree.labels(number), hierarchy.fcluster(expected, number, "maxclust")
        pairs = set(zip(mine.tolist(), theirs.tolist(), strict=True))
        assert len(pairs) == number == len(set(mine.tolist()))


def test_groups_are_numbered_as_they_appear() -> None:
    points = [[5.0], [0.0], [5.1], [9.0], [0.1]]
    assert Tree(points).labels(3).tolist() == [0, 1, 0, 2, 1]
    assert Tree(points).labels(1).tolist() == [0] * 5


def test_more_groups_than_points() -> None:
    assert Tree([[1.0], [2.0]]).labels(5).tolist() == [0, 1]
    assert Tree([[1.0]]).labels(2).tolist() == [0]
    assert Tree([[1.0]]).scatter().tolist() == [0.0]


def test_points_that_are_all_the_same() -> None:
    tree = Tree(np.ones((7, 2)))
    assert tree.labels(1).tolist() == [0] * 7
    assert len(set(tree.labels(3).tolist())) == 3
    assert count(tree, left=0.8, prior=100.0) == 1
    assert count(tree, left=0.8, prior=0.0) == 1
    twice = Tree([[0.0, 1.0]] * 6 + [[3.0, 4.0]] * 6)
    assert count(twice, left=0.8, prior=0.0) == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_points_without_a_distance_are_refused(bad: float) -> None:
    points = np.ones((7, 2))
    points[3, 1] = bad
    with pytest.raises(UsageError, match="not finite"):
        Tree(points)


def test_ties_end_and_come_out_the_same_each_time() -> None:
    square = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 5
    labels = [Tree(square).labels(2).tolist() for _ in range(3)]
    assert labels[0] == labels[1] == labels[2]
    assert len(set(labels[0])) == 2


def test_many_points_are_joined_in_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).permutation(groups(3, 200, 12.0))
    whole = Tree(points)
    monkeypatch.setattr(clustering, "_AT_ONCE", 150)
    monkeypatch.setattr(clustering, "_KEPT", 20)
    lots = Tree(points)
    np.testing.assert_array_equal(lots.labels(3), whole.labels(3))
    np.testing.assert_allclose(lots.scatter()[:3], whole.scatter()[:3])


@pytest.mark.parametrize("people", [1, 2, 3])
@pytest.mark.parametrize("each", [10, 40])
def test_the_number_of_groups_far_apart(people: int, each: int) -> None:
    assert count(Tree(groups(people, each, 14.0)), left=0.8, prior=100.0) == people


def test_few_points_are_not_told_apart_by_chance() -> None:
    points = np.random.default_rng(0).normal(size=(2, 24))
    assert count(Tree(points), left=0.8, prior=0.0) == 2
    assert count(Tree(points), left=0.8, prior=100.0) == 1
    assert count(Tree(points[:1]), left=0.8, prior=100.0) == 1
