"""The overview of a recording: what it shows, and that neither length nor cutting matter."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile

from audio_files import noise, tone
from emotone.audio import Waveform
from emotone.errors import AudioError, UsageError
from emotone.features import spectral
from emotone.features.overview import Overview, OverviewBuilder

RATE = 16_000


def built(samples, rate=RATE, cuts=(), **bounds):
    builder = OverviewBuilder(rate, **bounds)
    for piece in np.split(samples, cuts):
        builder.add(piece)
    return builder.finish()


def test_the_envelope_is_the_lowest_and_highest_of_each_bin():
    samples = noise(1.234)
    overview = built(samples)
    assert overview.step_s == 0.01
    assert overview.duration_s == pytest.approx(1.234)
    parts = np.split(samples, np.arange(160, len(samples), 160))
    assert overview.low.tolist() == [part.min() for part in parts]
    assert overview.high.tolist() == [part.max() for part in parts]


def test_the_spectrum_is_that_of_centred_frames():
    samples = noise(0.5)
    power = spectral.stft_power(np.pad(samples, (256 - 80, 512)), 512, 160, center=False)
    expected = spectral.mel(power, RATE, 64)[:50]
    np.testing.assert_allclose(built(samples).mel, expected, rtol=1e-5)


def test_a_click_is_in_its_bin():
    samples = np.zeros(3 * RATE, np.float32)
    samples[2 * RATE + 80] = 1
    for bounds in ({}, {"points": 32, "spectra": 32}):
        overview = built(samples, **bounds)
        assert int(overview.high.argmax()) == int(2.005 / overview.step_s)
        assert int(overview.mel.sum(axis=1).argmax()) == int(2.005 / overview.mel_step_s)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100])
def test_a_tone_is_in_its_band_at_any_rate(rate):
    overview = built(tone(1.0, rate, hz=1000.0), rate)
    top = np.log(rate / 2 / 1000) / np.log(6.4) * 27 + 15  # Slaney's mel scale, 1 kHz is 15
    band = round(15 / top * 65) - 1
    assert abs(int(overview.mel[10:90].mean(axis=0).argmax()) - band) <= 1
    assert overview.high.max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("seconds", [0.001, 0.1, 7.123, 40.0])
def test_where_the_sound_is_cut_does_not_matter(seconds):
    samples = noise(seconds)
    bounds = {"points": 64, "spectra": 16}
    whole = built(samples, **bounds)
    cuts = np.sort(np.random.default_rng(1).integers(0, len(samples) + 1, 50))
    again = built(samples, cuts=cuts, **bounds)
    assert (again.step_s, again.mel_step_s) == (whole.step_s, whole.mel_step_s)
    np.testing.assert_array_equal(again.low, whole.low)
    np.testing.assert_allclose(again.mel, whole.mel, rtol=1e-5)


def test_however_long_there_are_few_bins():
    for seconds in (0.01, 0.63, 0.64, 0.65, 1.0, 5.0, 61.0):
        overview = built(noise(seconds), points=64, spectra=16)
        for bins, step, most in (
            (len(overview.low), overview.step_s, 64),
            (len(overview.mel), overview.mel_step_s, 16),
        ):
            assert 1 <= bins <= most
            assert (bins - 1) * step < overview.duration_s <= bins * step + 1e-9


def test_joined_bins_are_those_of_all_their_sound():
    samples = noise(61.0)
    overview = built(samples, points=64, spectra=16)
    size = round(overview.step_s * RATE)
    assert overview.low[3] == samples[3 * size : 4 * size].min()
    # White noise has one level however much of it is averaged, the last, shorter bin included.
    level = overview.mel.mean(axis=1)
    np.testing.assert_allclose(level, level.mean(), rtol=0.25)


def test_the_memory_hardly_grows_with_the_sound():
    """By the sound of a bin or two, which grows longer: never by more than a few of 256 parts."""
    block = noise(30.0)

    def peak(blocks):
        builder = OverviewBuilder(RATE, points=1024, spectra=256)
        tracemalloc.start()
        for _ in range(blocks):
            builder.add(block)
        builder.finish()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(8)  # fills caches
    # Against the sound and not as a ratio, which what else the process does would move.
    assert peak(120) - peak(8) < 0.03 * (120 - 8) * block.nbytes


def test_of_a_file_of_two_channels(tmp_path):
    left, right = tone(2.0, 44_100), 0.2 * tone(2.0, 44_100, hz=880)
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([left, right], axis=1), 44_100)
    assert Overview.of(path, channel=0).high[50] == pytest.approx(0.5, abs=0.02)
    assert Overview.of(path, channel=1).high[50] == pytest.approx(0.1, abs=0.02)
    assert Overview.of(path).rate == RATE


def test_silence_has_an_overview_and_nothing_has_none(tmp_path):
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    overview = Overview.of(path)
    assert overview.duration_s == 1
    assert not overview.high.any()
    assert not overview.mel.any()
    with pytest.raises(UsageError, match="no samples"):
        OverviewBuilder(RATE).finish()
    with pytest.raises(AudioError, match="no such file"):
        Overview.of(tmp_path / "missing.wav")
    assert Overview.of(Waveform(noise(0.5), RATE)).duration_s == 0.5
    with path.open("rb") as stream:
        assert not Overview.of(stream).high.any()


def test_bins_that_cannot_be_joined_are_refused():
    for bounds in ({"points": 3}, {"spectra": 0}):
        with pytest.raises(UsageError, match="even number"):
            OverviewBuilder(RATE, **bounds)
    with pytest.raises(UsageError, match="rate"):
        OverviewBuilder(100)
