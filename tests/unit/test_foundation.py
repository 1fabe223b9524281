"""The family foundation, on tiny encoders with random weights: finding, hearing, tuning, export."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from emotone.audio.clips import Clips  # noqa: E402
from emotone.errors import TrainingError, UsageError  # noqa: E402
from emotone.models import build  # noqa: E402
from emotone.models.neural.encoders import check_size, find  # noqa: E402
from emotone.models.neural.export import round_weights, to_onnx  # noqa: E402
from emotone.models.neural.files import TrainingFiles  # noqa: E402
from emotone.models.neural.foundation import FoundationBody, LogMel  # noqa: E402
from emotone.models.neural.network import Network  # noqa: E402
from emotone.models.neural.parameters import resolve  # noqa: E402
from emotone.models.neural.settings import FoundationSettings, Settings  # noqa: E402
from encoders import KINDS, WIDTH, save  # noqa: E402

RATE = 16000


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("encoders")
    return {kind: save(root / kind, kind) for kind in KINDS}


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Path:
    """An encoder that a test may damage."""
    return Path(shutil.copytree(folders["hubert"], tmp_path / "copied"))


def body(folder: Path, **settings: Any) -> FoundationBody:
    torch.manual_seed(1)
    return FoundationBody(FoundationSettings(encoder=str(folder), **settings), RATE)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def step(model: torch.nn.Module, lr: float = 0.1) -> None:
    """One step of a training."""
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr)
    lengths = torch.tensor([8000, 5000, 6000])
    (model(noise(3, 8000), lengths) * noise(3, 1)).sum().backward()
    optimizer.step()


def values(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


# -- finding


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_is_found(folders: dict[str, Path], kind: str) -> None:
    files = find(str(folders[kind]))
    assert files.kind == kind.removesuffix("-large")
    assert files.layers == 2
    assert files.normalise == (kind not in ("wavlm", "whisper"))
    assert [path.suffix for path in files.weights] == [".safetensors"]


def test_a_name_on_the_hub_is_looked_up_on_disk_alone(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"downloaded.*hf download someone/tiny-encoder$"):
        find("someone/tiny-encoder")
    home, commit = tmp_path / "models--someone--tiny-encoder", "0123456789" * 4
    shutil.copytree(folders["wavlm"], home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    assert body(Path("someone/tiny-encoder"))(noise(2, 8000)).shape == (2, 256)


def test_what_is_no_encoder_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        find(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no config\.json"):
        find(str(tmp_path / "empty"))
    path = copied / "config.json"
    path.write_text(json.dumps({"model_type": "bert", "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(
        UsageError, match=r"no speech encoder that emotone knows, but 'bert'.*WavLM"
    ):
        find(str(copied))
    path.write_text("{")
    with pytest.raises(UsageError, match=r"config\.json: it cannot be read as JSON"):
        find(str(copied))
    with pytest.raises(UsageError, match="needs an encoder"):
        resolve("foundation", {})


def test_pickled_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"a pickle.*not loaded.*convert them to safetensors"):
        find(str(copied))
    (copied / "pytorch_model.bin").unlink()
    with pytest.raises(UsageError, match=r"there is no model\.safetensors"):
        find(str(copied))
    index = {"weight_map": {"a": "../../weights.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match="outside of its folder"):
        find(str(copied))


def test_how_the_input_is_wanted_is_never_guessed(copied: Path) -> None:
    path = copied / "preprocessor_config.json"
    path.write_text(json.dumps({"sampling_rate": 8000}))
    with pytest.raises(UsageError, match="hears 8000 Hz, not 16000"):
        find(str(copied))
    path.unlink()
    with pytest.raises(UsageError, match=r"no preprocessor_config\.json.*how the encoder wants"):
        find(str(copied))
    settings = {"feature_extractor": {"do_normalize": False, "sampling_rate": RATE}}
    (copied / "processor_config.json").write_text(json.dumps(settings))
    assert find(str(copied)).normalise is False


def test_damaged_encoders_are_refused(copied: Path) -> None:
    weights = copied / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="cannot be loaded"):
        body(copied)
    from safetensors.torch import load, save_file

    kept = load(whole)
    del kept["encoder.layers.1.final_layer_norm.weight"]
    save_file(kept, weights, {"format": "pt"})
    with pytest.raises(UsageError, match=r"1 weights are missing, such as encoder\.layers\.1"):
        body(copied)
    weights.write_bytes(whole)
    config = json.loads((copied / "config.json").read_text())
    for change in ({"hidden_size": "wide"}, {"hidden_size": 2 * WIDTH}, {"conv_stride": [5]}):
        (copied / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UsageError, match="cannot be loaded"):
            body(copied)


def test_other_rates_and_more_layers_than_there_are_are_refused(folders: dict[str, Path]) -> None:
    settings = FoundationSettings(encoder=str(folders["hubert"]))
    with pytest.raises(UsageError, match="the clips have 8000 Hz"):
        FoundationBody(settings, 8000)
    with pytest.raises(UsageError, match=r"has 2 layers, and 3 are asked for.*from 1 to 2"):
        FoundationBody(replace(settings, layers=3), RATE)


# -- size


def test_what_fits_no_bundle_is_refused_before_training(folders: dict[str, Path]) -> None:
    settings = FoundationSettings(encoder=str(folders["wav2vec2"]))
    size = 2 * sum(count for _, count in find(settings.encoder).sizes())
    check_size(settings, size + 1000)
    with pytest.raises(UsageError, match=r"Use its first 1 of 2 layers \(layers=1\)") as caught:
        check_size(settings, size - 1000)
    assert caught.value.code == "oversized_bundle"
    check_size(replace(settings, layers=1), size - 1000)
    with pytest.raises(UsageError, match=r"rounded to 16 bits \(half=true\)"):
        check_size(replace(settings, half=False), size + 1000)
    check_size(replace(settings, tune="full"), size + 1000)
    with pytest.raises(UsageError, match=r"rounded again \(tune=full\)"):
        check_size(replace(settings, tune="lora"), size + 1000)


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_of_the_size_is_near_the_encoder_in_the_bundle(
    folders: dict[str, Path], kind: str
) -> None:
    counted = sum(count for _, count in find(str(folders[kind])).sizes())
    loaded = sum(p.numel() for p in body(folders[kind]).encoder.parameters())
    assert counted == pytest.approx(loaded, rel=0.01)


# -- hearing


@pytest.mark.parametrize("kind", KINDS)
def test_it_hears_what_transformers_hears(folders: dict[str, Path], kind: str) -> None:
    clip = noise(1, 48000)
    clip[:, -400:] = 0  # Whisper mirrors what stands at 30 s (here 3 s)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folders[kind])
    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    inputs = extractor(clip[0].numpy(), sampling_rate=RATE, return_tensors="pt")
    if kind == "whisper":
        model = model.encoder
    with torch.no_grad():
        expected = model(**inputs, output_hidden_states=True)
        states, mask = body(folders[kind], half=False).eval().encoder(clip, None)
    assert mask is None
    assert len(states) == 3
    for ours, theirs in zip(states[:-1], expected.hidden_states, strict=False):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(states[-1], expected.last_hidden_state, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["statistics", "attentive"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(folders: dict[str, Path], kind: str, pooling: str) -> None:
    model = body(folders[kind], pooling=pooling).eval()
    short = noise(1, 7777)
    batch = noise(3, 30000, seed=1)
    batch[1, :7777] = short[0]
    lengths = torch.tensor([30000, 7777, 100])
    with torch.no_grad():
        alone, together = model(short), model(batch, lengths)
        silenced = batch * (torch.arange(30000) < lengths[:, None])
        torch.testing.assert_close(together[1], alone[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(model(batch[:1]), together[:1], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(model(silenced, lengths), together)
        assert not torch.allclose(model(batch[1:2]), together[1:2], atol=1e-3)
    assert torch.isfinite(together).all()


def test_whispers_spectrogram_is_its_own(folders: dict[str, Path]) -> None:
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    clip = noise(1, 20000)
    expected = extractor(clip[0].numpy(), sampling_rate=RATE, return_tensors="pt")
    found = LogMel(80)(clip)
    frames = found.shape[2]
    assert 20000 / 160 < frames < 20000 / 160 + 6
    theirs = expected["input_features"][:, :, :frames]
    torch.testing.assert_close(found, theirs, atol=1e-4, rtol=0)


def test_whisper_stops_where_its_positions_do(folders: dict[str, Path]) -> None:
    model = body(folders["whisper"]).eval()
    clip = noise(1, 60000)
    with torch.no_grad():
        torch.testing.assert_close(model(clip), model(clip[:, :48000]))
        together = model(clip.repeat(2, 1), torch.tensor([60000, 20000]))
        torch.testing.assert_close(together[0], model(clip)[0], atol=1e-5, rtol=1e-4)


def test_only_the_first_layers_can_be_used(folders: dict[str, Path]) -> None:
    both, one = body(folders["wavlm"]).eval(), body(folders["wavlm"], layers=1).eval()
    clip = noise(1, 8000)
    with torch.no_grad():
        states, fewer = both.encoder(clip, None)[0], one.encoder(clip, None)[0]
    assert len(fewer) == 2
    torch.testing.assert_close(fewer, states[:2])
    assert one.layer_weights.shape == (2,)


# -- tuning


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_encoder_stays_as_it_is(folders: dict[str, Path], kind: str) -> None:
    model = body(folders[kind])
    before = values(model)
    step(model)
    after = values(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "layer_weights" in changed
    assert {name.partition(".")[0] for name in changed} == {"layer_weights", "embedding"}
    assert not any(module.training for module in model.encoder.modules())
    assert model.embedding.training
    assert model.slow_parameters() == []


@pytest.mark.parametrize("kind", KINDS)
def test_lora_trains_little_all_of_it_and_merges_exactly(
    folders: dict[str, Path], kind: str
) -> None:
    model = body(folders[kind], tune="lora", lora_rank=2, lora_alpha=8.0)
    before = values(model)
    step(model, lr=1.0)  # the first step reaches one factor alone, the other being zero
    step(model, lr=1.0)
    after = values(model)
    changed = {
        name
        for name in before
        if name.startswith("encoder.") and not torch.equal(before[name], after[name])
    }
    assert changed == {name for name in before if "lora_" in name}
    trained = sum(before[name].numel() for name in changed)
    assert 0 < trained < 0.05 * sum(p.numel() for p in model.encoder.parameters())
    model.eval()
    merged = model.for_export()
    assert not any("lora_" in name for name, _ in merged.named_parameters())
    clip = noise(2, 8000)
    with torch.no_grad():
        torch.testing.assert_close(merged(clip), model(clip), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(model(clip), body(folders[kind]).eval()(clip), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_full_tuning_leaves_alone_what_hears_the_waveform(
    folders: dict[str, Path], kind: str
) -> None:
    model = body(folders[kind], tune="full")
    before = values(model)
    step(model)
    after = values(model)
    stem = ("feature_extractor.", "conv1.", "conv2.", "embed_positions.")
    for name, old in before.items():
        same = torch.equal(old, after[name])
        # A key's bias adds the same to every score, and softmax takes it out again.
        assert same == any(part in name for part in stem) or name.endswith("k_proj.bias"), name
    assert model.encoder_lr == 1e-5
    trained = [p for p in model.encoder.parameters() if p.requires_grad]
    assert [id(p) for p in model.slow_parameters()] == [id(p) for p in trained]


def test_the_encoder_learns_at_its_own_rate(folders: dict[str, Path]) -> None:
    from emotone.models.neural.learner import parameter_groups

    model = body(folders["hubert"], tune="lora", encoder_lr=1e-4)
    groups = parameter_groups(Network(model, torch.ones(1, 3, dtype=torch.bool)), 1e-2)
    rate_of = {id(p): group["lr"] for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert rate_of[id(parameter)] == (1e-4 if "lora_" in name else 1e-2), name


@pytest.mark.parametrize("tune", ["frozen", "lora", "full"])
def test_checkpoints_hold_what_was_trained_and_no_more(
    folders: dict[str, Path], tmp_path: Path, tune: str
) -> None:
    model = body(folders["hubert"], tune=tune)
    step(model)
    state = model.eval().state_dict()
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert fixed
    assert not fixed & set(state)
    assert model.requires_grad_(False).state_dict().keys() == state.keys()
    torch.save(state, tmp_path / "state")
    again = body(folders["hubert"], tune=tune).eval()
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    with torch.no_grad():
        torch.testing.assert_close(again(noise(1, 8000)), model(noise(1, 8000)))

    other = body(save(tmp_path / "other", "hubert", seed=9), tune=tune)
    with pytest.raises(TrainingError, match="made with another encoder"):
        other.load_state_dict(state)


def test_weights_are_rounded_to_16_bits_unless_told_otherwise(folders: dict[str, Path]) -> None:
    for half in (True, False):
        parameters = list(body(folders["wav2vec2"], half=half).encoder.parameters())
        assert all(p.dtype == torch.float32 for p in parameters)
        assert all(torch.equal(p, p.half().float()) for p in parameters) == half

    tuned = Network(body(folders["hubert"], tune="full"), torch.ones(1, 4, dtype=torch.bool))
    kept = Network(body(folders["hubert"], half=False), torch.ones(1, 4, dtype=torch.bool))
    step(tuned.body)
    for network, half in ((tuned, True), (kept, False)):
        round_weights(network)
        large = [p for p in network.body.encoder.parameters() if p.numel() >= 4096]
        assert len(large) >= 4
        assert all(torch.equal(p, p.half().float()) for p in large) == half


# -- export


def scores(model: bytes, clips: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"waveform": clips.numpy()})
    return np.asarray(found)


@pytest.mark.parametrize("tune", ["frozen", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_onnx_agrees_at_other_sizes_than_it_was_traced_at(
    folders: dict[str, Path], kind: str, tune: str
) -> None:
    network = Network(body(folders[kind], tune=tune), torch.ones(1, 4, dtype=torch.bool))
    step(network.body)
    network.eval()
    model = to_onnx([(network, 0.5)], 1.0, RATE)
    assert model == to_onnx([(network, 0.5)], 1.0, RATE)
    for shape in ((1, 4800), (3, 70000)):
        clips = noise(*shape)
        with torch.no_grad():
            expected = (network(clips).general / 0.5).softmax(1).numpy()
        np.testing.assert_allclose(scores(model, clips), expected, atol=1e-5)


def test_rounded_weights_take_half_the_space(folders: dict[str, Path]) -> None:
    has = torch.ones(1, 4, dtype=torch.bool)
    half = to_onnx([(Network(body(folders["hubert"]), has), 1.0)], 1.0, RATE)
    full = to_onnx([(Network(body(folders["hubert"], half=False), has), 1.0)], 1.0, RATE)
    assert len(onnx.load_from_string(full).graph.initializer) > 20  # not constants in the nodes
    kinds = [tensor.data_type for tensor in onnx.load_from_string(half).graph.initializer]
    assert kinds.count(onnx.TensorProto.FLOAT16) >= 4  # the feed-forward layers
    assert len(half) < len(full) - 4 * 2 * WIDTH * 128 + 2000


# -- training


def voices(n: int = 24) -> tuple[Clips, list[str], list[str]]:
    """Low and high hums, of different lengths, by four speakers."""
    random = np.random.default_rng(0)
    clips, emotions = [], []
    for number in range(n):
        high = number % 2
        time = np.arange(random.integers(5000, 9000)) / RATE
        hum = np.sin(2 * np.pi * (150 + 450 * high) * time)
        clips.append(0.3 * hum + 0.01 * random.standard_normal(len(time)))
        emotions.append("happy" if high else "sad")
    return Clips.of(clips, RATE), emotions, [str(number // 2 % 4) for number in range(n)]


@pytest.mark.parametrize(("kind", "tune"), [("wavlm", "frozen"), ("whisper", "lora")])
def test_it_learns_resumes_and_exports(
    folders: dict[str, Path], tmp_path: Path, kind: str, tune: str
) -> None:
    params = {"encoder": str(folders[kind]), "tune": tune, "embedding": 16, "epochs": 6}
    params |= {"batch_size": 8, "augment": False, "mixup": 0, "lr": 0.01, "precision": "32-true"}
    X, y, speakers = voices()
    whole = build("foundation", params=params).fit(X, y, groups=speakers)
    assert np.mean(whole.predict(X) == np.array(y)) > 0.9
    np.testing.assert_allclose(
        scores(whole.to_onnx(), torch.from_numpy(X[0])[None])[0], whole.scores(X[:1])[0], atol=1e-4
    )

    class KilledError(Exception):
        pass

    def kill(done: int, of: int, word: str) -> None:
        if done > of // 2:
            raise KilledError

    files = TrainingFiles(checkpoints=tmp_path / "state")
    cut_off = build("foundation", params=params)
    with pytest.raises(KilledError):
        cut_off.fit(X, y, groups=speakers, files=files, progress=kill)
    held = torch.load(tmp_path / "state" / "last.ckpt", weights_only=True)["state_dict"]
    assert not any(name.endswith("final_layer_norm.weight") for name in held)
    resumed = build("foundation", params=params).fit(X, y, groups=speakers, files=files)
    np.testing.assert_array_equal(resumed.scores(X), whole.scores(X))


def test_the_settings_know_the_family() -> None:
    settings = Settings.of("foundation", resolve("foundation", {"encoder": "x", "tune": "lora"}))
    assert settings.body == FoundationSettings(encoder="x", tune="lora")
    with pytest.raises(UsageError, match="Give one of frozen, lora, full"):
        resolve("foundation", {"encoder": "x", "tune": "some"})
