"""Muon: orthogonal steps for matrices, AdamW for the rest."""

from __future__ import annotations

import copy

import pytest
import torch

from emotone.models.neural.learner import parameter_groups
from emotone.models.neural.network import Network
from emotone.models.neural.optimizer import Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 50), (50, 24), (32, 32), (1, 7)])
def test_what_is_made_orthogonal_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) * 1e-3
    made = orthogonal(matrix)
    assert made.shape == shape
    values = torch.linalg.svdvals(made)
    # A square random matrix has some singular values near zero, which five steps begin to lift.
    least = 0.0 if shape[0] == shape[1] else 0.6
    assert values.min() > least
    assert values.max() < 1.25
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    exact = left @ right
    assert (made * exact).sum() / (made.norm() * exact.norm()) > 0.95


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonal(torch.zeros(3, 5)).any()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch before 2.9 has no Muon")
def test_matrices_move_as_by_pytorchs_own_muon() -> None:
    torch.manual_seed(1)
    ours = torch.nn.Linear(40, 24, bias=False)
    theirs = copy.deepcopy(ours)
    mine = Muon(
        [{"params": list(ours.parameters()), "orthogonal": True}],
        lr=0.01,
        betas=(0.9, 0.98),
        weight_decay=0.02,
    )
    # Ours bears twice the step of theirs at the same learning rate.
    other = torch.optim.Muon(
        theirs.parameters(),
        lr=0.02,
        momentum=0.9,
        weight_decay=0.01,
        adjust_lr_fn="match_rms_adamw",
    )
    before = ours.weight.detach().clone()
    for _ in range(5):
        x, y = torch.randn(64, 40), torch.randn(64, 24)
        for layer, optimizer in ((ours, mine), (theirs, other)):
            optimizer.zero_grad()
            (layer(x) - y).square().mean().backward()
            optimizer.step()
    moved, expected = ours.weight - before, theirs.weight - before
    assert moved.norm() > 0.1
    # PyTorch's iterates in bfloat16.
    assert (moved - expected).norm() < 0.02 * expected.norm()


def test_the_rest_moves_as_by_adamw() -> None:
    torch.manual_seed(2)
    ours = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 2))
    theirs = copy.deepcopy(ours)
    mine = Muon([{"params": list(ours.parameters())}], lr=0.01, weight_decay=0.1)
    other = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1, betas=(0.9, 0.98))
    for _ in range(5):
        x = torch.randn(8, 6)
        for layer, optimizer in ((ours, mine), (theirs, other)):
            optimizer.zero_grad()
            layer(x).square().mean().backward()
            optimizer.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_filters_of_a_convolution_are_the_rows_of_a_matrix() -> None:
    torch.manual_seed(3)
    conv = torch.nn.Conv2d(3, 4, 3, bias=False)
    before = conv.weight.detach().clone()
    optimizer = Muon([{"params": [conv.weight], "orthogonal": True}], lr=0.1, weight_decay=0.0)
    conv(torch.randn(2, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    step = (conv.weight - before).detach().flatten(1) / (0.1 * 0.4 * 27**0.5)
    values = torch.linalg.svdvals(step)
    assert values.min() > 0.5
    assert values.max() < 1.25


def test_heads_and_vectors_are_not_made_orthogonal() -> None:
    class Body(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)
            self.dimension = 8

    network = Network(Body(), torch.ones(2, 3, dtype=torch.bool))
    groups = parameter_groups(network, 1e-2, orthogonal=True)
    turned = {id(p) for group in groups if group.get("orthogonal") for p in group["params"]}
    assert turned == {id(network.body.layer.weight)}  # type: ignore[union-attr]
    everything = [id(p) for group in groups for p in group["params"]]
    assert sorted(everything) == sorted(id(p) for p in network.parameters())
