"""A model for voices that it will hear again: parameters, what it holds out, how it is tested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import speech
from emotone import corpora
from emotone.corpora import Corpus
from emotone.errors import UsageError
from emotone.models import FAMILIES
from emotone.models.neural.classifier import NeuralClassifier
from emotone.models.neural.settings import Settings, member_params
from emotone.training import train
from emotone.training.recipe import Recipe

NEURAL = [name for name, entry in FAMILIES.items() if entry.input == "waveform"]
TINY = {"hidden": 16, "embedding": 16, "views": 1, "epochs": 2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpora.load(str(speech.corpus(tmp_path_factory.mktemp("voices"), n=120, speakers=6)))


@pytest.mark.parametrize("family", NEURAL)
def test_every_neural_family_knows_what_to_do_for_known_voices(family: str, tmp_path: Path) -> None:
    given = {"encoder": str(tmp_path)} if family == "foundation" else {}
    recipe = Recipe(family, given, voices="known")
    recipe.check()
    params = recipe.classifier(given).params
    for member in FAMILIES[family].members or (family,):
        own = member_params(member, params) if FAMILIES[family].members else params
        settings = Settings.of(member, own)
        assert settings.augmentation is not None
        assert settings.augmentation.speed == 0.03
        assert settings.augmentation.band_share == 0


def test_what_a_user_says_goes_before() -> None:
    recipe = Recipe("hybrid", {"crnn.augment.speed": 0.2, "ridge.speakers": 1.5}, voices="known")
    params = recipe.classifier(recipe.params).params
    assert params["crnn.augment.speed"] == 0.2
    assert params["functionals.augment.speed"] == 0.03
    assert params["ridge.speakers"] == 1.5


def test_the_scores_are_calibrated_for_these_voices(corpus: Corpus) -> None:
    run = train(corpus, family="functionals", params=TINY, voices="known", bootstrap=0)
    training, split = run.card.training, run.card.training["split"]
    assert training["voices"] == "known"
    assert training["fitted_on"] == "the training part of the split"
    assert split["spec"] == "random:test=0.2"
    assert run.card.calibration["grouped_by"] == "nothing"
    assert not run.modest
    assert run.warning is not None  # that these are figures of known voices
    held = run.classifier
    assert isinstance(held, NeuralClassifier)
    speakers = run.dataset.speakers[run.dataset.folds[0].train]
    rest = np.delete(speakers, held.held_)
    assert set(speakers[held.held_].tolist()) <= set(rest.tolist())


def test_new_voices_are_the_default(corpus: Corpus) -> None:
    run = train(corpus, family="functionals", params=TINY, bootstrap=0)
    assert run.card.training["voices"] == "new"
    assert run.card.training["split"]["spec"] == "speakers:5"
    assert run.card.calibration["grouped_by"] == "speaker"


def test_a_split_that_is_named_stays(corpus: Corpus) -> None:
    run = train(
        corpus, family="ridge", params={"kernel": 0}, voices="known", split="speakers:2",
        bootstrap=0,
    )  # fmt: skip
    assert run.card.training["split"]["spec"] == "speakers:2"
    assert run.warning is None


@pytest.mark.parametrize(
    ("family", "voices", "named"),
    [("svm-linear", "known", "hybrid"), ("functionals", "familiar", "new or known")],
)
def test_what_makes_no_sense_is_refused(
    corpus: Corpus, family: str, voices: str, named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        train(corpus, family=family, voices=voices)
