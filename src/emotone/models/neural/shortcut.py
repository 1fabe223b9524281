"""An ONNX model that also takes what describes single frames, where that is known already.

Windows of a stream overlap. Who hears them one after the other has most of their frames from the
window before, and describes only the new ones, with a second, small model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from emotone import spectra
from emotone.errors import MissingExtraError

if TYPE_CHECKING:
    import onnx

FRAMES = "frames"
"""Name of the optional input: float32 (n, rows, frames), and of what the small model gives."""

POWER = "power"
"""What the small model takes: power spectra, float32 (n, bins, frames), as `FrontEnd` computes
them."""

_EACH_BY_ITSELF = frozenset(
    {"Abs", "Clip", "Div", "Exp", "Log", "Max", "Min", "Mul", "Neg", "Add", "Pow", "Relu",
     "Sigmoid", "Sqrt", "Sub", "Tanh"}
)  # fmt: skip
"""Operators on numbers one by one."""

_OVER_ROWS = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"})
"""Operators that make one number of many; their axis has to be that of the rows."""


def offer_frames(model: onnx.ModelProto, size: int) -> bool:
    """Let a model take descriptions of frames in place of its waveform, if it can.

    From the power spectra on, whatever hears each frame by itself is found in the graph. It and
    what is before it becomes the branch of an ``If`` that is taken while ``frames`` is empty, as it
    is by default. With ``frames`` the waveform is not looked at, but has to be given.
    `frames_model` gives the model that makes them.

    Parameters
    ----------
    model
        Simplified, changed in place.
    size
        Samples per frame.

    Returns
    -------
    bool
        Whether it does. It does not where anything else is made of the waveform.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    found = _power_of(graph, size)
    if found is None:
        return False
    power, inner = found
    shapes = _described(graph, power, size // 2 + 1)
    edge = [name for name in shapes if _leaves(graph, name, shapes)]
    inner |= {place for place, node in enumerate(graph.node) if set(node.output) <= set(shapes)}
    inside = [node for place, node in enumerate(graph.node) if place in inner]
    outside = [node for place, node in enumerate(graph.node) if place not in inner]
    computed = {name: f"{name}.computed" for name in edge}
    for node in inside:
        node.input[:] = [computed.get(name, name) for name in node.input]
        node.output[:] = [computed.get(name, name) for name in node.output]
    rows = [shapes[name][0] for name in edge]
    known, total = [f"{name}.given" for name in edge], sum(rows)

    def ends(names: Iterable[str]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, count, None])
            for name, count in zip(names, rows, strict=True)
        ]

    parts = f"{FRAMES}.rows"
    branches = {
        "then_branch": helper.make_graph(
            [helper.make_node("Split", [FRAMES, parts], known, axis=1)], "known", [], ends(known)
        ),
        "else_branch": helper.make_graph(inside, "sounding", [], ends(computed.values())),
    }
    graph.initializer.extend(
        [
            helper.make_tensor(FRAMES, TensorProto.FLOAT, [0, total, 0], []),
            helper.make_tensor(f"{FRAMES}.none", TensorProto.INT64, [], [0]),
            helper.make_tensor(parts, TensorProto.INT64, [len(rows)], rows),
        ]
    )
    del graph.node[:]
    graph.node.extend(
        [
            helper.make_node("Size", [FRAMES], [f"{FRAMES}.size"]),
            helper.make_node("Greater", [f"{FRAMES}.size", f"{FRAMES}.none"], [f"{FRAMES}.known"]),
            helper.make_node("If", [f"{FRAMES}.known"], edge, f"{FRAMES}.choice", **branches),
            *outside,
        ]
    )
    graph.input.append(
        helper.make_tensor_value_info(FRAMES, TensorProto.FLOAT, ["n_known", total, "frames_known"])
    )
    return True


