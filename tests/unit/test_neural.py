"""Every neural family: it learns, its ONNX form agrees, and a training that is cut off goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import speech
from emotone import audio
from emotone.audio.clips import Clips
from emotone.bundle.graph import inspect
from emotone.errors import EmotoneWarning, TrainingError, UsageError
from emotone.features.waveforms import DEFAULT_PREPARATION
from emotone.models import NeuralClassifier, build
from emotone.models.neural import bodies, export
from emotone.models.neural.data import LabelledClips, TrainingBatches
from emotone.models.neural.devices import chosen_devices
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.network import Network
from emotone.models.neural.parameters import resolve
from emotone.models.neural.settings import CLOSED_FORM, Settings, TrainingSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TESTS = Path(__file__).resolve().parents[1]
SMALL: dict[str, dict[str, Any]] = {
    "cnn1d": {"width": 8, "embedding": 16},
    "cnn2d": {"channels": [4, 8, 8, 8], "embedding": 16},
    "lstm": {"width": 16, "embedding": 16},
    "gru": {"width": 16, "embedding": 16},
    "crnn": {"channels": [4, 4, 8], "width": 24, "lag_width": 8, "blocks": 2, "embedding": 16},
    "conformer": {"width": 16, "blocks": 2, "embedding": 16},
    "functionals": {"hidden": 16, "embedding": 16, "views": 2},
    "ridge": {},
}
QUICK = {"epochs": 2, "batch_size": 16, "ema": 0.5}


def fitted(family: str = "crnn", seed: int = 0, **params: Any) -> NeuralClassifier:
    clips, emotions, speakers = speech.clips()
    quick = {} if family in CLOSED_FORM else QUICK
    classifier = build(family, params={**SMALL[family], **quick, **params}, seed=seed)
    assert isinstance(classifier, NeuralClassifier)
    return classifier.fit(clips, emotions, groups=speakers)


def run(model: bytes, waveforms: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"waveform": waveforms})
    return np.asarray(scores)


@pytest.mark.parametrize("family", SMALL)
def test_the_onnx_form_agrees_on_real_clips_of_any_length(family: str) -> None:
    classifier = fitted(family)
    model = classifier.to_onnx()
    for name in ("low-voice.flac", "raised-voice.flac"):
        samples = DEFAULT_PREPARATION.apply(audio.read(EXAMPLES / name)).samples
        for length in (4800, 20001, len(samples)):
            clips = Clips.of([samples[:length]], 16000)
            np.testing.assert_allclose(
                run(model, clips[0][None]), classifier.scores(clips), atol=1e-4
            )
    several = Clips.of([samples[start : start + 9000] for start in (0, 3000, 6000)], 16000)
    together = run(model, np.stack([several[i] for i in range(3)]))
    np.testing.assert_allclose(together, classifier.scores(several), atol=1e-4)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    assert inspect(model).nodes > 10
    assert len(model) < 10_000_000


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = fitted(seed=1), fitted(seed=1), fitted(seed=2)
    assert first.to_onnx() == again.to_onnx()
    assert first.to_onnx() != other.to_onnx()
    assert first.loss_curve_ == again.loss_curve_


def test_it_learns_and_says_how_sure_it_is() -> None:
    clips, emotions, speakers = speech.clips(96, 6)
    new, truth, _ = speech.clips(32, 3, seed=5)
    classifier = build("gru", params={"epochs": 12, "batch_size": 16, "ema": 0.8, "lr": 0.005})
    assert isinstance(classifier, NeuralClassifier)
    classifier.fit(clips, emotions, groups=speakers, watch=(new, truth))
    assert classifier.classes_.tolist() == ["neutral", "happy", "sad", "angry"]
    scores = classifier.scores(new)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (classifier.predict(new) == np.array(truth)).mean() > 0.7  # chance is 0.25
    assert classifier.loss_curve_[-1] < classifier.loss_curve_[0]
    assert len(classifier.watch_curve_) == len(classifier.validation_curve_)
    assert classifier.calibration_["method"] == "temperature"
    assert classifier.calibration_["grouped_by"] == "speaker"
    assert classifier.calibration_["temperature"] == pytest.approx(classifier.temperature_, 1e-5)


def test_too_few_clips_to_hold_some_out_are_said_to_be() -> None:
    clips, emotions, _ = speech.clips()
    first = [emotions.index(emotion) for emotion in sorted(set(emotions))]
    classifier = build("cnn1d", params={**SMALL["cnn1d"], **QUICK})
    with pytest.warns(EmotoneWarning, match="too few to hold some out"):
        classifier.fit(clips[np.array(first)], [emotions[i] for i in first])
    assert classifier.calibration_["method"] == "none"


def test_no_speaker_is_both_trained_on_and_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotone.models.neural import trainer
    from emotone.models.neural.data import TrainingData

    seen = {}
    whole = trainer.fit

    def fit(network: Any, data: TrainingData, *args: Any, **kwargs: Any) -> Any:
        seen["data"] = data
        return whole(network, data, *args, **kwargs)

    monkeypatch.setattr(trainer, "fit", fit)
    clips, _, speakers = speech.clips()
    fitted("cnn1d", validation=0.25)
    who = dict(zip(clips.starts.tolist(), speakers, strict=True))
    data = seen["data"]
    assert data.validation is not None
    trained = {who[start] for start in data.training.clips.starts.tolist()}
    held = {who[start] for start in data.validation.clips.starts.tolist()}
    assert len(trained) == 3
    assert len(held) == 1
    assert not trained & held


def test_it_stops_early_and_keeps_the_best_epoch() -> None:
    # The rate of learning is so high that it only gets worse.
    classifier = fitted("cnn1d", epochs=30, patience=2, lr=3.0, warmup=0.9, augment=False)
    curve = classifier.validation_curve_
    best = int(np.argmin(curve))
    assert len(curve) == best + 3 < 30
    endless = fitted("cnn1d", epochs=30, patience=None, lr=3.0, warmup=0.9, augment=False)
    assert len(endless.validation_curve_) == 30
    assert endless.validation_curve_[: len(curve)] == curve


def test_without_validation_it_trains_on_everything_to_the_end() -> None:
    classifier = fitted("cnn1d", validation=0, epochs=3, patience=1)
    assert len(classifier.loss_curve_) == 3
    assert classifier.validation_curve_ == []
    assert classifier.calibration_ == {"method": "none", "temperature": 1.0}
    fixed = fitted("cnn1d", validation=0, temperature=2.5)
    assert fixed.calibration_ == {"method": "fixed", "temperature": 2.5}


def test_each_corpus_has_a_head_over_its_own_emotions() -> None:
    clips, emotions, speakers = speech.clips()
    corpora = ["second" if i % 4 == 3 or i % 8 == 0 else "first" for i in range(len(clips))]
    classifier = build("cnn1d", params={**SMALL["cnn1d"], **QUICK})
    assert isinstance(classifier, NeuralClassifier)
    classifier.fit(clips, emotions, groups=speakers, corpora=corpora)
    assert classifier.corpora_ == ["first", "second"]
    general = classifier.scores(clips[:2])
    known = classifier.scores(clips[:2], corpora=["second", "unheard-of"])
    np.testing.assert_allclose(known.sum(axis=1), 1)
    emotions_of_second = np.isin(classifier.classes_, ["neutral", "angry"])
    assert (known[0, ~emotions_of_second] == 0).all()
    assert (known[0, emotions_of_second] > 0).all()
    np.testing.assert_allclose(known[1], general[1])
    np.testing.assert_allclose(run(classifier.to_onnx(), clips[1][None])[0], general[1], atol=1e-4)


def labelled(emotions: list[int], corpora: list[int]) -> LabelledClips:
    n = len(emotions)
    clips = Clips.of([np.full(100 + i, 0.1) for i in range(n)], 16000)
    return LabelledClips(clips, np.array(emotions), np.array(corpora), np.ones(n, dtype=np.float32))


def drawn(data: LabelledClips, epoch: int = 0, balanced: bool = False, **params: Any) -> np.ndarray:
    settings = TrainingSettings(batch_size=4, **params)
    batches = TrainingBatches(
        data, ["a", "b"], settings, seed=0, epoch=epoch, balanced=balanced
    ).batches
    return np.concatenate([rows for _, rows in batches])


def test_an_epoch_draws_as_many_of_each_corpus_as_it_is_told() -> None:
    data = labelled([0, 1] * 10, [0] * 12 + [1] * 8)
    assert sorted(drawn(data).tolist()) == list(range(20))
    rows = drawn(data, clips_per_epoch={"a": 4, "b": 20})
    counts = np.bincount(rows, minlength=20)
    assert counts[:12].sum() == 4
    assert counts[12:].sum() == 20
    assert counts[12:].min() == 2
    assert drawn(data, epoch=1).tolist() != drawn(data, epoch=0).tolist()


def test_balancing_draws_every_emotion_of_a_corpus_as_often() -> None:
    data = labelled([0] * 9 + [1] * 3 + [0] * 2 + [1] * 6, [0] * 12 + [1] * 8)
    rows = drawn(data, balanced=True)
    for corpus, clips in ((0, 12), (1, 8)):
        inside = rows[data.corpora[rows] == corpus]
        assert np.bincount(data.labels[inside]).tolist() == [clips // 2] * 2


def test_rare_emotions_weigh_more_where_they_are_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotone.models.neural import trainer

    seen: list[LabelledClips] = []

    def fit(network: Any, data: Any, *args: Any, **kwargs: Any) -> None:
        seen.append(data.training)
        raise Killed

    monkeypatch.setattr(trainer, "fit", fit)
    clips, emotions, speakers = speech.clips()
    emotions = ["happy" if emotion == "sad" else emotion for emotion in emotions]
    for weight in (None, "balanced"):
        classifier = build("cnn1d", params=SMALL["cnn1d"], class_weight=weight)
        with pytest.raises(Killed):
            classifier.fit(clips, emotions, groups=speakers)
    plain, balanced = seen
    assert (plain.weights == 1).all()
    happy = balanced.labels == 1
    assert 0 < happy.sum() < len(happy)
    np.testing.assert_allclose(balanced.weights[happy], 48 / (3 * 24))
    np.testing.assert_allclose(balanced.weights[~happy], 48 / (3 * 12))


def test_what_cannot_be_learned_from_is_refused() -> None:
    clips, emotions, _ = speech.clips(8)
    classifier = build("cnn1d", params=SMALL["cnn1d"])
    with pytest.raises(TrainingError, match="hears clips, not features"):
        classifier.fit(np.zeros((8, 3)), emotions)
    with pytest.raises(TrainingError, match="1 emotion"):
        classifier.fit(clips, ["sad"] * 8)
    with pytest.raises(TrainingError, match="7 labels"):
        classifier.fit(clips, emotions[:7])
    with pytest.raises(TrainingError, match="not been fitted"):
        classifier.scores(clips)
    with pytest.raises(TrainingError, match="none of them is trained on"):
        build("cnn1d", params={"clips_per_epoch": {"ravdess": 5}}).fit(clips, emotions)
    mistyped = {"clips_per_epoch": {"ravdes": 5, "emodb": 5, "casia": 5}}
    with pytest.raises(TrainingError, match="ravdes, which is not trained on") as caught:
        build("cnn1d", params=mistyped).fit(clips, emotions, corpora=["ravdess", "emodb"] * 4)
    assert caught.value.remedy == "Did you mean 'ravdess'?"
    with pytest.raises(TrainingError, match="takes features, not clips"):
        build("knn").fit(clips, emotions)
    with pytest.raises(UsageError, match="no features to select"):
        build("crnn", select=10)
    other = Clips.of([np.ones(8000)], 8000)
    with pytest.raises(TrainingError, match="8000 Hz"):
        fitted("cnn1d").scores(other)


# -- cut off and resumed


class Killed(Exception):  # noqa: N818
    """Stands for whatever ends a training."""


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_training_goes_on_where_it_was_cut_off(tmp_path: Path, optimizer: str) -> None:
    base = {**SMALL["crnn"], **QUICK, "optimizer": optimizer}
    clips, emotions, speakers = speech.clips()

    def train(files: TrainingFiles, stop_at: int | None = None) -> NeuralClassifier:
        steps = []

        def progress(done: int, total: int, said: str) -> None:
            steps.append(done)
            if done == stop_at:
                raise Killed

        params = {**base, "epochs": 4, "cycles": 2}
        classifier = build("crnn", params=params)
        assert isinstance(classifier, NeuralClassifier)
        try:
            classifier.fit(clips, emotions, groups=speakers, files=files, progress=progress)
        finally:
            taken.append(steps)
        return classifier

    taken: list[list[int]] = []
    whole = train(TrainingFiles())
    per_epoch = len(taken[0]) // 4
    EventAccumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    files = TrainingFiles(tmp_path / "state", tmp_path / "logs")
    with pytest.raises(Killed):
        train(files, stop_at=2 * per_epoch + 1)  # in the third epoch
    resumed = train(files)
    assert taken[2] == list(range(2 * per_epoch + 1, 4 * per_epoch + 1))
    assert resumed.loss_curve_ == whole.loss_curve_
    assert resumed.validation_curve_ == whole.validation_curve_
    assert resumed.to_onnx() == whole.to_onnx()
    logged = EventAccumulator(str(tmp_path / "logs")).Reload()
    losses = logged.Scalars("training_loss")
    assert len(losses) >= 4  # one per epoch at least, few as the steps are

    again = train(files)  # nothing is left to do
    assert taken[3] == []
    assert again.to_onnx() == whole.to_onnx()

    other = build("crnn", params={**base, "epochs": 6, "cycles": 2})
    with pytest.raises(TrainingError, match=r"with other epochs per cycle.*--fresh"):
        other.fit(clips, emotions, groups=speakers, files=files)  # type: ignore[call-arg]
    with pytest.raises(TrainingError, match="with other clips"):
        build("crnn", params={**base, "epochs": 4, "cycles": 2}).fit(
            clips[:40],
            emotions[:40],
            groups=speakers[:40],
            files=files,  # type: ignore[call-arg]
        )
    (tmp_path / "state" / "last.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="cannot be read"):
        train(files)
    fresh = train(TrainingFiles(tmp_path / "state", fresh=True))
    assert fresh.to_onnx() == whole.to_onnx()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["last.ckpt"]


def test_the_learning_rate_rises_and_falls_in_each_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *given: Any, **named: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *given, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)

    def course(epochs: int, cycles: int, files: TrainingFiles | None = None) -> list[float]:
        rates.clear()
        clips, emotions, speakers = speech.clips()
        params = {**SMALL["crnn"], **QUICK, "epochs": epochs, "cycles": cycles, "lr": 0.002}
        classifier = build("crnn", params=params)
        assert isinstance(classifier, NeuralClassifier)
        classifier.fit(clips, emotions, groups=speakers, files=files or TrainingFiles())
        return list(rates)

    once = course(2, 1)
    assert 0.0015 < max(once) <= 0.002
    assert once[-1] < once[0] < max(once)
    assert course(4, 2) == pytest.approx(once * 2)


def test_cycles_divide_the_epochs_and_are_outlasted() -> None:
    with pytest.raises(UsageError, match="5 epochs do not divide into 2 cycles"):
        build("crnn", params={"epochs": 5, "cycles": 2})
    with pytest.raises(UsageError, match=r"patience of 15 epochs ends before a cycle of 20"):
        build("crnn", params={"epochs": 40, "cycles": 2})
    build("crnn", params={"epochs": 40, "cycles": 2, "patience": None})
    build("crnn", params={"epochs": 40, "cycles": 2, "validation": 0})


def _trained(folder: Path, **params: Any) -> NeuralClassifier:
    clips, emotions, speakers = speech.clips()
    classifier = build("crnn", params={**SMALL["crnn"], **QUICK, **params})
    assert isinstance(classifier, NeuralClassifier)
    return classifier.fit(clips, emotions, groups=speakers, files=TrainingFiles(folder))


def test_a_training_begun_before_a_setting_was_known_goes_on(tmp_path: Path) -> None:
    before = _trained(tmp_path)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    known = state["emotone"]["fingerprint"]
    del known["epochs per cycle"]
    known["epochs"] = json.dumps(QUICK["epochs"])  # and nothing of cycles
    known["precision"] = json.dumps("auto")
    torch.save(state, tmp_path / "last.ckpt")
    assert _trained(tmp_path).to_onnx() == before.to_onnx()
    with pytest.raises(TrainingError, match="with other epochs per cycle"):
        _trained(tmp_path, cycles=2)


def test_more_cycles_go_on_from_fewer(tmp_path: Path) -> None:
    kept = {"patience": None}
    whole = _trained(tmp_path / "whole", epochs=4, cycles=2, **kept)
    begun = _trained(tmp_path / "state", epochs=2, cycles=1, **kept)
    longer = _trained(tmp_path / "state", epochs=4, cycles=2, **kept)
    assert longer.loss_curve_ == whole.loss_curve_ != begun.loss_curve_
    assert longer.to_onnx() == whole.to_onnx()
    with pytest.raises(TrainingError, match="after 4 epochs, and 2 are asked for"):
        _trained(tmp_path / "state", epochs=2, cycles=1, **kept)


def test_a_training_goes_on_in_the_precision_that_it_was_begun_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def machine(bfloat16: bool) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16})

    machine(False)
    assert _trained(tmp_path).params["precision"] == "32-true"
    machine(True)
    with pytest.raises(TrainingError, match=r"with other precision.*precision=32-true"):
        _trained(tmp_path)
    assert _trained(tmp_path, precision="32-true").params["precision"] == "32-true"
    assert _trained(tmp_path / "new").params["precision"] == "bf16-mixed"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_accelerator_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no device for accelerator=gpu.*auto"):
        _trained(tmp_path, accelerator="gpu")


def test_more_devices_than_there_are_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert chosen_devices("auto", "auto") == ("cuda", 2)
    with pytest.raises(TrainingError, match=r"devices=3, but this machine has 2"):
        chosen_devices("gpu", 3)


def test_clearing_removes_checkpoints_and_nothing_else(tmp_path: Path) -> None:
    files = TrainingFiles(tmp_path / "state")
    for name in ("fold-1", "all", "fold-2/crnn", "fold-2/functionals"):
        part = files.part(name).checkpoints
        assert part is not None
        part.mkdir(parents=True)
        (part / "last.ckpt").write_bytes(b"")
    (tmp_path / "state" / "all" / "notes.txt").write_text("mine")
    files.clear()
    left = sorted(path.name for path in (tmp_path / "state").rglob("*"))
    assert left == ["all", "notes.txt"]


SCRIPT = """
import sys
import time
from pathlib import Path
import speech
from emotone.models import build
from emotone.models.neural.files import TrainingFiles
clips, emotions, speakers = speech.clips()
params = {"epochs": 6, "batch_size": 8, "width": 8, "embedding": 16}
classifier = build("cnn1d", params=params)
def progress(done, total, said):
    print(done, flush=True)
    if done == int(sys.argv[3]):
        time.sleep(600)  # until it is killed
