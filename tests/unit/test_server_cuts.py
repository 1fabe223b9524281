"""Clips cut from recordings: the sound asked for, and no more of a file read than that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone.audio.limits import DEFAULT_LIMITS
from emotone.errors import AudioError
from emotone.server.cuts import Cut, cut

RATE = 16_000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A hundred seconds of two channels, the last ten of which cannot be heard."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (100 * RATE, 2)).astype(np.float32)
    samples[90 * RATE :] = np.nan
    path = tmp_path / "recording"
    soundfile.write(path, samples, RATE, format="WAV", subtype="FLOAT")
    return path


def test_a_recording_is_read_as_far_as_there_is_something_to_cut(
    recording: Path, tmp_path: Path
) -> None:
    samples = soundfile.read(recording, dtype="float32")[0]
    cuts = [
        Cut(1.0, 2.5, None, "both.wav"),
        Cut(29.0, 31.0, 1, "second.wav"),
        Cut(28.0, 30.5, 1, "second-too.wav"),
    ]
    cut(recording, cuts, tmp_path, DEFAULT_LIMITS)
    for each in cuts:
        clip, rate = soundfile.read(tmp_path / each.file, dtype="float32")
        part = samples[round(each.start_s * RATE) : round(each.end_s * RATE)]
        expected = part.mean(axis=1) if each.channel is None else part[:, each.channel]
        assert rate == RATE
        np.testing.assert_allclose(clip, expected, atol=1 / 32_768)
    with pytest.raises(AudioError):
        cut(recording, [Cut(1.0, 95.0, None, "broken.wav")], tmp_path, DEFAULT_LIMITS)
