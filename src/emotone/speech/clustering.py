"""Grouping points that lie together: Ward's method, and how many groups there are."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError

Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]

MOST: Final = 8
"""Groups that `count` tells apart at most."""

_AT_ONCE: Final = 3000
"""Points that are joined with each other directly."""

_KEPT: Final = 200
"""Groups that each lot of more points is first brought down to."""


class Tree:
    """Which groups of points join in turn, from each by itself to all together.

    Each time those two join that add the least to the sum of squared distances of the points from
    the middle of their group (Ward, "Hierarchical grouping to optimize an objective function",
    Journal of the American Statistical Association 58, 1963), found along chains of nearest
    neighbours (Murtagh, The Computer Journal 26, 1983). The same points give the same tree.

    More than a few thousand points are first joined in lots of neighbours, so that the time grows
    no faster than their number.

    Parameters
    ----------
    points
        Shape ``(n, d)``, one at least.

    Raises
    ------
    UsageError
        If they are not all finite, or so large that their squares are not.
    """

    def __init__(self, points: npt.ArrayLike) -> None:
        rows = np.asarray(points, np.float64)
        with np.errstate(over="ignore"):
            # No distance weighs more than this. One that is no number has no nearest neighbour.
            bound = 4 * len(rows) * np.square(rows).sum()
        if not np.isfinite(bound):
            raise UsageError(
                "points to be grouped are not finite, or too large to be squared",
                remedy="Leave out those with NaN or infinity.",
            )
        self._groups = np.arange(len(rows))
        self._within = 0.0
        middles, weights = rows, np.ones(len(rows))
        while len(middles) > _AT_ONCE:
            middles, weights = self._lots(middles, weights)
        self._pairs, self._costs = _joins(middles, weights)

    def scatter(self) -> Points:
        """Sum of squared distances from the middle of the group, for 1, 2, ... groups."""
        return self._within + np.concatenate([[0.0], np.cumsum(self._costs)])[::-1]

    def labels(self, count: int) -> Labels:
        """The group of each point, shape ``(n,)``, numbered in order of first appearance.

        Parameters
        ----------
        count
            Of groups; where there are fewer points, each is a group.
        """
        size = len(self._pairs) + 1
        return _numbered(_cut(self._pairs, size, count)[self._groups])

    def _lots(self, middles: Points, weights: Points) -> tuple[Points, Points]:
        """Join lots of points that follow on each other to a few groups each."""
        labels = np.empty(len(middles), np.intp)
        found = 0
        for start in range(0, len(middles), _AT_ONCE):
            lot = slice(start, start + _AT_ONCE)
            pairs, costs = _joins(middles[lot], weights[lot])
            size = len(middles[lot])
            mine = _numbered(_cut(pairs, size, _KEPT))
            labels[lot] = found + mine
            found += int(mine.max()) + 1
            self._within += float(costs[: max(0, size - _KEPT)].sum())
        self._groups = labels[self._groups]
        total, sums = np.zeros(found), np.zeros((found, middles.shape[1]))
        np.add.at(total, labels, weights)
        np.add.at(sums, labels, middles * weights[:, None])
        return sums / total[:, None], total


def count(tree: Tree, *, left: float, prior: float) -> int:
    """How many groups there seem to be: as many as still make the points lie much closer.

    Parameters
    ----------
    tree
        Of the points.
    left
        One group more is believed in where it leaves at most this share of the scatter.
    prior
        Added to the scatter, as of points seen before; so that few points are not told apart by
        chance.
    """
    scatter = tree.scatter()[:MOST] + prior
    found = 1
    # Where nothing is scattered any more, no group lies closer than another.
    while found < len(scatter) and 0 < scatter[found - 1] * left >= scatter[found]:
        found += 1
    return found


def _joins(points: Points, weights: Points) -> tuple[npt.NDArray[np.intp], Points]:
    """Pairs of points whose groups join, and what each adds to the scatter, cheapest first."""
    middles, weights = points.copy(), weights.copy()
    free = np.ones(len(points), dtype=bool)
    pairs, costs = [], []
    chain: list[int] = []
    for _ in range(len(points) - 1):
        if not chain:
            chain.append(int(free.argmax()))
        while True:
            last = chain[-1]
            away = ((middles - middles[last]) ** 2).sum(axis=1)
            away *= weights * weights[last] / (weights + weights[last])
            away[~free] = np.inf
            away[last] = np.inf
            nearest = int(away.argmin())
            if len(chain) > 1 and away[chain[-2]] <= away[nearest]:
                nearest = chain[-2]  # of several alike the one it came from, or it never ends
                break
            chain.append(nearest)
        del chain[-2:]
        pairs.append((nearest, last))
        costs.append(float(away[nearest]))
        total = weights[nearest] + weights[last]
        middles[nearest] += (middles[last] - middles[nearest]) * (weights[last] / total)
        weights[nearest] = total
        free[last] = False
    order = np.argsort(costs, kind="stable")
    return np.array(pairs, np.intp).reshape(-1, 2)[order], np.array(costs)[order]


def _cut(pairs: npt.NDArray[np.intp], size: int, count: int) -> Labels:
    """One point of each group's, for every point, after all but the last joins."""
    parents = list(range(size))

    def root(point: int) -> int:
        while parents[point] != point:
            parents[point] = parents[parents[point]]
            point = parents[point]
        return point

    for one, other in pairs[: max(0, size - count)].tolist():
        parents[root(other)] = root(one)
    return np.array([root(point) for point in range(size)], np.intp)


def _numbered(groups: Labels) -> Labels:
    """Groups numbered from 0 in order of first appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], np.intp)
