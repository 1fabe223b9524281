"""Several networks in one classifier: the mean of their scores, in Python and in ONNX."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import speech
from emotone import audio
from emotone.audio.clips import Clips
from emotone.errors import TrainingError, UsageError
from emotone.features.waveforms import DEFAULT_PREPARATION
from emotone.models import build
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.hybrid import HybridClassifier

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL: dict[str, Any] = {
    "crnn.channels": [4, 4, 8],
    "crnn.width": 24,
    "crnn.lag_width": 8,
    "crnn.blocks": 1,
    "crnn.embedding": 16,
    "crnn.epochs": 2,
    "crnn.ema": 0.5,
    "functionals.hidden": 16,
    "functionals.embedding": 16,
    "functionals.views": 2,
    "functionals.epochs": 15,
    "functionals.ema": 0.5,
}


def made(**params: Any) -> HybridClassifier:
    classifier = build("hybrid", params={**SMALL, **params})
    assert isinstance(classifier, HybridClassifier)
    return classifier


@pytest.fixture(scope="module")
def fitted() -> HybridClassifier:
    clips, emotions, speakers = speech.clips()
    homes = ["here" if i % 2 else "there" for i in range(len(emotions))]
    return made(validation=0.25).fit(clips, emotions, speakers, corpora=homes)


def test_it_learns_and_says_who_it_learned_from(fitted: HybridClassifier) -> None:
    clips, emotions, _ = speech.clips(seed=1)
    assert (fitted.predict(clips) == np.array(emotions)).mean() > 0.3  # half of it barely began
    assert (fitted.members_[1].predict(clips) == np.array(emotions)).mean() > 0.5
    assert fitted.corpora_ == ["here", "there"]
    assert fitted.calibration_["temperature"] == pytest.approx(fitted.temperature_, abs=1e-6)
    assert fitted.calibration_["grouped_by"] == "speaker"
    assert [member.family.name for member in fitted.members_] == ["crnn", "functionals", "ridge"]
    assert all(np.array_equal(m.held_, fitted.members_[0].held_) for m in fitted.members_)


def test_its_scores_are_the_calibrated_geometric_mean(fitted: HybridClassifier) -> None:
    clips, _, _ = speech.clips(8, seed=1)
    product = np.prod([member.scores(clips) for member in fitted.members_], axis=0)
    powers = product ** (1 / 3 / fitted.temperature_)
    assert np.allclose(fitted.scores(clips), powers / powers.sum(1, keepdims=True), atol=1e-9)
    own = fitted.scores(clips, corpora=["here"] * 8)
    assert np.allclose(own.sum(1), 1)
    assert not np.allclose(own, fitted.scores(clips), atol=1e-3)


def test_the_onnx_form_agrees_on_real_clips_and_is_the_same_each_time(
    fitted: HybridClassifier,
) -> None:
    model = fitted.to_onnx()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for name in ("low-voice.flac", "raised-voice.flac"):
        samples = DEFAULT_PREPARATION.apply(audio.read(EXAMPLES / name)).samples
        for length in (4800, 20001, len(samples)):
            clips = Clips.of([samples[:length]], 16000)  # which has 16 bits
            (scores,) = session.run(None, {"waveform": clips[0][None]})
            assert np.abs(scores - fitted.scores(clips)).max() < 2e-5
    assert fitted.to_onnx() == model


def test_a_member_counts_by_its_weight(fitted: HybridClassifier) -> None:
    clips, _, _ = speech.clips(8, seed=1)
    weights = (2.0, 1.0, 0.25)
    names = fitted.family.members
    weighted = made(**{f"{n}.weight": w for n, w in zip(names, weights, strict=True)})
    weighted._take(list(fitted.members_))
    weighted.temperature_ = 0.8
    logs = [w * m.log_scores(clips) for w, m in zip(weights, fitted.members_, strict=True)]
    powers = np.exp(np.sum(logs, axis=0) / sum(weights) / 0.8)
    expected = powers / powers.sum(1, keepdims=True)
    assert np.allclose(weighted.scores(clips), expected, atol=1e-9)
    assert not np.allclose(expected, fitted.scores(clips), atol=1e-2)
    session = onnxruntime.InferenceSession(weighted.to_onnx(), providers=["CPUExecutionProvider"])
    for i in range(len(clips)):
        (scores,) = session.run(None, {"waveform": clips[i][None]})
        assert np.abs(scores - expected[i]).max() < 2e-5


def test_it_goes_on_from_what_its_members_left(tmp_path: Path, fitted: HybridClassifier) -> None:
    clips, emotions, speakers = speech.clips()
    said: list[str] = []
    for _ in range(2):
        said.clear()
        made(validation=0).fit(
            clips,
            emotions,
            speakers,
            files=TrainingFiles(tmp_path),
            progress=lambda done, total, text: said.append(text),
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crnn", "functionals"]
    assert {text.split(":")[0] for text in said} == {"ridge"}  # the others were finished


def test_parameters_are_checked() -> None:
    assert made().params["crnn.recurrent"] == 0
    with pytest.raises(UsageError, match="no parameter 'epochs'"):
        made(epochs=3)
    with pytest.raises(UsageError, match="'hidden' is 0"):
        made(**{"functionals.hidden": 0})
    with pytest.raises(UsageError, match="no parameter"):
        made(**{"crnn.validation": 0.2})
    with pytest.raises(UsageError, match=r"'crnn\.weight' is 0"):
        made(**{"crnn.weight": 0})
    with pytest.raises(TrainingError, match="not been fitted"):
        made().scores(speech.clips(1)[0])


def test_functionals_are_computed_once_for_all_that_hear_by_them(
    fitted: HybridClassifier,
) -> None:
    import onnx

    from emotone.models.neural.export import to_onnx

    def sums(*members: int) -> int:
        parts = [(fitted.members_[i].fitted(), 1.0) for i in members]
        graph = onnx.load_from_string(to_onnx(parts, 1.0, 16000)).graph
        return sum(node.op_type == "ReduceSum" for node in graph.node)

    assert sums(1, 2) == sums(2) == sums(1) + 1 > 50  # the kernel's distances are one more
    assert sums(0, 1, 2) == sums(0, 1) + 1


def test_what_a_corpus_does_not_have_is_impossible_in_it() -> None:
    clips, emotions, speakers = speech.clips()
    missing = emotions[0]
    homes = ["here" if e == missing or i // 7 % 2 else "there" for i, e in enumerate(emotions)]
    classifier = made(validation=0).fit(clips, emotions, speakers, corpora=homes)
    column = classifier.classes_.tolist().index(missing)
    there = classifier.scores(clips, corpora=["there"] * len(clips))
    assert (there[:, column] == 0).all()
    assert np.allclose(there.sum(1), 1)
    logs = classifier.members_[2].log_scores(clips, corpora=["there"] * len(clips))
    assert np.isneginf(logs[:, column]).all()
    # The regression answers by the head of the corpus alone.
    _, own = classifier.members_[2]._logits(clips)
    assert own is not None
    inside = np.delete(own[:, classifier.corpora_.index("there")], column, axis=1)
    expected = np.exp(inside) / np.exp(inside).sum(1, keepdims=True)
    assert np.allclose(np.exp(np.delete(logs, column, axis=1)), expected)


def test_a_fixed_temperature_counts_once(fitted: HybridClassifier) -> None:
    clips, _, _ = speech.clips(8, seed=1)
    fixed = made(temperature=2.0)
    members = [copy.copy(member) for member in fitted.members_]
    for member in members:  # as each is fitted with it
        member.temperature_ = 2.0
    fixed._take(members)
    fixed._calibrate(clips)
    plain = made()
    alone = [copy.copy(member) for member in fitted.members_]
    for member in alone:
        member.temperature_ = 1.0
    plain._take(alone)
    powers = plain.scores(clips) ** 0.5
    assert fixed.calibration_["temperature"] == 2.0
    assert np.allclose(fixed.scores(clips), powers / powers.sum(1, keepdims=True), atol=1e-9)
