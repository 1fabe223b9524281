"""The tutorials' tasks by a neural family: which clips train and test, and what is written down."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audio_files
from emotone.dataset import Dataset
from emotone.errors import UsageError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import tutorials

EMOTIONS = ("01", "03", "05")


class Heard:
    """Stands for a fitted network: it knows how high an emotion is, of speakers it has heard."""

    training_s_ = 1.5

    def __init__(self, data: Dataset, rows: Any) -> None:
        self.classes_ = np.unique(data.labels)
        self.training = set(data.speakers[rows].tolist())
        self.data = data

    def scores(self, clips: Any) -> np.ndarray:
        same = [
            int(np.flatnonzero(self.data.features.starts == start)[0]) for start in clips.starts
        ]
        right = self.data.labels[same][:, None] == self.classes_[None]
        known = np.isin(self.data.speakers[same].astype(str), sorted(self.training))
        wrong = np.roll(right, 1, axis=1)
        return np.where(known[:, None], right, wrong).astype(float)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two speakers of RAVDESS in miniature, a fold for each."""
    lines = ["path,test_folds,train_folds"]
    for speaker in (1, 2):
        for emotion in EMOTIONS:
            for take in range(1, 5):
                statement, repetition = divmod(take - 1, 2)
                name = f"03-01-{emotion}-01-0{statement + 1}-0{repetition + 1}-0{speaker}.wav"
                path = tmp_path / "ravdess" / f"Actor_0{speaker}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, audio_files.tone(0.4, hz=100.0 * speaker + take), 16_000)
                other = 3 - speaker
                lines.append(f"ravdess/Actor_0{speaker}/{name},{speaker},{other}")
    (tmp_path / "emobox").mkdir()
    (tmp_path / "emobox" / "ravdess.csv").write_text("\n".join(lines))
    return tmp_path


def test_known_and_unseen_speakers(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Any] = []

    def fit(material: Any, classifier: Any, rows: Any, files: Any) -> Heard:
        trained.append((sorted(rows.tolist()), files.checkpoints))
        classifier.__init__(material.dataset, rows)
        return Heard(material.dataset, rows)

    monkeypatch.setattr(tutorials, "build", lambda *args, **named: Heard.__new__(Heard))
    monkeypatch.setattr(tutorials._joint.Material, "fit", fit)
    options = argparse.Namespace(
        data=data,
        family="ridge",
        param=None,
        seeds=1,
        checkpoints=tmp_path / "state",
        json=tmp_path / "records.json",
        task=["eight"],
    )

    def run() -> list[dict[str, Any]]:
        tutorials.neural(options)
        records: list[dict[str, Any]] = json.loads(options.json.read_text())
        return records

    (known,) = run()
    assert (known["task"], known["wa"]) == ("eight emotions", 1)
    assert known["protocol"] == "random split, speakers shared"
    assert len(trained[0][0]) == 24 - known["clips"]
    options.task = ["unseen"]
    both = run()
    assert both[0] == known  # what was not asked for stays
    assert (both[1]["task"], both[1]["wa"]) == ("eight emotions, unseen speakers", 0)
    assert both[1]["protocol"] == "speaker-independent"
    assert (both[1]["clips"], both[1]["speakers"], both[1]["seconds"]) == (24, 2, 3.0)
    folds = {tuple(rows) for rows, _ in trained[1:]}
    assert folds == {tuple(range(12)), tuple(range(12, 24))}
    assert [path.name for _, path in trained] == ["ridge-eight-0", "1", "2"]
    (data / "emobox" / "ravdess.csv").unlink()
    with pytest.raises(UsageError, match="parts the speakers"):
        run()


def test_what_a_cut_off_run_had_not_come_to_stays(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.json"
    there = [
        {"benchmark": "tutorials", "task": task, "model": name, "seed": seed, "wa": 0.25}
        for task, _, _ in tutorials.TASKS
        for name, _, _ in tutorials.contenders(0)
        for seed in range(5)
    ]
    path.write_text(json.dumps(there))
    results = iter([0.5, 0.75])

    class Figures:
        def __init__(self) -> None:
            value = next(results, None)
            if value is None:
                raise KeyboardInterrupt
            self.wa = argparse.Namespace(value=value)

        def record(self, **about: Any) -> dict[str, Any]:
            return {**about, "wa": self.wa.value}

    monkeypatch.setattr(tutorials.corpora, "select", lambda corpus, _: corpus)
    monkeypatch.setattr(tutorials, "prepare", lambda *_, **__: argparse.Namespace(folds=[None]))
    monkeypatch.setattr(tutorials, "run_fold", lambda *_: None)
    monkeypatch.setattr(tutorials, "evaluate_fold", lambda *_, **__: Figures())
    monkeypatch.setattr(sys, "argv", ["tutorials", "--data", str(data), "--json", str(path)])
    with pytest.raises(KeyboardInterrupt):
        tutorials.main()
    left = json.loads(path.read_text())
    assert [record["wa"] for record in left] == [0.5, 0.75, *[0.25] * 28]
    assert left[2:] == there[2:]
    assert left[0]["protocol"] == "random split, speakers shared"


@pytest.mark.parametrize("option", ["--task four", "--param a=1", "--checkpoints state"])
def test_what_is_for_a_neural_family_is_not_passed_over(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(tutorials.corpora, "load")  # it must not come to that
    monkeypatch.setattr(sys, "argv", ["tutorials", *option.split()])
    with pytest.raises(SystemExit) as ended:
        tutorials.main()
    assert ended.value.code == 2
    assert "give --family" in capsys.readouterr().err
