"""Many clips in one array, and how files become them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone.audio import Preparation
from emotone.audio.clips import Clips
from emotone.errors import UsageError
from emotone.features.waveforms import DEFAULT_PREPARATION, read_many


def test_clips_come_back_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    waves = [rng.uniform(-1, 1, n).astype(np.float32) for n in (5, 1, 300)]
    clips = Clips.of(waves, 8000)
    assert len(clips) == 3
    for i, wave in enumerate(waves):
        assert clips[i].dtype == np.float32
        np.testing.assert_allclose(clips[i], wave, atol=0.5 / 32767 + 1e-7)
    assert clips.durations_s.tolist() == [5 / 8000, 1 / 8000, 300 / 8000]


def test_some_of_the_clips_are_a_view() -> None:
    clips = Clips.of([np.full(4, 0.1), np.full(2, 0.2), np.full(3, 0.3)], 8000)
    chosen = clips[np.array([2, 0])]
    assert chosen.samples is clips.samples
    assert [len(chosen[0]), len(chosen[1])] == [3, 4]
    assert chosen[0][0] == pytest.approx(0.3, abs=1e-4)
    assert len(clips[1:]) == 2
    assert len(clips[np.array([False, True, False])]) == 1


def test_over_full_scale_is_clipped_and_not_wrapped() -> None:
    assert Clips.of([np.array([1.5, -1.5])], 8000)[0].tolist() == [1.0, -1.0]


def test_a_clip_has_one_channel() -> None:
    with pytest.raises(UsageError, match="shape"):
        Clips.of([np.zeros((2, 100))], 8000)


def test_files_become_clips_and_bad_ones_failures(tmp_path: Path) -> None:
    tone = np.sin(np.arange(24000) / 9) / 4
    padded = np.concatenate([np.zeros(24000), tone, np.zeros(24000)])
    soundfile.write(tmp_path / "a.wav", padded.astype(np.float32), 48000)
    (tmp_path / "b.wav").write_bytes(b"not audio")
    soundfile.write(tmp_path / "c.wav", tone.astype(np.float32), 16000)
    told = []
    result = read_many(
        [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")],
        jobs=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert result.ok == [0, 2]
    assert [Path(failure.file).name for failure in result.failures] == ["b.wav"]
    assert result.clips.rate == 16000
    assert result.clips.durations_s[0] == pytest.approx(0.6, abs=0.1)  # silence trimmed off
    assert result.clips.durations_s[1] == pytest.approx(1.5, abs=0.1)
    assert np.abs(result.clips[1]).max() == pytest.approx(1, abs=1e-3)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_waveforms_need_one_rate() -> None:
    assert DEFAULT_PREPARATION.rate == 16000
    with pytest.raises(UsageError, match="no rate"):
        read_many([], preparation=Preparation())
