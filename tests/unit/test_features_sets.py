"""The grammar of feature sets, their names, summaries and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import features
from emotone.audio import Preparation, Waveform, resample
from emotone.errors import FeatureError
from emotone.features.parts import PARTS
from emotone.features.sets import NAMED, PartsSet
from emotone.features.summary import STATISTICS, summarise

RATE = 16_000


def voice(seconds: float = 0.6, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """A gliding harmonic sound in noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(150 + 30 * np.sin(5 * t)) / rate
    tones = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.1 * tones + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("name", [named.name for named in NAMED.values() if not named.extra])
def test_a_named_set_has_the_dimension_it_is_listed_with(name: str) -> None:
    found = features.get(name)
    row = found.compute(Waveform(voice(1.0), RATE))
    assert row.shape == (NAMED[name].dimension,) == (found.dimension,) == (len(found.names),)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()
    assert len(set(found.names)) == found.dimension


def test_available_lists_every_named_set() -> None:
    listed = {named.name: named.dimension for named in features.available()}
    assert listed["tutorial-180"] == 180
    assert listed["tutorial-193"] == 193
    assert listed["mfcc-13"] == 13


def test_a_recipe_concatenates_parts_and_statistics_in_order() -> None:
    clip = (voice(), RATE)
    row = features.extract(clip, "mfcc3:mean,std,p95+rms:max,slope")
    assert features.get("mfcc3:mean,std,p95+rms:max,slope").names == (
        *(f"mfcc_{i}_{s}" for s in ("mean", "std", "p95") for i in (1, 2, 3)),
        "rms_max",
        "rms_slope",
    )
    mfcc, names = features.frames(clip, "mfcc3")
    rms, _ = features.frames(clip, "rms")
    assert names == ("mfcc_1", "mfcc_2", "mfcc_3")
    expected = [
        mfcc.mean(axis=0),
        mfcc.std(axis=0),
        np.percentile(mfcc, 95, axis=0),
        rms.max(axis=0),
        np.polyfit(np.arange(len(rms)) * 512 / RATE, rms[:, 0], 1)[:1],
    ]
    np.testing.assert_allclose(row, np.concatenate(expected), rtol=1e-4)


def test_named_sets_are_their_recipes() -> None:
    clip = (voice(), RATE)
    longer = features.extract(clip, "tutorial-193")
    np.testing.assert_array_equal(longer[:180], features.extract(clip, "tutorial-180"))
    np.testing.assert_array_equal(
        longer, features.extract(clip, "mfcc40+chroma12+mel128+contrast7+tonnetz6")
    )
    np.testing.assert_allclose(longer[:13], features.extract(clip, "mfcc-13"), rtol=1e-5)


def test_spellings_of_one_recipe_are_one_set() -> None:
    assert features.get("MFCC40 + chroma:mean").name == features.get("mfcc+chroma12").name
    assert features.get("mfcc40").name == "mfcc40"


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("", "unknown feature"),
        ("mfc40", "Did you mean"),
        ("tutorial-181", "tutorial-180"),
        ("mfcc0", "1 to 128"),
        ("mfcc129", "1 to 128"),
        ("chroma13", "It has 12"),
        ("rms2", "It has 1"),
        ("mfcc40:median", "p0 to p100"),
        ("mfcc40:p101", "p0 to p100"),
        ("mfcc40:mean,mean", "twice"),
        ("mfcc13+mfcc13", "twice"),
        ("mfcc40++mel128", "unknown feature"),
        ("mfcc40:", "unknown feature"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(recipe: str, says: str) -> None:
    with pytest.raises(FeatureError, match=says):
        features.get(recipe)


def test_frames_refuse_statistics() -> None:
    with pytest.raises(FeatureError, match="no frames"):
        features.frames((voice(), RATE), "mfcc13:std")


@pytest.mark.parametrize("part", ["contrast7", "tonnetz6"])
def test_a_rate_too_low_for_a_part_is_an_error(part: str) -> None:
    with pytest.raises(FeatureError, match="rate") as caught:
        features.extract((voice(rate=8000), 8000), part)
    assert caught.value.code == "rate_too_low"


def test_preparation_comes_first() -> None:
    samples = voice(1.0)
    half = features.extract((samples[: RATE // 2], RATE), "mfcc13")
    prepared = features.extract((samples, RATE), "mfcc13", preparation=Preparation(length_s=0.5))
    assert not np.array_equal(prepared, features.extract((samples, RATE), "mfcc13"))
    assert prepared.shape == half.shape


def test_a_set_with_a_rate_resamples_what_comes_in() -> None:
    found = features.get("mfcc13")
    assert isinstance(found, PartsSet)
    at_16k = PartsSet("mfcc13", found.terms, rate=16_000)
    samples = voice(rate=44_100)
    row = at_16k.compute(Waveform(samples, 44_100))
    by_hand = found.compute(Waveform(resample(samples, 44_100, 16_000), 16_000))
    np.testing.assert_array_equal(row, by_hand)
    assert not np.allclose(row, found.compute(Waveform(samples, 44_100)), rtol=0.01)


@pytest.mark.parametrize("part", sorted(PARTS))
def test_every_part_gives_finite_frames_with_names(part: str) -> None:
    values, names = features.frames((voice(), RATE), part)
    assert values.ndim == 2
    assert values.shape[1] == len(names) == len(set(names))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 4),
    st.sampled_from([*STATISTICS, "p0", "p50", "p100"]),
    st.integers(0, 2**32 - 1),
)
def test_summaries_of_anything_keep_their_order(t: int, d: int, statistic: str, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(t, d)).astype(np.float32)
    row = summarise(values, (statistic, "min", "max"), 0.01)
    assert row.shape == (3 * d,)
    low, high = row[d : 2 * d], row[2 * d :]
    if statistic in ("mean", "p0", "p50", "p100"):
        assert (row[:d] >= low - 1e-6).all()
        assert (row[:d] <= high + 1e-6).all()
    if t == 1 and statistic in ("std", "slope"):
        assert not row[:d].any()
