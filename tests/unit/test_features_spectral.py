"""Spectral and harmonic features on sounds whose features are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotone import features
from emotone.audio import Waveform
from emotone.errors import FeatureError
from emotone.features import constantq, spectral, tuning
from emotone.features.analysis import Analysis
from emotone.features.filters import PITCH_CLASSES, dct_matrix, mel_filters
from emotone.features.harmonic import harmonic_part
from emotone.features.median import median_over_rows
from emotone.features.stft import hann, stft, stft_magnitude, stft_power

RATE = 16_000


def tone(hz: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    """A sine at half scale."""
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def test_stft_is_the_fourier_transform_of_windowed_frames() -> None:
    samples = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    spectrum = stft(samples, 512, 128)
    padded = np.pad(samples, 256)
    frame = 7
    expected = np.fft.rfft(padded[frame * 128 : frame * 128 + 512] * hann(512))
    assert spectrum.shape == (1 + 5000 // 128, 257)
    np.testing.assert_allclose(spectrum[frame], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(stft_magnitude(samples, 512, 128), np.abs(spectrum))
    np.testing.assert_array_equal(stft_power(samples, 512, 128), np.abs(spectrum) ** 2)


def test_stft_without_centre_starts_at_the_first_sample() -> None:
    samples = np.random.default_rng(0).normal(size=2048).astype(np.float32)
    spectrum = stft(samples, 1024, 512, window=np.ones(1024), center=False)
    assert len(spectrum) == 3
    np.testing.assert_allclose(spectrum[1], np.fft.rfft(samples[512:1536]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros((100, 2), np.float32)])
def test_stft_refuses_what_is_not_mono_samples(samples: np.ndarray) -> None:
    with pytest.raises(FeatureError, match="one-dimensional"):
        stft(samples)


def test_stft_without_centre_refuses_less_than_a_frame() -> None:
    with pytest.raises(FeatureError, match="fewer than one frame"):
        stft(np.zeros(100, np.float32), center=False)


def test_mel_filters_have_unit_area_and_sum_like_one_matrix() -> None:
    bank = mel_filters(RATE, 2048, 40)
    spectrum = np.random.default_rng(0).random((5, 1025), np.float32)
    identity = bank.apply(np.eye(1025, dtype=np.float32))
    np.testing.assert_allclose(bank.apply(spectrum), spectrum @ identity, rtol=1e-5)
    areas = identity.sum(axis=0) * RATE / 2048
    np.testing.assert_allclose(areas, 1, rtol=0.15)


def test_dct_is_orthonormal() -> None:
    matrix = dct_matrix(128, 128)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(128), atol=1e-5)


@pytest.mark.parametrize(("pitch", "hz"), [("A", 440.0), ("C", 523.25), ("F#", 369.99)])
def test_the_chroma_of_a_note_is_its_pitch_class(pitch: str, hz: float) -> None:
    clip = Analysis(Waveform(tone(hz), RATE), keep_spectrum=True)
    short_time = spectral.chroma(clip.magnitude, RATE, clip.tuning).mean(axis=0)
    constant_q = clip.harmonic_chroma.mean(axis=0)
    assert PITCH_CLASSES[short_time.argmax()] == pitch
    assert PITCH_CLASSES[constant_q.argmax()] == pitch


@pytest.mark.parametrize("cents", [-40, -20, 0, 10, 30])
def test_tuning_is_found_to_a_few_cents(cents: int) -> None:
    # Notes whose bins are dense enough for the parabola: the fifth octave and above.
    notes = [440 * 2 ** ((k + cents / 100) / 12) for k in (0, 4, 7, 12, 16, 19, 24)]
    samples = np.sum([tone(hz, 1.0) for hz in notes], axis=0) / len(notes)
    found = tuning.estimate_tuning(stft_magnitude(samples.astype(np.float32)), RATE)
    assert found == pytest.approx(cents / 100, abs=0.04)


def test_tuning_of_silence_is_zero() -> None:
    assert tuning.estimate_tuning(np.zeros((5, 1025), np.float32), RATE) == 0.0


def test_frame_features_of_a_tone() -> None:
    samples = tone(1000.0)
    values, names = features.frames((samples, RATE), "rms+zcr+centroid+bandwidth+rolloff+flatness")
    middle = dict(zip(names, values[len(values) // 2], strict=True))
    assert middle["rms"] == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    assert middle["zcr"] == pytest.approx(2 * 1000 / RATE, abs=2 / 2048)
    assert middle["centroid"] == pytest.approx(1000, rel=0.01)
    assert middle["bandwidth"] < 60
    assert middle["rolloff"] == pytest.approx(1000, abs=16)
    assert middle["flatness"] < 1e-3


def test_noise_is_flat_and_a_tone_has_contrast() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    flat, _ = features.frames((noise, RATE), "flatness")
    assert flat.mean() > 0.4
    in_noise = features.extract((noise, RATE), "contrast7")
    with_tone = features.extract((noise + tone(1000.0, 1.0), RATE), "contrast7")
    assert with_tone[3] > in_noise[3] + 10  # 800 to 1600 Hz


def test_the_harmonic_part_keeps_a_tone_and_loses_clicks() -> None:
    samples = tone(500.0, 1.0)
    clicks = np.zeros_like(samples)
    clicks[::4000] = 0.9

    def harmonic(x: np.ndarray) -> np.ndarray:
        spectrum = stft(x)
        return harmonic_part(spectrum, np.abs(spectrum), len(x))

    inner = slice(2048, -2048)
    assert harmonic(samples).shape == samples.shape
    np.testing.assert_allclose(harmonic(samples)[inner], samples[inner], atol=0.01)
    assert np.square(harmonic(clicks)[inner]).sum() < 0.1 * np.square(clicks[inner]).sum()


def test_tonnetz_of_a_fifth_is_its_place_on_the_circle_of_fifths() -> None:
    chroma = np.zeros((1, 12), np.float32)
    chroma[0, [0, 7]] = 1.0
    steps = np.array([0, 7]) * 7 * np.pi / 6
    found = constantq.tonnetz(chroma)[0]
    np.testing.assert_allclose(found[:2], [np.sin(steps).mean(), np.cos(steps).mean()], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 70), st.integers(1, 5)),
        elements=st.floats(0, 8, width=16),
    )
)
def test_the_sliding_median_is_the_median(values: np.ndarray) -> None:
    padded = np.pad(values, ((15, 15), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 31, axis=0)
    np.testing.assert_array_equal(median_over_rows(values), np.median(windows, axis=-1))


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.integers(1600, 6000),
        elements=st.floats(-1, 1, width=16),
        fill=st.sampled_from([0.0, 1e-4]),
    ),
    st.sampled_from([16_000, 22_050, 48_000]),
)
def test_any_sound_has_finite_features(samples: np.ndarray, rate: int) -> None:
    row = features.get("tutorial-193").compute(Waveform(samples, rate))
    assert np.isfinite(row).all()
    chroma = row[40:52]
    assert (chroma >= 0).all()
    assert (chroma <= 1).all()
    assert (np.abs(row[187:]) <= 1 + 1e-5).all()


def test_louder_changes_only_what_measures_loudness() -> None:
    samples = tone(440.0) + 0.01 * np.random.default_rng(0).standard_normal(RATE // 2)
    clip = samples.astype(np.float32)
    quiet = features.extract((clip * np.float32(0.25), RATE), "mfcc5+chroma12+centroid+zcr")
    loud = features.extract((clip, RATE), "mfcc5+chroma12+centroid+zcr")
    np.testing.assert_allclose(quiet[1:], loud[1:], rtol=1e-3, atol=1e-3)
    # Twelve decibels on each of 128 bands move the first coefficient by 12 * sqrt(128).
    assert loud[0] - quiet[0] == pytest.approx(20 * np.log10(4) * np.sqrt(128), rel=1e-3)
