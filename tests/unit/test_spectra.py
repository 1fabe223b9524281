"""Frames of overlapping windows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from emotone.spectra import WindowFrames, framed, power

Sound = npt.NDArray[np.float32]


def described(frames: Sound) -> Sound:
    """Something that is known of each frame by itself."""
    return np.ascontiguousarray(power(frames)[:, 5:40].T)


def noise(seed: int, samples: int) -> Sound:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def test_power_is_that_of_the_front_end() -> None:
    torch = pytest.importorskip("torch")
    from emotone.models.neural.frontend import FrontEnd

    sound = noise(0, 10_000).reshape(2, 5000)
    expected = FrontEnd(16000).analyse(torch.from_numpy(sound), None).power.numpy()
    found = power(framed(sound)).transpose(0, 2, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("step", [4000, 160, 4001, 60000])
@pytest.mark.parametrize("length", [48000, 4800, 4877, 500])
def test_windows_share_frames_and_get_what_they_would_alone(step: int, length: int) -> None:
    sound = noise(1, 200_000)
    frames = WindowFrames(777)
    start = 777
    for _ in range(6):
        end = min(start + length, len(sound))
        window = sound[start:end]
        found = frames.window(described(frames.missing(start, window)))
        np.testing.assert_allclose(found, described(framed(window)), rtol=1e-4, atol=1e-6)
        start = min(start + step, len(sound) - 6000)


@pytest.mark.parametrize("together", [1, 3, 30])
def test_windows_grow_and_then_move(together: int) -> None:
    sound = noise(2, 100_000)
    frames = WindowFrames(0)
    ends = list(range(4800, 96_000, 4000))
    for first in range(0, len(ends), together):
        some = []
        for end in ends[first : first + together]:
            start = max(0, end - 48_000)
            some.append((start - start % 160, end))
        missing = [frames.missing(start, sound[start:end]) for start, end in some]
        for (start, end), asked in zip(some, missing, strict=True):
            found = frames.window(described(asked))
            expected = described(framed(sound[start:end]))
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_frames_are_described_once() -> None:
    sound = noise(3, 60_000)
    frames = WindowFrames(0)
    assert len(frames.missing(0, sound[:48_000])) == 301
    assert len(frames.missing(4000, sound[4000:52_000])) == 25 + 4
    assert len(frames.missing(4000, sound[4000:52_000])) == 4


def test_what_is_no_longer_needed_is_forgotten() -> None:
    sound = np.zeros(1_000_000, dtype=np.float32)
    frames = WindowFrames(0)
    for start in range(0, 900_000, 4000):
        window = sound[start : start + 48_000]
        frames.window(described(frames.missing(start, window)))
        assert frames._known is not None
        assert frames._known.shape[1] <= 301
        assert frames._known.base is None or frames._known.base.shape[1] <= 301
