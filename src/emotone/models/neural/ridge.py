"""Ridge regression from functionals to emotions, for several corpora at once, in closed form.

For corpus c with weights W + V_c on its centred functionals x and the centred indicators t of its
emotions, it minimises

    sum_c sum_i w_i |x_i (W + V_c) - t_i|^2 + a |W|^2 + b sum_c |V_c|^2,

the regularised multi-task learning of Evgeniou & Pontil (2004). With S_c = X' w X, R_c = X' w T and
M_c = (S_c + b)^-1 the solution is

    W + V_c = M_c (R_c + b W),    (a + b sum_c (1 - b M_c)) W = b sum_c M_c R_c.

Before that, functionals are shrunk along the directions in which the mean clips of speakers lie
apart, within-class covariance normalisation (Hatch et al. 2006) of speakers instead of channels:
what tells two voices apart should say little about their mood.

x is those functionals and, beside them, coordinates in which a Gaussian kernel on their principal
components is an inner product (`kernel`): the regression is one with the sum of a linear and a
Gaussian kernel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from emotone.errors import TrainingError
from emotone.models.neural.bodies import Compressed
from emotone.models.neural.checkpoints import Outcome
from emotone.models.neural.data import LabelledClips, TrainingData
from emotone.models.neural.descriptions import described
from emotone.models.neural.kernel import Gaussian, KernelHead
from emotone.models.neural.network import Network
from emotone.models.neural.settings import RidgeSettings, Settings
from emotone.models.neural.trainer import Progress

_FAINT = 1e-9
"""Squared length along a direction, re the longest, below which rows do not extend along it."""


class _Sums(NamedTuple):
    """Of some clips: weighted means, and the moments about them.

    Attributes
    ----------
    centre, target
        Mean functionals ``(d,)`` and share of each emotion ``(k,)``.
    square, cross
        X' w X, shape ``(d, d)``, and X' w T, shape ``(d, k)``; float64.
    """

    centre: Tensor
    target: Tensor
    square: Tensor
    cross: Tensor


def fit(
    network: Network,
    data: TrainingData,
    settings: Settings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Outcome:
    """Solve for the heads of a network whose body describes clips.

    Parameters
    ----------
    network
        Its general head is set to the regression over all clips and emotions, the head of each
        corpus to the joint one.
    data
        What it learns from.
    settings
        How.
    seed
        Of the alteration of clips, and of the choice of those that the kernel is spanned by.
    progress
        Told how far it is. An exception it raises ends the training.

    Raises
    ------
    TrainingError
        If no clip has any weight, or the penalty is too small for the numbers.
    """
    began = time.monotonic()
    body, chosen = network.body, settings.body
    assert isinstance(body, Compressed)
    assert isinstance(chosen, RidgeSettings)
    corpora = len(data.corpora) if network.own is not None else 0
    steps = 3 + corpora

    def tell(done: int, what: str) -> None:
        if progress is not None:
            progress(done, steps, what)

    tell(0, "describing the clips")
    # What is held out is asked about later, from its sound.
    own = replace(data, validation=None, watched=None)
    training = described(network, own, settings, seed).training
    weights = _weights(data, training, settings)
    if not weights.any():
        raise TrainingError(
            "no clip has any weight", remedy="Give clips_per_epoch above 0 for a corpus."
        )
    assert training.views is not None
    views = list(torch.from_numpy(training.views))
    training = replace(training, views=None)  # let go when all have been replaced
    penalty = chosen.ridge * views[0].shape[1]
    for view in views:
        view.copy_(body.compressed(view))
    tell(1, "comparing the speakers")
    shrink = _shrinkage(views[0], training, chosen.speakers)
    counted = weights.nonzero()[:, 0]
    space = _Space.of([view[counted] for view in views], body, shrink, chosen, seed)
    network.renew_heads()
    for number in range(len(views)):
        views[number] = space.rows(views[number])
    views, basis = _spanned(views)
    emotions = network.has.shape[1]

    tell(2, "solving for all clips")
    everyone = torch.arange(len(training))
    total = _sums(views, training, everyone, weights, chosen.altered, emotions)
    solution = _solved(_raised(total.square, penalty), total.cross)
    _set(network.general, 0, solution, total, basis, space, chosen.sharpness)
    if network.own is not None:
        joint = _joint(
            (
                _sums(
                    views, training, _rows(training, home), weights, chosen.altered, emotions, total
                )
                for home in range(corpora)
            ),
            penalty / (1 - chosen.own),
            penalty / chosen.own,
            lambda home: tell(3 + home, f"solving for {data.corpora[home]}"),
        )
        for home, (solution, sums) in enumerate(joint):
            _set(network.own, home * emotions, solution, sums, basis, space, chosen.sharpness)
    tell(steps, "solved")
    state = {name: values.detach().clone() for name, values in network.state_dict().items()}
    return Outcome(state, [], [], [], time.monotonic() - began)


class _Shrinkage(NamedTuple):
    """The matrix I + V' diag(gain) V; it is symmetric."""

    directions: Tensor
    gain: Tensor

    def shrunk(self, rows: Tensor) -> Tensor:
        directions = self.directions.to(rows.dtype)
        return rows + (rows @ directions.T * self.gain.to(rows.dtype)) @ directions


