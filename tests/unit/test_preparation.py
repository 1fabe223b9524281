"""Preparation: each step does what it says, all repeat exactly, and scipy and librosa agree."""

from __future__ import annotations

import json
import subprocess
import sys

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_files import noise, tone
from emotone.audio import Preparation, Waveform, resample
from emotone.audio.filters import band_pass, convolve
from emotone.audio.loudness import loudness
from emotone.audio.preparation import trim
from emotone.errors import AudioError, MissingExtraError, UsageError

PREPARATIONS = st.builds(
    Preparation,
    rate=st.none() | st.sampled_from([8_000, 16_000, 22_050, 48_000]),
    trim_db=st.none() | st.floats(10, 60),
    band_hz=st.none() | st.just((80.0, 3_800.0)) | st.just((0.0, 3_400.0)),
    normalize=st.none() | st.sampled_from(["peak", "loudness"]),
    length_s=st.none() | st.floats(0.1, 3),
)


def test_nothing_on_changes_nothing():
    waveform = Waveform(noise(), 16_000)
    assert Preparation().apply(waveform).samples is waveform.samples


@given(preparation=PREPARATIONS, seconds=st.floats(0.1, 2), seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_any_preparation_repeats_exactly_and_survives_its_card(preparation, seconds, seed):
    waveform = Waveform(noise(seconds, 24_000, seed), 24_000)
    before = waveform.samples.copy()

    prepared = preparation.apply(waveform)
    read_back = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    again = read_back.apply(waveform)

    assert read_back == preparation
    assert again.rate == prepared.rate == (preparation.rate or 24_000)
    np.testing.assert_array_equal(again.samples, prepared.samples)
    assert prepared.samples.dtype == np.float32
    assert np.isfinite(prepared.samples).all()
    np.testing.assert_array_equal(waveform.samples, before)
    if preparation.length_s is not None:
        assert len(prepared) == round(preparation.length_s * prepared.rate)


@given(
    before=st.integers(0, 30_000),
    after=st.integers(0, 30_000),
    threshold=st.sampled_from([20.0, 30.0, 40.0, 60.0]),
)
@settings(max_examples=30, deadline=None)
def test_trim_cuts_where_librosa_does(before, after, threshold):
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(before + 16_000 + after)
    samples = hiss.astype(np.float32)
    samples[before : before + 16_000] += tone()
    wanted, _ = librosa.effects.trim(samples, top_db=threshold)
    np.testing.assert_array_equal(trim(samples, threshold), wanted)


def test_trim_of_silence_and_of_nothing():
    assert len(trim(np.zeros(5_000, np.float32), 30)) == 5_000
    assert len(trim(np.zeros(0, np.float32), 30)) == 0


def level_db(samples: np.ndarray, rate: int, hz: float) -> float:
    """Level of one frequency in the middle of a signal, against a sine of amplitude 0.5."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    time = np.arange(len(middle)) / rate
    window = np.hanning(len(middle))
    amplitude = 2 * abs(np.sum(middle * window * np.exp(-2j * np.pi * hz * time))) / window.sum()
    return float(20 * np.log10(amplitude / 0.5 + 1e-12))


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_band_pass_keeps_the_band_and_takes_the_rest(rate):
    for hz, kept in ((20, False), (50, False), (500, True), (2_500, True), (3_600, False)):
        filtered = band_pass(tone(2.0, rate, hz), rate, 100, 3_200)
        if kept:
            assert level_db(filtered, rate, hz) == pytest.approx(0, abs=0.05)
        else:
            assert level_db(filtered, rate, hz) < -55
    edge = band_pass(tone(2.0, rate, 100), rate, 100, 3_200)
    assert level_db(edge, rate, 100) == pytest.approx(-6.02, abs=0.2)


def test_band_pass_shifts_nothing():
    samples = tone(1.0, 16_000, 1_000)
    filtered = band_pass(samples, 16_000, 100, 4_000)
    np.testing.assert_allclose(filtered[4_000:12_000], samples[4_000:12_000], atol=2e-3)


def test_an_open_band_is_the_identity():
    samples = noise()
    assert band_pass(samples, 16_000, 0, 8_000) is samples
    high = band_pass(samples, 16_000, 200, 9_000)
    assert level_db(band_pass(tone(2.0, 16_000, 7_900), 16_000, 200, 9_000), 16_000, 7_900) > -0.1
    assert len(high) == len(samples)


@given(n=st.integers(1, 3_000), k=st.integers(1, 400), delay=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_convolution_is_convolution(n, k, delay, seed):
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal(n).astype(np.float32)
    kernel = generator.standard_normal(k).astype(np.float32)
    start = (k - 1) // 2 if delay else 0
    wanted = np.convolve(samples.astype(float), kernel.astype(float))[start : start + n]
    np.testing.assert_allclose(convolve(samples, kernel, start), wanted, atol=1e-3)


def test_convolution_over_many_segments(monkeypatch):
    samples, kernel = noise(1.0), noise(0.01, seed=3)
    wanted = convolve(samples, kernel)
    monkeypatch.setattr("emotone.audio.filters._SEGMENT", 1_000)
    np.testing.assert_allclose(convolve(samples, kernel), wanted, atol=1e-5)


def reference_loudness(samples: np.ndarray, rate: int) -> float:
    """BS.1770 with scipy's recursive filters; the 48 kHz biquads as the standard tables them."""
    assert rate == 48_000
    shelf = ([1.53512485958697, -2.69169618940638, 1.19839281085285],
             [1.0, -1.69065929318241, 0.73248077421585])  # fmt: skip
    high = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
    weighted = scipy.signal.lfilter(*high, scipy.signal.lfilter(*shelf, samples.astype(float)))
    blocks = np.array([
        np.mean(weighted[start : start + 19_200] ** 2)
        for start in range(0, len(weighted) - 19_200 + 1, 4_800)
    ])  # fmt: skip
    kept = blocks[-0.691 + 10 * np.log10(blocks) > -70]
    gate = 10 * np.log10(kept.mean()) - 10
    kept = kept[10 * np.log10(kept) > gate]
    return float(-0.691 + 10 * np.log10(kept.mean()))


def test_loudness_is_that_of_the_standard():
    parts = [np.float32(0.001) * noise(3, 48_000), noise(4, 48_000), tone(2, 48_000)]
    quiet_then_loud = np.concatenate(parts)
    low, high = tone(5, 48_000, 60), tone(5, 48_000, 8_000)
    for samples in (noise(5, 48_000), low, high, quiet_then_loud):
        assert loudness(samples, 48_000) == pytest.approx(
            reference_loudness(samples, 48_000), abs=0.02
        )


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_414, 44_100, 48_000, 192_000])
def test_the_reference_tone_has_its_loudness_at_any_rate(rate):
    """BS.1770-5: a 997 Hz sine of full scale in one channel reads -3.01 LUFS."""
    assert loudness(2 * tone(3.0, rate, 997), rate) == pytest.approx(-3.01, abs=0.05)


