"""Features beside librosa 0.11, their oracle, on real clips.

A difference is relative to the largest magnitude of its group (MFCC, chroma, …) in the clip.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from emotone import audio, features
from emotone.features.harmonic import harmonic_part
from emotone.features.stft import stft

librosa = pytest.importorskip("librosa", exc_type=ImportError)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import librosa_way  # noqa: E402

LIMIT = 1e-3
CORPORA = ("ravdess", "emodb", "tess", "urdu", "ased", "turev", "casia", "emovo", "nemo")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def synthetic(rate: int, seconds: float = 0.7) -> np.ndarray:
    """A gliding voice, half a second into silence of all zeros."""
    rng = np.random.default_rng(rate)
    t = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(170 + 40 * np.sin(4 * t)) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 15))
    samples = 0.1 * voice + 0.01 * rng.standard_normal(len(t))
    samples[: len(t) // 4] = 0
    samples[-len(t) // 6 :] = 0
    return samples.astype(np.float32)


def clips_of(corpora: Path, name: str) -> list[Path]:
    found = audio.find_audio([corpora / name])
    return found if name == "originals" else random.Random(name).sample(found, 3)


def test_no_two_workers_share_a_cache_of_compiled_code() -> None:
    import numba

    cache = Path(numba.config.CACHE_DIR)
    assert cache.is_dir()
    assert cache.name.startswith("emotone-numba-")
    assert str(cache) == os.environ["NUMBA_CACHE_DIR"]


@pytest.mark.parametrize("name", [*CORPORA, "originals"])
def test_tutorial_features_agree_on_real_clips(corpora: Path, name: str) -> None:
    clips = clips_of(corpora, name)
    assert len(clips) >= 3
    for clip in clips:
        ours = features.extract(clip, "tutorial-193")
        found = librosa_way.differences(ours, librosa_way.tutorial_193(clip))
        assert len(found) == 5
        assert max(found.values()) < LIMIT, (clip, found)
        np.testing.assert_array_equal(features.extract(clip, "tutorial-180"), ours[:180])


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_414, 44_100, 48_000, 96_000])
def test_tutorial_features_agree_at_every_rate(rate: int, tmp_path: Path) -> None:
    import soundfile

    clip = tmp_path / "clip.wav"
    soundfile.write(clip, synthetic(rate), rate, subtype="FLOAT")
    ours = features.extract(clip, "tutorial-193")
    found = librosa_way.differences(ours, librosa_way.tutorial_193(clip))
    assert max(found.values()) < LIMIT, found


@pytest.mark.parametrize("rate", [8_000, 11_025])
def test_tutorial_180_agrees_at_low_rates(rate: int, tmp_path: Path) -> None:
    import soundfile

    clip = tmp_path / "clip.wav"
    soundfile.write(clip, synthetic(rate), rate, subtype="FLOAT")
    ours = features.extract(clip, "tutorial-180")
    found = librosa_way.differences(ours, librosa_way.tutorial_180(clip))
    assert max(found.values()) < LIMIT, found


def test_the_harmonic_part_equals_librosas_bit_for_bit(corpora: Path) -> None:
    for clip in clips_of(corpora, "originals")[:3]:
        samples, _ = librosa_way.samples_of(clip)
        spectrum = stft(samples)
        np.testing.assert_array_equal(spectrum.T, librosa.stft(samples))
        ours = harmonic_part(spectrum, np.abs(spectrum), len(samples))
        np.testing.assert_array_equal(ours, librosa.effects.harmonic(samples))


@pytest.mark.parametrize("name", ["ravdess", "originals"])
def test_frame_features_agree(corpora: Path, name: str) -> None:
    """Every part librosa has, frame by frame."""
    clip = clips_of(corpora, name)[0]
    y, rate = librosa_way.samples_of(clip)
    magnitude = np.abs(librosa.stft(y))
    feature = librosa.feature
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {
            "mfcc13": feature.mfcc(y=y, sr=rate, n_mfcc=13),
            "mfcc40": feature.mfcc(y=y, sr=rate, n_mfcc=40),
            "mel64": feature.melspectrogram(y=y, sr=rate, n_mels=64),
            "chroma12": feature.chroma_stft(S=magnitude, sr=rate),
            "contrast7": feature.spectral_contrast(S=magnitude, sr=rate),
            "tonnetz6": feature.tonnetz(y=librosa.effects.harmonic(y), sr=rate),
            "rms": feature.rms(y=y),
            "zcr": feature.zero_crossing_rate(y),
            "centroid": feature.spectral_centroid(y=y, sr=rate),
            "bandwidth": feature.spectral_bandwidth(y=y, sr=rate),
            "rolloff": feature.spectral_rolloff(y=y, sr=rate),
            "flatness": feature.spectral_flatness(y=y),
        }
    for part, expected in theirs.items():
        ours, names = features.frames(clip, part)
        assert ours.shape == expected.T.shape, part
        assert len(names) == expected.shape[0]
        difference = np.abs(ours - expected.T).max() / np.abs(expected).max()
        assert difference < LIMIT, (part, difference)
