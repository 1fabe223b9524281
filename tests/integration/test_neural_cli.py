"""A neural family all the way: emotone train, predict, evaluate, compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import speech
from emotone import bundle
from emotone.cli.app import run

TINY = ["-p", "width=16", "-p", "embedding=16", "-p", "batch_size=16", "-p", "lr=0.005",
        "-p", "ema=0.8", "-p", "epochs=8"]  # fmt: skip


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech.corpus(tmp_path_factory.mktemp("voices"), n=64, speakers=4)


def test_train_predict_evaluate(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, logs = tmp_path / "voices.emotone", tmp_path / "logs"
    command = ["train", str(manifest), "-f", "gru", *TINY, "--split", "speakers:2",
               "-o", str(out), "--logs", str(logs), "--json"]  # fmt: skip
    assert run(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["card"]["input"] == {"kind": "waveform", "rate": 16000}
    assert printed["card"]["feature_set"] is None
    assert printed["card"]["preparation"]["trim_db"] == 40.0
    assert printed["card"]["training"]["params"]["width"] == 16
    assert printed["history"]["kind"] == "epochs"
    assert set(printed["history"]["curves"]) == {"training", "test", "validation"}
    assert printed["evaluation"]["ua"]["value"] > 0.5  # chance is 0.25
    assert {path.name for path in logs.iterdir()} == {"fold-1", "fold-2", "all"}
    assert not (tmp_path / "voices.training").exists()  # it has served its purpose
    page = next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
    assert "gru on the sound itself at 16000 Hz" in page

    card = bundle.Bundle.open(out).card
    assert card.calibration["method"] == "temperature"
    clip = manifest.parent / "003.wav"
    assert run(["predict", str(clip), "--model", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    answer = answer[0] if isinstance(answer, list) else answer
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert run(["evaluate", str(out), str(manifest), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ua"]["value"] > 0.5
    assert run(["models", "verify", str(out)]) == 0


def test_a_model_for_known_voices_says_so(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "team.emotone"
    command = ["train", str(manifest), "-f", "functionals", "-p", "hidden=16", "-p", "epochs=2",
               "-p", "views=1", "--voices", "known", "-o", str(out)]  # fmt: skip
    assert run(command) == 0
    printed = capsys.readouterr()
    assert "share 4 speakers" in " ".join((printed.out + printed.err).split())
    page = next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
    assert ">voices<" in page
    assert run(["models", "show", str(out)]) == 0
    assert "Voices" in capsys.readouterr().out
    assert run([*command[:4], "--voices", "some", "-o", str(tmp_path / "x.emotone")]) == 2
    assert "new or known" in capsys.readouterr().err
    command[-3:] = ["known", "--split", "speakers:2", "-o", str(out)]
    assert run(command) == 0
    assert "of whom it is too sure" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["train", "compare"])
def test_the_help_names_the_splits_that_are_taken(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "speakers:5, or clips:5 where voices are known" in shown


def test_a_hybrid_keeps_its_state_and_goes_on(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, logs, state = tmp_path / "both.emotone", tmp_path / "logs", tmp_path / "state"
    tiny = {"crnn.channels": [4, 4, 8], "crnn.width": 24, "crnn.lag_width": 8, "crnn.blocks": 1,
            "crnn.epochs": 2, "functionals.hidden": 16, "functionals.views": 1,
            "functionals.epochs": 3}  # fmt: skip
    params = [
        text for name, value in tiny.items() for text in ("-p", f"{name}={json.dumps(value)}")
    ]
    command = ["train", str(manifest), "-f", "hybrid", *params, "--split", "random:test=0.25"]
    command += ["-o", str(out), "--logs", str(logs), "--checkpoints", str(state), "--json"]
    assert run(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["history"]["curves"]) == {"training", "test", "validation"}
    members = {"crnn", "functionals"}
    assert {path.parent.name for path in state.rglob("last.ckpt")} == members
    assert {path.name for path in (logs / "fold-1").iterdir()} == members
    first = bundle.Bundle.open(out).model
    out.unlink()
    assert run(command) == 0  # from what is there, without an epoch
    capsys.readouterr()
    assert bundle.Bundle.open(out).model == first
    command[command.index("crnn.epochs=2")] = "crnn.epochs=3"
    out.unlink()
    assert run(command) != 0
    assert "--fresh" in capsys.readouterr().err


def test_the_figures_hold_for_the_bundle(manifest: Path, tmp_path: Path) -> None:
    import emotone
    from emotone import corpora
    from emotone.evaluation import evaluate
    from emotone.training import train

    corpus = corpora.load(str(manifest))
    params = {"width": 8, "embedding": 16, "epochs": 3, "batch_size": 16}
    split = "random:test=0.25,seed=9"
    finished = train(corpus, family="cnn1d", params=params, split=split)
    finished.save(tmp_path / "one.emotone")
    again = evaluate(emotone.load(tmp_path / "one.emotone"), corpus, split=split)
    assert finished.evaluation is not None
    assert again.evaluation.log_loss.value == pytest.approx(
        finished.evaluation.log_loss.value, abs=2e-3
    )


def test_compare_with_a_classical_family(
    manifest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotone.models.neural import parameters

    original = parameters.resolve

    def resolve(family: str, params: dict[str, object]) -> dict[str, object]:
        return original(family, {"epochs": 2, "width": 8, **params})

    monkeypatch.setattr(parameters, "resolve", resolve)
    command = ["compare", str(manifest), "-f", "cnn1d,svm-linear", "-s", "mfcc13:mean,std",
               "--split", "speakers:2", "--json", "--no-cache", "-j", "1"]  # fmt: skip
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["family"]: row["feature_set"] for row in found["rows"]} == {
        "cnn1d": "waveform",
        "svm-linear": "mfcc13:mean,std",
    }
    assert all(row["error"] is None and row["clips"] == 64 for row in found["rows"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-f", "crnn", "-s", "rich"], "hears the sound itself and takes no feature set"),
        (["-f", "knn", "-s", "waveform"], "learns from features"),
        (["-f", "crnn", "--select", "10"], "no features to select"),
        (["-f", "crnn", "--search", "5"], "no search for parameters"),
        (["-f", "crnn", "-p", "epoch=5"], "no parameter 'epoch'"),
    ],
)
def test_options_that_make_no_sense(
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    assert run(["train", str(manifest), *options, "-o", str(tmp_path / "x.emotone")]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