def test_loudness_at_its_edges():
    assert loudness(np.zeros(0, np.float32), 16_000) == -np.inf
    assert loudness(np.zeros(16_000, np.float32), 16_000) == -np.inf
    assert loudness(2 * tone(0.2, 16_000, 997), 16_000) == pytest.approx(-3.01, abs=0.3)
    assert -120 < loudness(1e-5 * noise(), 16_000) < -70


@given(gain_db=st.floats(-80, 10), seconds=st.floats(0.1, 2))
@settings(max_examples=30, deadline=None)
def test_normalised_audio_has_the_level_it_is_given(gain_db, seconds):
    waveform = Waveform(noise(seconds) * np.float32(10 ** (gain_db / 20)), 16_000)
    by_peak = Preparation(normalize="peak").apply(waveform).samples
    assert np.abs(by_peak).max() == pytest.approx(1)
    by_loudness = Preparation(normalize="loudness").apply(waveform).samples
    assert loudness(by_loudness, 16_000) == pytest.approx(-23, abs=0.2)


def test_normalising_silence_divides_by_nothing():
    silent = Waveform(np.zeros(16_000, np.float32), 16_000)
    for how in ("peak", "loudness"):
        assert not Preparation(normalize=how).apply(silent).samples.any()


def test_fixed_length_crops_or_pads_at_the_end():
    waveform = Waveform(noise(2.0), 16_000)
    cropped = Preparation(length_s=1.5).apply(waveform).samples
    np.testing.assert_array_equal(cropped, waveform.samples[:24_000])
    padded = Preparation(length_s=3.0).apply(waveform).samples
    np.testing.assert_array_equal(padded[:32_000], waveform.samples)
    assert not padded[32_000:].any()
    assert len(padded) == 48_000


