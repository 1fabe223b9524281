"""The adaptation benchmark hears calibrated scores, and nothing of the fold that it tests."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from emotone.evaluation import TestedClip
from emotone.metrics import metrics

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import adaptation

EMOTIONS = ["neutral", "happy", "sad", "angry"]


def clips(sharpness: float = 1.0, wrong_in: str | None = None) -> list[TestedClip]:
    """Answers to four speakers in four folds; labels of one fold may be other ones."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(4):
        for take in range(60):
            z = sharpness * (2.0 * np.eye(4)[take % 4] + rng.normal(size=4))
            scores = np.exp(z) / np.exp(z).sum()
            fold = str(number + 1)
            shown = EMOTIONS[(take + (fold == wrong_in)) % 4]
            best = int(scores.argmax())
            by_name = dict(zip(EMOTIONS, scores.tolist(), strict=True))
            found.append(
                TestedClip(
                    file=f"{number}-{take}.wav",
                    corpus="casia",
                    speaker=f"casia/{number}",
                    fold=fold,
                    true=shown,
                    predicted=EMOTIONS[best],
                    confidence=float(scores[best]),
                    scores=by_name,
                )
            )
    return found


def ece(answers: adaptation.Answers) -> float:
    return metrics(answers.truth, answers.scores, answers.emotions, bootstrap=0).ece.value


@pytest.mark.parametrize("sharpness", [0.3, 2.0])
def test_how_sure_the_answers_are_changes_nothing(sharpness: float) -> None:
    plain, other = (adaptation.Answers.of(clips(s), "casia") for s in (1.0, sharpness))
    assert np.allclose(plain.scores, other.scores, atol=1e-4)
    assert ece(other) < 0.1
    assert plain.settings("1", seed=0).precision == other.settings("1", seed=0).precision


def test_a_fold_is_calibrated_by_the_others() -> None:
    right, wrong = (adaptation.Answers.of(clips(wrong_in=name), "casia") for name in (None, "2"))
    second = right.folds == "2"
    assert np.array_equal(right.scores[second], wrong.scores[second])
    assert not np.allclose(right.scores[~second], wrong.scores[~second], atol=0.01)
    assert set(right.speakers[right.others("2")]) == {"casia/0", "casia/2", "casia/3"}


def test_a_corpus_without_answers_has_none() -> None:
    assert len(adaptation.Answers.of(clips(), "emovo").truth) == 0
