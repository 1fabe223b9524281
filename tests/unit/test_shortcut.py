"""Models that take power spectra in place of the waveform."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("lightning")

import onnx
import onnxruntime

import speech
from emotone.models import build
from emotone.models.neural.classifier import NeuralClassifier
from emotone.models.neural.hybrid import HybridClassifier
from emotone.models.quantization import quantize
from emotone.spectra import power

TINY = {
    "crnn": {"epochs": 1, "width": 12, "lag_width": 4, "channels": [4, 4, 4], "blocks": 1},
    "cnn2d": {"epochs": 1, "channels": [4, 4, 4, 4]},
    "functionals": {"epochs": 1, "hidden": 8, "views": 1},
    "gru": {"epochs": 1, "width": 8, "layers": 1},
}


def session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def fitted(family: str) -> NeuralClassifier | HybridClassifier:
    params = TINY.get(family) or {
        f"{member}.{key}": value
        for member in ("crnn", "functionals")
        for key, value in TINY[member].items()
    } | {"ridge.views": 1}
    sharp = 0.2 if family == "hybrid" else 0.02  # so that scores differ
    classifier = build(family, params={**params, "temperature": sharp})
    assert isinstance(classifier, (NeuralClassifier, HybridClassifier))
    clips, emotions, speakers = speech.clips()
    classifier.fit(clips, emotions, speakers)
    return classifier


@pytest.mark.parametrize("family", [*TINY, "hybrid"])
def test_power_spectra_get_the_answer_of_their_waveform(family: str) -> None:
    model = fitted(family).to_onnx()
    asked = session(model)
    assert [entry.name for entry in asked.get_inputs()] == ["waveform"]
    assert [entry.name for entry in asked.get_overridable_initializers()] == ["power"]
    random = np.random.default_rng(0)
    for length in (4800, 20001):
        sound = random.normal(0, 0.1, (3, length)).astype(np.float32)
        (heard,) = asked.run(None, {"waveform": sound})
        (seen,) = asked.run(None, {"waveform": np.zeros((1, 1), np.float32), "power": power(sound)})
        np.testing.assert_allclose(seen, heard, atol=1e-3)
    other = power(np.sin(np.arange(20001) / 9.0)[None].repeat(3, 0))
    (seen,) = asked.run(None, {"waveform": sound, "power": other})
    assert np.abs(seen - heard).max() > 1e-2  # the waveform is not looked at


def test_weights_of_eight_bits_take_them_too() -> None:
    classifier = build("functionals", params={"epochs": 1, "views": 1})
    assert isinstance(classifier, NeuralClassifier)
    clips, emotions, speakers = speech.clips()
    classifier.fit(clips, emotions, speakers)
    asked = session(quantize(classifier.to_onnx()))
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 9000)).astype(np.float32)
    (heard,) = asked.run(None, {"waveform": sound})
    (seen,) = asked.run(None, {"waveform": sound[:, :1], "power": power(sound)})
    np.testing.assert_allclose(seen, heard, atol=2e-5)


def test_what_hears_in_another_way_is_left_as_it_is() -> None:
    from emotone.models.neural.shortcut import offer_power

    node = onnx.helper.make_node("Neg", ["waveform"], ["scores"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", "k"])
        for name in ("waveform", "scores")
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:]))
    before = model.SerializeToString()
    assert not offer_power(model, 512)
    assert model.SerializeToString() == before
