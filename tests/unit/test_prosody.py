"""Pitch, voice quality and rhythm of sounds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import features
from emotone.features.prosody import perturbation, rhythm, track_pitch

RATE = 16_000


def voice(f0: np.ndarray | float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """A buzz with the harmonics of a glottis, its pitch constant or one value per sample."""
    n = round(seconds * rate)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(np.asarray(f0, float), (n,)) / rate)
    buzz = sum(np.sin(k * phase) / k**1.5 for k in range(1, 12))
    return (0.2 * buzz).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.floats(80, 500), st.sampled_from([8_000, 16_000, 22_050]))
def test_pitch_of_a_steady_voice(f0: float, rate: int) -> None:
    track = track_pitch(voice(f0, rate=rate), rate)
    inside = track.f0_hz[8:-8]
    assert (inside > 0).all()
    assert np.allclose(inside, f0, rtol=0.01)


def test_pitch_follows_a_glide() -> None:
    glide = np.geomspace(120, 360, RATE)
    track = track_pitch(voice(glide), RATE)
    wanted = glide[(np.arange(len(track.f0_hz)) * 160).clip(max=RATE - 1)]
    cents = 1200 * np.abs(np.log2(track.f0_hz[8:-8] / wanted[8:-8]))
    assert np.median(cents) < 25
    assert cents.max() < 100


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert track_pitch(noise, RATE).voiced.mean() < 0.1
    assert not track_pitch(np.zeros(RATE, np.float32), RATE).voiced.any()


def test_hnr_falls_with_noise() -> None:
    clean = voice(200.0)
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    levels = []
    for snr_db in (30, 20, 10):
        gain = np.sqrt((clean**2).mean() / (noise**2).mean()) * 10 ** (-snr_db / 20)
        levels.append(float(np.median(track_pitch(clean + gain * noise, RATE).hnr_db[8:-8])))
    # At these levels the ratio of the harmonics to the noise is what was mixed.
    assert np.allclose(levels, [30, 20, 10], atol=3.0)
    assert levels[0] > levels[1] > levels[2]


@pytest.mark.parametrize("depth", [0.01, 0.02, 0.04])
def test_jitter_and_shimmer_of_a_train_of_pulses(depth: float) -> None:
    """Cycles of alternating length and height have a jitter and shimmer known in closed form."""
    period, count = 160.0, 90
    lengths = period * (1 + depth * (-1.0) ** np.arange(count))
    heights = 0.5 * (1 + depth * (-1.0) ** np.arange(count))
    at = np.cumsum(lengths)
    time = np.arange(int(at[-1] + period))
    pulses = sum(
        h * np.exp(-0.5 * ((time - t) / 12) ** 2) for h, t in zip(heights, at, strict=True)
    )
    samples = np.asarray(pulses, np.float32)
    found = perturbation(samples, RATE, track_pitch(samples, RATE))
    assert found.cycles > 60
    assert found.jitter == pytest.approx(2 * depth, rel=0.15)
    assert found.shimmer == pytest.approx(2 * depth, rel=0.2)


def test_a_steady_voice_has_little_jitter_and_silence_none() -> None:
    steady = voice(150.0)
    assert perturbation(steady, RATE, track_pitch(steady, RATE)).jitter < 0.003
    silence = np.zeros(RATE, np.float32)
    assert perturbation(silence, RATE, track_pitch(silence, RATE)).cycles == 0


def test_rhythm_counts_bursts_and_pauses() -> None:
    """Five syllables of 120 ms with pauses of 130 ms between them."""
    parts = []
    for _ in range(5):
        parts += [voice(180.0, 0.12) * np.hanning(1920), np.zeros(2080)]
    samples = np.concatenate(parts).astype(np.float32)
    track = track_pitch(samples, RATE)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, 160), 320)[::160]
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-10).astype(np.float32)
    found = rhythm(level, track)
    assert found.syllables_per_s == pytest.approx(4.0, abs=0.1)
    assert found.stretches_per_s == pytest.approx(4.0, abs=0.1)
    assert 0.3 < found.voiced_share < 0.6
    assert found.pause_mean_s == pytest.approx(0.13, abs=0.05)


def test_parts_of_the_grammar() -> None:
    row = features.extract((voice(220.0, rate=48_000), 48_000), "f0+voicing+hnr+jitter+voiced")
    f0, voicing, hnr, jitter, voiced = row.tolist()
    assert f0 == pytest.approx(220, rel=0.01)
    assert voicing > 0.95
    assert hnr > 12
    assert jitter < 0.005
    assert voiced > 0.95
    silent_pitch = features.extract(
        (np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32), RATE), "f0:max+pause"
    )
    assert np.isfinite(silent_pitch).all()
    values, names = features.frames((voice(220.0), RATE), "f0+rms")
    assert values.shape == (1 + RATE // 512, 2)
    assert names == ("f0", "rms")