class _Space(NamedTuple):
    """Where the regression is solved: functionals shrunk, and the Gaussian kernel's coordinates.

    Attributes
    ----------
    shrink
        Of the functionals.
    kernel
        None for the functionals alone.
    mixing
        Symmetric; from kernel values to coordinates, scaled to what they count beside the
        functionals.
    """

    shrink: _Shrinkage
    kernel: Gaussian | None
    mixing: Tensor

    @classmethod
    def of(
        cls,
        views: list[Tensor],
        body: Compressed,
        shrink: _Shrinkage,
        settings: RidgeSettings,
        seed: int,
    ) -> _Space:
        """The space for these descriptions of clips, each ``(n, d)``; the body's kernel settles."""
        if body.kernel is None:
            return cls(shrink, None, torch.zeros(0, 0))
        generator = torch.Generator().manual_seed(seed)
        body.kernel.settle(views, shrink.shrunk, settings.width, generator)
        body.renew()
        scale = (settings.kernel * views[0].shape[1]) ** 0.5
        return cls(shrink, body.kernel, scale * body.kernel.whitening())

    @torch.no_grad()
    def rows(self, functionals: Tensor) -> Tensor:
        """Functionals (n, d) as they are regressed on; in their place where that is as wide."""
        shrunk = self.shrink.shrunk(functionals)
        if self.kernel is None:
            return functionals.copy_(shrunk)
        return torch.cat([shrunk, self.kernel(functionals) @ self.mixing], 1)

    def weights(self, solution: Tensor) -> tuple[Tensor, Tensor]:
        """A solution (k, d) as weights of functionals and of plain kernel values."""
        dimension = solution.shape[1] - len(self.mixing)
        linear, near = solution[:, :dimension], solution[:, dimension:]
        return self.shrink.shrunk(linear), near @ self.mixing.to(near.dtype)


def _spanned(views: list[Tensor]) -> tuple[list[Tensor], Tensor | None]:
    """Few rows as coordinates in the space that they span, where the solution lies: a small system.

    With them an orthonormal basis of it, float64 ``(rank, d)``; None where the rows are so many
    that they stay as they are.
    """
    count, dimension = sum(map(len, views)), views[0].shape[1]
    if 2 * count > dimension:
        return views, None
    rows = torch.cat(views).double()
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    used = values > _FAINT * values[-1]
    lengths, vectors = values[used].sqrt(), vectors[:, used]
    coordinates = (vectors * lengths).float()
    return list(coordinates.split(len(views[0]))), (vectors / lengths).T @ rows


def _shrinkage(rows: Tensor, data: LabelledClips, strength: float) -> _Shrinkage:
    """(I + strength * C)^-1/2, where C is the covariance of speakers' means within corpora."""
    none = _Shrinkage(rows.new_zeros(0, rows.shape[1]), rows.new_zeros(0))
    if data.speakers is None or not strength:
        return none
    apart = []
    for home in range(int(data.corpora.max()) + 1):
        own = _rows(data, home)
        if not len(own):
            continue
        speakers = torch.from_numpy(data.speakers)[own]
        centre = rows[own].mean(0)
        names = sorted({name for name in speakers.tolist() if name >= 0})
        if len(names) > 1:
            apart += [rows[own[speakers == name]].mean(0) - centre for name in names]
    if not apart:
        return none
    means = torch.stack(apart) / len(apart) ** 0.5
    _, deviations, directions = torch.linalg.svd(means, full_matrices=False)
    return _Shrinkage(directions, torch.rsqrt(1 + strength * deviations**2) - 1)


