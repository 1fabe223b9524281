"""Training on real recordings: EmoDB under its official folds, and a RAVDESS tutorial's split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone import corpora as readers
from emotone.corpora import Corpus, select
from emotone.dataset import Dataset, prepare
from emotone.errors import EmotoneWarning
from emotone.evaluation import evaluate
from emotone.models import FAMILIES
from emotone.training import train
from emotone.training.folds import run_fold
from emotone.training.recipe import Recipe

FEATURES = "mfcc13:mean,std+rms:mean,std"
QUICK = {
    "forest": {"n_estimators": 30},
    "extra-trees": {"n_estimators": 30},
    "gradient-boosting": {"max_iter": 15},
    "mlp": {"max_iter": 20},
    "mlp-300": {"max_iter": 20},
    "mlp-200-200-100-50": {"max_iter": 20},
    "ensemble": {"members": ["svm-rbf", "logistic"]},
}


@pytest.fixture(scope="module")
def emodb(corpora: Path) -> Corpus:
    return readers.load(f"emodb={corpora / 'emodb'}")


@pytest.fixture(scope="module")
def dataset(emodb: Corpus, corpora: Path) -> Dataset:
    return prepare(emodb, FEATURES, f"file:{corpora / 'emobox' / 'emodb.csv'}")


@pytest.mark.parametrize(
    "family", [name for name, family in FAMILIES.items() if family.input == "features"]
)
def test_the_onnx_form_agrees_on_real_features(family: str, dataset: Dataset) -> None:
    import onnxruntime

    fold = dataset.folds[0]
    result = run_fold(dataset, fold, Recipe(family, QUICK.get(family, {})), lambda event: None)
    session = onnxruntime.InferenceSession(
        result.classifier.to_onnx(), providers=["CPUExecutionProvider"]
    )
    (scores,) = session.run(None, {"features": dataset.features[result.rows]})
    np.testing.assert_allclose(scores, result.scores, atol=1e-4)


def test_emodb_folds_and_the_way_to_a_prediction(
    emodb: Corpus, corpora: Path, tmp_path: Path
) -> None:
    folds = f"file:{corpora / 'emobox' / 'emodb.csv'}"
    run = train(emodb, family="svm-rbf", features=FEATURES, split=folds, curve=False, name="berlin")
    assert len(run.folds) == 5
    assert run.evaluation is not None
    assert run.evaluation.clips == 535
    assert run.evaluation.resampled == "speakers"
    low, high = run.evaluation.ua.ci95 or (0, 0)
    assert low < run.evaluation.ua.value < high
    assert run.evaluation.ua.value > 0.5  # chance is 0.14
    assert run.warning is not None  # EmoBox splits EmoDB with its speakers on both sides
    run.save(tmp_path / "berlin.emotone")
    recognizer = emotone.load(tmp_path / "berlin.emotone")
    assert recognizer.model == "berlin@1.0"
    clip = corpora / "emodb" / "03a01Wa.opus"
    assert recognizer.predict(clip).emotion == "angry"

    tested = evaluate(recognizer, emodb, split=folds, fold="1")
    assert tested.evaluation.ua.value > run.folds["1"].ua.value  # it has seen these clips
    assert any("trained on emodb" in note for note in tested.notes)


def test_new_speakers_are_harder_than_known_ones(emodb: Corpus) -> None:
    options = {"family": "svm-rbf", "features": FEATURES, "curve": False}
    known = train(emodb, split="random:test=0.2,seed=7,stratify=true", **options)  # type: ignore[arg-type]
    new = train(emodb, split="speakers:5", **options)  # type: ignore[arg-type]
    assert known.evaluation is not None
    assert new.evaluation is not None
    assert known.warning is not None
    assert new.warning is None
    assert new.evaluation.ua.value < known.evaluation.ua.value


def test_the_tutorial_task_above_chance(corpora: Path) -> None:
    ravdess = readers.load(f"ravdess={corpora / 'ravdess'}")
    four = select(ravdess, ["calm", "happy", "fearful", "disgust"])
    assert len(four) == 768
    run = train(four, family="svm-rbf", features=FEATURES, split="random:test=0.25,seed=9",
                curve=False)  # fmt: skip
    assert run.evaluation is not None
    assert run.evaluation.clips == 192
    assert run.evaluation.wa.value > 0.6  # chance is 0.25


def test_known_voices_are_heard_as_such(corpora: Path) -> None:
    # The same family for new voices has a UA of 0.62 on the same clips, and an ECE of 0.27.
    urdu = readers.load(f"urdu={corpora / 'urdu'}")
    split = "random:test=0.2,seed=1"
    with pytest.warns(EmotoneWarning, match="of 29 speakers are heard in one emotion only"):
        run = train(urdu, family="ridge", voices="known", split=split, bootstrap=0)
    assert run.evaluation is not None
    assert run.evaluation.ua.value > 0.85
    assert run.evaluation.ece.value < 0.13
