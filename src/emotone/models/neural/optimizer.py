"""What moves a network's weights: AdamW, and Muon for its matrices where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

_ITERATION = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration: the steepest at zero of those that stay bounded."""

_ITERATIONS = 5

_STEP = 0.4
"""Root mean square of an entry of a step at a learning rate of 1. At 0.2 it is that of AdamW (Liu
et al. 2025); a network here bears twice as much."""


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal for the matrices (Jordan et al. 2024), AdamW for the rest.

    A convolution is the matrix of its filters, one per row. Each step of such a matrix has all its
    directions at about the same length, where those of AdamW are mostly a few strong ones.

    Parameters
    ----------
    groups
        Of parameters, as PyTorch has them. With ``"orthogonal": True`` they are matrices, of two
        dimensions or more.
    lr
        Learning rate of both, for groups without their own.
    betas
        The first is the momentum of both, the second AdamW's decay of squared gradients.
    weight_decay
        Of both, for groups without their own; decoupled.
    eps
        Added to AdamW's denominator.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.03,
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "eps": eps}
        super().__init__(groups, defaults | {"orthogonal": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the loss of ``closure`` where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            learned = [p for p in group["params"] if p.grad is not None]
            if group["orthogonal"]:
                self._orthogonal(learned, group)
            elif learned:
                self._adaptive(learned, group)
        return loss

    def _orthogonal(self, learned: list[Tensor], group: dict[str, Any]) -> None:
        momentum, lr = group["betas"][0], group["lr"]
        for p in learned:
            assert p.grad is not None
            state = self.state[p]
            if not state:
                state["average"] = torch.zeros_like(p)
            average = state["average"].lerp_(p.grad, 1 - momentum)
            step = orthogonal(p.grad.lerp(average, momentum).flatten(1))
            p.mul_(1 - lr * group["weight_decay"])
            p.add_(step.view_as(p), alpha=-lr * _STEP * max(step.shape) ** 0.5)

    def _adaptive(self, learned: list[Tensor], group: dict[str, Any]) -> None:
        for p in learned:
            if not self.state[p]:
                self.state[p] = {
                    "average": torch.zeros_like(p),
                    "squares": torch.zeros_like(p),
                    "step": torch.zeros((), dtype=torch.float32),
                }
        states = [self.state[p] for p in learned]
        adamw(
            learned,
            [p.grad for p in learned if p.grad is not None],
            [state["average"] for state in states],
            [state["squares"] for state in states],
            [],
            [state["step"] for state in states],
            foreach=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are all about 1 (between 0.7 and 1.2).

    By a Newton-Schulz iteration of fifth order (Jordan et al. 2024), which takes products of
    matrices alone. Singular values far below the matrix's norm stay smaller: five iterations lift
    a small one 480-fold, which is the first coefficient to the fifth power.

    Parameters
    ----------
    matrix
        Of shape (M, N).
    """
    a, b, c = _ITERATION
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp_min(1e-7)
    for _ in range(_ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
