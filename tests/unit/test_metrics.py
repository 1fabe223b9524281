"""Figures of merit against scikit-learn's and against arithmetic done by hand."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from sklearn import metrics as reference

from emotone.errors import UsageError
from emotone.metrics import Evaluation, fold_mean, metrics

NAMES = ["neutral", "happy", "sad", "angry"]


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    scores = rng.dirichlet(np.full(4, 0.7), 400)
    truth = np.where(rng.random(400) < 0.6, scores.argmax(axis=1), rng.integers(0, 4, 400))
    return truth, scores


def test_agrees_with_scikit_learn(answers: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = answers
    found = metrics(truth, scores, NAMES, bootstrap=0)
    predicted = scores.argmax(axis=1)
    precision, recall, f1, support = reference.precision_recall_fscore_support(truth, predicted)
    assert found.ua.value == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert found.wa.value == pytest.approx(reference.accuracy_score(truth, predicted))
    assert found.f1.value == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
    assert found.log_loss.value == pytest.approx(
        reference.log_loss(truth, np.clip(scores, 1e-12, 1))
    )
    np.testing.assert_array_equal(found.confusion, reference.confusion_matrix(truth, predicted))
    for i, name in enumerate(NAMES):
        figures = found.per_emotion[name]
        assert figures.recall.value == pytest.approx(recall[i])
        assert figures.precision.value == pytest.approx(precision[i])
        assert figures.f1.value == pytest.approx(f1[i])
        assert figures.support == support[i]
    assert found.ua.ci95 is None


def test_calibration_error_by_hand() -> None:
    # Two clips at 0.9, one right: gap 0.4. Two at 0.6, both right: gap 0.4. Mean 0.4.
    scores = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]]
    found = metrics([0, 1, 0, 1], scores, ["sad", "happy"], bootstrap=0)
    assert found.ece.value == pytest.approx(0.4)
    filled = [bin for bin in found.calibration if bin.count]
    assert [(bin.count, round(bin.confidence, 6), bin.accuracy) for bin in filled] == [
        (2, 0.6, 1.0),
        (2, 0.9, 0.5),
    ]
    assert len(found.calibration) == 15


def test_an_emotion_absent_from_the_test_set_is_left_out_of_the_averages() -> None:
    scores = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]]
    found = metrics(["sad", "happy", "happy"], scores, ["sad", "happy", "angry"], bootstrap=50)
    assert found.ua.value == pytest.approx((1 + 0.5) / 2)
    assert np.isnan(found.per_emotion["angry"].recall.value)
    assert found.per_emotion["angry"].support == 0
    assert found.to_dict()["per_emotion"]["angry"]["recall"] == {"value": None, "ci95": None}


def test_speakers_widen_the_interval_when_their_clips_are_alike() -> None:
    rng = np.random.default_rng(0)
    speakers = np.repeat([f"s{i}" for i in range(10)], 40)
    good = np.repeat(rng.permutation([True] * 5 + [False] * 5), 40)  # half the speakers are easy
    truth = rng.integers(0, 2, 400)
    right = np.where(good, 0.95, 0.35) > rng.random(400)
    named = np.where(right, truth, 1 - truth)
    scores = np.where(np.eye(2)[named] > 0, 0.8, 0.2)
    by_clip = metrics(truth, scores, ["sad", "happy"])
    by_speaker = metrics(truth, scores, ["sad", "happy"], speakers=list(speakers))
    assert (by_clip.resampled, by_speaker.resampled) == ("clips", "speakers")
    assert (by_clip.speakers, by_speaker.speakers) == (None, 10)
    assert by_clip.wa.value == by_speaker.wa.value
    width = {run.resampled: run.wa.ci95[1] - run.wa.ci95[0] for run in (by_clip, by_speaker)}
    assert width["speakers"] > 2 * width["clips"]


def test_the_clip_interval_is_the_binomial_one() -> None:
    truth = np.zeros(400, dtype=int)
    scores = np.where(np.arange(400)[:, None] < 300, [[0.9, 0.1]], [[0.1, 0.9]])
    low, high = metrics(truth, scores, ["sad", "happy"], bootstrap=4000).wa.ci95
    sigma = np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - 1.96 * sigma, abs=0.006)
    assert high == pytest.approx(0.75 + 1.96 * sigma, abs=0.006)


def test_one_unknown_speaker_makes_it_draw_clips() -> None:
    scores = [[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]
    found = metrics([0, 1, 1], scores, ["sad", "happy"], speakers=["a", None, "b"], bootstrap=20)
    assert (found.resampled, found.speakers) == ("clips", None)


def test_folds_are_averaged_and_one_speaker_per_fold_still_has_an_interval() -> None:
    first = ([0, 1, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.3, 0.7]], ["a"] * 4)
    second = ([0, 1], [[0.9, 0.1], [0.8, 0.2]], ["b"] * 2)
    found = fold_mean([first, second], ["sad", "happy"], bootstrap=200)
    assert found.ua.value == pytest.approx(((1 + 2 / 3) / 2 + 0.5) / 2)
    assert found.wa.value == pytest.approx((0.75 + 0.5) / 2)
    assert found.clips == 6
    assert found.resampled == "speakers"
    low, high = found.wa.ci95
    assert (low, high) == (0.5, 0.75)


def test_folds_of_one_speaker_have_the_interval_of_a_mean_over_speakers() -> None:
    # Every speaker has clips of both emotions alike, so the mean over folds is that of all clips.
    rng = np.random.default_rng(3)
    folds = []
    for speaker in range(12):
        truth = np.tile([0, 1], 20)
        right = rng.random(40) < rng.uniform(0.3, 0.9)
        scores = np.eye(2)[np.where(right, truth, 1 - truth)] * 0.6 + 0.2
        folds.append((truth, scores, [f"s{speaker}"] * 40))
    each = fold_mean(folds, ["sad", "happy"], bootstrap=500, seed=1)
    y, s, names = (np.concatenate([fold[i] for fold in folds]) for i in range(3))
    at_once = metrics(y, s, ["sad", "happy"], names, bootstrap=500, seed=1)
    assert each.wa.value == pytest.approx(at_once.wa.value)
    assert each.wa.ci95 == pytest.approx(at_once.wa.ci95)


def test_the_record_is_flat_and_the_dict_reads_back(
    answers: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, scores = answers
    found = metrics([NAMES[i] for i in truth], scores, NAMES, bootstrap=100)
    record = found.record(benchmark="emobox", corpus="emodb", fold="mean")
    assert json.loads(json.dumps(record)) == record
    assert not any(isinstance(value, dict) for value in record.values())
    assert record["ci95"][0] < record["ua"] < record["ci95"][1]
    again = Evaluation.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    with pytest.raises(UsageError, match="not an evaluation"):
        Evaluation.from_dict({"emotions": []})


def test_most_confused_pairs() -> None:
    scores = np.eye(3)[[1, 1, 0, 2, 0]]
    found = metrics([0, 0, 0, 1, 2], scores, ["sad", "happy", "angry"], bootstrap=0)
    assert found.most_confused(2) == [
        ("sad", "happy", 2, pytest.approx(2 / 3)),
        ("angry", "sad", 1, 1.0),
    ]


def test_the_same_seed_gives_the_same_intervals(answers: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = answers
    first, second, other = (metrics(truth, scores, NAMES, seed=seed) for seed in (1, 1, 2))
    assert first.to_dict() == second.to_dict()
    assert first.ua.ci95 != other.ua.ci95


def test_three_thousand_clips_take_under_a_second() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(8), 3000)
    started = time.thread_time()
    metrics(rng.integers(0, 8, 3000), scores, [f"e{i}" for i in range(8)])
    assert time.thread_time() - started < 1.0


@pytest.mark.parametrize(
    ("truth", "scores", "cause"),
    [
        ([], np.empty((0, 2)), "nothing to evaluate"),
        ([0, 1], [[0.5, 0.5]], "shape"),
        ([0], [[0.5, 0.6]], "sum to 1"),
        ([0], [[np.nan, 1.0]], "not probabilities"),
        ([0], [[-0.5, 1.5]], "not probabilities"),
        ([2], [[0.5, 0.5]], "outside 0 to 1"),
        (["bored"], [[0.5, 0.5]], "does not know the emotion bored"),
    ],
)
def test_bad_input_is_refused(truth: list[object], scores: object, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        metrics(truth, scores, ["sad", "happy"])


def test_an_emotion_that_is_not_there_counts_in_neither_ua_nor_f1() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.1, 0.2, 0.7]])
    found = metrics(["sad", "angry", "angry"], scores, ["sad", "angry", "calm"], bootstrap=0)
    assert found.ua.value == pytest.approx((1 + 1 / 2) / 2)
    assert found.f1.value == pytest.approx((1 + 2 / 3) / 2)


def test_the_interval_of_the_calibration_error_holds_the_error_itself() -> None:
    """Resampling alone raises the error; without a correction the interval lies above it."""
    inside = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scores = rng.dirichlet(np.ones(4) * 0.7, size=150)
        truth = [rng.choice(4, p=row) for row in scores]
        found = metrics(truth, scores, ["a", "b", "c", "d"], bootstrap=200).ece
        assert found.ci95 is not None
        inside += found.ci95[0] <= found.value <= found.ci95[1]
        assert found.ci95[0] >= 0
    assert inside == 20


def test_the_coverage_curve_is_that_of_all_folds_together() -> None:
    first = (["sad", "happy"], [[0.9, 0.1], [0.7, 0.3]], None)
    second = (["happy"], [[0.2, 0.8]], None)
    found = fold_mean([first, second], ["sad", "happy"], bootstrap=0)
    assert found.coverage is not None
    assert [(point.confidence, point.accuracy) for point in found.coverage.points] == [
        (0.9, 1.0),
        (0.8, 1.0),
        (0.7, pytest.approx(2 / 3)),
    ]
    again = Evaluation.from_dict(found.to_dict())
    assert again.coverage is not None
    assert again.coverage.to_dict() == found.coverage.to_dict()
    older = found.to_dict()
    del older["coverage"]
    assert Evaluation.from_dict(older).coverage is None
