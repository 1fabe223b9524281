"""Clips longer than a network should hear at once: windows of equal length, scores averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import audio_files
import bundles
from emotone import bundle
from emotone.frontend import LONGEST_S
from emotone.recognizer import Recognizer, load

RATE = 8000


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    """Hears anger in power; it says more the louder a window is."""
    model = bundles.linear_model(np.array([[0.0, 10.0]]), np.array([1.0, 0.0]), kind="waveform")
    card = bundle.Card(
        name="power",
        version="1.0",
        emotions=("sad", "angry"),
        input=bundle.ModelInput("waveform", rate=RATE),
    )
    bundle.write(tmp_path / "power", model, card)
    return load(tmp_path / "power")


def test_windows_cover_a_long_clip_and_its_scores_are_their_mean(recognizer: Recognizer) -> None:
    sound = audio_files.tone(2.5 * LONGEST_S, rate=RATE)
    sound[: len(sound) // 2] *= 0.1
    long = recognizer.predict((sound, RATE))
    assert long.duration_s == pytest.approx(2.5 * LONGEST_S)
    length = round(LONGEST_S * RATE)
    starts = [0, round(0.75 * length), len(sound) - length]
    parts = [recognizer.predict((sound[s : s + length], RATE)) for s in starts]
    for emotion, score in long.scores.items():
        assert score == pytest.approx(np.mean([part.scores[emotion] for part in parts]), abs=1e-3)


def test_a_clip_that_just_fits_is_heard_whole(recognizer: Recognizer) -> None:
    from emotone.audio import Waveform

    length = round(LONGEST_S * RATE)
    for extra, windows in ((0, 1), (1, 2), (length, 2), (length + 1, 3)):
        sound = audio_files.noise((length + extra) / RATE, rate=RATE)
        heard = recognizer.prepare(Waveform(sound, RATE))
        assert heard.shape == (windows, min(len(sound), length))


def test_an_hour_is_answered(recognizer: Recognizer) -> None:
    assert recognizer.predict((audio_files.noise(3600, rate=RATE), RATE)).emotion in (
        "sad",
        "angry",
    )
