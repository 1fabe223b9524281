"""Power spectra of overlapping windows."""

from __future__ import annotations

import numpy as np
import pytest

from emotone.spectra import PowerFrames, power


def test_power_is_that_of_the_front_end() -> None:
    torch = pytest.importorskip("torch")
    from emotone.models.neural.frontend import FrontEnd

    end = FrontEnd(16000)
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 5000)).astype(np.float32)
    expected = end.analyse(torch.from_numpy(sound), None).power.numpy()
    np.testing.assert_allclose(power(sound), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("step", [4000, 160, 4001, 60000])
@pytest.mark.parametrize("length", [48000, 4800, 4877])
def test_windows_share_frames_and_get_the_same_power(step: int, length: int) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 200_000).astype(np.float32)
    frames = PowerFrames(777)
    start = 777
    for _ in range(6):
        end = min(start + length, len(sound))
        found = frames.window(start, sound[start:end])
        np.testing.assert_allclose(found, power(sound[None, start:end])[0], rtol=1e-4, atol=1e-6)
        start = min(start + step, len(sound) - 6000)


def test_windows_grow_and_then_move() -> None:
    sound = np.random.default_rng(2).normal(0, 0.1, 100_000).astype(np.float32)
    frames = PowerFrames(0)
    for end in range(4800, 96_000, 4000):
        start = max(0, end - 48_000)
        start -= start % 160
        found = frames.window(start, sound[start:end])
        np.testing.assert_allclose(found, power(sound[None, start:end])[0], rtol=1e-4, atol=1e-6)


def test_frames_are_transformed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotone import spectra

    counted = []
    real = spectra._transformed

    def count(padded: np.ndarray) -> np.ndarray:
        found = real(padded)
        counted.append(found.shape[1])
        return found

    monkeypatch.setattr(spectra, "_transformed", count)
    sound = np.random.default_rng(3).normal(0, 0.1, 60_000).astype(np.float32)
    frames = PowerFrames(0)
    frames.window(0, sound[:48_000])
    counted.clear()
    frames.window(4000, sound[4000:52_000])
    assert sum(counted) <= 25 + 6  # of 301


def test_what_is_no_longer_needed_is_forgotten() -> None:
    sound = np.zeros(1_000_000, dtype=np.float32)
    frames = PowerFrames(0)
    for start in range(0, 900_000, 4000):
        frames.window(start, sound[start : start + 48_000])
        assert len(frames._frames) <= 301
