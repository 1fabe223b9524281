"""The models of a bundle in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import bundles
from emotone import bundle
from emotone.bundle import Bundle, ModelInput
from emotone.errors import BundleError, UsageError
from emotone.models.neural import bodies
from emotone.models.neural.export import round_weights, to_onnx
from emotone.models.neural.network import Network
from emotone.models.neural.settings import Settings, resolve
from emotone.models.neural.shortcut import frames_model
from emotone.recognizer import Recognizer
from emotone.spectra import framed

SOUND = np.random.default_rng(0).normal(0, 0.1, (3, 9000)).astype(np.float32)


def exported(family: str, rate: int = 16000) -> bytes:
    """A small network as it is before the training."""
    torch.manual_seed(0)
    tiny = {"gru": {"width": 8, "layers": 1}, "functionals": {"hidden": 8}}[family]
    body = bodies.make(Settings.of(family, resolve(family, tiny)), rate)
    network = Network(body, torch.ones(1, len(bundles.EMOTIONS), dtype=torch.bool)).eval()
    round_weights(network)
    return to_onnx([(network, 1.0)], 1.0, rate)


def saved(path: Path, model: bytes, frames: bytes | None, rate: int = 16000) -> Recognizer:
    card = bundles.card(
        feature_set=None, feature_version=None, input=ModelInput("waveform", rate=rate)
    )
    bundle.write(path, model, card, frames=frames)
    return Recognizer(Bundle.open(path))


def test_described_frames_get_the_answer_of_their_waveform(tmp_path: Path) -> None:
    model = exported("gru")
    recognizer = saved(tmp_path / "mine", model, frames_model(model))
    assert recognizer.takes_frames
    frames = [recognizer.describe(framed(sound)) for sound in SOUND]
    expected = recognizer.hear(list(SOUND), 16000)
    np.testing.assert_allclose(recognizer.hear_frames(frames), expected, atol=1e-5)
    assert recognizer.hear_frames([]).shape == (0, len(bundles.EMOTIONS))


def test_without_a_model_of_frames_there_is_a_remedy(tmp_path: Path) -> None:
    recognizer = saved(tmp_path / "mine", exported("gru"), None)
    assert not recognizer.takes_frames
    for ask in (lambda: recognizer.describe(SOUND[:, :512]), lambda: recognizer.hear_frames([])):
        with pytest.raises(UsageError, match=r"hear\(\)"):
            ask()


def test_a_model_of_frames_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    gru = exported("gru")
    other = frames_model(exported("functionals"))  # describes more of each frame
    for frames in (other, bundles.random_model(5), gru):
        with pytest.raises(BundleError, match="does not describe frames as the model takes them"):
            _ = saved(tmp_path / "mine", gru, frames).takes_frames
    slow = exported("gru", 8000)
    with pytest.raises(BundleError, match="does not describe frames"):
        _ = saved(tmp_path / "mine", slow, frames_model(slow), 8000).takes_frames
