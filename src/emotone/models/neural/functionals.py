"""Functionals: numbers that describe a whole clip, from its frames, in PyTorch.

They follow the tradition of openSMILE (Eyben et al. 2010): low-level descriptors of every frame,
and statistics of each over the clip. Here every step is one that ONNX has, so that a model over
them takes the waveform, and thousands of clips are described at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from emotone.models.neural.frontend import (
    PITCH_BAND_HZ,
    PITCH_HZ,
    Analysis,
    FrontEnd,
    dct_matrix,
)

LAGS = 96
CEPSTRA = 24
CORRELATED_CEPSTRA = 16
"""Cepstra whose correlations with each other are taken; all would be too many pairs."""

OTHERS = ("energy", "centroid", "spread", "alpha ratio", "flatness", "flux", "pitch peak")
"""Descriptors of a frame besides bands, cepstra and pitch."""

REFERENCE_HZ = 150.0
"""Pitch is counted in octaves from here."""

LOW_HZ, HIGH_HZ = (50.0, 1000.0), (1000.0, 5000.0)
"""The bands of the alpha ratio (Eyben et al. 2016)."""

VOICED_AT, VOICED_SLOPE = 0.5, 15.0
"""Height of the pitch peak, against that of a perfectly periodic sound, at which a frame counts as
half voiced, and how fast that turns."""

LEAST_PERFECT = 0.6
"""Peaks are never held against less than this: few periods of a low voice fit into a frame, and
what is divided by little is mostly noise."""

PEAKEDNESS = 15.0
"""How much the highest row of the pitch-gram outweighs the others in the estimate of the pitch."""

HINGES = (0.75, 1.5)
"""Deviations from the mean beyond which the excess is averaged, on both sides."""

PITCH_HINGES = (0.1, 0.25, 0.5)
"""The same for pitch, in octaves."""

PITCH_LEVELS = tuple(np.linspace(-1, 1.6, 14).tolist())
"""Octaves from the reference at which the share of higher pitch is taken."""

DELTAS = (2, 8)
PITCH_DELTAS = (1, 3, 8, 20)
"""Frames apart at which changes are measured."""

PERIODS = (6, 10, 16, 26, 42, 64)
"""Periods of modulation in frames: 16.7 to 1.6 Hz."""

MODULATED_BANDS = 16
_EPS = 1e-6


class Descriptors(NamedTuple):
    """Numbers per frame, shapes ``(B, n, T)``, 0 where silent.

    Attributes
    ----------
    bands
        Logarithm of the mel bands.
    cepstra
        Their discrete cosine transform, the first left out.
    others
        The numbers that `OTHERS` names.
    octaves, pitch
        From `REFERENCE_HZ`; `pitch` is weighted by how voiced the frame is.
    voiced
        From 0 to 1.
    lags
        The pitch-gram.
    mask
        1.0 where there is sound.
    """

    bands: Tensor
    cepstra: Tensor
    others: Tensor
    octaves: Tensor
    pitch: Tensor
    voiced: Tensor
    lags: Tensor
    mask: Tensor


class DescribingFrontEnd(FrontEnd):
    """A front end that also describes whole clips, by about three thousand numbers each.

    Parameters
    ----------
    rate, bands, warp
        As those of `FrontEnd`; the pitch-gram has `LAGS` rows.

    Attributes
    ----------
    described
        How many functionals there are.
    centre, scale
        Mean and standard deviation of each over the training data, shape ``(described,)``.
    """

    cosines: Tensor
    moments: Tensor
    octaves: Tensor
    upper: Tensor
    perfect: Tensor
    pitch_levels: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, rate: int, *, bands: int = 64, warp: float = 0.0) -> None:
        super().__init__(rate, bands=bands, lags=LAGS, warp=warp)
        hertz = np.arange(self.size // 2 + 1) * rate / self.size
        ranges = [(hertz >= low) & (hertz < high) for low, high in (LOW_HZ, HIGH_HZ)]
        constants = {
            "cosines": dct_matrix(CEPSTRA + 1, bands)[1:],
            "moments": np.stack([hertz / 4000, (hertz / 4000) ** 2, *ranges]).astype(np.float32),
            "octaves": np.log2(np.geomspace(*PITCH_HZ, LAGS) / REFERENCE_HZ).astype(np.float32),
        }
        for name, values in constants.items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        perfect = torch.from_numpy(self._perfect()).clamp_min(LEAST_PERFECT)[:, None]
        self.register_buffer("perfect", perfect, persistent=False)
        rows = 2 * (CORRELATED_CEPSTRA + len(OTHERS) + 1)
        pairs = torch.triu_indices(rows, rows, 1)
        self.register_buffer("upper", pairs[0] * rows + pairs[1], persistent=False)
        levels = torch.tensor(PITCH_LEVELS)[:, None]
        self.register_buffer("pitch_levels", levels, persistent=False)
        for period in PERIODS:
            wave = _wave(period)
            filters = _filters(wave, MODULATED_BANDS + 2)
            self.register_buffer(f"wave_{period}", wave, persistent=False)
            self.register_buffer(f"filters_{period}", filters, persistent=False)
        with torch.no_grad():
            probe = self.analyse(torch.linspace(-1, 1, rate)[None], None)
            self.described = int(self.describe(probe).shape[1])
        self.register_buffer("centre", torch.zeros(self.described))
        self.register_buffer("scale", torch.ones(self.described))

    def _perfect(self) -> npt.NDArray[np.float32]:
        """Height of each row of the pitch-gram when a buzz has just that pitch.

        The frame's window makes long periods look less periodic than they are (Boersma 1993).
        """
        time = np.arange(self.size) / self.rate
        heights = []
        for row, hertz in enumerate(np.geomspace(*PITCH_HZ, LAGS)):
            harmonics = np.arange(1, int(PITCH_BAND_HZ / hertz) + 1)
            buzz = np.cos(2 * np.pi * hertz * np.outer(harmonics, time)).sum(0)
            magnitude = np.abs(np.fft.rfft(buzz * self.window.numpy()))
            weights = self.lag_weights.numpy()
            heights.append(2 * self.lag_matrix[row].numpy() @ magnitude / (weights @ magnitude))
        return np.array(heights, dtype=np.float32)

    def functionals(
        self,
        waveforms: Tensor,
        lengths: Tensor | None = None,
        *,
        hop: int | None = None,
        warps: Tensor | None = None,
    ) -> Tensor:
        """Standardised functionals, bounded to +-6 deviations, float32 ``(B, described)``.

        The arguments are those of `FrontEnd.forward`.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            found = self.analyse(waveforms.float(), lengths, hop, warps)
            return ((self.describe(found) - self.centre) / self.scale).clamp(-6, 6)

    def standardise(self, analyses: Sequence[Analysis]) -> None:
        """Also take mean and deviation of each functional, from clips of one row each."""
        super().standardise(analyses)
        rows = torch.cat([self.describe(found) for found in analyses])
        self.centre.copy_(rows.mean(0))
        self.scale.copy_(rows.std(0).clamp_min(1e-4))

    def describe(self, found: Analysis) -> Tensor:
        """Functionals before standardisation, float32 ``(B, described)``."""
        return self._summary(self._descriptors(found))

    def _descriptors(self, found: Analysis) -> Descriptors:
        power, mask = found.power, found.mask
        energy = power.sum(1, keepdim=True)
        floor = 1e-9 * energy.amax(2, keepdim=True) + 1e-20
        first, second, low, high = torch.matmul(self.moments, power).chunk(4, 1)
        centroid = first / (energy + floor)
        spread = (second / (energy + floor) - centroid**2).clamp_min(0).sqrt()
        alpha = torch.log10((low + floor) / (high + floor))
        level = torch.log10(energy / (found.level + 1e-12) + 1e-5)
        bands = found.log
        together = torch.log10(found.relative.sum(1, keepdim=True))
        flatness = bands.mean(1, keepdim=True) - together + math.log10(self.bands)
        flux = F.pad(bands[:, :, 1:] - bands[:, :, :-1], (1, 0)).clamp_min(0).mean(1, keepdim=True)
        peak = (found.lags / self.perfect).amax(1, keepdim=True)
        voiced = torch.sigmoid((peak - VOICED_AT) * VOICED_SLOPE) * mask
        octaves = torch.matmul(self.octaves, (found.lags * PEAKEDNESS).softmax(1))[:, None]
        others = torch.cat([level, centroid, spread, alpha, flatness, flux, peak], 1)
        return Descriptors(
            bands=bands * mask,
            cepstra=torch.matmul(self.cosines, bands) * mask,
            others=others * mask,
            octaves=octaves,
            pitch=octaves * voiced,
            voiced=voiced,
            lags=found.lags * mask,
            mask=mask,
        )

    def _summary(self, d: Descriptors) -> Tensor:
        everything = torch.cat([d.bands, d.cepstra, d.others], 1)
        frames, voiced = d.mask.sum(2), d.voiced.sum(2).clamp_min(1e-3)
        found = [
            *_distribution(everything, d.mask),
            *_statistics(everything, d.voiced)[:2],
            *_changes(everything, d.mask, DELTAS),
            *self._pitch(d),
            self._correlations(d),
            d.lags.sum(2) / frames,
            *self._modulation(d),
            torch.log(frames / 100),
            torch.log(voiced.clamp_min(1) / 100),
            voiced / frames,
            _onsets(d.voiced) / frames,
        ]
        return torch.cat(found, 1)

    def _pitch(self, d: Descriptors) -> list[Tensor]:
        weight = d.voiced
        count = weight.sum(2).clamp_min(1e-3)
        octaves = d.octaves
        mean, deviation, _ = _statistics(octaves, weight)
        around = octaves - mean.unsqueeze(2)
        found = [mean, deviation]
        above_and_below = torch.cat([around, -around], 1)
        found += [
            ((above_and_below - hinge).clamp_min(0) * weight).sum(2) / count
            for hinge in PITCH_HINGES
        ]
        higher = torch.sigmoid((octaves - self.pitch_levels) * 8)
        found.append((higher * weight).sum(2) / count)
        found += _trend(around * weight, weight)
        for apart in PITCH_DELTAS:
            both = weight[:, :, apart:] * weight[:, :, :-apart]
            change = octaves[:, :, apart:] - octaves[:, :, :-apart]
            pairs = both.sum(2).clamp_min(1)
            found += [
                (change.abs() * both).sum(2) / pairs,
                (change * both).sum(2) / pairs,
                ((change**2 * both).sum(2) / pairs + _EPS).sqrt(),
            ]
        return found

    def _correlations(self, d: Descriptors) -> Tensor:
        """Of cepstra, energy and so on, pitch, and their changes over 40 ms, in voiced frames."""
        chosen = torch.cat([d.cepstra[:, :CORRELATED_CEPSTRA], d.others, d.pitch], 1)
        change = (chosen[:, :, 4:] - chosen[:, :, :-4]) * d.mask[:, :, 4:] * d.mask[:, :, :-4]
        both = torch.cat([chosen, F.pad(change, (2, 2))], 1)
        _, _, standard = _statistics(both, d.voiced)
        weighted = standard * d.voiced.sqrt()
        matrix = torch.matmul(weighted, weighted.transpose(1, 2))
        return matrix.flatten(1)[:, self.upper] / d.voiced.sum(2).clamp_min(1e-3)

    def _modulation(self, d: Descriptors) -> list[Tensor]:
        """Energy of slow fluctuations of groups of bands, of the level and of the pitch."""
        batch, _, length = d.bands.shape
        groups = d.bands.reshape(batch, MODULATED_BANDS, -1, length).mean(2)
        tracks = torch.cat([groups, d.others[:, :1], d.pitch], 1)
        count = d.mask.sum(2, keepdim=True)
        tracks = (tracks - (tracks * d.mask).sum(2, keepdim=True) / count) * d.mask
        energies = self._export_energies if torch.onnx.is_in_onnx_export() else self._energies
        return [
            torch.log10(energy * max(1, period // 4) / count[:, :, 0] / period**2 + 1e-5)
            for period, energy in zip(PERIODS, energies(tracks), strict=True)
        ]

    def _energies(self, tracks: Tensor) -> Iterator[Tensor]:
        """Energy of each track (B, rows, T) at each of `PERIODS`, ``(B, rows)``."""
        batch, rows, length = tracks.shape
        for period in PERIODS:
            wave = getattr(self, f"wave_{period}")
            # Far enough for every window that the clip's end touches, however it is padded.
            padded = F.pad(tracks.reshape(batch * rows, 1, length), (period, 2 * period))
            both = F.conv1d(padded, wave, stride=max(1, period // 4))
            yield both.square().sum(1).sum(1).reshape(batch, rows)

    def _export_energies(self, tracks: Tensor) -> Iterator[Tensor]:
        """The same as one layer of many channels, which ONNX Runtime is three times faster at.

        Where it takes channels together, it takes 16; the last ones here have filters of zeros.
        """
        rows, channels = MODULATED_BANDS + 2, len(getattr(self, f"filters_{PERIODS[0]}"))
        given = torch.cat([tracks, tracks, tracks[:, : channels - 2 * rows]], 1)[:, :, None]
        for period in PERIODS:
            step = max(1, period // 4)
            early = -(-period // step)  # windows before the first, which equal padding brings
            stride, beside = (1, step), (0, period + early * step)
            filters = getattr(self, f"filters_{period}")
            both = F.conv2d(given, filters, None, stride, beside, groups=channels)
            energy = both[..., early:].square().sum((2, 3))
            yield energy[:, :rows] + energy[:, rows : 2 * rows]


def _filters(wave: Tensor, rows: int) -> Tensor:
    """Two filters (2, 1, size) for so many channels each, and zeros up to a multiple of 16."""
    filters = torch.zeros(-(-2 * rows // 16) * 16, 1, 1, wave.shape[2])
    filters[:rows], filters[rows : 2 * rows] = wave[0], wave[1]
    return filters


def _wave(period: int) -> Tensor:
    """Two waves a quarter of a period apart, two periods long, under a Hann window."""
    angle = math.pi * torch.arange(2 * period) / period
    window = 0.5 - 0.5 * torch.cos(angle)
    return torch.stack([window * torch.cos(2 * angle), window * torch.sin(2 * angle)])[:, None]


def _statistics(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted mean and deviation, (B, n) each, and the standardised x, (B, n, T)."""
    count = weight.sum(2, keepdim=True).clamp_min(1e-3)
    across = weight.transpose(1, 2)
    mean = torch.matmul(x, across) / count
    apart = x - mean
    deviation = (torch.matmul(apart * apart, across) / count + _EPS).sqrt()
    return mean[:, :, 0], deviation[:, :, 0], apart / deviation


def _distribution(x: Tensor, mask: Tensor) -> list[Tensor]:
    """Moments, tails and trends of each descriptor."""
    count = mask.sum(2)
    mean, deviation, standard = _statistics(x, mask)
    standard = standard * mask
    square = standard * standard
    found = [mean, deviation, (square * standard).sum(2) / count, (square * square).sum(2) / count]
    frames = x.shape[2]
    for hinge in HINGES:
        found.append((standard.clamp_min(hinge).sum(2) - hinge * frames) / count)
        found.append((-standard.clamp_max(-hinge).sum(2) - hinge * frames) / count)
    return [*found, *_trend(standard, mask)]


def _trend(weighted: Tensor, weight: Tensor) -> list[Tensor]:
    """Correlation with time and with its square: rise or fall, and arch."""
    count = weight.sum(2, keepdim=True).clamp_min(1e-3)
    time = torch.cumsum(weight, 2) / count - 0.5
    both = torch.cat([time, time * time - 1 / 12], 1).transpose(1, 2)
    return list((torch.matmul(weighted, both) / count).unbind(2))


def _changes(x: Tensor, mask: Tensor, distances: tuple[int, ...]) -> list[Tensor]:
    """Mean size of changes, and root mean square of rises and of falls."""
    found = []
    for apart in distances:
        both = mask[:, :, apart:] * mask[:, :, :-apart]
        change = (x[:, :, apart:] - x[:, :, :-apart]) * both
        pairs = both.sum(2).clamp_min(1)
        rises, falls = change.clamp_min(0), change.clamp_max(0)
        found += [
            (rises.sum(2) - falls.sum(2)) / pairs,
            ((rises * rises).sum(2) / pairs + _EPS).sqrt(),
            ((falls * falls).sum(2) / pairs + _EPS).sqrt(),
        ]
    return found


def _onsets(voiced: Tensor) -> Tensor:
    """How often voicing begins, half beginnings counted as such."""
    return (voiced[:, :, 1:] - voiced[:, :, :-1]).clamp_min(0).sum(2)
