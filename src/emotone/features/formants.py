"""Formants: the resonances of the vocal tract, from linear prediction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray

Doubles = npt.NDArray[np.float64]

_ORDER = 12
_FIRST_HZ, _LAST_HZ, _WIDEST_HZ = 90.0, 5500.0, 1000.0


def linear_prediction(frames: FloatArray, order: int) -> tuple[Doubles, Doubles]:
    """Autocorrelation linear prediction of many frames at once (Levinson & Durbin).

    Parameters
    ----------
    frames
        Windowed frames, shape ``(t, length)``.
    order
        Number of coefficients.

    Returns
    -------
    The coefficients, shape ``(t, order + 1)`` with a leading 1, and the residual energy ``(t,)``.
    """
    size = 1 << (frames.shape[1] + order).bit_length()
    spectrum = np.fft.rfft(frames, size, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    correlation = np.fft.irfft(power, size, axis=1)[:, : order + 1].astype(np.float64)
    # A little white noise keeps the recursion stable on pure tones and silence.
    correlation[:, 0] = correlation[:, 0] * (1 + 1e-5) + 1e-9
    coefficients = np.zeros((len(frames), order + 1))
    coefficients[:, 0] = 1.0
    error = correlation[:, 0].copy()
    for i in range(1, order + 1):
        reflection = -(coefficients[:, :i] * correlation[:, i:0:-1]).sum(axis=1) / error
        updated = coefficients.copy()
        updated[:, 1:i] += reflection[:, None] * coefficients[:, i - 1 : 0 : -1]
        updated[:, i] = reflection
        coefficients = updated
        error *= 1 - reflection**2
    return coefficients, error


def formants(coefficients: Doubles, rate: int) -> tuple[Doubles, Doubles]:
    """Centre and bandwidth of the first three formants, from the roots of the predictor.

    Parameters
    ----------
    coefficients
        From `linear_prediction`, shape ``(t, order + 1)``.
    rate
        Samples per second.

    Returns
    -------
    Two arrays in Hz, shape ``(t, 3)``; 0 where a frame has fewer resonances.
    """
    count, order = len(coefficients), coefficients.shape[1] - 1
    companion = np.zeros((count, order, order))
    companion[:, 0] = -coefficients[:, 1:]
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    roots = np.linalg.eigvals(companion)
    centre = np.angle(roots) * rate / (2 * np.pi)
    width = -np.log(np.maximum(np.abs(roots), 1e-6)) * rate / np.pi
    real = (centre > _FIRST_HZ) & (centre < _LAST_HZ) & (width < _WIDEST_HZ)
    centre = np.where(real, centre, np.inf)
    lowest = np.argsort(centre, axis=1)[:, :3]
    centre = np.take_along_axis(centre, lowest, axis=1)
    width = np.take_along_axis(width, lowest, axis=1)
    missing = np.isinf(centre)
    return np.where(missing, 0.0, centre), np.where(missing, 0.0, width)
