from __future__ import annotations

import builtins
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from emotone.audio import Waveform
from emotone.errors import FeatureError, MissingExtraError
from emotone.features import get
from emotone.features.opensmile import OpenSmileSet, compare, egemaps


def speech(seconds: float, rate: int = 16_000) -> Waveform:
    """A buzz whose pitch wanders, as a voice's does."""
    t = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (150 * t + 0.5 * np.sin(2 * np.pi * 2 * t))
    samples = sum(np.sin(k * phase) / k for k in range(1, 20)) * 0.2
    return Waveform(np.asarray(samples, dtype=np.float32), rate)


@pytest.mark.parametrize(("make", "dimension"), [(egemaps, 88), (compare, 6373)])
def test_the_rows_are_those_of_opensmile(make: Any, dimension: int) -> None:
    import opensmile

    found: OpenSmileSet = make()
    smile = opensmile.Smile(
        feature_set=found.configuration, feature_level=opensmile.FeatureLevel.Functionals
    )
    sound = speech(1.0)
    expected = smile.process_signal(sound.samples, sound.rate)
    row = found.compute(sound)
    assert row.dtype == np.float32
    assert found.dimension == dimension == len(found.names) == len(row)
    assert list(found.names) == list(expected.columns)
    np.testing.assert_allclose(row, expected.to_numpy()[0], rtol=1e-6)
    assert opensmile.__version__ in found.version


def test_they_are_asked_for_by_name() -> None:
    assert (get("egemaps").dimension, get("compare").dimension) == (88, 6373)


def test_the_rate_of_the_recording_hardly_matters() -> None:
    names = egemaps().names
    pitch = names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    low, high = (egemaps().compute(speech(1.0, rate))[pitch] for rate in (16_000, 48_000))
    assert low == pytest.approx(high, abs=0.1)
    assert low == pytest.approx(12 * np.log2(150 / 27.5), abs=1.0), "semitones of about 150 Hz"


def test_threads_may_share_a_set() -> None:
    found, sounds = egemaps(), [speech(0.5 + 0.1 * n) for n in range(6)]
    alone = [found.compute(sound) for sound in sounds]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(found.compute, sounds))
    np.testing.assert_array_equal(alone, together)


def test_a_clip_that_is_too_short() -> None:
    with pytest.raises(FeatureError, match=r"0\.04 s"):
        egemaps().compute(speech(0.04))


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "opensmile":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"emotone\[opensmile\]"):
        egemaps()
