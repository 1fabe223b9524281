"""Numbers that tell voices apart: cepstra of a few seconds of speech, projected."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.features.filters import dct_matrix, mel_filters
from emotone.features.stft import stft_power
from emotone.speech.detector import RATE

WINDOW_S: Final = 3.0
"""Longest stretch of speech that is described by itself."""

STEP_S: Final = 0.5
"""From one such stretch to the next."""

_N_FFT: Final = 512
_HOP: Final = 320
_MELS: Final = 40
_CEPSTRA: Final = 29
_TOGETHER: Final = 14
"""The first cepstra, whose covariances count too."""

_QUIET_DB: Final = 35.0
"""Frames so far below the loudest of the utterance are not heard."""

_FLOOR: Final = 1e-7
"""Bands so far below the loudest of the utterance sound alike."""

_LEAST_FRAMES: Final = 5


def windows(length_s: float) -> npt.NDArray[np.float64]:
    """The stretches of an utterance that are described: start and end in seconds, ``(n, 2)``.

    `STEP_S` apart and `WINDOW_S` long; one alone where there is no more speech than that.
    """
    starts = np.arange(0, max(length_s - WINDOW_S, 0) + 1e-6, STEP_S)
    return np.stack([starts, np.minimum(starts + WINDOW_S, length_s)], axis=1)


def statistics(samples: FloatArray) -> FloatArray:
    """What the `windows` of an utterance sound like, before the projection.

    Mean and standard deviation of 29 mel-frequency cepstra (without the one for loudness) and the
    covariances of the first 14, over the frames that are not quiet.

    Parameters
    ----------
    samples
        Of one utterance at `RATE`: mono, at any level.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(windows, 149)``.
    """
    power = stft_power(np.asarray(samples, np.float32), _N_FFT, _HOP)
    level = power.sum(axis=1)
    mel = mel_filters(RATE, _N_FFT, _MELS).apply(power)
    logs = np.log(np.maximum(mel, mel.max() * _FLOOR + 1e-20))
    cepstra = (logs @ dct_matrix(_MELS, _CEPSTRA + 1))[:, 1:].astype(np.float64)
    heard = level > level.max() * 10 ** (-_QUIET_DB / 10)
    found = []
    for start, end in windows(len(samples) / RATE):
        inside = slice(round(start * RATE / _HOP), round(end * RATE / _HOP) + 1)
        chosen = cepstra[inside][heard[inside]]
        if len(chosen) < _LEAST_FRAMES:
            chosen = cepstra[inside][np.argsort(-level[inside], kind="stable")[:_LEAST_FRAMES]]
        mean = chosen.mean(axis=0)
        away = chosen - mean
        few = away[:, :_TOGETHER]
        covariances = (few.T @ few / len(few))[np.triu_indices(_TOGETHER, 1)]
        found.append(np.concatenate([mean, np.sqrt((away**2).mean(axis=0)), covariances]))
    return np.array(found, np.float32)


def describe(samples: FloatArray) -> FloatArray:
    """The voice in each of the `windows` of an utterance.

    The `statistics` in the directions that tell speakers apart best (linear discriminant analysis,
    learned by ``benchmarks/voices.py``), scaled so that one speaker's vary by 1 in each.

    Parameters
    ----------
    samples
        Of one utterance at `RATE`.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(windows, 24)``.
    """
    middle, directions = _projection()
    return np.asarray((statistics(samples) - middle) @ directions, np.float32)


@functools.cache
def _projection() -> tuple[FloatArray, FloatArray]:
    with files("emotone").joinpath("assets", "voices.npz").open("rb") as file:
        stored = np.load(file, allow_pickle=False)
        return stored["middle"].astype(np.float32), stored["directions"].astype(np.float32)
