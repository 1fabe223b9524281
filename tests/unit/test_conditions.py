"""The robustness benchmark does to clips what it says, and the same each time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.audio import Waveform

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import _conditions as conditions  # noqa: E402
from _conditions import RATE, Babble, Clip, Samples  # noqa: E402

BY_NAME = {condition.name: condition for condition in conditions.CONDITIONS}


def example(name: str) -> Samples:
    """Three seconds of real speech."""
    return audio.read(REPO / "examples" / name, rate=RATE).samples[: 3 * RATE]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip(example("low-voice.flac"), "one/low.flac", "one", "one/1")


@pytest.fixture(scope="module")
def babble() -> Babble:
    voice = example("raised-voice.flac")
    parts = [voice[start:] for start in range(0, 8000, 1000)]
    return Babble([Clip(p, f"two/{i}", "two", f"two/{i}") for i, p in enumerate(parts)])


def level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean() + 1e-20))


def band_db(waveform: Waveform, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(waveform.samples * np.hanning(len(waveform)))) ** 2
    hz = np.fft.rfftfreq(len(waveform), 1 / waveform.rate)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum() + 1e-20))


def lag(samples: Samples, other: Samples) -> int:
    """By how many samples the second comes after the first."""
    size = 2 * max(len(samples), len(other))
    spectrum = np.fft.rfft(other, size) * np.fft.rfft(samples, size).conj()
    best = int(np.argmax(np.fft.irfft(spectrum, size)))
    return best if best < size // 2 else best - size


def test_active_speech_leaves_out_silence() -> None:
    speech = np.full(RATE, 0.1, np.float32)
    padded = np.pad(speech, RATE)
    padded += np.random.default_rng(0).normal(0, 1e-4, len(padded)).astype(np.float32)
    mask = conditions.active(padded)
    assert mask[RATE : 2 * RATE].all()
    assert mask.sum() == RATE
    assert conditions.active(np.zeros(1000, np.float32)).all()


@pytest.mark.parametrize("snr_db", conditions.SNRS_DB)
@pytest.mark.parametrize("kind", ["white", "babble"])
def test_noise_is_at_the_ratio_asked_for(
    clip: Clip, babble: Babble, kind: str, snr_db: int
) -> None:
    # Silence around the clip changes nothing: the ratio is that over the speech.
    padded = Clip(np.pad(clip.samples, RATE), clip.key, clip.corpus, clip.speaker)
    heard = BY_NAME[f"{kind}-{snr_db}"].apply(padded, babble)
    assert heard.rate == RATE
    speech = conditions.active(padded.samples)
    noise = (heard.samples - padded.samples)[speech]
    assert level_db(padded.samples[speech]) - level_db(noise) == pytest.approx(snr_db, abs=0.05)


def test_babble_is_made_of_others(clip: Clip, babble: Babble) -> None:
    random = np.random.default_rng(0)
    with pytest.raises(conditions.TooFewVoicesError, match="one/low"):
        Babble([clip] * 10).over(clip, random)
    # Who speaks is unknown, so nobody of the corpus may.
    nameless = Clip(clip.samples, "two/9", "two", None)
    with pytest.raises(conditions.TooFewVoicesError):
        babble.over(nameless, random)
    assert len(babble.over(clip, random)) == len(clip.samples)


@pytest.mark.parametrize("rt60_s", conditions.RT60S_S)
def test_rooms_reverberate_as_long_as_they_say(clip: Clip, babble: Babble, rt60_s: float) -> None:
    for response in conditions.rooms(rt60_s):
        assert conditions.decay_s(response) == pytest.approx(rt60_s, rel=0.05)
        assert np.argmax(np.abs(response)) == 0  # the direct sound, and nothing before it
    heard = BY_NAME[f"room-{rt60_s}"].apply(clip, babble)
    assert heard.duration_s == pytest.approx(3 + rt60_s, abs=0.01)
    assert abs(lag(clip.samples, heard.samples)) <= 1
    tail = heard.samples[len(clip.samples) :]
    assert level_db(tail[: RATE // 10]) > level_db(tail[-RATE // 10 :]) + 10


def test_the_time_of_a_decay_is_measured() -> None:
    time = np.arange(RATE) / RATE
    noise = np.random.default_rng(0).normal(size=RATE)
    decay = (noise * 10 ** (-3 * time / 0.5)).astype(np.float32)
    assert conditions.decay_s(decay) == pytest.approx(0.5, rel=0.03)


def test_the_telephone_leaves_its_band_alone(clip: Clip, babble: Babble) -> None:
    noise = Clip(
        np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32), "n", "one", None
    )
    call = BY_NAME["telephone"].apply(noise, babble)
    assert call.rate == 8000
    inside = band_db(call, 500, 3200)
    # What is left outside is the noise of 8 bits.
    assert band_db(call, 3600, 4000) < inside - 30
    assert band_db(call, 0, 150) < inside - 30
    speech = BY_NAME["telephone"].apply(clip, babble).samples
    heard = speech[conditions.active(audio.resample(speech, 8000, RATE))[::2][: len(speech)]]
    assert level_db(heard) == pytest.approx(conditions.LINE_LEVEL_DB, abs=3)


@pytest.mark.parametrize("name", ["mp3-32", "mp3-16", "opus-12", "opus-8"])
def test_codecs_lose_something_and_stay_in_time(clip: Clip, babble: Babble, name: str) -> None:
    heard = BY_NAME[name].apply(clip, babble)
    assert (heard.rate, len(heard)) == (RATE, len(clip.samples))
    assert abs(lag(clip.samples, heard.samples)) <= 2
    error = level_db(clip.samples) - level_db(heard.samples - clip.samples)
    assert 2 < error < 25


def test_fewer_bits_lose_more(clip: Clip, babble: Babble) -> None:
    def error_db(name: str) -> float:
        return level_db(BY_NAME[name].apply(clip, babble).samples - clip.samples)

    assert error_db("mp3-16") > error_db("mp3-32") + 1
    assert error_db("opus-8") > error_db("opus-12") + 1


def test_gain_changes_the_level_alone(clip: Clip, babble: Babble) -> None:
    quiet = BY_NAME["gain-minus-20"].apply(clip, babble).samples
    assert level_db(quiet) == pytest.approx(level_db(clip.samples) - 20, abs=0.1)
    loud = BY_NAME["gain-plus-20"].apply(clip, babble).samples
    assert 0.99 < np.abs(loud).max() <= 1
    # Neither is clipped: both are the clip, but for the steps of 16 bits.
    for samples in (quiet, loud):
        assert np.corrcoef(samples, clip.samples)[0, 1] > 0.999
    # Which the descriptions say, since "20 dB louder" alone promises more.
    assert "nothing overdrives" in BY_NAME["gain-plus-20"].description
    assert "overdriven" in BY_NAME["clipping"].description


def test_silence_adds_length(clip: Clip, babble: Babble) -> None:
    side = round(conditions.SILENCE_S * RATE)
    digital = BY_NAME["silence-digital"].apply(clip, babble).samples
    assert not digital[:side].any()
    assert not digital[-side:].any()
    assert np.array_equal(digital[side:-side], clip.samples)
    room = BY_NAME["silence-room"].apply(clip, babble).samples
    speech = level_db(clip.samples[conditions.active(clip.samples)])
    assert level_db(room[:side]) == pytest.approx(speech + conditions.FLOOR_DB, abs=3)


def test_clipping_cuts_the_share_it_says(clip: Clip, babble: Babble) -> None:
    samples = BY_NAME["clipping"].apply(clip, babble).samples
    speech = conditions.active(clip.samples)
    assert np.abs(samples).max() == 1
    assert (np.abs(samples[speech]) == 1).mean() == pytest.approx(conditions.CLIPPED, abs=0.002)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_clip_meets_the_same_each_time_and_within_full_scale(
    clip: Clip, babble: Babble, name: str
) -> None:
    first, second = (BY_NAME[name].apply(clip, babble).samples for _ in range(2))
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert np.abs(first).max() <= 1
    assert (name == "clean") == np.array_equal(first, clip.samples)
    if name.startswith(("white", "babble")):
        other = Clip(clip.samples, "one/other.flac", clip.corpus, clip.speaker)
        assert not np.array_equal(BY_NAME[name].apply(other, babble).samples, first)
