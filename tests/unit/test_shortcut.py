"""Models that take described frames in place of the waveform."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch

from emotone.models.neural import bodies
from emotone.models.neural.export import round_weights, to_onnx
from emotone.models.neural.network import Network
from emotone.models.neural.parameters import resolve
from emotone.models.neural.settings import Settings
from emotone.models.neural.shortcut import frames_model, offer_frames
from emotone.models.quantization import quantize
from emotone.runtime import PADDED
from emotone.spectra import framed, power

TINY: dict[str, dict[str, Any]] = {
    "crnn": {"width": 12, "lag_width": 4, "channels": [4, 4, 4], "blocks": 1},
    "cnn1d": {"width": 4},
    "cnn2d": {"channels": [4, 4, 4, 4]},
    "conformer": {"width": 8, "blocks": 1, "heads": 2},
    "functionals": {"hidden": 8},
    "gru": {"width": 8, "layers": 1},
    "ridge": {},
}


def network(family: str, **settings: Any) -> Network:
    """As it is before the training."""
    torch.manual_seed(0)
    chosen = resolve(family, {**TINY[family], **settings})
    body = bodies.make(Settings.of(family, chosen), 16000)
    made = Network(body, torch.ones(1, 4, dtype=torch.bool)).eval()
    round_weights(made)
    return made


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def described(model: bytes, sounds: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    small = frames_model(model, 16000)
    assert small is not None
    asked = session(small)
    assert [entry.name for entry in asked.get_inputs()] == ["power"]
    (found,) = asked.run(["frames"], {"power": power(framed(sounds)).transpose(0, 2, 1)})
    return np.asarray(found)


@pytest.mark.parametrize(
    "families", [["crnn"], ["cnn2d"], ["functionals"], ["gru"], ["crnn", "functionals", "ridge"]]
)
def test_described_frames_get_the_answer_of_their_waveform(families: list[str]) -> None:
    model = to_onnx([(network(family), 0.5) for family in families], 0.5, 16000)
    asked = session(model)
    assert [entry.name for entry in asked.get_inputs()] == ["waveform"]
    assert [entry.name for entry in asked.get_overridable_initializers()] == ["frames"]
    random = np.random.default_rng(0)
    for length in (4800, 20001):
        sound = random.normal(0, 0.1, (3, length)).astype(np.float32)
        (heard,) = asked.run(None, {"waveform": sound})
        frames = described(model, sound)
        (seen,) = asked.run(None, {"waveform": np.zeros((1, 1), np.float32), "frames": frames})
        np.testing.assert_allclose(seen, heard, atol=1e-4)
    other = described(model, np.sin(np.arange(20001) / 9.0)[None].repeat(3, 0).astype(np.float32))
    (seen,) = asked.run(None, {"waveform": sound, "frames": other})
    assert np.abs(seen - heard).max() > 1e-3  # the waveform is not looked at


def test_frames_are_described_each_by_itself() -> None:
    model = to_onnx([(network("crnn"), 0.5), (network("functionals"), 0.5)], 0.5, 16000)
    sound = np.random.default_rng(0).normal(0, 0.1, (1, 9000)).astype(np.float32)
    whole = described(model, sound)
    small = frames_model(model, 16000)
    assert small is not None
    asked = session(small)
    spectra = power(framed(sound)).transpose(0, 2, 1)
    for place in (0, 17, whole.shape[2] - 1):
        (alone,) = asked.run(None, {"power": spectra[:, :, place : place + 1]})
        np.testing.assert_allclose(alone[0, :, 0], whole[0, :, place], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["crnn", "cnn1d", "cnn2d", "conformer", "functionals", "ridge"])
def test_columns_of_zeros_after_frames_change_nothing(family: str) -> None:
    settings = {"recurrent": 0, "attention": 1} if family == "crnn" else {}
    model = to_onnx([(network(family, **settings), 0.5)], 0.5, 16000)
    assert session(model).get_modelmeta().custom_metadata_map[PADDED] == "ignored"
    assert session(quantize(model)).get_modelmeta().custom_metadata_map[PADDED] == "ignored"
    sound = np.random.default_rng(0).normal(0, 0.1, (1, 13_000)).astype(np.float32)
    sound *= 1 + np.sin(np.arange(13_000) / 700)
    frames = described(model, sound)
    unheard = np.zeros((1, 1), np.float32)
    for more in (1, 2, 3, 121):
        padded = np.pad(frames, [(0, 0), (0, 0), (0, more)])
        given = [{"waveform": unheard, "frames": some} for some in (frames, padded)]
        alone, beside = (session(model).run(None, each)[0] for each in given)
        np.testing.assert_allclose(beside, alone, atol=1e-5)


@pytest.mark.parametrize("family", ["gru", "crnn"])
def test_a_recurrent_network_reads_zeros_too_and_says_so(family: str) -> None:
    model = to_onnx([(network(family), 0.5), (network("ridge"), 0.5)], 0.5, 16000)
    assert PADDED not in session(model).get_modelmeta().custom_metadata_map


def test_equal_weights_give_an_equal_model_of_frames() -> None:
    models = [to_onnx([(network("crnn"), 0.5)], 0.5, 16000) for _ in range(2)]
    assert frames_model(models[0], 16000) == frames_model(models[1], 16000)


def test_weights_of_eight_bits_take_them_too() -> None:
    made = network("ridge")
    with torch.no_grad():
        weight = made.general.functionals.weight
        weight.copy_(weight.half().float())
    whole = to_onnx([(made, 5.0)], 1.0, 16000)
    smaller = quantize(whole)
    assert frames_model(smaller, 16000) == frames_model(whole, 16000)
    asked = session(smaller)
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 9000)).astype(np.float32)
    (heard,) = asked.run(None, {"waveform": sound})
    frames = described(smaller, sound)
    (seen,) = asked.run(None, {"waveform": sound[:, :1], "frames": frames})
    np.testing.assert_allclose(seen, heard, atol=1e-4)


def test_a_model_over_features_has_none() -> None:
    node = onnx.helper.make_node("Neg", ["features"], ["scores"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", "k"])
        for name in ("features", "scores")
    ]
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    assert frames_model(onnx.helper.make_model(graph).SerializeToString(), 16000) is None


def test_what_hears_in_another_way_is_left_as_it_is() -> None:
    node = onnx.helper.make_node("Neg", ["waveform"], ["scores"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", "k"])
        for name in ("waveform", "scores")
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:]))
    before = model.SerializeToString()
    assert not offer_frames(model, 512)
    assert model.SerializeToString() == before


def test_what_also_hears_the_waveform_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotone.models.neural.export.offer_frames", lambda *_: False)
    model = onnx.load_from_string(to_onnx([(network("gru"), 1.0)], 1.0, 16000))
    twice = onnx.ModelProto()
    twice.CopyFrom(model)
    assert offer_frames(model, 512)
    twice.graph.node.append(onnx.helper.make_node("ReduceMax", ["waveform"], ["loudest"]))
    assert not offer_frames(twice, 512)
