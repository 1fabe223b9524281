"""The feature set rich: its names, its invariances, its behaviour on the shortest and strangest."""

from __future__ import annotations

import numpy as np
import pytest

from emotone import features
from emotone.audio import Waveform
from emotone.features import functionals as fn
from emotone.features.descriptors import SPECTRAL_NAMES, VOICE_NAMES, describe
from emotone.features.formants import formants, linear_prediction

RATE = 16_000
RICH = features.get("rich")


def speechlike(seconds: float = 1.5, seed: int = 0) -> np.ndarray:
    """Voiced and unvoiced stretches with a moving pitch between silences."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    f0 = 160 + 60 * np.sin(np.linspace(0, 5, n)) + 10 * rng.normal()
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20))
    gate = np.sin(np.linspace(0, 9, n)) > -0.3
    voice = np.where(gate, buzz, 0.3 * rng.normal(size=n)) * 0.1
    return np.concatenate([np.zeros(3200), voice, np.zeros(3200)]).astype(np.float32)


def test_every_value_has_its_own_name() -> None:
    row = RICH.compute(Waveform(speechlike(), RATE))
    assert row.dtype == np.float32
    assert row.shape == (RICH.dimension,) == (len(set(RICH.names)),)
    assert np.isfinite(row).all()
    named = next(n for n in features.available() if n.name == "rich")
    assert named.dimension == RICH.dimension


def test_names_are_of_the_values_they_stand_beside() -> None:
    samples = speechlike()
    row = dict(zip(RICH.names, RICH.compute(Waveform(samples, RATE)).tolist(), strict=True))
    clip = describe(samples)
    mfcc3 = clip.spectral[clip.active, SPECTRAL_NAMES.index("mfcc3")]
    f0 = clip.voice[clip.voiced, VOICE_NAMES.index("f0")]
    assert row["mfcc3_mean"] == pytest.approx(mfcc3.mean(), rel=1e-4)
    assert row["mfcc3_p95"] == pytest.approx(np.percentile(mfcc3, 95), rel=1e-4)
    assert row["f0_p50"] == pytest.approx(np.median(f0), rel=1e-4)
    assert row["duration_s"] == pytest.approx(len(samples) / RATE)
    assert row["level_peak"] == pytest.approx(np.log(np.abs(samples - samples.mean()).max()))
    last = clip.spectral[2 * len(clip.spectral) // 3 + 1 :, SPECTRAL_NAMES.index("centroid")]
    assert row["third3_centroid"] == pytest.approx(last.mean(), rel=0.02)
    centred = clip.spectral[:, 40:56] - clip.spectral[clip.active, 40:56].mean(axis=0)
    lagged = (centred[:-10, 1] * centred[10:, 1]).mean()
    assert row["lagcov100ms_mfcc1_mfcc1"] == pytest.approx(lagged, rel=1e-3)


@pytest.mark.parametrize("doublings", [-6, -1, 3])
def test_gain_moves_the_level_features_alone(doublings: int) -> None:
    """By powers of two, which floats scale by exactly: no frame moves across a threshold."""
    samples = speechlike()
    louder = np.ldexp(samples, doublings)
    a, b = RICH.compute(Waveform(samples, RATE)), RICH.compute(Waveform(louder, RATE))
    level = np.array([name.startswith("level_") for name in RICH.names])
    assert np.allclose(a[~level], b[~level], rtol=1e-4, atol=1e-4)
    change = doublings * np.log(2)
    wanted = np.array([change if name == "level_peak" else 2 * change for name in RICH.names])
    assert np.allclose((b - a)[level], wanted[level], atol=1e-3)


@pytest.mark.parametrize("seconds", [0.1, 0.13, 0.3, 1.0])
@pytest.mark.parametrize("kind", ["silence", "noise", "tone", "click", "constant"])
def test_strange_and_short_clips_give_finite_values(seconds: float, kind: str) -> None:
    n = round(seconds * RATE)
    samples = {
        "silence": np.zeros(n),
        "noise": np.random.default_rng(0).normal(0, 0.1, n),
        "tone": np.sin(np.arange(n) / 5),
        "click": np.eye(1, n, n // 2)[0],
        "constant": np.full(n, 0.5),
    }[kind]
    row = RICH.compute(Waveform(samples.astype(np.float32), RATE))
    assert np.isfinite(row).all()
    assert np.abs(row).max() < 1e7


def test_another_rate_is_resampled() -> None:
    samples = speechlike()
    at_16k = RICH.compute(Waveform(samples, RATE))
    doubled = np.interp(np.arange(2 * len(samples)) / 2, np.arange(len(samples)), samples)
    at_32k = RICH.compute(Waveform(doubled.astype(np.float32), 32_000))
    index = [RICH.names.index(name) for name in ("f0_p50", "mfcc1_mean", "duration_s")]
    assert np.allclose(at_16k[index], at_32k[index], rtol=0.05)


def test_statistics_are_numpys() -> None:
    frames = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    names = ("mean", "std", "p5", "p50", "p95", "absdiff")
    found = fn.statistics(frames, names)
    wanted = [
        frames.mean(axis=0),
        frames.std(axis=0),
        *np.percentile(frames, [5, 50, 95], axis=0),
        np.abs(np.diff(frames, axis=0)).mean(axis=0),
    ]
    assert np.allclose(found, wanted, atol=1e-5)
    assert (fn.statistics(np.zeros((0, 3), np.float32), names) == 0).all()


def test_contour_of_a_rise_and_of_a_hill() -> None:
    time = np.linspace(0, 1, 101)
    found = dict(
        zip(fn.CONTOUR, fn.contour(np.column_stack([time, -((time - 0.5) ** 2)]), 100), strict=True)
    )
    rise, hill = 0, 1
    assert found["rising"][rise] == 1.0
    assert found["argmax"][rise] > 0.95
    assert found["above50"][rise] == pytest.approx(0.5, abs=0.02)
    assert found["argmax"][hill] == pytest.approx(0.5, abs=0.02)
    assert found["curvature"][hill] < -0.5 < abs(found["curvature"][rise]) + 0.5
    assert found["peaks_per_s"][hill] == pytest.approx(1.0, abs=0.1)
    assert found["tilt"][hill] == pytest.approx(0, abs=0.01)


def test_log_covariance_keeps_the_log_euclidean_distance() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(400, 4)), rng.normal(size=(400, 4)) @ np.diag([1, 2, 3, 4])

    def logarithm(frames: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(np.cov(frames.T, bias=True) + 1e-3 * np.eye(4))
        return np.asarray((vectors * np.log(values)) @ vectors.T)

    wanted = np.linalg.norm(logarithm(a) - logarithm(b))
    va, vb = (fn.log_covariance(m.astype(np.float32)) for m in (a, b))
    assert np.linalg.norm(va - vb) == pytest.approx(wanted, rel=1e-4)


def test_formants_of_a_known_filter() -> None:
    """The ringing of three resonances: linear prediction finds them again."""
    centres, widths = np.array([900.0, 2700.0, 4900.0]), np.array([200.0, 250.0, 300.0])
    denominator = np.array([1.0])
    for centre, width in zip(centres, widths, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        pair = [1.0, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2]
        denominator = np.convolve(denominator, pair)
    spectrum = 1 / np.fft.rfft(denominator, 4096)
    impulse = np.fft.irfft(spectrum, 4096)[:2048].astype(np.float32)
    coefficients, _ = linear_prediction(impulse[None, :], 6)
    found, bandwidths = formants(coefficients, RATE)
    assert np.allclose(found[0], centres, rtol=0.02)
    assert np.allclose(bandwidths[0], widths, rtol=0.15)
