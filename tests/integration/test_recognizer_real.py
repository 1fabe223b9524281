"""From real clips to a bundle and back, in this process and in fresh ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import bundles
import emotone
from emotone import bundle, features
from emotone.audio.preparation import Preparation
from emotone.emotions import CANONICAL
from emotone.features.extraction import extract_many
from emotone.prediction import Failure, Prediction
from emotone.recognizer import Recognizer, load
from emotone.verification import verify

EMOTIONS = ("sad", "angry")
LETTERS = {"T": "sad", "W": "angry"}
PREPARATION = Preparation(trim_db=35.0, normalize="peak")


def emotion_of(path: Path) -> str:
    return LETTERS[path.name[5]]


@pytest.fixture(scope="module")
def clips(corpora: Path) -> list[Path]:
    """Sad and angry clips of EmoDB; the first two characters are the speaker."""
    return [path for path in sorted((corpora / "emodb").iterdir()) if path.name[5] in LETTERS]


def fit(clips: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """A ridge regression onto the two emotions, its scaling folded into the weights."""
    found = extract_many(clips, "mfcc-13", preparation=PREPARATION, jobs=1)
    assert found.failures == []
    rows = found.matrix.astype(np.float64)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    rows = (rows - mean) / scale
    targets = np.array([[name == emotion_of(clip) for name in EMOTIONS] for clip in clips]) * 8 - 4
    weights = np.linalg.solve(rows.T @ rows + np.eye(13), rows.T @ targets) / scale[:, np.newaxis]
    return weights, targets.mean(axis=0) - mean @ weights


@pytest.fixture(scope="module")
def trained(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained without the speakers 03 and 08."""
    weights, bias = fit([clip for clip in clips if clip.name[:2] not in ("03", "08")])
    path = tmp_path_factory.mktemp("trained") / "emodb.emotone"
    card = bundles.card(
        name="emodb",
        emotions=EMOTIONS,
        feature_version=features.get("mfcc-13").version,
        preparation=PREPARATION.to_dict(),
    )
    bundle.write(path, bundles.linear_model(weights, bias), card)
    return path


def test_speakers_it_never_heard_are_recognised(trained: Path, clips: list[Path]) -> None:
    unheard = [clip for clip in clips if clip.name[:2] in ("03", "08")]
    answers = list(emotone.load(trained).predict_many(unheard))
    assert all(isinstance(answer, Prediction) for answer in answers)
    right = [
        answer.emotion == emotion_of(clip)
        for answer, clip in zip(answers, unheard, strict=True)
        if isinstance(answer, Prediction)
    ]
    assert len(right) > 30
    assert np.mean(right) > 0.9


def test_prediction_is_training_repeated(trained: Path, clips: list[Path]) -> None:
    recognizer = load(trained)
    found = extract_many(clips[:20], "mfcc-13", preparation=PREPARATION, jobs=2)
    scores = recognizer.scores(found.matrix)
    for clip, row in zip(clips, scores, strict=False):
        expected = dict(zip(EMOTIONS, row.tolist(), strict=True))
        assert recognizer.predict(clip).scores == pytest.approx(expected, abs=1e-6)


def test_folders_bytes_and_original_recordings(trained: Path, corpora: Path) -> None:
    recognizer = load(trained)
    answers = list(recognizer.predict_many([corpora / "originals"], jobs=2))
    assert len(answers) == len(list((corpora / "originals").iterdir()))
    for answer in answers:
        assert isinstance(answer, Prediction)
        assert answer.file is not None
        assert recognizer.predict(Path(answer.file).read_bytes()).scores == answer.scores
        assert sum(answer.scores.values()) == pytest.approx(1.0, abs=1e-5)


def test_a_bad_file_among_real_ones(trained: Path, clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "letter.wav").write_text("Dear Sir or Madam")
    answers = list(load(trained).predict_many([*clips[:5], tmp_path / "letter.wav", *clips[5:10]]))
    assert [isinstance(answer, Failure) for answer in answers] == [False] * 5 + [True] + [False] * 5
    assert "letter.wav" in str(answers[5].to_dict()["error"]["message"])


# Linux counts the memory of the parent at the fork towards the child's peak, so the measured
# process is started by a small one.
_MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4 to measure")
def test_a_whole_process_for_one_clip_stays_small(trained: Path, clips: list[Path]) -> None:
    program = (
        "import json, sys, emotone\n"
        "print(json.dumps(emotone.load(sys.argv[1]).predict(sys.argv[2]).to_dict()), flush=True)"
    )
    command = [sys.executable, "-c", program, str(trained), str(clips[0])]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], capture_output=True, text=True, check=True
    )
    answer, kibibytes = done.stdout.splitlines()
    assert json.loads(answer)["emotion"] == emotion_of(clips[0])
    assert float(kibibytes) / 1024 < 120


def test_every_bundled_model_is_whole_small_and_runs(clips: list[Path]) -> None:
    bundled = [model for model in bundle.installed() if model.bundled]
    assert bundle.DEFAULT in [model.name for model in bundled]
    for model in bundled:
        assert all(check.passed for check in verify(model.path)), verify(model.path)
        assert model.path.stat().st_size <= 10 * 10**6
    recognizer: Recognizer = emotone.load()
    assert recognizer.emotions == CANONICAL
    right = [recognizer.predict(clip).emotion == emotion_of(clip) for clip in clips[:20]]
    assert np.mean(right) > 0.5
