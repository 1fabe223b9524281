"""Functionals of clips in PyTorch: they measure what they say, and only within the clip."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import speech
from emotone.models.neural.functionals import (
    MODULATED_BANDS,
    OTHERS,
    REFERENCE_HZ,
    DescribingFrontEnd,
    Descriptors,
)


@pytest.fixture(scope="module")
def end() -> DescribingFrontEnd:
    return DescribingFrontEnd(16000, warp=0.1)


def buzz(hertz: float, seconds: float = 1.0) -> torch.Tensor:
    time = np.arange(round(16000 * seconds)) / 16000
    sound = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 12))
    return torch.from_numpy(0.1 * np.asarray(sound, dtype=np.float32))[None]


def descriptors(end: DescribingFrontEnd, waveform: torch.Tensor) -> Descriptors:
    return end._descriptors(end.analyse(waveform, None))


@pytest.mark.parametrize("hertz", [90.0, 150.0, 220.0, 330.0])
def test_pitch_is_heard_in_octaves(end: DescribingFrontEnd, hertz: float) -> None:
    found = descriptors(end, buzz(hertz))
    middle = slice(10, -10)
    assert found.octaves[0, 0, middle].mean() == pytest.approx(
        math.log2(hertz / REFERENCE_HZ), abs=0.08
    )
    assert (found.voiced[0, 0, middle] > 0.9).all()


def test_noise_has_no_voice(end: DescribingFrontEnd) -> None:
    torch.manual_seed(0)
    assert descriptors(end, torch.randn(1, 16000)).voiced.mean() < 0.1


def test_a_brighter_sound_has_a_higher_centroid_and_a_lower_alpha_ratio(
    end: DescribingFrontEnd,
) -> None:
    dull, bright = (descriptors(end, buzz(hertz)).others.mean(2)[0] for hertz in (100.0, 900.0))
    assert bright[OTHERS.index("centroid")] > dull[OTHERS.index("centroid")]
    assert bright[OTHERS.index("alpha ratio")] < dull[OTHERS.index("alpha ratio")]


def test_neither_gain_nor_silence_around_it_changes_a_clip(end: DescribingFrontEnd) -> None:
    clips, _, _ = speech.clips(1)
    waveform = torch.from_numpy(clips[0])[None]
    end.standardise([end.analyse(torch.from_numpy(clip)[None], None) for clip in
                     (speech.clips(4)[0][i] for i in range(4))])  # fmt: skip
    plain = end.functionals(waveform)
    torch.testing.assert_close(end.functionals(waveform * 0.05), plain, atol=2e-2, rtol=0)
    silence = torch.zeros(1, 3200)
    longer = end.functionals(torch.cat([silence, waveform, silence], 1))
    assert (longer - plain).abs().median() < 0.1


def test_what_comes_after_a_clip_changes_nothing(end: DescribingFrontEnd) -> None:
    clips, _, _ = speech.clips(2)
    short = torch.from_numpy(clips[0][:8000])
    padded = torch.zeros(2, 14000)
    padded[0, :8000] = short
    padded[1] = torch.from_numpy(np.resize(clips[1], 14000))
    together = end.functionals(padded, torch.tensor([8000, 14000]))
    torch.testing.assert_close(together[:1], end.functionals(short[None]), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("length", [4800, 5000, 160000])
def test_silence_and_short_clips_give_numbers(end: DescribingFrontEnd, length: int) -> None:
    for waveform in (torch.zeros(1, length), 0.3 * torch.ones(1, length)):
        row = end.functionals(waveform)
        assert row.shape == (1, end.described)
        assert torch.isfinite(row).all()


def test_standardisation_takes_mean_and_deviation_away(end: DescribingFrontEnd) -> None:
    clips, _, _ = speech.clips(40)
    analyses = [end.analyse(torch.from_numpy(clips[i])[None], None) for i in range(40)]
    end.standardise(analyses)
    rows = torch.cat([end.functionals(torch.from_numpy(clips[i])[None]) for i in range(40)])
    assert rows.mean(0).abs().max() < 0.3  # what is bounded to six deviations is no longer centred
    assert rows.std(0).median() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("frames", [9, 64, 301])
def test_what_is_exported_finds_the_same_fluctuations(end: DescribingFrontEnd, frames: int) -> None:
    tracks = torch.randn(3, MODULATED_BANDS + 2, frames, generator=torch.Generator().manual_seed(1))
    plain, exported = end._energies(tracks), end._export_energies(tracks)
    for one, other in zip(plain, exported, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)
