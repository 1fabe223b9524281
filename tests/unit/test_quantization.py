"""Weights in eight bits: smaller, nearly the same answers, loaded like any model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import emotone
from emotone import bundle
from emotone.bundle import Bundle
from emotone.cli.app import run
from emotone.errors import UsageError
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
    assert len(after.model) < 0.8 * len(before.model)
    assert "8 bits" in after.card.notes["weights"]
    assert run(["models", "verify", str(target)]) == 0
    full, small = emotone.load(), emotone.load(target)
    for clip in sorted(EXAMPLES.glob("*.flac")):
        first, second = full.predict(clip), small.predict(clip)
        assert first.emotion == second.emotion
        scores = [list(p.scores.values()) for p in (first, second)]
        assert np.abs(np.subtract(*scores)).max() < 0.03
    assert quantize(before.model) == after.model  # the same each time


def test_a_model_without_such_weights_is_refused(tmp_path: Path) -> None:
    import bundles

    model = bundles.linear_model(np.eye(13, 4), np.zeros(4), kind="features")
    with pytest.raises(UsageError, match="no large weights"):
        quantize(model)
