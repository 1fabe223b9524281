"""Training, evaluating and comparing on short synthetic clips; above all, what must not leak."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import emotone
from emotone import bundle
from emotone.audio import Preparation
from emotone.comparison import compare
from emotone.corpora import Corpus, Utterance
from emotone.dataset import Dataset, prepare
from emotone.errors import SplitError, TrainingError, UsageError
from emotone.evaluation import evaluate, read_predictions, write_predictions
from emotone.execution import Progress
from emotone.report import report_from_run
from emotone.training import train
from emotone.training.folds import run_fold
from emotone.training.recipe import Recipe

FEATURES = "rms:mean,std+centroid:mean,std+zcr:mean"
PITCH_HZ = {"neutral": 300.0, "happy": 900.0, "angry": 2500.0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """72 noisy tones: the emotion sets the pitch, the speaker the loudness."""
    root = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(72):
        emotion = list(PITCH_HZ)[number % 3]
        speaker = f"{number // 3 % 6:02d}"
        time = np.arange(4800) / 16000
        pitch = PITCH_HZ[emotion] * rng.uniform(0.6, 1.6)
        samples = np.sin(2 * np.pi * pitch * time) * (0.1 + 0.1 * int(speaker))
        samples += rng.normal(scale=0.02, size=len(time))
        path = root / f"{speaker}_{emotion}_{number:02d}.wav"
        soundfile.write(path, samples.astype(np.float32), 16000)
        utterances.append(Utterance(path, emotion, "tones", emotion, speaker=speaker))
    return Corpus("tones", root, tuple(sorted(utterances, key=lambda u: str(u.path))))


@pytest.fixture(scope="module")
def dataset(corpus: Corpus) -> Dataset:
    return prepare(corpus, FEATURES, "speakers:3", jobs=1)


def silent(event: Progress) -> None:
    pass


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("svm-rbf", {}, class_weight="balanced", select=3),
        Recipe("mlp", {"hidden_layer_sizes": [8], "max_iter": 10}, sampling="balanced"),
        Recipe("extra-trees", {"n_estimators": 10}, select="model"),
        Recipe("knn", {}, trials=3),
    ],
    ids=lambda recipe: recipe.family,
)
def test_test_clips_leave_no_trace_in_the_model(dataset: Dataset, recipe: Recipe) -> None:
    fold = dataset.folds[0]
    clean = run_fold(dataset, fold, recipe, silent)
    # Other features, other labels and other speakers in the test part: the model must not notice.
    rng = np.random.default_rng(1)
    features = dataset.features.copy()
    features[fold.test] = rng.normal(size=(len(fold.test), features.shape[1])) * 1e6
    utterances = list(dataset.utterances)
    for i in fold.test.tolist():
        emotion = str(rng.choice(list(PITCH_HZ)))
        utterances[i] = dataclasses.replace(utterances[i], emotion=emotion, speaker="nobody")
    corrupted = dataclasses.replace(dataset, features=features, utterances=tuple(utterances))
    dirty = run_fold(corrupted, fold, recipe, silent)
    assert clean.classifier.to_onnx() == dirty.classifier.to_onnx()
    assert clean.search == dirty.search
    assert not np.allclose(clean.scores, dirty.scores)


def test_train_clips_do_leave_a_trace(dataset: Dataset) -> None:
    fold = dataset.folds[0]
    features = dataset.features.copy()
    features[fold.train[0]] *= 3
    changed = dataclasses.replace(dataset, features=features)
    recipe = Recipe("svm-rbf", {})
    first, second = (run_fold(data, fold, recipe, silent) for data in (dataset, changed))
    assert first.classifier.to_onnx() != second.classifier.to_onnx()


def test_one_fold_keeps_the_model_that_was_tested(corpus: Corpus, tmp_path: Path) -> None:
    run = train(corpus, family="svm-rbf", features=FEATURES, split="random:test=0.25,seed=9",
                name="tones", jobs=1)  # fmt: skip
    assert run.card.training["fitted_on"] == "the training part of the split"
    assert run.card.training["clips"] == 54
    quoted = run.card.metrics["held-out test"]
    assert run.evaluation is not None
    assert quoted["ua"] == pytest.approx(run.evaluation.ua.value, abs=1e-6)
    assert quoted["clips"] == len(run.tested) == 18
    assert run.warning is not None
    assert "share 6 speakers" in run.warning
    assert quoted["warning"] == run.warning
    assert run.modest
    assert run.counts == {"neutral": 24, "happy": 24, "angry": 24}

    # The figures hold for exactly the bundle on disk.
    run.save(tmp_path / "tones.emotone")
    recognizer = emotone.load(tmp_path / "tones.emotone")
    again = evaluate(recognizer, corpus, split="random:test=0.25,seed=9", jobs=1)
    assert again.evaluation.to_dict()["confusion"] == run.evaluation.to_dict()["confusion"]
    assert again.evaluation.log_loss.value == pytest.approx(run.evaluation.log_loss.value, abs=1e-4)
    assert any("trained on tones" in note for note in again.notes)
    for clip in again.tested[:3]:
        prediction = recognizer.predict(clip.file)
        assert prediction.emotion == clip.predicted
        assert prediction.confidence == pytest.approx(clip.confidence, abs=1e-5)


def test_a_model_hears_a_clip_alike_at_any_rate(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "m.emotone"
    train(corpus, family="forest", features="mel20", split="none", jobs=1).save(path)
    recognizer = emotone.load(path)
    assert recognizer.card.preparation["rate"] == 16000
    alike = 0
    for clip in corpus.paths:
        samples, rate = soundfile.read(clip, dtype="float32")
        fast = soxr.resample(samples, rate, 48000)
        alike += recognizer.predict(clip).emotion == recognizer.predict((fast, 48000)).emotion
    assert alike >= 70


def test_the_rate_of_a_mixed_corpus_is_that_of_most(corpus: Corpus, tmp_path: Path) -> None:
    samples, _ = soundfile.read(corpus.paths[0])
    odd = tmp_path / "odd.wav"
    soundfile.write(odd, samples, 22050)
    mixed = corpus.with_utterances(
        (*corpus.utterances, dataclasses.replace(corpus.utterances[0], path=odd))
    )
    with pytest.warns(emotone.EmotoneWarning, match="most clips are at 16000 Hz and some at 22050"):
        found = prepare(mixed, "mel40", "none", jobs=1)
    assert found.preparation.rate == 16000
    asked = prepare(mixed, "mel40", "none", preparation=Preparation(rate=8000), jobs=1)
    assert asked.preparation.rate == 8000
    assert prepare(mixed, "rich", "none", jobs=1).preparation.rate is None  # it has its own


def test_several_folds_quote_the_cross_validation_and_fit_all(corpus: Corpus) -> None:
    run = train(corpus, family="logistic", features=FEATURES, split="speakers:3", jobs=1)
    assert run.card.training["fitted_on"] == "all clips"
    assert run.card.training["clips"] == 72
    assert list(run.card.metrics) == ["cross-validation"]
    quoted = run.card.metrics["cross-validation"]
    assert list(quoted["ua_per_fold"]) == list(run.folds) == ["1", "2", "3"]
    assert quoted["ua"] == pytest.approx(np.mean(list(quoted["ua_per_fold"].values())), abs=1e-5)
    assert quoted["ua"] > 0.6  # chance is 0.33
    assert quoted["warning"] is None
    assert len(run.tested) == 72
    assert {clip.fold for clip in run.tested} == {"1", "2", "3"}


def test_without_a_split_nothing_is_quoted(corpus: Corpus) -> None:
    run = train(corpus, family="knn", features=FEATURES, split="none", jobs=1)
    assert (run.evaluation, run.folds, run.tested, run.history) == (None, {}, (), None)
    assert run.card.metrics == {}
    assert run.card.training["clips"] == 72


def test_the_same_seed_gives_the_same_bundle(corpus: Corpus, tmp_path: Path) -> None:
    cards = []
    for name in ("a", "b"):
        run = train(corpus, family="forest", params={"n_estimators": 10}, features=FEATURES,
                    split="speakers:3", seed=5, jobs=1)  # fmt: skip
        run.save(tmp_path / name)
        cards.append({**run.card.to_dict(), "created": None})
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()
    assert cards[0] == cards[1]
    opened = bundle.Bundle.open(tmp_path / "a").card
    assert opened.training["params"] == {"n_estimators": 10, "min_samples_leaf": 2}
    assert opened.training["seed"] == 5


def test_histories_are_named_for_what_they_are(corpus: Corpus) -> None:
    epochs = train(corpus, family="mlp", params={"hidden_layer_sizes": [8], "max_iter": 12},
                   features=FEATURES, split="speakers:3", jobs=1).history  # fmt: skip
    assert epochs is not None
    assert (epochs.kind, epochs.measure) == ("epochs", "log loss")
    assert epochs.x == list(range(1, 13))
    assert epochs.curves["training"][-1] < epochs.curves["training"][0]
    assert len(epochs.curves["test"]) == 12

    run = train(
        corpus, family="svm-rbf", features=FEATURES, split="random:test=0.25,seed=1", jobs=1
    )
    sizes = run.history
    assert sizes is not None
    assert (sizes.kind, sizes.measure) == ("training size", "ua")
    assert sizes.x[-1] == 54
    assert run.evaluation is not None
    assert sizes.curves["test"][-1] == pytest.approx(run.evaluation.ua.value)


def test_a_search_is_recorded(corpus: Corpus) -> None:
    run = train(corpus, family="tree", features=FEATURES, split="random:test=0.25,seed=1",
                trials=2, jobs=1)  # fmt: skip
    searched = run.card.training["search"]
    assert searched["trials"] == 3
    assert run.card.training["params"] == searched["params"]
    json.dumps(run.to_dict(), allow_nan=False)


def test_an_unreadable_clip_is_left_out_and_named(corpus: Corpus, tmp_path: Path) -> None:
    broken = tmp_path / "00_happy.wav"
    broken.write_bytes(b"this is no audio")
    bad = Utterance(broken, "happy", "tones", "happy", speaker="00")
    run = train(corpus.with_utterances((bad, *corpus.utterances)), family="knn",
                features=FEATURES, split="speakers:3", jobs=1)  # fmt: skip
    assert [failure.file for failure in run.failures] == [str(broken)]
    assert run.card.training["clips"] == 72
    assert str(broken) not in {clip.file for clip in run.tested}


def test_an_emotion_the_training_part_lacks_is_counted(corpus: Corpus, tmp_path: Path) -> None:
    rows = ["path,emotion,test_folds,train_folds"]
    for utterance in corpus.utterances:
        tests = utterance.speaker in ("00", "01")
        trains = not tests and utterance.emotion != "angry"
        rows.append(",".join([utterance.path.name, utterance.emotion, "1" * tests, "1" * trains]))
    folds = tmp_path / "folds.csv"
    folds.write_text("\n".join(rows) + "\n")
    run = train(corpus, family="knn", features=FEATURES, split=f"file:{folds}", jobs=1)
    assert run.card.emotions == ("neutral", "happy")
    assert run.card.metrics["held-out test"]["unknown_clips"] == 8
    assert len(run.tested) == 16
    assert set(run.tested[0].scores) == {"neutral", "happy"}


def test_clips_that_no_fold_can_test_are_told_of(corpus: Corpus) -> None:
    first, *others = corpus.utterances
    alone = corpus.with_utterances((dataclasses.replace(first, emotion="disgust"), *others))
    said = "1 clip is not asked about, for want of its emotion in the training part: disgust (1)"
    run = train(alone, family="knn", features=FEATURES, split="speakers:3", jobs=1)
    assert run.evaluation is not None
    assert run.evaluation.clips == 71
    assert run.dataset.split.notes == (said,)
    assert said in report_from_run(run).notes
    found = compare(alone, ["knn"], features=FEATURES, split="speakers:3", jobs=1)
    assert found.to_dict()["split"]["notes"] == [said]
    start = tuple(dataclasses.replace(u, emotion="hapy") for u in corpus.utterances[:2])
    two = corpus.with_utterances(start + corpus.utterances[2:])
    assert prepare(two, FEATURES, "speakers:loo", jobs=1).split.notes == (
        "2 clips are not asked about, for want of their emotion in the training part: hapy (2)",
    )
    assert prepare(two, FEATURES, "none", jobs=1).split.notes == ()


def test_ctrl_c_leaves_nothing(corpus: Corpus, tmp_path: Path) -> None:
    def interrupt(event: Progress) -> None:
        if event.stage == "fold" and event.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(corpus, family="knn", features=FEATURES, split="speakers:3", jobs=1,
              progress=interrupt).save(tmp_path / "model.emotone")  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_stage(corpus: Corpus) -> None:
    events: list[Progress] = []
    train(corpus, family="tree", features=FEATURES, split="speakers:3", trials=1, jobs=1,
          progress=events.append)  # fmt: skip
    last = {event.stage: (event.done, event.total) for event in events}
    assert last["features"] == (72, 72)
    assert last["fold"] == (3, 3)
    assert last["search"] == (8, 8)  # two in each fold, and for the model of all clips
    assert last["model"] == (1, 1)


def test_bad_options_are_refused_before_any_work(corpus: Corpus) -> None:
    def no_work(event: Progress) -> None:
        raise AssertionError("features were extracted")

    for options, error in (
        ({"family": "nothing"}, UsageError),
        ({"family": "mlp-300", "trials": 3}, UsageError),
        ({"family": "knn", "params": {"k": 3}}, UsageError),
        ({"family": "knn", "features": "mfcc-of-the-gaps"}, emotone.EmotoneError),
        ({"family": "knn", "split": "by-moonlight"}, SplitError),
        ({"family": "knn", "name": "my model"}, UsageError),
        ({"family": "knn", "version": "1/2"}, UsageError),
    ):
        with pytest.raises(error):
            train(corpus, **{"features": FEATURES, **options}, progress=no_work)  # type: ignore[arg-type]


def test_a_corpus_without_a_readable_clip(tmp_path: Path) -> None:
    utterances = []
    for number in range(4):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(b"nothing")
        utterances.append(Utterance(path, "happy", "bad", "happy"))
    with pytest.raises(TrainingError, match="none of the 4 clips can be read"):
        train(Corpus("bad", tmp_path, tuple(utterances)), family="knn", features=FEATURES,
              split="none", jobs=1)  # fmt: skip


def test_compare_ranks_under_the_same_folds(corpus: Corpus) -> None:
    found = compare(
        corpus,
        ["tree", "svm-rbf", "knn"],
        features=FEATURES,
        split="speakers:3",
        params={"tree": {"max_depth": 1, "min_samples_leaf": 20}},
        jobs=1,
    )
    values = [row.evaluation.ua.value for row in found.rows if row.evaluation is not None]
    assert len(values) == 3
    assert values == sorted(values, reverse=True)
    assert found.rows[-1].family == "tree"  # a stump cannot tell three emotions apart
    assert all(row.train_s > 0 and row.predict_ms > 0 for row in found.rows)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["warning"] is None
    assert [row["family"] for row in data["rows"]] == [row.family for row in found.rows]
    alone = train(corpus, family="svm-rbf", features=FEATURES, split="speakers:3", jobs=1)
    (row,) = (row for row in found.rows if row.family == "svm-rbf")
    assert alone.evaluation is not None
    assert row.evaluation is not None
    assert alone.evaluation.to_dict() == row.evaluation.to_dict()


def test_compare_reports_a_family_that_fails_and_does_the_others(corpus: Corpus) -> None:
    found = compare(corpus, ["svm-rbf", "knn"], features=FEATURES, split="speakers:3",
                    params={"svm-rbf": {"C": -1.0}}, jobs=1)  # fmt: skip
    assert [row.family for row in found.rows] == ["knn", "svm-rbf"]
    assert found.rows[1].error is not None
    assert found.rows[1].to_dict()["error"]["code"] == "training_failed"
    with pytest.raises(UsageError, match="leaves nothing to test"):
        compare(corpus, ["knn"], features=FEATURES, split="none", jobs=1)
    with pytest.raises(UsageError, match="different families"):
        compare(corpus, ["knn", "knn"], features=FEATURES)
    with pytest.raises(UsageError, match="not compared"):
        compare(corpus, ["knn"], features=FEATURES, params={"tree": {}})


@pytest.fixture(scope="module")
def recognizer(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> emotone.Recognizer:
    path = tmp_path_factory.mktemp("model") / "tones.emotone"
    train(corpus, family="svm-rbf", features=FEATURES, split="none", jobs=1).save(path)
    return emotone.load(path)


def test_emotions_the_model_does_not_know_are_left_out(
    corpus: Corpus, recognizer: emotone.Recognizer
) -> None:
    renamed = tuple(
        dataclasses.replace(u, emotion="boredom" if u.emotion == "happy" else u.emotion)
        for u in corpus.utterances
    )
    run = evaluate(recognizer, corpus.with_utterances(renamed), jobs=1)
    assert run.unknown == {"boredom": 24}
    assert run.evaluation.clips == 48
    assert run.evaluation.emotions == ("neutral", "happy", "angry")
    assert any("24 clips were left out, of emotions" in note for note in run.notes)
    few = tuple(
        dataclasses.replace(u, emotion="boredom" if i == 0 else u.emotion)
        for i, u in enumerate(corpus.utterances[:8])
    )
    single = evaluate(recognizer, corpus.with_utterances(few), bootstrap=0, jobs=1)
    assert any("1 clip was left out, of emotions" in note for note in single.notes)

    easier = evaluate(recognizer, corpus.with_utterances(renamed), restrict=True, jobs=1)
    assert easier.restricted
    assert easier.evaluation.emotions == ("neutral", "angry")
    assert easier.evaluation.ua.value >= run.evaluation.ua.value
    assert any("chose among the 2 emotions" in note for note in easier.notes)
    assert all(sum(clip.scores.values()) == pytest.approx(1) for clip in easier.tested)


def test_a_corpus_of_unknown_emotions_alone(corpus: Corpus, recognizer: emotone.Recognizer) -> None:
    bored = tuple(dataclasses.replace(u, emotion="boredom") for u in corpus.utterances)
    with pytest.raises(UsageError, match="knows none of the emotions"):
        evaluate(recognizer, corpus.with_utterances(bored), jobs=1)


def test_one_fold_can_be_chosen(corpus: Corpus, recognizer: emotone.Recognizer) -> None:
    run = evaluate(recognizer, corpus, split="speakers:3", fold="2", jobs=1)
    assert run.evaluation.clips == 24
    assert run.evaluation.speakers == 2
    with pytest.raises(UsageError, match="no fold '7'"):
        evaluate(recognizer, corpus, split="speakers:3", fold="7", jobs=1)
    with pytest.raises(UsageError, match="without a split"):
        evaluate(recognizer, corpus, fold="2", jobs=1)


def test_a_split_that_shares_speakers_is_said_of_an_evaluation(
    corpus: Corpus, recognizer: emotone.Recognizer
) -> None:
    shared = evaluate(recognizer, corpus, split="random:test=0.5", jobs=1)
    assert any("train and test share 6 speakers" in note for note in shared.notes)
    apart = evaluate(recognizer, corpus, split="speakers:3", jobs=1)
    assert not any("share" in note for note in apart.notes)


def test_answers_are_written_as_tables(
    corpus: Corpus, recognizer: emotone.Recognizer, tmp_path: Path
) -> None:
    run = evaluate(recognizer, corpus, jobs=1)
    write_predictions(run.tested, tmp_path / "a.csv")
    write_predictions(run.tested, tmp_path / "a.jsonl")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(rows) == len(lines) == 72
    assert lines == [clip.to_dict() for clip in run.tested]
    for row, line in zip(rows, lines, strict=True):
        assert row["file"] == line["file"]
        assert float(row["score_happy"]) == line["scores"]["happy"]
    right = sum(row["true"] == row["predicted"] for row in rows)
    assert right / 72 == pytest.approx(run.evaluation.wa.value)
    with pytest.raises(UsageError, match=r"\.csv or \.jsonl"):
        write_predictions(run.tested, tmp_path / "a.xlsx")
    json.dumps(run.to_dict(), allow_nan=False)


def test_the_card_tells_how_to_adapt_and_when_to_be_uncertain(corpus: Corpus) -> None:
    run = train(corpus, family="knn", features=FEATURES, split="speakers:3", jobs=1)
    adaptation = run.card.calibration["adaptation"]
    assert adaptation["speakers"] == 6
    assert len(adaptation["neutral"]["logits"]) == len(run.card.emotions)
    below = run.card.calibration["uncertain_below"]
    assert below["clips"] == 72
    sure = [clip for clip in run.tested if clip.confidence >= below["confidence"]]
    assert np.mean([clip.predicted == clip.true for clip in sure]) >= below["target"] == 0.8
    # Answers to speakers that are trained on tell nothing of new ones.
    shared = train(corpus, family="knn", features=FEATURES, split="random:test=0.5", jobs=1)
    assert "adaptation" not in shared.card.calibration
    untested = train(corpus, family="knn", features=FEATURES, split="none", jobs=1)
    assert not {"adaptation", "uncertain_below"} & set(untested.card.calibration)


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl"])
def test_answers_are_read_as_they_were_written(corpus: Corpus, tmp_path: Path, name: str) -> None:
    run = train(corpus, family="knn", features=FEATURES, split="speakers:3", jobs=1)
    write_predictions(run.tested, tmp_path / name)
    found = read_predictions(tmp_path / name)
    assert [clip.to_dict() for clip in found] == [clip.to_dict() for clip in run.tested]
    (tmp_path / name).write_text("file\n1\n")
    with pytest.raises(UsageError, match="no table of answers"):
        read_predictions(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        read_predictions(tmp_path / f"other.{name}")
