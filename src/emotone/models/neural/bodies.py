"""The bodies: waveforms in, one embedding per clip out.

A body is a module with ``dimension``, the length of its embedding, and ``forward(waveforms (B, N),
lengths (B,) or None)`` to ``(B, dimension)``. What comes after a clip's length changes nothing.
Those here are spectral: a `FrontEnd`, and layers on what it gives.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn

from emotone.models.neural.foundation import FoundationBody
from emotone.models.neural.frontend import FrontEnd, Spectra, dct_matrix
from emotone.models.neural.functionals import DescribingFrontEnd
from emotone.models.neural.kernel import Gaussian
from emotone.models.neural.layers import (
    AttentiveStatistics,
    ConformerBlock,
    Conv1dBlock,
    Conv2dBlock,
    Embedding,
    Recurrent,
    Residual,
    TransformerBlock,
    halve_frames,
)
from emotone.models.neural.settings import (
    Cnn1dSettings,
    Cnn2dSettings,
    ConformerSettings,
    CrnnSettings,
    FunctionalsSettings,
    RecurrentSettings,
    RidgeSettings,
    Settings,
)

BANDS = 64

COMPRESSION = 0.7
"""Power of a functional's deviation that `Compressed` takes."""

PICTURE_DROPOUT = 0.15
"""Share of the clips that a `Crnn` in training sees without one of its two pictures, for each."""


def make(settings: Settings, rate: int) -> nn.Module:
    """An untrained body of a family for waveforms at a rate, drawn from PyTorch's generator."""
    if settings.family == "foundation":
        return FoundationBody(settings.body, rate)
    warp = settings.augmentation.warp if settings.augmentation is not None else 0.0
    if settings.family == "functionals":
        return Perceptron(DescribingFrontEnd(rate, bands=BANDS, warp=warp), settings.body)
    if settings.family == "ridge":
        return Compressed(DescribingFrontEnd(rate, bands=BANDS, warp=warp), settings.body)
    lags = settings.body.lags if settings.family == "crnn" else 0
    front_end = FrontEnd(rate, bands=BANDS, lags=lags, warp=warp)
    if settings.family == "cnn1d":
        return Cnn1d(front_end, settings.body)
    if settings.family == "cnn2d":
        return Cnn2d(front_end, settings.body)
    if settings.family == "lstm":
        return RecurrentBody(front_end, settings.body, nn.LSTM)
    if settings.family == "gru":
        return RecurrentBody(front_end, settings.body, nn.GRU)
    if settings.family == "crnn":
        return Crnn(front_end, settings.body)
    return Conformer(front_end, settings.body)