def _weights(data: TrainingData, training: LabelledClips, settings: Settings) -> Tensor:
    """Of each clip: of its corpus, of its emotion there, and its own."""
    labels = torch.from_numpy(training.labels)
    weights = torch.from_numpy(training.weights).double()
    balance = 1.0 if data.balanced else settings.body.balance
    wanted = settings.training.clips_per_epoch or {}
    for home, name in enumerate(data.corpora):
        rows = _rows(training, home)
        if not len(rows):
            continue
        counts = torch.bincount(labels[rows]).double()
        rarity = (len(rows) / (counts > 0).sum() / counts[labels[rows]]) ** balance
        weights[rows] *= rarity * (wanted.get(name, len(rows)) / len(rows))
    return weights


def _rows(data: LabelledClips, home: int) -> Tensor:
    """Positions of the clips of one corpus."""
    return torch.from_numpy(data.corpora == home).nonzero()[:, 0]


def _sums(
    views: list[Tensor],
    data: LabelledClips,
    rows: Tensor,
    weights: Tensor,
    altered: float,
    emotions: int,
    total_of_all: _Sums | None = None,
) -> _Sums:
    weights = weights[rows]
    if not weights.any():  # a corpus that is left out: it has what all have in common
        assert total_of_all is not None
        dimension = views[0].shape[1]
        return _Sums(
            total_of_all.centre,
            total_of_all.target,
            torch.zeros(dimension, dimension, dtype=torch.float64),
            torch.zeros(dimension, emotions, dtype=torch.float64),
        )
    targets = torch.nn.functional.one_hot(torch.from_numpy(data.labels)[rows], emotions).double()
    total = weights.sum()
    target = weights @ targets / total
    share = (
        [1.0]
        if len(views) == 1
        else [1 - altered] + [altered / (len(views) - 1)] * (len(views) - 1)
    )
    dimension = views[0].shape[1]
    centre = sum(
        (
            part * (weights.float() @ view[rows]) / total
            for part, view in zip(share, views, strict=True)
        ),
        torch.zeros(dimension),
    ).float()
    square = torch.zeros(dimension, dimension, dtype=torch.float64)
    cross = torch.zeros(dimension, emotions, dtype=torch.float64)
    for part, view in zip(share, views, strict=True):
        apart = view[rows] - centre
        weighted = apart * (part * weights).float()[:, None]
        square += weighted.T @ apart
        cross += weighted.T.double() @ (targets - target)
    return _Sums(centre, target, square, cross)


def _raised(square: Tensor, penalty: float) -> Tensor:
    """A matrix with a penalty added to its diagonal, in place."""
    square.diagonal().add_(penalty)
    return square


def _factor(matrix: Tensor) -> Tensor:
    """The Cholesky factor of what is positive definite but for rounding."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed.item():
        raise TrainingError(
            "the regression cannot be solved: its penalty is lost in rounding",
            remedy="Give a larger ridge; the default is 0.1.",
        )
    return cast(Tensor, factor)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    return torch.cholesky_solve(right, _factor(matrix))


def _joint(
    parts: Iterable[_Sums], shared: float, own: float, tell: Callable[[int], None]
) -> list[tuple[Tensor, _Sums]]:
    """Weights W + V_c of each corpus, under the penalties a = `shared` and b = `own`."""
    inverses, kept = [], []
    left: Tensor | None = None
    right = torch.zeros(())
    for home, sums in enumerate(parts):
        tell(home)
        inverse = torch.cholesky_inverse(_factor(_raised(sums.square, own)))
        if left is None:
            left = torch.zeros_like(inverse)
            left.diagonal().add_(shared)
        left -= own**2 * inverse
        left.diagonal().add_(own)
        right = right + own * (inverse @ sums.cross)
        inverses.append(inverse.float())
        kept.append(sums._replace(square=torch.empty(0)))
    assert left is not None
    common = _solved(left, right)
    return [
        (inverse.double() @ (sums.cross + own * common), sums)
        for inverse, sums in zip(inverses, kept, strict=True)
    ]


def _set(
    head: nn.Linear | KernelHead, start: int, solution: Tensor, sums: _Sums, basis: Tensor | None,
    space: _Space, sharpness: float,
) -> None:  # fmt: skip
    """Put a regression into rows of a head, for what the body gives."""
    rows = slice(start, start + solution.shape[1])
    level = sums.target - sums.centre.double() @ solution
    linear, near = space.weights(solution.T if basis is None else solution.T @ basis)
    plain = head.functionals if isinstance(head, KernelHead) else head
    with torch.no_grad():
        plain.weight[rows] = sharpness * linear.float()
        plain.bias[rows] = (sharpness * level).float()
        if isinstance(head, KernelHead):
            head.nearness.weight[rows] = sharpness * near.float()
