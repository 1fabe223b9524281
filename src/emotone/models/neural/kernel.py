"""A Gaussian kernel as a layer: how near rows are to landmarks, in their principal components.

A regression on such nearnesses, penalised as `Gaussian.whitening` has it, is the kernel regression
that the landmarks span: the method of Nystroem (Williams & Seeger 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SAMPLE = 8000
"""Rows that the principal components are of, at most."""

_LEAST = 1e-4
"""Eigenvalues of the landmarks' kernel matrix, re the largest, below which they count as this: so
that weights stay small enough to be kept in 16 bits."""


class Gaussian(nn.Module):
    """The kernel ``a exp(-gamma |P(x - c) - z|^2)`` of rows x with landmarks z, for components P.

    Parameters
    ----------
    dimension
        Of the rows.
    components
        Principal components that distances are taken in.
    landmarks
        What there are of them at most. Those that `settle` finds no rows for stay zeros.

    Attributes
    ----------
    amplitude
        a, 1 after `settle`.
    """

    centre: Tensor
    gamma: Tensor
    amplitude: Tensor

    def __init__(self, dimension: int, components: int, landmarks: int) -> None:
        super().__init__()
        self.components = nn.Parameter(torch.zeros(components, dimension), requires_grad=False)
        self.landmarks = nn.Parameter(torch.zeros(landmarks, components), requires_grad=False)
        self.register_buffer("centre", torch.zeros(components))
        self.register_buffer("gamma", torch.zeros(()))
        self.register_buffer("amplitude", torch.ones(()))

    def forward(self, rows: Tensor) -> Tensor:
        """Kernel values of rows (n, d) with the landmarks, from 0 to a, shape (n, landmarks)."""
        places = self.places(rows)
        apart = (
            places.square().sum(1, keepdim=True)
            + self.landmarks.square().sum(1)
            - 2 * F.linear(places, self.landmarks)
        )
        return self.amplitude * torch.exp(-self.gamma * apart.clamp_min(0))

    def places(self, rows: Tensor) -> Tensor:
        """Where rows (n, d) lie in the principal components, shape (n, components)."""
        return F.linear(rows, self.components) - self.centre

    @torch.no_grad()
    def settle(
        self,
        rows: Sequence[Tensor],
        shrink: Callable[[Tensor], Tensor],
        width: float,
        generator: torch.Generator,
    ) -> None:
        """Find components and landmarks among rows.

        Parameters
        ----------
        rows
            Several descriptions of the same clips, each ``(n, d)``.
        shrink
            A symmetric linear map that comes before the components.
        width
            gamma, times the variance of the rows in the components.
        generator
            What is chosen at random is drawn from.
        """
        count = sum(map(len, rows))
        chosen = _drawn(rows, torch.randperm(count, generator=generator)[:_SAMPLE])
        rank = min(len(self.components), *chosen.shape)
        centred = chosen - chosen.mean(0)
        with torch.random.fork_rng([]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            axes = torch.pca_lowrank(shrink(centred), q=rank, center=False, niter=4)[2]
        self.components.zero_()
        self.components[:rank] = _rounded(shrink(axes.T))
        self.centre.zero_()
        self.centre.copy_(self.places(chosen).mean(0))
        variance = self.places(chosen).square().sum(1).mean()
        self.gamma.copy_(width / variance.clamp_min(1e-6))
        self.amplitude.fill_(1)
        picked = torch.randperm(count, generator=generator)[: len(self.landmarks)]
        self.landmarks.zero_()
        self.landmarks[: len(picked)] = _rounded(self.places(_drawn(rows, picked)))

    @torch.no_grad()
    def whitening(self) -> Tensor:
        """K^-1/2 of the landmarks' kernel matrix K, symmetric, shape (landmarks, landmarks).

        Kernel values times it have the kernel's own inner products; landmarks of zeros are left
        out, as are those that come twice.
        """
        lengths = self.landmarks.square().sum(1)
        apart = lengths[:, None] + lengths - 2 * self.landmarks @ self.landmarks.T
        kernel = torch.exp(-self.gamma * apart.clamp_min(0)).double()
        used = lengths > 0
        kernel = kernel[used][:, used]
        values, vectors = torch.linalg.eigh(kernel)
        root = vectors * torch.rsqrt(values.clamp_min(_LEAST * values[-1])) @ vectors.T
        whole = torch.zeros(len(lengths), len(lengths))
        whole[used.nonzero(), used.nonzero()[:, 0]] = root.float()
        return whole


def _drawn(rows: Sequence[Tensor], places: Tensor) -> Tensor:
    """Rows of several tables as if they were one."""
    parts, start = [], 0
    for table in rows:
        inside = places[(places >= start) & (places < start + len(table))] - start
        parts.append(table[inside])
        start += len(table)
    return torch.cat(parts)


def _rounded(values: Tensor) -> Tensor:
    """What 16 bits hold of them, as a bundle keeps them."""
    return values.half().float()
