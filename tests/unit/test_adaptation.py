"""Adapting to a speaker: the offset found is the one that is there, and adapting helps."""

from __future__ import annotations

import numpy as np
import pytest

from emotone.adaptation import (
    DEFAULT_PRECISION,
    Adaptation,
    NeutralReference,
    adapted,
    estimate,
    logits,
)

EMOTIONS = ["neutral", "happy", "sad", "angry"]


def softmax(z: np.ndarray) -> np.ndarray:
    weights = np.exp(z - z.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def voices(
    speakers: int = 12, clips: int = 40, bias: float = 1.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels, speakers and each speaker's bias: an emotion, a voice, and noise."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(4), speakers * clips // 4)
    who = np.repeat(np.arange(speakers), clips)
    biases = rng.normal(scale=bias, size=(speakers, 4))
    biases -= biases.mean(axis=1, keepdims=True)
    z = 2.0 * np.eye(4)[labels] + biases[who] + rng.normal(size=(len(labels), 4))
    return softmax(z), np.array(EMOTIONS)[labels], np.array([f"s{i}" for i in who]), biases


def test_an_offset_is_undone() -> None:
    scores = softmax(np.random.default_rng(0).normal(size=(7, 4)))
    offset = np.array([1.0, -2.0, 0.5, 0.5])
    biased = softmax(np.log(scores) + offset)
    np.testing.assert_allclose(adapted(biased, offset), scores, atol=1e-4)
    np.testing.assert_allclose(adapted(scores, np.zeros(4)), scores, atol=1e-5)


@pytest.mark.parametrize("precision", [0.01, 0.5, 8.0])
def test_the_offset_is_the_minimum_that_is_claimed(precision: float) -> None:
    scores = softmax(6 * np.random.default_rng(1).normal(size=(9, 4)))
    offset = Adaptation(precision).offset(scores)

    def cost(b: np.ndarray) -> float:
        z = logits(scores) - b
        return float(np.log(np.exp(z).sum(axis=1)).sum() + 9 * b.mean() + precision / 2 * b @ b)

    # The slope is 0: summed scores are even but for what the prior holds back.
    np.testing.assert_allclose(
        adapted(scores, offset).sum(axis=0) - precision * offset, 9 / 4, atol=1e-5
    )
    rng = np.random.default_rng(2)
    assert all(cost(offset + step) > cost(offset) for step in rng.normal(scale=0.1, size=(50, 4)))


def test_certain_scores_still_give_an_offset() -> None:
    certain = np.zeros((3, 4))
    certain[:, 2] = 1.0
    offset = Adaptation(0.25).offset(certain)
    assert np.isfinite(offset).all()
    assert offset.argmax() == 2
    assert np.isfinite(adapted(certain, offset)).all()


def test_more_clips_find_the_bias_of_a_voice_better() -> None:
    scores, _, who, biases = voices(clips=200)
    errors = []
    for size in (1, 5, 20, 200):
        rng = np.random.default_rng(0)
        found = [
            Adaptation(0.25).offset(scores[rng.permutation(np.flatnonzero(who == f"s{i}"))[:size]])
            for i in range(len(biases))
        ]
        errors.append(float(np.abs(np.array(found) - biases).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.35 * np.abs(biases).mean()


def test_neutral_clips_are_held_against_other_speakers_neutral_clips() -> None:
    known = Adaptation(neutral=NeutralReference((1.5, -0.5, -0.5, -0.5), 0.8, 3.0))
    usual = softmax(np.array([[1.5, -0.5, -0.5, -0.5]]))
    np.testing.assert_allclose(known.neutral_offset(usual), 0, atol=1e-4)
    loud = softmax(np.array([[1.5, -0.5, -0.5, 1.5]]))
    # Centred, the angry logit is 1.5 above the usual one; of it 0.8 * 1 / (1 + 3) is believed.
    np.testing.assert_allclose(known.neutral_offset(loud)[3], 1.5 * 0.2, atol=1e-4)
    np.testing.assert_allclose(
        known.neutral_offset(np.repeat(loud, 9, axis=0))[3], 1.5 * 0.6, atol=1e-4
    )
    with pytest.raises(ValueError, match="not known"):
        Adaptation().neutral_offset(loud)


def test_what_is_estimated_adapts_new_speakers() -> None:
    known = estimate(*_without_biases(voices(seed=1)), EMOTIONS)
    assert known is not None
    assert known.speakers == 12
    assert known.neutral is not None
    scores, labels, who, _ = voices(seed=2)
    names = np.array(EMOTIONS)
    plain = (names[scores.argmax(axis=1)] == labels).mean()
    even, neutral = [], []
    for speaker in np.unique(who):
        own = np.flatnonzero(who == speaker)
        rng = np.random.default_rng(0)
        drawn = rng.permutation(own)[:20]
        rest = np.setdiff1d(own, drawn)
        answers = adapted(scores[rest], known.offset(scores[drawn])).argmax(axis=1)
        even.append((names[answers] == labels[rest]).mean())
        calm = own[labels[own] == "neutral"][:5]
        rest = np.setdiff1d(own, calm)
        answers = adapted(scores[rest], known.neutral_offset(scores[calm])).argmax(axis=1)
        neutral.append((names[answers] == labels[rest]).mean())
    assert np.mean(even) > plain + 0.05
    assert np.mean(neutral) > plain + 0.05


def test_where_voices_do_not_differ_little_is_believed() -> None:
    same = estimate(*_without_biases(voices(bias=0.0)), EMOTIONS)
    apart = estimate(*_without_biases(voices(bias=2.0)), EMOTIONS)
    assert same is not None
    assert apart is not None
    assert same.neutral is not None
    assert apart.neutral is not None
    assert same.precision > apart.precision
    five = [n.weight * 5 / (5 + n.prior_clips) for n in (same.neutral, apart.neutral)]
    assert five[0] < 0.3 < 0.7 < five[1]


def test_an_estimate_is_the_same_again_and_survives_the_card() -> None:
    data = _without_biases(voices())
    first, second = (estimate(*data, EMOTIONS, seed=3) for _ in range(2))
    assert first is not None
    assert first == second
    again = Adaptation.from_dict(first.to_dict())
    assert again.to_dict() == first.to_dict()
    assert Adaptation.from_dict(Adaptation().to_dict()) == Adaptation(DEFAULT_PRECISION)


def test_too_little_to_estimate_from() -> None:
    scores, labels, who, _ = voices()
    assert estimate(scores, labels, [None] * len(labels), EMOTIONS) is None
    one = who == "s0"
    assert estimate(scores[one], labels[one], who[one].tolist(), EMOTIONS) is None
    assert estimate(scores[:0], labels[:0], [], EMOTIONS) is None
    sad = labels != "neutral"
    found = estimate(scores[sad], labels[sad], who[sad].tolist(), EMOTIONS)
    assert found is not None
    assert found.neutral is None
    # Clips of nobody are left out.
    unknown = [name if i % 2 else None for i, name in enumerate(who.tolist())]
    odd = np.arange(len(who)) % 2 == 1
    assert estimate(scores, labels, unknown, EMOTIONS) == estimate(
        scores[odd], labels[odd], who[odd].tolist(), EMOTIONS
    )


def _without_biases(
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    return data[0], data[1], data[2].tolist()
