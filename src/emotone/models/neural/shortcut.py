"""An ONNX model that also takes the power spectra of frames, where those are known already.

Windows of a stream overlap. Who hears them one after the other has most of their frames from the
window before, and computes only the new ones.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

POWER = "power"
"""Name of the optional input: float32 (n, bins, frames), as `FrontEnd` computes it."""


def offer_power(model: onnx.ModelProto, size: int) -> bool:
    """Let a model take power spectra in place of its waveform, if it has one transform of frames.

    Parameters
    ----------
    model
        Simplified, changed in place. What is between the waveform and the power spectrum becomes
        the branch of an ``If`` that is taken while ``power`` is empty, as it is by default. With
        it the waveform is not looked at, but has to be given.
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
    name, inner = found
    computed, given = f"{name}.computed", f"{name}.given"
    inside = [node for place, node in enumerate(graph.node) if place in inner]
    outside = [node for place, node in enumerate(graph.node) if place not in inner]
    for node in inside:
        node.output[:] = [computed if output == name else output for output in node.output]
    shape = [None, size // 2 + 1, None]
    branches = {
        "then_branch": helper.make_graph(
            [helper.make_node("Identity", [POWER], [given])],
            "known",
            [],
            [helper.make_tensor_value_info(given, TensorProto.FLOAT, shape)],
        ),
        "else_branch": helper.make_graph(
            inside,
            "sounding",
            [],
            [helper.make_tensor_value_info(computed, TensorProto.FLOAT, shape)],
        ),
    }
    graph.initializer.extend(
        [
            helper.make_tensor(POWER, TensorProto.FLOAT, [0, size // 2 + 1, 0], []),
            helper.make_tensor(f"{POWER}.none", TensorProto.INT64, [], [0]),
        ]
    )
    del graph.node[:]
    graph.node.extend(
        [
            helper.make_node("Size", [POWER], [f"{POWER}.size"]),
            helper.make_node("Greater", [f"{POWER}.size", f"{POWER}.none"], [f"{POWER}.known"]),
            helper.make_node("If", [f"{POWER}.known"], [name], f"{POWER}.choice", **branches),
            *outside,
        ]
    )
    graph.input.append(
        helper.make_tensor_value_info(
            POWER, TensorProto.FLOAT, ["n_known", size // 2 + 1, "frames_known"]
        )
    )
    return True


def _power_of(graph: onnx.GraphProto, size: int) -> tuple[str, set[int]] | None:
    """The power spectrum's name and the places of the nodes that serve it alone, or None."""
    nodes = list(graph.node)
    users: dict[str, list[int]] = defaultdict(list)
    makers: dict[str, int] = {}
    for place, node in enumerate(nodes):
        for name in node.input:
            users[name].append(place)
        for name in node.output:
            makers[name] = place
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