class SpectralBody(nn.Module):
    """A body with a front end that training may alter the spectra of.

    Attributes
    ----------
    front_end
        What it hears by.
    dimension
        Length of the embedding.
    """

    def __init__(self, front_end: FrontEnd, dimension: int) -> None:
        super().__init__()
        self.front_end = front_end
        self.dimension = dimension

    def encode(self, spectra: Spectra) -> Tensor:
        """Embeddings of what the front end gave, shape ``(B, dimension)``."""
        raise NotImplementedError

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embeddings of waveforms (B, N), each ``lengths`` samples long."""
        return self.encode(self.front_end(waveforms, lengths))


class Cnn1d(SpectralBody):
    """MFCCs, three convolutions over time, attentive statistics."""

    dct: Tensor

    def __init__(self, front_end: FrontEnd, settings: Cnn1dSettings) -> None:
        super().__init__(front_end, settings.embedding)
        width = settings.width
        dct = torch.from_numpy(dct_matrix(settings.mfcc, front_end.bands))
        self.register_buffer("dct", dct, persistent=False)
        self.norm = nn.BatchNorm1d(settings.mfcc)
        self.blocks = nn.ModuleList(
            [
                Conv1dBlock(settings.mfcc, width, 5),
                Conv1dBlock(width, 2 * width, 5, stride=2),
                Conv1dBlock(2 * width, 4 * width, 5, stride=2),
            ]
        )
        self.dropout = nn.Dropout1d(settings.dropout)
        self.pool = AttentiveStatistics(4 * width)
        self.embedding = Embedding(8 * width, settings.embedding, settings.dropout)

    def encode(self, spectra: Spectra) -> Tensor:
        """See `SpectralBody.encode`."""
        end, mask = self.front_end, spectra.mask
        bands = (
            spectra.mel * end.std[:, None] + end.mean[:, None]
        )  # cepstra are of plain logarithms
        x = self.norm(torch.matmul(self.dct, bands)) * mask
        for block in self.blocks:
            x, mask = block(x, mask)
            x = self.dropout(x)
        return cast(Tensor, self.embedding(self.pool(x, mask)))


class Cnn2d(SpectralBody):
    """Four convolutions over time and frequency, attentive statistics."""

    def __init__(self, front_end: FrontEnd, settings: Cnn2dSettings) -> None:
        super().__init__(front_end, settings.embedding)
        channels = [1, *settings.channels]
        self.blocks = nn.ModuleList(
            Conv2dBlock(inputs, outputs, 5 if inputs == 1 else 3, (2, 2))
            for inputs, outputs in itertools.pairwise(channels)
        )
        height = front_end.bands // 2 ** len(settings.channels)
        self.dropout = nn.Dropout1d(settings.dropout)
        self.pool = AttentiveStatistics(channels[-1] * height)
        self.embedding = Embedding(2 * channels[-1] * height, settings.embedding, settings.dropout)

    def encode(self, spectra: Spectra) -> Tensor:
        """See `SpectralBody.encode`."""
        x, mask = spectra.mel.unsqueeze(1), spectra.mask
        for block in self.blocks:
            x, mask = block(x, mask)
        return cast(Tensor, self.embedding(self.pool(self.dropout(x.flatten(1, 2)), mask)))


class RecurrentBody(SpectralBody):
    """Log-mel bands at 20 ms, a bidirectional LSTM or GRU, attentive statistics."""

    def __init__(
        self,
        front_end: FrontEnd,
        settings: RecurrentSettings,
        kind: type[nn.GRU] | type[nn.LSTM],
    ) -> None:
        super().__init__(front_end, settings.embedding)
        width = settings.width
        self.stem = Conv1dBlock(front_end.bands, width, 5, stride=2)
        self.layers = Recurrent(kind, width, width, settings.layers, settings.dropout)
        self.dropout = nn.Dropout1d(settings.dropout)
        self.pool = AttentiveStatistics(2 * width)
        self.embedding = Embedding(4 * width, settings.embedding, settings.dropout)

    def encode(self, spectra: Spectra) -> Tensor:
        """See `SpectralBody.encode`."""
        x, mask = self.stem(spectra.mel, spectra.mask)
        x = self.layers(x, mask, halve_frames(spectra.frames))
        return cast(Tensor, self.embedding(self.pool(self.dropout(x), mask)))


class Crnn(SpectralBody):
    """Convolutions on bands and pitch-gram, residual blocks, GRU, attention, statistics."""

    def __init__(self, front_end: FrontEnd, settings: CrnnSettings) -> None:
        super().__init__(front_end, settings.embedding)
        first, second, third = settings.channels
        self.stem = nn.ModuleList(
            [
                Conv2dBlock(2, first, 5, (2, 2)),
                Conv2dBlock(first, second, 3, (2, 2)),
                Conv2dBlock(second, third, 3, (2, 1)),
            ]
        )
        self.lag_stem = nn.ModuleList(
            [Conv2dBlock(1, 16, 5, (2, 2)), Conv2dBlock(16, 24, 3, (2, 2))]
        )
        width = settings.width + settings.lag_width
        rows = -(-front_end.lags // 2)
        self.narrow = Conv1dBlock(third * (front_end.bands // 8), settings.width, 1)
        self.lag_narrow = Conv1dBlock(24 * -(-rows // 2), settings.lag_width, 1)
        self.blocks = nn.ModuleList(
            Residual(width, 2 ** (number % 3), settings.dropout)
            for number in range(settings.blocks)
        )
        self.recurrent = (
            Recurrent(nn.GRU, width, width // 2, settings.recurrent, settings.dropout)
            if settings.recurrent
            else None
        )
        self.attention = nn.ModuleList(
            TransformerBlock(width, 4, settings.dropout) for _ in range(settings.attention)
        )
        self.pool = AttentiveStatistics(width)
        self.embedding = Embedding(2 * width, settings.embedding, 2 * settings.dropout)

    def encode(self, spectra: Spectra) -> Tensor:
        """See `SpectralBody.encode`."""
        mask = spectra.mask
        x = torch.stack([spectra.mel, relative(spectra.mel, mask)], 1)
        if self.training:
            x = x * one_of_two(len(x), PICTURE_DROPOUT, x)[:, :, None, None]
        for block in self.stem:
            x, mask = block(x, mask)
        y, lag_mask = spectra.lags.unsqueeze(1), spectra.mask
        for block in self.lag_stem:
            y, lag_mask = block(y, lag_mask)
        x = torch.cat(
            [self.narrow(x.flatten(1, 2), mask)[0], self.lag_narrow(y.flatten(1, 2), mask)[0]], 1
        )
        for block in self.blocks:
            x = block(x, mask)
        if self.recurrent is not None:
            frames = halve_frames(halve_frames(spectra.frames))
            x = x + self.recurrent(x, mask, frames)
        for block in self.attention:
            x = block(x, mask)
        return cast(Tensor, self.embedding(self.pool(x, mask)))


class DescribedBody(nn.Module):
    """A body that hears by functionals alone, which can be computed before the training.

    Attributes
    ----------
    front_end
        What describes clips.
    dimension
        Length of the embedding.
    """

    def __init__(self, front_end: DescribingFrontEnd, dimension: int) -> None:
        super().__init__()
        self.front_end = front_end
        self.dimension = dimension

    def encode(self, rows: Tensor) -> Tensor:
        """Embeddings of standardised functionals, shape ``(B, dimension)``."""
        raise NotImplementedError

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embeddings of waveforms (B, N), each ``lengths`` samples long."""
        return self.encode(self.front_end.functionals(waveforms, lengths))


