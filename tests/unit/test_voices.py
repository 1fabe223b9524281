"""A model for voices that it will hear again: parameters, what it holds out, how it is tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import speech
from emotone import corpora
from emotone.comparison import compare
from emotone.corpora import Corpus
from emotone.errors import EmotoneWarning, UsageError
from emotone.models import FAMILIES
from emotone.models.neural.classifier import NeuralClassifier
from emotone.models.neural.parameters import member_params
from emotone.models.neural.settings import Settings
from emotone.report.run import report_from_run
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


def test_how_much_speakers_are_shrunk_counts_for_known_voices_too(corpus: Corpus) -> None:
    def scores(speakers: float) -> npt.NDArray[np.float64]:
        run = train(
            corpus, family="ridge", params={"kernel": 0, "ridge": 10.0, "speakers": speakers},
            voices="known", split="clips:2", bootstrap=0,
        )  # fmt: skip
        return run.classifier.scores(run.dataset.features)

    assert np.abs(scores(0.0) - scores(100.0)).max() > 0.01


@pytest.mark.parametrize("name", ["epochs", "patience"])
@pytest.mark.parametrize("prefix", ["", "crnn."])
def test_a_users_epochs_need_not_suit_two_cycles(name: str, prefix: str) -> None:
    family = "hybrid" if prefix else "crnn"
    params = Recipe(family, {}, voices="known").classifier({prefix + name: 3}).params
    assert params[prefix + name] == 3
    assert params[f"{prefix}cycles"] == 1
    assert Recipe(family, {}, voices="known").classifier({}).params[f"{prefix}cycles"] == 2


def test_the_scores_are_calibrated_for_these_voices(corpus: Corpus) -> None:
    run = train(corpus, family="functionals", params=TINY, voices="known", bootstrap=0)
    training, split = run.card.training, run.card.training["split"]
    assert training["voices"] == "known"
    assert training["fitted_on"] == "all clips"
    assert split["spec"] == "clips:5"
    assert run.card.calibration["grouped_by"] == "nothing"
    assert run.caution is None
    assert not run.modest
    assert run.warning is not None  # that these are figures of known voices
    held = run.classifier
    assert isinstance(held, NeuralClassifier)
    speakers = run.dataset.speakers
    rest = np.delete(speakers, held.held_)
    assert set(speakers[held.held_].tolist()) <= set(rest.tolist())


def test_a_classical_family_is_calibrated_for_them_too(corpus: Corpus) -> None:
    runs = {
        voices: train(
            corpus, family="logistic", features="mfcc13:mean", voices=voices, split="clips:2",
            bootstrap=0, curve=False, jobs=1,
        )
        for voices in ("new", "known")
    }  # fmt: skip
    assert runs["new"].modest
    assert not runs["known"].modest
    assert runs["known"].card.training["voices"] == "known"
    assert runs["known"].classifier.temperature_ != runs["new"].classifier.temperature_


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
    assert run.caution is not None  # what it says of these is too sure


@pytest.mark.parametrize("split", ["none", "clips:2"])
def test_without_strangers_nothing_is_said_of_them(corpus: Corpus, split: str) -> None:
    nameless = corpus.with_utterances(tuple(replace(u, speaker=None) for u in corpus.utterances))
    run = train(
        nameless, family="logistic", features="mfcc13:mean", voices="known", split=split,
        bootstrap=0, curve=False, jobs=1,
    )  # fmt: skip
    assert run.caution is None


def test_voices_that_give_the_emotion_away_are_told_of(corpus: Corpus) -> None:
    moods = {"s0": "sad", "s1": "happy", "s2": "angry", "s3": "sad", "s4": "neutral"}
    chosen = [u for u in corpus.utterances if moods.get(str(u.speaker), u.emotion) == u.emotion]
    telling = corpus.with_utterances(tuple(chosen))
    with pytest.warns(EmotoneWarning, match="5 of 6 speakers are heard in one emotion only"):
        train(telling, family="ridge", params={"kernel": 0}, voices="known", split="none")
    with pytest.warns(EmotoneWarning, match="5 of 6 speakers are heard in one emotion only"):
        compare(telling, ["ridge"], params={"ridge": {"kernel": 0}}, voices="known", bootstrap=0)


@pytest.mark.parametrize("family", ["svm-linear", "functionals"])
def test_other_voices_are_refused(corpus: Corpus, family: str) -> None:
    with pytest.raises(UsageError, match="new or known"):
        train(corpus, family=family, voices="familiar")


def test_families_are_compared_for_known_voices(corpus: Corpus) -> None:
    found = compare(
        corpus, ["ridge", "functionals"], params={"functionals": TINY, "ridge": {"kernel": 0}},
        voices="known", bootstrap=0,
    )  # fmt: skip
    split = found.datasets["waveform"].split
    assert split.spec == "clips:5"
    assert split.shared_speakers
    assert all(row.error is None for row in found.rows)


@pytest.mark.parametrize("split", ["clips:2", "speakers:2"])
def test_the_report_tells_whose_voices_it_is_about(corpus: Corpus, split: str) -> None:
    run = train(corpus, family="functionals", params=TINY, voices="known", split=split, bootstrap=0)
    data = report_from_run(run)
    assert data.settings["Model"]["voices"] == "known"
    assert ("in other clips" in data.protocol) == (split == "clips:2")
    assert any("too sure" in note for note in data.notes) == (split == "speakers:2")