classifier.fit(clips, emotions, groups=speakers, files=TrainingFiles(Path(sys.argv[1])),
               progress=progress)
Path(sys.argv[2]).write_bytes(classifier.to_onnx())
"""


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}

    def start(state: str, out: str, until: int = -1) -> subprocess.Popen[str]:
        paths = [str(tmp_path / state), str(tmp_path / out)]
        command = [sys.executable, "-c", SCRIPT, *paths, str(until)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    whole = start("whole", "whole.onnx")
    cut = start("cut", "cut.onnx", until=13)
    assert cut.stdout is not None
    for line in cut.stdout:
        if int(line) == 13:
            cut.send_signal(signal.SIGKILL)
    assert cut.wait() == -signal.SIGKILL
    assert not (tmp_path / "cut.onnx").exists()
    resumed = start("cut", "cut.onnx")
    said = resumed.communicate()[0].split()
    steps = len(whole.communicate()[0].split())
    assert resumed.returncode == whole.returncode == 0
    assert int(said[0]) == 1 + 12 // (steps // 6) * (steps // 6)  # after the last full epoch
    assert (tmp_path / "cut.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()


def test_ctrl_c_is_ctrl_c() -> None:
    clips, emotions, speakers = speech.clips(16)
    before = signal.getsignal(signal.SIGINT)

    def progress(done: int, total: int, said: str) -> None:
        raise KeyboardInterrupt

    classifier = build("cnn1d", params={**SMALL["cnn1d"], **QUICK})
    assert isinstance(classifier, NeuralClassifier)
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(clips, emotions, groups=speakers, progress=progress)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_leaves_the_callers_randomness_alone() -> None:
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    expected = torch.rand(2), np.random.rand()  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    fitted("cnn1d")
    assert torch.equal(torch.rand(2), expected[0])
    assert np.random.rand() == expected[1]  # noqa: NPY002


@pytest.mark.parametrize("family", ["crnn", "cnn1d", "cnn2d"])
def test_joining_normalisation_to_convolutions_changes_no_answer(family: str) -> None:
    """With statistics that a training gives, and no rounding yet."""
    torch.manual_seed(0)
    settings = Settings.of(family, resolve(family, SMALL[family]))
    network = Network(bodies.make(settings, 16000), torch.ones(1, 3, dtype=torch.bool)).eval()
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, -1.0, 2.0)
            torch.nn.init.normal_(module.bias)
    sound = 0.1 * torch.randn(2, 16000)
    with torch.no_grad():
        before = network(sound).general
        for conv, norm in export._followed_by_norm(network.body):
            export._absorb(conv, norm)
        after = network(sound).general
    assert float(before.std()) > 1e-3
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_large_weights_take_16_bits_in_a_bundle() -> None:
    clips, emotions, speakers = speech.clips()
    classifier = build("crnn", params={"epochs": 1, "batch_size": 16, "recurrent": 0, "ema": 0.5})
    classifier.fit(clips, emotions, groups=speakers)
    graph = onnx.load_from_string(classifier.to_onnx()).graph
    large = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT
             and np.prod(t.dims) >= 4096]  # fmt: skip
    assert sorted(tuple(t.dims) for t in large) == [(48, 257), (64, 257), (514, 1, 512)]
