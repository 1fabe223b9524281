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
