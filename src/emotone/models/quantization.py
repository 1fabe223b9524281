"""A model with its weights in eight bits: half the size, nearly the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emotone.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import onnx

_OUTPUTS = {"Conv": (0,), "Gemm": (0,), "MatMul": (-1,), "GRU": (0, 1), "LSTM": (0, 1)}
"""Which axes of a weight are those of the outputs, by the operator that it belongs to; a recurrent
layer has its directions in front of them."""


def quantize(model: bytes) -> bytes:
    """The same ONNX model, each learned weight in eight bits with a scale for each output.

    What is not learned (the transform, the filters) stays as it is. The weights are turned back
    when a runtime loads the model, so that it answers as fast as before.

    Parameters
    ----------
    model
        As `emotone.models.neural.export.to_onnx` makes it, its large weights in 16 bits.

    Raises
    ------
    UsageError
        If it has no such weights, as that of a classical family.
    MissingExtraError
        If onnx is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("quantizing a model", "train") from error
    read = onnx.load_from_string(model)
    axes = _axes(read)
    halves = {
        tensor.name: tensor
        for tensor in read.graph.initializer
        if tensor.data_type == TensorProto.FLOAT16
    }
    nodes = []
    changed = False
    for node in read.graph.node:
        weight = halves.get(node.input[0]) if node.op_type == "Cast" else None
        if weight is None or node.output[0] not in axes:
            nodes.append(node)
            continue
        name, changed = node.output[0], True
        values, scale = _rounded(numpy_helper.to_array(weight), axes[name])
        weight.CopyFrom(numpy_helper.from_array(values, f"{name}.int8"))
        read.graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        whole = f"{name}.whole"
        nodes += [
            helper.make_node("Cast", [weight.name], [whole], whole, to=TensorProto.FLOAT),
            helper.make_node("Mul", [whole, f"{name}.scale"], [name], f"{name}.scaled"),
        ]
    if not changed:
        known = any(tensor.data_type == TensorProto.INT8 for tensor in read.graph.initializer)
        raise UsageError(
            "the model's weights have eight bits already"
            if known
            else "the model has no large weights of a neural network",
            remedy="Export it without --int8.",
        )
    del read.graph.node[:]
    read.graph.node.extend(nodes)
    onnx.checker.check_model(read)
    return bytes(read.SerializeToString(deterministic=True))


def _axes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The axes of the outputs of what is used as a weight, by name."""
    found: dict[str, tuple[int, ...]] = {}
    for node in model.graph.node:
        if node.op_type not in _OUTPUTS:
            continue
        axes = _OUTPUTS[node.op_type]
        if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
            axes = (-1,)
        for name in node.input[1:3] if len(axes) > 1 else node.input[1:2]:
            found[name] = axes
    return found


def _rounded(
    weight: npt.NDArray[np.float16], axes: tuple[int, ...]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Whole numbers from -127 to 127, and what they are to be multiplied by."""
    values = weight.astype(np.float32)
    kept = {axis % values.ndim for axis in axes}
    others = tuple(i for i in range(values.ndim) if i not in kept)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scale = (np.where(largest > 0, largest, 1) / 127).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale
