"""The ridge regression with all that it weighs, beside one large system of equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from emotone.audio.clips import Clips
from emotone.errors import TrainingError
from emotone.models.neural import ridge
from emotone.models.neural.bodies import Compressed
from emotone.models.neural.data import LabelledClips, TrainingData
from emotone.models.neural.network import Network
from emotone.models.neural.parameters import resolve
from emotone.models.neural.settings import Settings

N, D, K = 160, 15, 4


class Stub:
    """A front end that tells few numbers."""

    described = D


class Case:
    """Views, and what is known of the clips: a corpus lacks an emotion, clips weigh unlike."""

    def __init__(self, corpora: int, views: int, balanced: bool) -> None:
        generator = np.random.default_rng(0)
        self.homes = generator.integers(0, corpora, N)
        self.labels = generator.integers(0, K, N)
        if corpora > 1:
            self.labels[(self.homes == 1) & (self.labels == 3)] = 0
        self.speakers = generator.integers(0, 7, N)
        self.weights = generator.uniform(0.5, 2, N).astype(np.float32)
        offsets = generator.normal(size=(7, D))[self.speakers]
        self.views = (generator.normal(size=(views, N, D)) * 2 + offsets).astype(np.float32)
        self.names = list("abc"[:corpora])
        self.balanced = balanced
        self.has = np.zeros((corpora, K), dtype=bool)
        self.has[self.homes, self.labels] = True

    def solve(self, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any]) -> Network:
        clips = Clips.of([np.zeros(10, np.float32)] * N, 16000)
        known = LabelledClips(
            clips, self.labels, self.homes, self.weights, self.speakers, self.views.copy()
        )
        data = TrainingData(known, None, None, self.names, self.balanced)
        monkeypatch.setattr(ridge, "described", lambda network, data, settings, seed: data)
        settings = Settings.of("ridge", resolve("ridge", {"kernel": 0.0, **params}))
        body = Compressed(Stub(), settings.body)  # type: ignore[arg-type]
        network = Network(body, torch.from_numpy(self.has))
        said: list[int] = []
        outcome = ridge.fit(
            network, data, settings, seed=0, progress=lambda done, total, what: said.append(done)
        )
        assert said == list(range(len(said)))
        network.load_state_dict(outcome.weights)
        return network

    def rows(self) -> np.ndarray:
        """All views one after the other, as the body encodes them."""
        values = self.views.astype(float)
        return np.concatenate(np.sign(values) * np.abs(values) ** 0.7)

    def shrunk(self, strength: float) -> np.ndarray:
        """The rows after the shrinkage, by the eigenvectors of the speakers' covariance."""
        first = self.rows()[:N]
        apart = [
            first[inside & (self.speakers == speaker)].mean(0) - first[inside].mean(0)
            for home in range(len(self.names))
            for inside in [self.homes == home]
            for speaker in sorted(set(self.speakers[inside]))
        ]
        covariance = np.array(apart).T @ np.array(apart) / len(apart)
        values, vectors = np.linalg.eigh(np.eye(D) + strength * covariance)
        return self.rows() @ (vectors * values**-0.5) @ vectors.T

    def weight(self, balance: float, wanted: dict[str, int], altered: float) -> np.ndarray:
        found = self.weights.astype(float)
        for home, name in enumerate(self.names):
            inside = self.homes == home
            counts = np.bincount(self.labels[inside], minlength=K)
            rarity = inside.sum() / (counts > 0).sum() / np.maximum(counts, 1)
            found[inside] *= rarity[self.labels[inside]] ** balance
            found[inside] *= wanted.get(name, inside.sum()) / inside.sum()
        views = len(self.views)
        shares = [1.0] if views == 1 else [1 - altered] + [altered / (views - 1)] * (views - 1)
        return np.concatenate([share * found for share in shares])


