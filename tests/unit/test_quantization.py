"""Weights in eight bits: smaller, nearly the same answers, loaded like any model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import bundles
import emotone
import speech
from emotone import bundle
from emotone.bundle import Bundle
from emotone.cli.app import run
from emotone.errors import UsageError
from emotone.models import build
from emotone.models.quantization import quantize

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_default_in_eight_bits_is_smaller_and_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "small.emotone"
    assert run(["models", "export", "default", str(target), "--int8"]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(target)
    assert "MB in place of" in printed.err
    before = Bundle.open(bundle.find("default"))
    after = Bundle.open(target)
    assert len(after.model) < 0.65 * len(before.model)
    assert "8 bits" in after.card.notes["weights"]
    assert after.card.model == f"{before.card.model}-int8"
    assert run(["models", "verify", str(target)]) == 0
    full, small = emotone.load(), emotone.load(target)
    for clip in sorted(EXAMPLES.glob("*.flac")):
        first, second = full.predict(clip), small.predict(clip)
        assert first.emotion == second.emotion
        scores = [list(p.scores.values()) for p in (first, second)]
        assert np.abs(np.subtract(*scores)).max() < 0.03
    assert quantize(before.model) == after.model  # the same each time


def test_recurrent_layers_are_quantized_too() -> None:
    import onnx
    from onnx import TensorProto

    clips, emotions, speakers = speech.clips()
    classifier = build("gru", params={"width": 64, "epochs": 1, "batch_size": 16, "ema": 0.5})
    classifier.fit(clips, emotions, groups=speakers)
    model = classifier.to_onnx()
    smaller = quantize(model)
    kinds = {tensor.data_type for tensor in onnx.load_from_string(smaller).graph.initializer}
    assert TensorProto.INT8 in kinds
    assert TensorProto.FLOAT16 not in kinds
    scores = [
        onnxruntime.InferenceSession(each).run(None, {"waveform": clips[0][None]})[0]
        for each in (model, smaller)
    ]
    assert np.abs(scores[0] - scores[1]).max() < 0.02
    with pytest.raises(UsageError, match="eight bits already"):
        quantize(smaller)


def test_a_model_without_such_weights_is_refused(tmp_path: Path) -> None:
    model = bundles.linear_model(np.eye(13, 4), np.zeros(4), kind="features")
    with pytest.raises(UsageError, match="no large weights"):
        quantize(model)