def frames_model(model: bytes, rate: int | None) -> bytes | None:
    """The small model that describes frames for another one.

    Parameters
    ----------
    model
        An ONNX model as `emotone.models.neural.export.to_onnx` makes it, or of a classical family.
    rate
        Of the waveform that it hears, in Hz; None if it hears features.

    Returns
    -------
    bytes or None
        An ONNX model: ``power``, float32 (n, bins, frames), in; ``frames``, float32
        (n, rows, frames), out. Each frame is described by itself. None where the other one takes
        no frames, or not those of `emotone.spectra`, which are at 16 kHz.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    """
    if rate != spectra.RATE:
        return None
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise MissingExtraError("describing frames", "train") from error
    read = onnx.load_from_string(model)
    choices = [node for node in read.graph.node if node.name == f"{FRAMES}.choice"]
    if not choices:
        return None
    branch = next(a.g for a in choices[0].attribute if a.name == "else_branch")
    constants = {tensor.name: tensor for tensor in read.graph.initializer}
    transform = next(node for node in branch.node if node.op_type == "Conv")
    size = constants[transform.input[1]].dims[2]
    found = _power_of(_with(branch, constants.values()), size)
    assert found is not None  # it was when it was offered
    power, before = found
    described = [node for place, node in enumerate(branch.node) if place not in before]
    names = [entry.name for entry in branch.output]
    used = {name for node in described for name in node.input}
    rows = sum(entry.type.tensor_type.shape.dim[1].dim_value for entry in branch.output)
    nodes = [
        helper.make_node("Identity", [POWER], [power]),
        *described,
        helper.make_node("Concat", names, [FRAMES], axis=1),
    ]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "emotone frames",
            [helper.make_tensor_value_info(POWER, TensorProto.FLOAT, ["n", size // 2 + 1, "t"])],
            [helper.make_tensor_value_info(FRAMES, TensorProto.FLOAT, ["n", rows, "t"])],
            [constants[name] for name in sorted(used & set(constants))],
        ),
        opset_imports=read.opset_import,
        producer_name="emotone",
    )
    made.ir_version = read.ir_version
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


def _with(branch: onnx.GraphProto, constants: Iterable[onnx.TensorProto]) -> onnx.GraphProto:
    """A branch as a graph of its own."""
    import onnx

    whole = onnx.GraphProto()
    whole.node.extend(branch.node)
    whole.initializer.extend(constants)
    return whole


def _users(nodes: Iterable[onnx.NodeProto]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for place, node in enumerate(nodes):
        for name in node.input:
            found[name].append(place)
    return found


def _described(graph: onnx.GraphProto, power: str, bins: int) -> dict[str, tuple[int, ...]]:
    """What hears each frame by itself: its name, and its shape but for the batch and the frames.

    What leaves it has rows.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shapes: dict[str, tuple[int, ...]] = {power: (bins,)}
    for node in graph.node:
        shape = _shape(node, shapes, constants)
        if shape is not None:
            shapes[node.output[0]] = shape
    while True:
        flat = [n for n, shape in shapes.items() if not shape and _leaves(graph, n, shapes)]
        if not flat:
            return shapes
        for name in flat:
            del shapes[name]


def _leaves(graph: onnx.GraphProto, name: str, local: Container[str]) -> bool:
    """Whether something that is not among these is made of it."""
    return any(name in node.input and node.output[0] not in local for node in graph.node)


def _shape(
    node: onnx.NodeProto,
    shapes: Mapping[str, tuple[int, ...]],
    constants: Mapping[str, onnx.TensorProto],
) -> tuple[int, ...] | None:
    """The shape of what a node makes, but for batch and frames; None unless it hears each frame by
    itself."""
    from onnx import numpy_helper

    given = [name for name in node.input if name]
    heard = [shapes[name] for name in given if name in shapes]
    others = [constants[name] for name in given if name in constants]
    if not heard or len(heard) + len(others) != len(given) or len(node.output) != 1:
        return None
    options = {a.name: a for a in node.attribute}
    if node.op_type in _EACH_BY_ITSELF:
        of_others = [tuple(tensor.dims) for tensor in others]
        if len({len(shape) for shape in heard}) != 1 or any(d and d[-1] != 1 for d in of_others):
            return None
        if not heard[0]:
            return () if all(np.prod(dims) == 1 for dims in of_others) else None
        rows = {shape[0] for shape in heard} | {d[-2] for d in of_others if len(d) == 2}
        if any(len(dims) > 2 for dims in of_others) or len(rows - {1}) > 1:
            return None
        return (max(rows),)
    if node.op_type == "MatMul" and node.input[1] in shapes and others:
        dims = tuple(others[0].dims)
        return dims[:-1] if len(dims) <= 2 and dims[-1:] == heard[0] else None
    if len(heard) != 1 or len(heard[0]) != (node.op_type != "Unsqueeze"):
        return None
    if node.op_type == "Unsqueeze":
        return (1,) if numpy_helper.to_array(others[0]).tolist() == [1] else None
    if node.op_type == "Softmax":
        return heard[0] if "axis" in options and options["axis"].i == 1 else None
    if node.op_type in _OVER_ROWS:
        if not others and "axes" not in options:
            return None
        axes = numpy_helper.to_array(others[0]) if others else np.array(options["axes"].ints)
        keeps = "keepdims" not in options or options["keepdims"].i == 1
        return (1,) if axes.tolist() == [1] and keeps else None
    return None


def _power_of(graph: onnx.GraphProto, size: int) -> tuple[str, set[int]] | None:
    """The power spectrum's name and the places of the nodes that serve it alone, or None."""
    nodes = list(graph.node)
    users = _users(nodes)
    makers = {name: place for place, node in enumerate(nodes) for name in node.output}
    shape = [2 * (size // 2 + 1), 1, size]
    bases = {tensor.name for tensor in graph.initializer if list(tensor.dims) == shape}
    transforms = [node for node in nodes if node.op_type == "Conv" and node.input[1] in bases]
    if len(transforms) != 1:
        return None
    # Real and imaginary part are cut out of the transform, squared and added up.
    reached = set(users[transforms[0].output[0]])
    for _ in range(2):
        reached = {user for place in reached for user in users[nodes[place].output[0]]}
    if len(reached) != 1 or nodes[min(reached)].op_type != "Add":
        return None
    power = min(reached)
    inner, waiting = {power}, [power]
    while waiting:
        for name in nodes[waiting.pop()].input:
            maker = makers.get(name)
            if maker is None or maker in inner:
                continue
            if all(user in inner for output in nodes[maker].output for user in users[output]):
                inner.add(maker)
                waiting.append(maker)
    heard = {user for entry in graph.input for user in users[entry.name]}
    return (nodes[power].output[0], inner) if heard <= inner else None
