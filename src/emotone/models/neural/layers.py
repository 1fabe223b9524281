"""Layers that know where a clip ends: what is masked stays 0 and touches nothing.

Sequences have the shape ``(B, channels, T)``, masks ``(B, 1, T)`` with 1.0 for frames that count.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def halve(mask: Tensor) -> Tensor:
    """The mask after a convolution of stride 2: a frame counts if either of its two did."""
    return F.max_pool1d(mask, 2, 2, ceil_mode=True)


def halve_frames(frames: Tensor | None) -> Tensor | None:
    """How many frames a clip has after a convolution of stride 2."""
    return None if frames is None else torch.div(frames + 1, 2, rounding_mode="floor")


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the frames that count, shape (B, channels)."""
    return (x * mask).sum(2) / mask.sum(2).clamp_min(1)


class Conv2dBlock(nn.Module):
    """Convolution over ``(B, channels, bands, T)``, batch normalisation, ReLU, mask."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.halves = stride[1] == 2

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output and the mask that goes with it."""
        mask = halve(mask) if self.halves else mask
        return F.relu(self.norm(self.conv(x))) * mask[:, None], mask


class Conv1dBlock(nn.Module):
    """Convolution over time, batch normalisation, ReLU, mask."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.halves = stride == 2

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output and the mask that goes with it."""
        mask = halve(mask) if self.halves else mask
        return F.relu(self.norm(self.conv(x))) * mask, mask


class Residual(nn.Module):
    """A residual block over time with squeeze-and-excitation (Hu et al. 2018)."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 1, bias=False),
            nn.BatchNorm1d(width),
        )
        self.gate = nn.Sequential(
            nn.Linear(width, max(1, width // 4)),
            nn.ReLU(),
            nn.Linear(max(1, width // 4), width),
            nn.Sigmoid(),
        )
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Shape as `x`, which has to be 0 where it is masked."""
        y = self.convs(x) * mask
        y = y * self.gate(y.sum(2) / mask.sum(2).clamp_min(1)).unsqueeze(2)
        return F.relu(x + self.dropout(y))


class Attention(nn.Module):
    """Multi-head self-attention with layer normalisation before it, to be added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.joint = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Of and to the shape ``(B, T, width)``; only frames that count are attended to."""
        batch, length, width = x.shape
        joint = self.joint(self.norm(x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = joint.permute(2, 0, 3, 1, 4).unbind(0)
        # Written out: on a processor, PyTorch's fused kernel takes longer for lengths like these.
        scores = torch.matmul(query, key.transpose(2, 3)).float() / (width / self.heads) ** 0.5
        weights = scores.masked_fill((mask == 0).unsqueeze(1), -1e4).softmax(3).to(value.dtype)
        attended = torch.matmul(weights, value)
        joined = attended.transpose(1, 2).reshape(batch, length, width)
        return cast(Tensor, self.dropout(self.out(joined)))


class FeedForward(nn.Sequential):
    """Two layers with layer normalisation before them, on ``(B, T, width)``."""

    def __init__(self, width: int, factor: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, factor * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(factor * width, width),
            nn.Dropout(dropout),
        )


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward layer, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.forth = FeedForward(width, 2, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Shape as `x`."""
        y = x.transpose(1, 2)
        y = y + self.attention(y, mask)
        y = y + self.forth(y)
        return cast(Tensor, y.transpose(1, 2) * mask)


class ConformerBlock(nn.Module):
    """Half a feed-forward layer, self-attention, convolution, half a feed-forward layer.

    Gulati et al., "Conformer", Interspeech 2020. There is no positional encoding: the convolutions
    know what comes before what.
    """

    def __init__(self, width: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.first = FeedForward(width, 4, dropout)
        self.attention = Attention(width, heads, dropout)
        self.before = nn.LayerNorm(width)
        self.gated = nn.Conv1d(width, 2 * width, 1)
        self.depthwise = nn.Conv1d(
            width, width, kernel, padding=kernel // 2, groups=width, bias=False
        )
        self.norm = nn.BatchNorm1d(width)
        self.pointwise = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)
        self.second = FeedForward(width, 4, dropout)
        self.after = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Shape as `x`."""
        y = x.transpose(1, 2)
        y = y + 0.5 * self.first(y)
        y = y + self.attention(y, mask)
        z = F.glu(self.gated(self.before(y).transpose(1, 2)), 1) * mask
        z = self.pointwise(F.silu(self.norm(self.depthwise(z))))
        y = y + self.dropout(z).transpose(1, 2)
        y = self.after(y + 0.5 * self.second(y))
        return cast(Tensor, y.transpose(1, 2) * mask)


class Recurrent(nn.Module):
    """A bidirectional GRU or LSTM over ``(B, channels, T)``, to ``(B, 2 * width, T)``."""

    def __init__(
        self, kind: type[nn.GRU] | type[nn.LSTM], inputs: int, width: int, layers: int,
        dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = kind(
            inputs,
            width,
            layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, x: Tensor, mask: Tensor, frames: Tensor | None) -> Tensor:
        """Read each clip up to its last frame, so that the way back starts at its end."""
        with torch.autocast(x.device.type, enabled=False):  # not every processor has it in bfloat16
            y = x.float().transpose(1, 2)
            if frames is None:
                out = self.layers(y)[0]
            else:
                packed = pack_padded_sequence(
                    y, frames.cpu(), batch_first=True, enforce_sorted=False
                )
                read = self.layers(packed)[0]
                out = pad_packed_sequence(read, batch_first=True, total_length=y.shape[1])[0]
            return cast(Tensor, out.transpose(1, 2) * mask)


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, each channel weighing the frames for itself.

    Okabe et al., "Attentive statistics pooling", Interspeech 2018, with the global context of
    ECAPA-TDNN (Desplanques et al. 2020). From ``(B, width, T)`` to ``(B, 2 * width)``.
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Conv1d(3 * width, hidden, 1),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Tanh(),
            nn.Conv1d(hidden, width, 1),
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """The statistics, in 32 bits."""
        x, mask = x.float(), mask.float()
        mean = masked_mean(x, mask).unsqueeze(2)
        spread = (masked_mean((x - mean) ** 2, mask) + 1e-5).sqrt().unsqueeze(2)
        scores = self.score(torch.cat([x, mean.expand_as(x), spread.expand_as(x)], 1)).float()
        weights = scores.masked_fill(mask == 0, -1e4).softmax(2)
        mean = (x * weights).sum(2)
        variance = ((x - mean.unsqueeze(2)) ** 2 * weights).sum(2)
        return torch.cat([mean, (variance + 1e-5).sqrt()], 1)


class Embedding(nn.Sequential):
    """From pooled statistics to the embedding of a clip."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__(
            nn.BatchNorm1d(inputs),
            nn.Dropout(dropout),
            nn.Linear(inputs, outputs),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
        )