@pytest.mark.parametrize(
    ("corpora", "views", "balanced", "params"),
    [
        (3, 3, False, {}),
        (3, 1, False, {"speakers": 0.0, "views": 1}),
        (3, 3, False, {"balance": 1.0, "own": 0.05, "altered": 0.9, "speakers": 100.0,
                       "clips_per_epoch": {"a": 500, "c": 20}}),
        (2, 2, True, {"sharpness": 2.0}),
        (1, 2, False, {"ridge": 1.0}),
    ],
)  # fmt: skip
def test_the_heads_are_those_of_one_large_system(
    corpora: int, views: int, balanced: bool, params: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    case = Case(corpora, views, balanced)
    network = case.solve(monkeypatch, params)
    body = Settings.of("ridge", resolve("ridge", params)).body
    rows = case.shrunk(body.speakers)
    weight = case.weight(
        1.0 if balanced else body.balance, params.get("clips_per_epoch", {}), body.altered
    )
    target = np.eye(K)[np.tile(case.labels, views)]
    homes = np.tile(case.homes, views)
    penalty = body.ridge * D
    mean, share = weight @ rows / weight.sum(), weight @ target / weight.sum()
    apart = rows - mean
    solution = np.linalg.solve(
        (apart.T * weight) @ apart + penalty * np.eye(D), (apart.T * weight) @ (target - share)
    )
    heard = torch.from_numpy(case.rows()).float()
    expected = body.sharpness * (apart @ solution + share)
    np.testing.assert_allclose(network.general(heard).detach().numpy(), expected, atol=2e-5)
    if corpora == 1:
        assert network.own is None
        return
    own = network.own(heard).detach().numpy().reshape(-1, corpora, K)
    # The unknowns are W, V_1, V_2, ... one below the other.
    wide = np.zeros((len(rows), D * (corpora + 1)))
    centred, levels = np.zeros_like(target), {}
    for home in range(corpora):
        mine = homes == home
        mean = weight[mine] @ rows[mine] / weight[mine].sum()
        share = weight[mine] @ target[mine] / weight[mine].sum()
        levels[home] = mean, share
        wide[mine, :D] = wide[mine, D * (home + 1) : D * (home + 2)] = rows[mine] - mean
        centred[mine] = target[mine] - share
    penalties = np.full(D * (corpora + 1), penalty / body.own)
    penalties[:D] = penalty / (1 - body.own)
    everything = np.linalg.solve(
        (wide.T * weight) @ wide + np.diag(penalties), (wide.T * weight) @ centred
    )
    for home, (mean, share) in levels.items():
        joint = everything[:D] + everything[D * (home + 1) : D * (home + 2)]
        expected = body.sharpness * ((rows - mean) @ joint + share)
        np.testing.assert_allclose(own[:, home], expected, atol=2e-5)


@pytest.mark.parametrize("corpora", [1, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_with_the_kernel_it_is_the_regression_of_a_sum_of_kernels(
    corpora: int, balanced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are landmarks here, and all components are taken: nothing is approximate."""
    case = Case(corpora, 2, balanced)
    shape = {"kernel": 0.5, "width": 0.7, "components": D, "landmarks": 2 * N}
    network = case.solve(monkeypatch, {**shape, "ridge": 0.3})
    rows, weight = case.shrunk(3.0), case.weight(1.0 if balanced else 0.5, {}, 0.6)
    apart = ((rows[:, None] - rows) ** 2).sum(2)
    near = np.exp(-0.7 * apart / rows.var(0).sum())
    kernel = rows @ rows.T + 0.5 * D * near
    target = np.eye(K)[np.tile(case.labels, 2)]
    share = weight @ target / weight.sum()
    centring = np.eye(len(rows)) - np.outer(np.ones(len(rows)), weight / weight.sum())
    kernel = centring @ kernel @ centring.T
    dual = np.linalg.solve(kernel + 0.3 * D * np.diag(1 / weight), target - share)
    heard = torch.from_numpy(case.rows()).float()
    found = network.general(torch.cat([heard, network.body.kernel(heard)], 1))
    expected = 2.5 * (kernel @ dual + share)
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=0.01)
    _check_own_heads(case, network, rows, weight, target, near)
    plain = case.solve(monkeypatch, {"kernel": 0.0, "ridge": 0.3}).general(heard)
    assert np.abs(expected - plain.detach().numpy()).max() > 0.2  # the kernel is not idle


def _check_own_heads(
    case: Case, network: Network, rows: Any, weight: Any, target: Any, near: Any
) -> None:
    """Evgeniou & Pontil (2004): (1 - own) k(x, x'), plus own k(x, x') within one corpus."""
    if network.own is None:
        return
    homes = np.tile(case.homes, 2)
    inside = (homes[:, None] == homes).astype(float)
    means = inside * weight / (inside * weight).sum(1, keepdims=True)
    centring = np.eye(len(rows)) - means
    kernel = centring @ (rows @ rows.T + 0.5 * D * near) @ centring.T * (0.5 + 0.5 * inside)
    dual = np.linalg.solve(kernel + 0.3 * D * np.diag(1 / weight), target - means @ target)
    expected = 2.5 * (kernel @ dual + means @ target)
    heard = torch.from_numpy(case.rows()).float()
    own = network.own(torch.cat([heard, network.body.kernel(heard)], 1)).detach().numpy()
    found = own.reshape(len(rows), -1, K)[np.arange(len(rows)), homes]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_few_rows_are_solved_in_their_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more numbers for each row than there are rows, as with as many equations as numbers."""
    case = Case(3, 1, False)
    shape = {"kernel": 1.0, "landmarks": 10 * N, "components": D}
    small = case.solve(monkeypatch, shape)
    monkeypatch.setattr(ridge, "_spanned", lambda views: (views, None))
    large = case.solve(monkeypatch, shape)
    heard = torch.from_numpy(case.views[0])
    for few, many in zip(
        *(network.heads(network.body.encode(heard)) for network in (small, large)), strict=True
    ):
        torch.testing.assert_close(few, many, atol=2e-3, rtol=0)


def test_there_are_no_more_landmarks_and_components_than_clips(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case(3, 1, False)
    case.views[0, 8:] = case.views[0, np.arange(8, N) % 8]  # eight clips, again and again
    network = case.solve(monkeypatch, {"kernel": 1.0, "components": 40, "landmarks": 3 * N})
    kernel = network.body.kernel
    assert kernel.landmarks.shape == (N, 7)
    assert kernel.components.shape == (7, D)
    heard = torch.from_numpy(case.views[0])
    assert torch.isfinite(network.heads(network.body.encode(heard)).general).all()


def test_clips_that_are_all_alike_are_answered_as_often_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case(1, 1, True)
    case.views[:] = case.views[:, :1]
    network = case.solve(monkeypatch, {"kernel": 1.0, "sharpness": 1.0})
    found = network.heads(network.body.encode(torch.from_numpy(case.views[0]))).general
    shares = case.weight(1.0, {}, 0.6) @ np.eye(K)[case.labels]
    np.testing.assert_allclose(found.detach(), np.tile(shares / shares.sum(), (N, 1)), atol=1e-3)


def test_a_corpus_that_is_left_out_lends_no_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(2, 1, False)
    shape = {"kernel": 1.0, "components": D, "landmarks": 24, "speakers": 0.0}
    network = case.solve(monkeypatch, {**shape, "clips_per_epoch": {"a": 0}})
    kernel = network.body.kernel
    places = kernel.places(network.body.compressed(torch.from_numpy(case.views[0])))
    nearest = torch.cdist(kernel.landmarks, places).argmin(1).numpy()
    assert set(case.homes[nearest].tolist()) == {1}


def test_a_corpus_without_weight_has_what_all_have_in_common(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, wanted = Case(3, 1, False), {"c": 0}
    network = case.solve(monkeypatch, {"clips_per_epoch": wanted, "views": 1})
    assert all(torch.isfinite(values).all() for values in network.state_dict().values())
    own = network.own
    assert own is not None
    assert own.weight[2 * K :].abs().max() > 1e-3
    # Of all that was learned from, it expects the emotions as often as they are there.
    body = Settings.of("ridge", resolve("ridge", {})).body
    weight = case.weight(body.balance, wanted, body.altered)
    with torch.no_grad():
        expected = own(torch.from_numpy(case.rows()).float())[:, 2 * K :].numpy()
    shares = weight @ np.eye(K)[case.labels] / weight.sum()
    np.testing.assert_allclose(weight @ expected / weight.sum(), body.sharpness * shares, atol=1e-4)
    none = {"clips_per_epoch": {"a": 0, "b": 0, "c": 0}}
    with pytest.raises(TrainingError, match="no clip has any weight"):
        Case(3, 1, False).solve(monkeypatch, none)
    with pytest.raises(TrainingError, match="no clip has any weight"):
        Case(1, 1, False).solve(monkeypatch, {"clips_per_epoch": {"a": 0}})


def test_without_a_penalty_it_says_so() -> None:
    flat = torch.zeros(3, 3, dtype=torch.float64)
    with pytest.raises(TrainingError, match="lost in rounding"):
        ridge._factor(flat)
