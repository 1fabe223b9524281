"""A Gaussian kernel as a layer: how near rows are to landmarks, in their principal components.

A regression on such nearnesses, penalised as `Gaussian.whitening` has it, is the kernel regression
that the landmarks span: the method of Nystroem (Williams & Seeger 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SAMPLE = 8000
"""Rows that the principal components are of, at most."""

_FAINT = 1e-4
"""Deviation along a component, re the largest, below which it is rounding and no component."""

_LEAST = 1e-6
"""Eigenvalues of the landmarks' kernel matrix, re the largest, below which they count as this."""


class Gaussian(nn.Module):
    """The kernel ``exp(-gamma |P x - c - z|^2)`` of rows x with landmarks z, for components P.

    `settle` finds out how many components and landmarks there are.

    Parameters
    ----------
    dimension
        Of the rows.
    components, landmarks
        What there is of them at most.
    """

    centre: Tensor
    gamma: Tensor

    def __init__(self, dimension: int, components: int, landmarks: int) -> None:
        super().__init__()
        self.components = nn.Parameter(torch.zeros(components, dimension), requires_grad=False)
        self.landmarks = nn.Parameter(torch.zeros(landmarks, components), requires_grad=False)
        self.register_buffer("centre", torch.zeros(components))
        self.register_buffer("gamma", torch.zeros(()))

    def forward(self, rows: Tensor) -> Tensor:
        """Kernel values of rows (n, d) with the landmarks, from 0 to 1, shape (n, landmarks)."""
        return self._near(self.places(rows))

    def places(self, rows: Tensor) -> Tensor:
        """Where rows (n, d) lie in the principal components, shape (n, components)."""
        return F.linear(rows, self.components) - self.centre

    def _near(self, places: Tensor) -> Tensor:
        apart = (
            places.square().sum(1, keepdim=True)
            + self.landmarks.square().sum(1)
            - 2 * F.linear(places, self.landmarks)
        )
        return torch.exp(-self.gamma * apart.clamp_min(0))

    @torch.no_grad()
    def settle(
        self,
        rows: Sequence[Tensor],
        shrink: Callable[[Tensor], Tensor],
        width: float,
        generator: torch.Generator,
    ) -> None:
        """Find components and landmarks among rows: as many as there are room and rows for.

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
        with torch.random.fork_rng([]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            _, lengths, axes = torch.pca_lowrank(
                shrink(chosen - chosen.mean(0)),
                q=min(len(self.components), *chosen.shape),
                center=False,
                niter=4,
            )
        kept = (lengths > _FAINT * lengths[0]) | (torch.arange(len(lengths)) == 0)
        self.components = _fixed(shrink(axes.T[kept]))
        self.centre = torch.zeros(len(self.components))
        self.centre = self.places(chosen).mean(0)
        variance = self.places(chosen).square().sum(1).mean()
        # Clips that are all alike are equally near to each other, however that is measured.
        self.gamma = width / variance if variance > 1e-6 else torch.zeros(())
        picked = torch.randperm(count, generator=generator)[: len(self.landmarks)]
        self.landmarks = _fixed(self.places(_drawn(rows, picked)))

    @torch.no_grad()
    def whitening(self) -> Tensor:
        """K^-1/2 of the landmarks' kernel matrix K, symmetric, shape (landmarks, landmarks).

        Kernel values times it have the kernel's own inner products, but for what landmarks that
        nearly coincide add.
        """
        values, vectors = torch.linalg.eigh(self._near(self.landmarks).double())
        roots = torch.rsqrt(values.clamp_min(_LEAST * values[-1]))
        return cast(Tensor, ((vectors * roots) @ vectors.T).float())


class KernelHead(nn.Module):
    """A linear layer on functionals and kernel values, beside one another in its input.

    The weights of kernel values are large and cancel each other out. They are few, and a layer of
    their own: so they keep 32 bits where others are kept in fewer.

    Parameters
    ----------
    functionals, landmarks
        How many columns of its input are these, and how many kernel values.
    outputs
        Of the layer.
    """

    def __init__(self, functionals: int, landmarks: int, outputs: int) -> None:
        super().__init__()
        self.functionals = nn.Linear(functionals, outputs)
        self.nearness = nn.Linear(landmarks, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of the shape ``(B, functionals + landmarks)``, to ``(B, outputs)``."""
        count = self.functionals.in_features
        return cast(Tensor, self.functionals(x[:, :count]) + self.nearness(x[:, count:]))


def _drawn(rows: Sequence[Tensor], places: Tensor) -> Tensor:
    """Rows of several tables as if they were one."""
    parts, start = [], 0
    for table in rows:
        inside = places[(places >= start) & (places < start + len(table))] - start
        parts.append(table[inside])
        start += len(table)
    return torch.cat(parts)


def _fixed(values: Tensor) -> nn.Parameter:
    """What 16 bits hold of them, as a bundle keeps them."""
    return nn.Parameter(values.half().float(), requires_grad=False)
