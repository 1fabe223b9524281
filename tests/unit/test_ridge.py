"""The ridge regression on functionals, beside the same solved as one large problem."""

from __future__ import annotations

import numpy as np
import pytest

import speech
from emotone.models import build
from emotone.models.neural.classifier import NeuralClassifier

LINEAR = {"kernel": 0.0, "speakers": 0.0, "balance": 0.0, "views": 1}
PLAIN = {**LINEAR, "validation": 0, "temperature": 1.0}


def fitted(**params: object) -> tuple[NeuralClassifier, np.ndarray, list[str], list[str]]:
    clips, emotions, speakers = speech.clips()
    homes = ["here" if i % 3 else "there" for i in range(len(emotions))]
    classifier = build("ridge", params={**PLAIN, **params})
    assert isinstance(classifier, NeuralClassifier)
    classifier.fit(clips, emotions, speakers, corpora=homes)
    return classifier, described(classifier, clips), emotions, homes


def described(classifier: NeuralClassifier, clips: object) -> np.ndarray:
    import torch

    body = classifier.fitted().body
    with torch.no_grad():
        return np.concatenate(
            [body(torch.from_numpy(clips[i])[None]).double().numpy() for i in range(len(clips))]
        )


def weights(classifier: NeuralClassifier) -> tuple[np.ndarray, np.ndarray]:
    own = classifier.fitted().own
    assert own is not None
    k = len(classifier.classes_)
    return (
        own.weight.detach().double().numpy().reshape(2, k, -1),
        own.bias.detach().double().numpy().reshape(2, k),
    )


def test_the_joint_solution_is_that_of_the_multi_task_kernel() -> None:
    """Evgeniou & Pontil (2004): the kernel is (1 - own) k(x, x'), plus own k(x, x') within one."""
    classifier, rows, emotions, homes = fitted(ridge=0.2, own=0.4, sharpness=5.0)
    own, bias = weights(classifier)
    inside = np.array(homes)[:, None] == np.array(homes)
    centred, targets, level = rows.copy(), np.zeros((len(rows), len(classifier.classes_))), {}
    for home in ("here", "there"):
        mine = np.array(homes) == home
        centred[mine] -= rows[mine].mean(0)
        wanted = (np.array(emotions)[mine, None] == classifier.classes_).astype(float)
        level[home] = wanted.mean(0)
        targets[mine] = wanted - level[home]
    kernel = centred @ centred.T / rows.shape[1] * (0.6 + 0.4 * inside)
    dual = np.linalg.solve(kernel + 0.2 * np.eye(len(rows)), targets)
    expected = kernel @ dual
    for number, home in enumerate(("here", "there")):
        mine = np.array(homes) == home
        found = (rows[mine] @ own[number].T + bias[number]) / 5.0 - level[home]
        np.testing.assert_allclose(found, expected[mine], atol=5e-3)  # weights have 16 bits


def test_the_general_head_is_plain_ridge_regression() -> None:
    classifier, rows, emotions, _ = fitted(ridge=0.2, sharpness=5.0)
    centred = rows - rows.mean(0)
    wanted = (np.array(emotions)[:, None] == classifier.classes_).astype(float)
    kernel = centred @ centred.T / rows.shape[1]
    dual = np.linalg.solve(kernel + 0.2 * np.eye(len(rows)), wanted - wanted.mean(0))
    expected = kernel @ dual + wanted.mean(0)
    head = classifier.fitted().general
    found = rows @ head.weight.detach().double().numpy().T + head.bias.detach().double().numpy()
    np.testing.assert_allclose(found / 5.0, expected, atol=5e-3)


def test_weights_avoid_what_tells_speakers_apart() -> None:
    clips, emotions, speakers = speech.clips()
    found = []
    for strength in (0.0, 100.0):
        classifier = build("ridge", params={**PLAIN, "speakers": strength})
        assert isinstance(classifier, NeuralClassifier)
        classifier.fit(clips, emotions, speakers)
        rows = described(classifier, clips)
        means = np.array([rows[np.array(speakers) == s].mean(0) for s in sorted(set(speakers))])
        head = classifier.fitted().general.weight.detach().double().numpy()
        apart = (means - rows.mean(0)) @ head.T
        found.append(apart.std() / (rows @ head.T).std())
    assert found[1] < 0.5 * found[0]


def test_it_learns_without_speakers_and_says_how_far_it_is() -> None:
    clips, emotions, _ = speech.clips()
    classifier = build("ridge", params={"validation": 0})
    said: list[tuple[int, int]] = []
    classifier.fit(clips, emotions, progress=lambda done, total, _: said.append((done, total)))
    assert said[-1] == (3, 3)
    others, wanted, _ = speech.clips(seed=1)
    assert (classifier.predict(others) == np.array(wanted)).mean() > 0.6


@pytest.mark.parametrize("width", [1.0, 0.05])
def test_in_eight_bits_it_answers_alike(width: float) -> None:
    """Weights of kernel values cancel each other out, the more the slower the kernel falls."""
    import onnxruntime

    from emotone.models.quantization import quantize

    clips, emotions, speakers = speech.clips(200)
    classifier = build("ridge", params={"width": width, "validation": 0, "temperature": 1.0})
    assert isinstance(classifier, NeuralClassifier)
    classifier.fit(clips, emotions, speakers)
    others, _, _ = speech.clips(seed=1)
    expected = classifier.scores(others)
    small = onnxruntime.InferenceSession(
        quantize(classifier.to_onnx()), providers=["CPUExecutionProvider"]
    )
    found = [small.run(None, {"waveform": others[i][None]})[0][0] for i in range(len(others))]
    np.testing.assert_allclose(found, expected, atol=0.005)
