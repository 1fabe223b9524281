"""A foundation encoder all the way: emotone train, predict, compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import encoders
import speech
from emotone import bundle
from emotone.cli.app import run

QUICK = {"epochs": "6", "embedding": "16", "batch_size": "16", "lr": "0.01", "ema": "0.8"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech.corpus(tmp_path_factory.mktemp("voices"), n=48, speakers=4)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoders.save(tmp_path_factory.mktemp("encoders") / "wavlm", "wavlm")


def parameters(prefix: str = "", **more: object) -> list[str]:
    pairs = {**QUICK, **more}
    return [word for name, value in pairs.items() for word in ("-p", f"{prefix}{name}={value}")]


@pytest.mark.parametrize("tune", ["frozen", "lora"])
def test_train_and_predict(
    manifest: Path, encoder: Path, tmp_path: Path, tune: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "voices.emotone"
    command = ["train", str(manifest), "-f", "foundation", "--split", "speakers:2",
               "-o", str(out), "--no-report", "--json"]  # fmt: skip
    assert run([*command, *parameters(encoder=encoder, tune=tune)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["card"]["training"]["params"]["tune"] == tune
    assert printed["evaluation"]["ua"]["value"] > 0.35  # chance is 0.25

    assert bundle.Bundle.open(out).card.input.kind == "waveform"
    assert run(["predict", str(manifest.parent / "003.wav"), "--model", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    answer = answer[0] if isinstance(answer, list) else answer
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert run(["models", "verify", str(out)]) == 0


def test_what_cannot_work_is_said_at_once(
    encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The data are not there either, and are not asked for first.
    command = [
        "train",
        str(tmp_path / "data"),
        "-f",
        "foundation",
        "-o",
        str(tmp_path / "a.emotone"),
    ]
    assert run(command) == 2
    assert "needs an encoder" in capsys.readouterr().err
    assert run([*command, "-p", "encoder=someone/never-downloaded"]) == 2
    assert "hf download someone/never-downloaded" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr("emotone.bundle.DEFAULT_MAX_BYTES", 50_000)
    assert run([*command, "-p", f"encoder={encoder}"]) == 2
    assert "layers=1" in capsys.readouterr().err


def test_compare_takes_parameters_by_family(
    manifest: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(manifest), "-f", "foundation,gru", "--split", "random:test=0.5"]
    words = ["-p", "gru.width=8", "-p", "gru.epochs=1", "--json"]
    assert run([*command, *parameters("foundation.", encoder=encoder, epochs=1), *words]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["family"] for row in rows} == {"foundation", "gru"}
    assert run([*command, "-p", "epochs=1"]) == 2
    assert "FAMILY.PARAMETER=VALUE" in capsys.readouterr().err
