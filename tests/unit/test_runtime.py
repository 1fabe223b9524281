"""The models of a bundle in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import bundles
from emotone import bundle
from emotone.bundle import Bundle, ModelInput
from emotone.errors import AudioError, BundleError, FeatureError, UsageError
from emotone.models.neural import bodies
from emotone.models.neural.export import round_weights, to_onnx
from emotone.models.neural.network import Network
from emotone.models.neural.parameters import resolve
from emotone.models.neural.settings import Settings
from emotone.models.neural.shortcut import frames_model
from emotone.recognizer import Recognizer
from emotone.spectra import framed
from emotone.verification import verify

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
    recognizer = saved(tmp_path / "mine", model, frames_model(model, 16000))
    assert recognizer.takes_frames
    frames = [recognizer.describe(framed(sound)) for sound in SOUND]
    expected = recognizer.hear(list(SOUND), 16000)
    np.testing.assert_allclose(recognizer.hear_frames(frames), expected, atol=1e-5)
    assert recognizer.hear_frames([]).shape == (0, len(bundles.EMOTIONS))


@pytest.mark.parametrize("family", ["functionals", "gru"])
def test_windows_of_several_lengths_are_heard_as_each_alone(tmp_path: Path, family: str) -> None:
    model = exported(family)
    recognizer = saved(tmp_path / "mine", model, frames_model(model, 16000))
    random = np.random.default_rng(1)
    lengths = [6000, 9000, 9000, 5200, 6000, 30_000, 7000]
    sounds = [random.normal(0, 0.1, size).astype(np.float32) for size in lengths]
    sounds[3][:] = 0  # beside which padding would be as loud as anything
    frames = [recognizer.describe(framed(sound)) for sound in sounds]
    alone = np.concatenate([recognizer.hear_frames([each]) for each in frames])
    runs = []
    run = recognizer._runtime.scores_of_frames

    def counted(windows: np.ndarray) -> np.ndarray:
        runs.append(windows.shape)
        return run(windows)

    recognizer._runtime.scores_of_frames = counted  # type: ignore[method-assign]
    np.testing.assert_allclose(recognizer.hear_frames(frames), alone, rtol=1e-6)
    np.testing.assert_allclose(alone, recognizer.hear(sounds, 16000), atol=1e-5)
    assert sum(count for count, _, _ in runs) == len(sounds)
    assert len(runs) == (3 if family == "functionals" else len(set(lengths)))


def test_without_a_model_of_frames_there_is_a_remedy(tmp_path: Path) -> None:
    recognizer = saved(tmp_path / "mine", exported("gru"), None)
    assert not recognizer.takes_frames
    for ask in (lambda: recognizer.describe(SOUND[:, :512]), lambda: recognizer.hear_frames([])):
        with pytest.raises(UsageError, match=r"hear\(\)"):
            ask()


def test_a_model_of_frames_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    gru = exported("gru")
    other = frames_model(exported("functionals"), 16000)  # describes more of each frame
    for frames in (other, bundles.random_model(5), gru):
        recognizer = saved(tmp_path / "mine", gru, frames)
        with pytest.raises(BundleError, match="does not describe frames as the model takes them"):
            recognizer.describe(framed(SOUND[0]))
        assert not verify(tmp_path / "mine")[-1].passed
    recognizer = saved(tmp_path / "mine", gru, other)
    assert recognizer.hear(list(SOUND), 16000).shape == (3, len(bundles.EMOTIONS))  # all the same


def test_a_model_of_another_rate_has_no_frames(tmp_path: Path) -> None:
    slow = exported("gru", 8000)
    assert frames_model(slow, 8000) is None
    recognizer = saved(tmp_path / "mine", slow, None, 8000)
    assert not recognizer.takes_frames
    assert recognizer.hear(list(SOUND), 8000).shape == (3, len(bundles.EMOTIONS))
    assert verify(tmp_path / "mine")[-1].passed


def changed(frames: bytes, operator: str, *constants: float) -> bytes:
    """The same shape of answer, but something else in it."""
    model = onnx.load_from_string(frames)
    last = model.graph.node[-1]
    last.output[0] = "before"
    names = []
    for number, value in enumerate(constants):
        names.append(f"constant{number}")
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(value, np.float32), names[-1])
        )
    model.graph.node.append(onnx.helper.make_node(operator, ["before", *names], ["frames"]))
    return bytes(model.SerializeToString())


def test_frames_that_say_something_else_do_not_pass(tmp_path: Path) -> None:
    model = exported("gru")
    frames = frames_model(model, 16000)
    assert frames is not None
    saved(tmp_path / "mine", model, frames)
    assert verify(tmp_path / "mine")[-1].passed
    saved(tmp_path / "other", model, changed(frames, "Mul", 7.0))
    assert verify(tmp_path / "other")[-1].passed  # the level of a sound says nothing
    for operator, constants in (("Sqrt", ()), ("Mul", (np.nan,)), ("Pow", (3.0,))):
        saved(tmp_path / "other", model, changed(frames, operator, *constants))
        last = verify(tmp_path / "other")[-1]
        assert not last.passed, operator
        assert "frames.onnx" in last.detail


def test_what_is_no_sound_is_said_to_be_none(tmp_path: Path) -> None:
    model = exported("gru")
    recognizer = saved(tmp_path / "mine", model, frames_model(model, 16000))
    for frames in (SOUND[:, :400], SOUND[0, :512], SOUND[:0, :512]):
        with pytest.raises(AudioError, match="frames of the shape"):
            recognizer.describe(frames)
    with pytest.raises(AudioError, match="finite"):
        recognizer.describe(SOUND[:, :512] * np.nan)
    with pytest.raises(FeatureError, match="described frames of the shape"):
        recognizer.hear_frames([SOUND[0]])
    for sound, cause in ((SOUND[0, :400], "0.025 s"), (SOUND, "shape"), (SOUND[0] * np.nan, "fin")):
        with pytest.raises(AudioError, match=cause):
            recognizer.hear([sound], 16000)
