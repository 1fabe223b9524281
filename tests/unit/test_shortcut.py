"""Models that take power spectra in place of the waveform."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from emotone.models.neural import bodies
from emotone.models.neural.export import round_weights, to_onnx
from emotone.models.neural.network import Network
from emotone.models.neural.settings import Settings, resolve
from emotone.models.neural.shortcut import offer_power
from emotone.models.quantization import quantize
from emotone.spectra import power

TINY: dict[str, dict[str, Any]] = {
    "crnn": {"width": 12, "lag_width": 4, "channels": [4, 4, 4], "blocks": 1},
    "cnn2d": {"channels": [4, 4, 4, 4]},
    "functionals": {"hidden": 8},
    "gru": {"width": 8, "layers": 1},
    "ridge": {},
}


def network(family: str) -> Network:
    """As it is before the training."""
    torch.manual_seed(0)
    body = bodies.make(Settings.of(family, resolve(family, TINY[family])), 16000)
    made = Network(body, torch.ones(1, 4, dtype=torch.bool)).eval()
    round_weights(made)
    return made


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    "families", [["crnn"], ["cnn2d"], ["functionals"], ["gru"], ["crnn", "functionals", "ridge"]]
)
def test_power_spectra_get_the_answer_of_their_waveform(families: list[str]) -> None:
    asked = session(to_onnx([(network(family), 0.5) for family in families], 0.5, 16000))
    assert [entry.name for entry in asked.get_inputs()] == ["waveform"]
    assert [entry.name for entry in asked.get_overridable_initializers()] == ["power"]
    random = np.random.default_rng(0)
    for length in (4800, 20001):
        sound = random.normal(0, 0.1, (3, length)).astype(np.float32)
        (heard,) = asked.run(None, {"waveform": sound})
        (seen,) = asked.run(None, {"waveform": np.zeros((1, 1), np.float32), "power": power(sound)})
        np.testing.assert_allclose(seen, heard, atol=1e-4)
    other = power(np.sin(np.arange(20001) / 9.0)[None].repeat(3, 0))
    (seen,) = asked.run(None, {"waveform": sound, "power": other})
    assert np.abs(seen - heard).max() > 1e-3  # the waveform is not looked at


def test_weights_of_eight_bits_take_them_too() -> None:
    made = network("ridge")
    with torch.no_grad():
        made.general.weight.copy_(made.general.weight.half().float())
    asked = session(quantize(to_onnx([(made, 5.0)], 1.0, 16000)))
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 9000)).astype(np.float32)
    (heard,) = asked.run(None, {"waveform": sound})
    (seen,) = asked.run(None, {"waveform": sound[:, :1], "power": power(sound)})
    np.testing.assert_allclose(seen, heard, atol=1e-4)


def test_what_hears_in_another_way_is_left_as_it_is() -> None:
    node = onnx.helper.make_node("Neg", ["waveform"], ["scores"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", "k"])
        for name in ("waveform", "scores")
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:]))
    before = model.SerializeToString()
    assert not offer_power(model, 512)
    assert model.SerializeToString() == before


def test_what_also_hears_the_waveform_is_left_as_it_is() -> None:
    model = onnx.load_from_string(to_onnx([(network("gru"), 1.0)], 1.0, 16000))
    choice = next(node for node in model.graph.node if node.op_type == "If")
    inside = next(a.g for a in choice.attribute if a.name == "else_branch")
    nodes = [node for node in model.graph.node if node.op_type not in ("If", "Size", "Greater")]
    name, computed = choice.output[0], inside.output[0].name
    for node in inside.node:
        node.output[:] = [name if each == computed else each for each in node.output]
    kept = [tensor for tensor in model.graph.initializer if not tensor.name.startswith("power")]
    restored = onnx.helper.make_graph(
        [*inside.node, *nodes], "g", model.graph.input[:1], model.graph.output, kept
    )
    undone = onnx.ModelProto()
    undone.CopyFrom(model)
    undone.graph.CopyFrom(restored)
    twice = onnx.ModelProto()
    twice.CopyFrom(undone)
    assert offer_power(undone, 512)
    twice.graph.node.append(onnx.helper.make_node("ReduceMax", ["waveform"], ["loudest"]))
    assert not offer_power(twice, 512)