class Perceptron(DescribedBody):
    """Functionals of the clip, two layers: what the classical families do, on the sound itself."""

    def __init__(self, front_end: DescribingFrontEnd, settings: FunctionalsSettings) -> None:
        super().__init__(front_end, settings.embedding)
        self.layers = nn.Sequential(
            nn.Dropout(settings.input_dropout),
            nn.Linear(front_end.described, settings.hidden),
            nn.BatchNorm1d(settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, settings.embedding),
            nn.BatchNorm1d(settings.embedding),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
        )

    def encode(self, rows: Tensor) -> Tensor:
        """See `DescribedBody.encode`."""
        return cast(Tensor, self.layers(rows))


class Compressed(DescribedBody):
    """The functionals themselves, large deviations made smaller, and how near they are to others.

    Attributes
    ----------
    kernel
        What tells the latter; None for the functionals alone. When it has settled, `renew` says
        how many numbers that makes.
    """

    def __init__(self, front_end: DescribingFrontEnd, settings: RidgeSettings) -> None:
        count = settings.landmarks if settings.kernel else 0
        super().__init__(front_end, front_end.described + count)
        self.kernel = Gaussian(front_end.described, settings.components, count) if count else None

    def encode(self, rows: Tensor) -> Tensor:
        """See `DescribedBody.encode`."""
        rows = self.compressed(rows)
        return rows if self.kernel is None else torch.cat([rows, self.kernel(rows)], 1)

    def compressed(self, rows: Tensor) -> Tensor:
        """The first `front_end.described` columns of the embeddings."""
        return rows.sign() * rows.abs() ** COMPRESSION

    def renew(self) -> None:
        """Let `dimension` say what there is since the kernel has settled."""
        near = 0 if self.kernel is None else len(self.kernel.landmarks)
        self.dimension = self.front_end.described + near


class Conformer(SpectralBody):
    """Convolutional subsampling by four, Conformer blocks, attentive statistics."""

    def __init__(self, front_end: FrontEnd, settings: ConformerSettings) -> None:
        super().__init__(front_end, settings.embedding)
        self.stem = nn.ModuleList([Conv2dBlock(1, 32, 5, (2, 2)), Conv2dBlock(32, 32, 3, (2, 2))])
        self.narrow = Conv1dBlock(32 * (front_end.bands // 4), settings.width, 1)
        self.blocks = nn.ModuleList(
            ConformerBlock(settings.width, settings.heads, settings.kernel, settings.dropout)
            for _ in range(settings.blocks)
        )
        self.pool = AttentiveStatistics(settings.width)
        self.embedding = Embedding(2 * settings.width, settings.embedding, settings.dropout)

    def encode(self, spectra: Spectra) -> Tensor:
        """See `SpectralBody.encode`."""
        x, mask = spectra.mel.unsqueeze(1), spectra.mask
        for block in self.stem:
            x, mask = block(x, mask)
        x, mask = self.narrow(x.flatten(1, 2), mask)
        for block in self.blocks:
            x = block(x, mask)
        return cast(Tensor, self.embedding(self.pool(x, mask)))


def relative(mel: Tensor, mask: Tensor) -> Tensor:
    """Bands relative to their mean over the clip, which tells more of the speaker than of mood.

    The deviation of all bands together is scaled to 1.
    """
    count = mask.sum(2, keepdim=True)
    apart = (mel - (mel * mask).sum(2, keepdim=True) / count) * mask
    variance = apart.square().sum(2, keepdim=True).mean(1, keepdim=True) / count
    return apart * torch.rsqrt(variance + 1e-2)


def one_of_two(batch: int, share: float, like: Tensor) -> Tensor:
    """For each clip which of two things is kept, 1.0 or 0.0, ``(batch, 2)``.

    The first is left out for this share of the clips, the second for as many others.
    """
    drawn = torch.rand(batch, 1, device=like.device)
    return torch.cat([drawn >= share, drawn < 1 - share], 1).to(like.dtype)