def test_rate_is_that_of_reading():
    waveform = Waveform(noise(1.0, 48_000), 48_000)
    prepared = Preparation(rate=16_000).apply(waveform)
    np.testing.assert_array_equal(prepared.samples, resample(waveform.samples, 48_000, 16_000))


def test_noise_reduction_takes_noise_and_leaves_speech():
    """Bursts as short and as broad as consonants, in steady hiss."""
    hiss = 0.02 * np.random.default_rng(0).standard_normal(64_000).astype(np.float32)
    spoken = np.arange(64_000) % 8_000 < 2_400
    speech = 3 * noise(4.0, seed=1) * spoken
    waveform = Waveform((hiss + speech).astype(np.float32), 16_000)

    half = Preparation(denoise=0.5).apply(waveform).samples
    full = Preparation(denoise=1.0).apply(waveform).samples

    def power(samples, where):
        return float(np.mean(samples[where] ** 2))

    pause = np.arange(64_000) % 8_000 > 4_000
    noisy = waveform.samples
    assert power(full, pause) < 0.25 * power(noisy, pause)
    assert power(full, pause) < power(half, pause) < 0.5 * power(noisy, pause)
    # The gate opens and closes smoothly, which costs the edges of such short bursts.
    kept = power(full, spoken) / power(noisy, spoken)
    assert kept > 0.4
    assert kept > 10 * power(full, pause) / power(noisy, pause)
    np.testing.assert_array_equal(Preparation(denoise=1.0).apply(waveform).samples, full)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_noise_reduction_of_the_shortest_clip(rate):
    prepared = Preparation(denoise=0.8).apply(Waveform(noise(0.1, rate), rate))
    assert len(prepared) == rate // 10


def test_noise_reduction_names_the_extra_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "noisereduce", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotone\[train\]'"):
        Preparation(denoise=0.5).apply(Waveform(noise(), 16_000))


def test_nothing_left_is_said_so():
    waveform = Waveform(tone(1.0, 16_000, 6_000) * np.hanning(16_000).astype(np.float32), 16_000)
    with pytest.raises(AudioError, match="nothing is left to hear") as caught:
        Preparation(band_hz=(20, 300)).apply(Waveform(waveform.samples * 1e-2, 16_000))
    assert caught.value.code == "silent"
    with pytest.raises(AudioError, match="no samples"):
        Preparation().apply(Waveform(np.zeros(0, np.float32), 16_000))


@pytest.mark.parametrize(
    "values",
    [
        {"rate": 1_000}, {"rate": 16_000.5}, {"rate": "16000"}, {"rate": True},
        {"trim_db": 0}, {"trim_db": -30}, {"trim_db": "loud"}, {"trim_db": float("nan")},
        {"denoise": 0}, {"denoise": 1.1}, {"denoise": -1},
        {"band_hz": 80}, {"band_hz": (80,)}, {"band_hz": (3_000, 80)}, {"band_hz": (80, 80)},
        {"band_hz": (-1, 80)}, {"band_hz": ("a", "b")}, {"rate": 8_000, "band_hz": (5_000, 6_000)},
        {"normalize": "rms"}, {"normalize": 1},
        {"length_s": 0}, {"length_s": -3}, {"length_s": 1e9},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(values):
    name = list(values)[-1]
    with pytest.raises(UsageError, match=name):
        Preparation.from_dict(values)


def test_an_unknown_step_is_refused():
    with pytest.raises(UsageError, match="unknown preparation: reverb"):
        Preparation.from_dict({"reverb": 1})


def test_all_but_noise_reduction_work_on_the_base_install():
    """Without scipy, librosa and noisereduce, as `pip install emotone` has it."""
    program = """
import sys
for name in ("scipy", "librosa", "noisereduce", "sklearn"):
    sys.modules[name] = None
import numpy as np
from emotone.audio import Preparation, Waveform
sound = Waveform(np.random.default_rng(0).standard_normal(48000).astype(np.float32) / 9, 48000)
steps = Preparation(rate=16000, trim_db=30, band_hz=(80, 7000), normalize="loudness", length_s=2)
print(len(steps.apply(sound)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "32000"
