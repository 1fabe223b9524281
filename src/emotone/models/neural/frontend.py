"""From waveforms to what a network sees: log-mel bands, a pitch-gram, and where there is sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAME_S, HOP_S = 0.032, 0.010
LOWEST_HZ, HIGHEST_HZ = 40.0, 7800.0
PITCH_HZ = (60.0, 500.0)
PITCH_BAND_HZ = 3500.0
"""Harmonics above this say little about the pitch and are left out of the pitch-gram."""

SILENCE_DB = 45.0
"""Frames this far below the loudest one of their clip count as silent."""

FLOOR = 1e-5
"""Added to a band's power, relative to the mean power of the clip, before the logarithm: -50 dB."""

WARPS = 21


class Spectra(NamedTuple):
    """Clips as the layers of a body see them.

    Attributes
    ----------
    mel
        Standardised log-mel bands, 0 where silent, shape ``(B, bands, T)``.
    lags
        Pitch-gram: autocorrelation of the compressed spectrum from -2 to 2, 0 where silent, shape
        ``(B, lags, T)``.
    mask
        1.0 where a frame belongs to the clip and is not silent, else 0.0; shape ``(B, 1, T)``.
    frames
        How many frames each clip has, the silent ones included; int64 ``(B,)``, or None where all
        have T.
    """

    mel: Tensor
    lags: Tensor
    mask: Tensor
    frames: Tensor | None


class Analysis(NamedTuple):
    """Frames of clips, before standardisation and masking.

    Attributes
    ----------
    power
        Power spectrum, shape ``(B, bins, T)``.
    level
        Mean power of a clip's frames that are not silent, summed over the bins; ``(B, 1, 1)``.
    relative
        Power in each band relative to the level, and `FLOOR`; shape ``(B, bands, T)``.
    log
        Its logarithm (base 10).
    lags, mask, frames
        As in `Spectra`, the pitch-gram unmasked.
    """

    power: Tensor
    level: Tensor
    relative: Tensor
    log: Tensor
    lags: Tensor
    mask: Tensor
    frames: Tensor | None


class FrontEnd(nn.Module):
    """Log-mel bands and a pitch-gram of waveforms, the same for every level of loudness.

    Frames of 32 ms under a Hann window, centred every 10 ms. The power in each triangular mel band
    is taken relative to the mean power of the clip's frames that are not silent, so that gain and
    added silence change nothing, and its logarithm is standardised by the statistics of the
    training data.

    Parameters
    ----------
    rate
        Of the waveforms, in Hz.
    bands
        Mel bands between 40 and 7800 Hz (to 97.5 % of half the rate).
    lags
        Rows of the pitch-gram, spaced by equal ratios from 60 to 500 Hz; 0 for none.
    warp
        The front end can warp the frequency axis by factors up to ``exp(warp)``, see `forward`.

    Attributes
    ----------
    mean, std
        Of the logarithm (base 10) of each band over the training data; shape ``(bands,)``.
    """

    mean: Tensor
    std: Tensor
    window: Tensor
    basis: Tensor
    bank: Tensor
    banks: Tensor
    lag_matrix: Tensor
    lag_weights: Tensor

    def __init__(self, rate: int, *, bands: int = 64, lags: int = 0, warp: float = 0.0) -> None:
        super().__init__()
        self.rate = rate
        self.size = 2 * round(FRAME_S * rate / 2)
        self.hop = round(HOP_S * rate)
        self.bands, self.lags = bands, lags
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.size) / self.size)
        bins = np.arange(self.size // 2 + 1)
        angles = 2 * np.pi * np.outer(bins, np.arange(self.size)) / self.size
        basis = np.concatenate([np.cos(angles), np.sin(angles)]) * window
        factors = np.exp(np.linspace(-warp, warp, WARPS)) if warp else np.ones(1)
        banks = np.stack([mel_bank(rate, self.size, bands, factor) for factor in factors])
        # cos(2 pi k lag / size) sums a spectrum into its autocorrelation at a lag; each bin but the
        # first and last stands for two of the full spectrum.
        weights = np.where((bins == 0) | (bins == bins[-1]), 1.0, 2.0)
        weights *= bins * rate / self.size < PITCH_BAND_HZ
        periods = rate / np.geomspace(*PITCH_HZ, max(lags, 1))
        cosines = np.cos(2 * np.pi * np.outer(periods, bins) / self.size) * weights
        for name, values in {
            "window": window,
            "basis": basis[:, None],
            "bank": mel_bank(rate, self.size, bands, 1.0),
            "banks": banks,
            "lag_matrix": cosines,
            "lag_weights": weights,
        }.items():
            constant = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
            self.register_buffer(name, constant, persistent=False)
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))

    def forward(
        self,
        waveforms: Tensor,
        lengths: Tensor | None = None,
        *,
        hop: int | None = None,
        warps: Tensor | None = None,
    ) -> Spectra:
        """What a network sees of some waveforms.

        Parameters
        ----------
        waveforms
            Shape ``(B, N)``.
        lengths
            Samples of each; what comes after is ignored. All N when None.
        hop
            Samples from frame to frame, if not those of 10 ms: another tempo.
        warps
            Which of the warpings to apply to each clip, int64 ``(B,)`` from 0 to ``WARPS - 1``;
            none when None.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            return self.spectra(self.analyse(waveforms.float(), lengths, hop, warps))

    def spectra(self, found: Analysis) -> Spectra:
        """An analysis standardised and masked, as the layers of a body take it."""
        mel = (found.log - self.mean[:, None]) / self.std[:, None] * found.mask
        return Spectra(mel, found.lags * found.mask, found.mask, found.frames)

    def analyse(
        self,
        waveforms: Tensor,
        lengths: Tensor | None,
        hop: int | None = None,
        warps: Tensor | None = None,
    ) -> Analysis:
        """What is behind the spectra; waveforms in 32 bits, arguments as those of `forward`."""
        hop = hop or self.hop
        frames = None
        if lengths is not None:
            inside = torch.arange(waveforms.shape[1], device=waveforms.device)
            waveforms = waveforms * (inside < lengths[:, None])
            frames = 1 + torch.div(lengths, hop, rounding_mode="floor")
        power = self._power(waveforms, hop)
        bands = torch.matmul(self.bank, power) if warps is None else self.banks[warps] @ power
        energy = power.sum(1, keepdim=True)
        if frames is not None:
            index = torch.arange(power.shape[2], device=power.device)
            energy = energy * (index < frames[:, None])[:, None]
        loudest = energy.amax(2, keepdim=True)
        mask = (energy >= loudest * 10 ** (-SILENCE_DB / 10)).to(power.dtype)
        if frames is not None:
            mask = mask * (index < frames[:, None])[:, None]
        level = (energy * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True)
        relative = bands / (level + 1e-12) * (self.size // 2 + 1) + FLOOR
        log = torch.log10(relative)
        if not self.lags:
            lags = power.new_zeros(len(power), 0, power.shape[2])
            return Analysis(power, level, relative, log, lags, mask, frames)
        magnitude = power.clamp_min(1e-20).sqrt()
        total = torch.matmul(self.lag_weights, magnitude)[:, None]
        lags = 2 * torch.matmul(self.lag_matrix, magnitude) / (total + 1e-9)
        return Analysis(power, level, relative, log, lags, mask, frames)

    def _power(self, waveforms: Tensor, hop: int) -> Tensor:
        """Power spectrum, shape (B, bins, T)."""
        padded = F.pad(waveforms, (self.size // 2, self.size // 2))
        if torch.onnx.is_in_onnx_export():  # ONNX has no fast transform of short frames
            both = F.conv1d(padded[:, None], self.basis, stride=hop)
            return both[:, : self.size // 2 + 1] ** 2 + both[:, self.size // 2 + 1 :] ** 2
        spectrum = torch.fft.rfft(padded.unfold(1, self.size, hop) * self.window)
        # Faster than to sum squares over the last axis, to the same bits; the products that follow
        # like it in order.
        power: Tensor = (spectrum * spectrum.conj()).real
        return power.transpose(1, 2).contiguous()

    def standardise(self, analyses: Sequence[Analysis]) -> None:
        """Take mean and standard deviation from the sounding frames of clips, one in each."""
        logs = torch.cat([found.log[0][:, found.mask[0, 0] > 0].T for found in analyses])
        self.mean.copy_(logs.mean(0))
        self.std.copy_(logs.std(0).clamp_min(1e-3))


def mel_bank(rate: int, size: int, bands: int, warp: float) -> npt.NDArray[np.float32]:
    """Triangular filters whose weights sum to 1, spaced evenly on the mel scale of HTK.

    Parameters
    ----------
    rate, size
        Of the waveform in Hz, and samples per frame.
    bands
        How many.
    warp
        Factor of the frequency axis: 1.1 hears a speaker as one with a vocal tract a tenth longer.
        The warping is piecewise linear and leaves half the rate where it is (Jaitly & Hinton 2013).

    Returns
    -------
    numpy.ndarray
        float32, shape ``(bands, size // 2 + 1)``.
    """
    top = rate / 2
    low, high = (float(2595 * np.log10(1 + f / 700)) for f in (LOWEST_HZ, highest(rate)))
    mels = np.linspace(low, high, bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    knee = 0.6 * top * min(warp, 1) / warp
    beyond = top - (top - knee * warp) / (top - knee) * (top - edges)
    edges = np.where(edges <= knee, edges * warp, beyond)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling))
    for row, centre in zip(bank, edges[1:-1], strict=True):
        if row.sum() < 1e-3:  # a band between two bins hears the nearest one
            row[np.abs(frequencies - centre).argmin()] = 1
    scaled: npt.NDArray[np.float32] = (bank / bank.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled


def highest(rate: int) -> float:
    """The upper edge of the highest band in Hz."""
    return min(HIGHEST_HZ, 0.4875 * rate)


def dct_matrix(coefficients: int, bands: int) -> npt.NDArray[np.float32]:
    """The orthonormal DCT-II that makes cepstral coefficients of bands, (coefficients, bands)."""
    angles = np.pi / bands * np.outer(np.arange(coefficients), np.arange(bands) + 0.5)
    matrix: npt.NDArray[np.float32] = (np.cos(angles) * np.sqrt(2 / bands)).astype(np.float32)
    matrix[0] /= np.sqrt(2)
    return matrix
