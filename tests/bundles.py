"""Small bundles made by hand, for tests that need a model but not a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emotone import bundle

EMOTIONS = ("neutral", "happy", "sad", "angry")


def linear_model(weights: np.ndarray, bias: np.ndarray, *, kind: str = "features") -> bytes:
    """ONNX: softmax(features @ weights + bias); for a waveform, of its mean power per clip."""
    nodes = []
    rows = "features"
    if kind == "waveform":
        nodes = [
            helper.make_node("Mul", ["waveform", "waveform"], ["power"]),
            helper.make_node("ReduceMean", ["power"], ["mean"], axes=[1], keepdims=1),
        ]
        rows = "mean"
    nodes += [
        helper.make_node("Gemm", [rows, "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    width: Any = "samples" if kind == "waveform" else weights.shape[0]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(kind, TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def random_model(dimension: int, emotions: Sequence[str] = EMOTIONS, seed: int = 0) -> bytes:
    """A linear model with small random weights."""
    rng = np.random.default_rng(seed)
    return linear_model(
        rng.normal(scale=0.01, size=(dimension, len(emotions))), rng.normal(size=len(emotions))
    )


def forest(children: Sequence[tuple[int, int]] = ((1, 2), (0, 0), (0, 0))) -> bytes:
    """ONNX: one tree over 13 features, by the children of its nodes; (0, 0) is a leaf."""
    leaves = [pair == (0, 0) for pair in children]
    places = list(range(len(children)))
    ends = [place for place in places if leaves[place]]
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["values"],
        domain="ai.onnx.ml",
        n_targets=4,
        nodes_treeids=[0] * len(children),
        nodes_nodeids=places,
        nodes_featureids=[0] * len(children),
        nodes_values=[0.0] * len(children),
        nodes_modes=["LEAF" if leaf else "BRANCH_LEQ" for leaf in leaves],
        nodes_truenodeids=[pair[0] for pair in children],
        nodes_falsenodeids=[pair[1] for pair in children],
        target_treeids=[0] * len(ends),
        target_nodeids=ends,
        target_ids=[0] * len(ends),
        target_weights=[1.0] * len(ends),
    )
    graph = helper.make_graph(
        [ensemble, helper.make_node("Softmax", ["values"], ["scores"], axis=1)],
        "forest",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 13])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return bytes(model.SerializeToString())


def card(
    *,
    feature_set: str = "mfcc-13",
    feature_version: str = "1",
    dimension: int = 13,
    emotions: Sequence[str] = EMOTIONS,
    **others: Any,
) -> bundle.Card:
    """A card for such a model."""
    values: dict[str, Any] = {
        "name": "test",
        "version": "1.0",
        "emotions": tuple(emotions),
        "input": bundle.ModelInput("features", dimension=dimension),
        "feature_set": feature_set,
        "feature_version": feature_version,
        "training": {"corpora": ["ravdess"], "seed": 0},
    }
    return bundle.Card(**(values | others))


def write(path: Path, **others: Any) -> Path:
    """A whole bundle at that path."""
    made = card(**others)
    bundle.write(path, random_model(made.input.dimension or 1, made.emotions), made)
    return path
