"""Tree ensembles as one ONNX operator, TreeEnsembleRegressor with a target per class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.models.graph import Graph


@dataclass(frozen=True, slots=True)
class Tree:
    """One binary decision tree over m nodes; a clip goes left where its feature <= threshold.

    Attributes
    ----------
    left, right
        Index of the children, shape ``(m,)``; ignored at a leaf.
    leaf
        Which nodes are leaves.
    feature, threshold
        What an inner node asks.
    values
        What a leaf adds to each target, shape ``(m, k)``.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    leaf: npt.NDArray[np.bool_]
    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


def from_sklearn(tree: Any, weight: float) -> Tree:
    """A tree of a scikit-learn forest, its class fractions times the weight."""
    return Tree(
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        leaf=tree.children_left < 0,
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        values=tree.value[:, 0, :] * weight,
    )


def from_histogram_boosting(nodes: npt.NDArray[Any], target: int, targets: int) -> Tree:
    """A tree of scikit-learn's histogram gradient boosting, adding to one target alone."""
    values = np.zeros((len(nodes), targets))
    values[:, target] = nodes["value"]
    return Tree(
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        leaf=nodes["is_leaf"].astype(bool),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        values=values,
    )


def export_sum(graph: Graph, x: str, trees: Iterable[Tree], base: npt.ArrayLike) -> str:
    """The sum of the trees' leaves plus `base`; shape (n, k) from x of shape (n, d)."""
    start = np.asarray(base, dtype=np.float32)
    columns: dict[str, list[Any]] = {
        "treeids": [], "nodeids": [], "featureids": [], "values": [], "modes": [],
        "truenodeids": [], "falsenodeids": [],
    }  # fmt: skip
    leaves: dict[str, list[Any]] = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
    for number, tree in enumerate(trees):
        m = len(tree.leaf)
        columns["treeids"] += [number] * m
        columns["nodeids"] += range(m)
        columns["featureids"] += np.where(tree.leaf, 0, tree.feature).tolist()
        columns["values"] += np.where(tree.leaf, 0.0, _round_down(tree.threshold)).tolist()
        columns["modes"] += np.where(tree.leaf, "LEAF", "BRANCH_LEQ").tolist()
        columns["truenodeids"] += np.where(tree.leaf, 0, tree.left).tolist()
        columns["falsenodeids"] += np.where(tree.leaf, 0, tree.right).tolist()
        # A pure leaf of a forest speaks for one class: leave the zeros out, but keep one entry.
        spoken = tree.values != 0
        spoken[~spoken.any(axis=1), 0] = True
        node, target = np.nonzero(spoken & tree.leaf[:, None])
        leaves["treeids"] += [number] * len(node)
        leaves["nodeids"] += node.tolist()
        leaves["ids"] += target.tolist()
        leaves["weights"] += tree.values[node, target].astype(np.float32).tolist()
    return graph.add(
        "TreeEnsembleRegressor",
        x,
        domain="ai.onnx.ml",
        n_targets=len(start),
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=start.tolist(),
        **{f"nodes_{name}": values for name, values in columns.items()},
        **{f"target_{name}": values for name, values in leaves.items()},
    )


def _round_down(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 not above each threshold, so that float32 features compare exactly."""
    nearest = threshold.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > threshold, below, nearest)
