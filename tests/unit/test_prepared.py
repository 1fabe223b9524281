"""Clips that are prepared and heard many at a time get the scores that each gets by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bundles
import emotone
from emotone import audio
from emotone.recognizer import Recognizer

ROUNDING = 1e-5
"""What the order of additions may change in a score: ten times what was ever seen."""


def sounds() -> list[audio.Waveform]:
    """Clips of all lengths: some alike to the sample, some to the frame, one of two windows."""
    rng = np.random.default_rng(0)
    lengths = [16_000, 16_000, 16_001, 16_100, 24_123, 8_000, 21 * 16_000, 16_000]
    return [
        audio.Waveform((0.1 * rng.standard_normal(n)).astype(np.float32), 16_000) for n in lengths
    ]


@pytest.fixture(scope="module", params=["default", "features"])
def recognizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    if request.param == "default":
        return emotone.load()
    return emotone.load(bundles.write(tmp_path_factory.mktemp("toy") / "toy.emotone"))


def test_together_and_alone_are_the_same(recognizer: Recognizer) -> None:
    clips = sounds()
    scores = recognizer.hear_prepared([recognizer.prepare(clip) for clip in clips])
    for clip, row in zip(clips, scores, strict=True):
        alone = recognizer.predict((clip.samples, clip.rate))
        expected = [alone.scores[name] for name in recognizer.emotions]
        np.testing.assert_allclose(row, expected, atol=ROUNDING)


def test_no_clip_has_no_scores(recognizer: Recognizer) -> None:
    assert recognizer.hear_prepared([]).shape == (0, len(recognizer.emotions))


def test_examples_are_heard_as_by_predict() -> None:
    recognizer = emotone.load()
    files = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.flac"))
    scores = recognizer.hear_prepared([recognizer.prepare(audio.read(file)) for file in files])
    for file, row in zip(files, scores, strict=True):
        assert recognizer.predict(file).emotion == recognizer.emotions[int(np.argmax(row))]
