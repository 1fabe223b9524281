"""The short-time Fourier transform that every spectral feature starts from.

Frames are rows: a spectrogram here has shape ``(frames, bins)``, so that one frame lies together in
memory and products with filter banks are plain matrix products. (librosa puts bins first.)

The transform runs in double precision and is rounded to single: NumPy's single-precision one is no
faster, and so the values equal librosa's bit for bit, which keeps decisions made on them (the
tuning is a vote of spectral peaks) the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.errors import FeatureError

ComplexArray = npt.NDArray[np.complex64]
Window = npt.NDArray[np.float32] | npt.NDArray[np.float64]

N_FFT = 2048
HOP = 512

# Frames per FFT call: enough to hide the call, few enough to stay in the second-level cache.
_BLOCK = 32


def _keep_freed_memory() -> None:
    """Have glibc keep freed blocks of a few MiB, the size of a clip's spectra, for the next clip.

    By default it hands them back to the system, and taking them again, page by page, costs more
    than the transforms. Freeing one large block, never touched, raises its threshold (mallopt(3),
    M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    np.empty(31 << 20, np.uint8)


_keep_freed_memory()


@lru_cache(maxsize=16)
def hann(length: int) -> npt.NDArray[np.float64]:
    """The periodic Hann window, shape ``(length,)``, read-only.

    >>> hann(4).round(6).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    # Written over -pi..pi as SciPy has it: the usual form differs in the last bit.
    window = 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, length + 1)[:-1])
    window.setflags(write=False)
    return window


def framed(samples: FloatArray, n_fft: int, hop: int, *, center: bool = True) -> FloatArray:
    """The samples cut into overlapping frames, shape ``(frames, n_fft)``, without copying them.

    With ``center``, frame t is centred on sample ``t * hop`` and the ends are padded with zeros.

    Raises
    ------
    FeatureError
        If the samples are not one-dimensional and non-empty, or, without ``center``, fewer than
        one frame.
    """
    if samples.ndim != 1 or not len(samples):
        raise FeatureError(
            f"features need a non-empty one-dimensional array of samples, got {samples.shape}",
            remedy="Pass mono samples.",
            code="bad_samples",
        )
    if center:
        padded = np.zeros(len(samples) + 2 * (n_fft // 2), np.float32)
        padded[n_fft // 2 : n_fft // 2 + len(samples)] = samples
        samples = padded
    elif len(samples) < n_fft:
        raise FeatureError(
            f"{len(samples)} samples are fewer than one frame of {n_fft}",
            remedy="Use a longer clip or centred frames.",
            code="too_short",
        )
    return np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop]


def stft(
    samples: FloatArray,
    n_fft: int = N_FFT,
    hop: int = HOP,
    window: Window | None = None,
    center: bool = True,
) -> ComplexArray:
    """The short-time Fourier transform.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    n_fft, hop
        Frame length and step in samples.
    window
        Shape ``(n_fft,)``; None is the periodic Hann window.
    center
        Centre frame t on sample ``t * hop``, padding the ends with zeros (as librosa does).

    Returns
    -------
    complex64, shape ``(frames, n_fft // 2 + 1)``: the transpose of ``librosa.stft``.

    Raises
    ------
    FeatureError
        If the samples are not one-dimensional and non-empty, or hold no frame.

    Examples
    --------
    >>> stft(np.ones(4096, np.float32)).shape
    (9, 1025)
    """
    frames = framed(samples, n_fft, hop, center=center)
    out = np.empty((len(frames), n_fft // 2 + 1), np.complex64)
    for block, spectra in _spectra(frames, window):
        out[block] = spectra
    return out


def _spectra(
    frames: FloatArray, window: Window | None
) -> Iterator[tuple[slice, npt.NDArray[np.complexfloating[Any, Any]]]]:
    """The spectra of windowed frames, some at a time, and which frames they are of."""
    window = hann(frames.shape[1]) if window is None else window
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        yield block, np.fft.rfft(frames[block] * window)


def stft_magnitude(
    samples: FloatArray,
    n_fft: int = N_FFT,
    hop: int = HOP,
    window: Window | None = None,
    center: bool = True,
) -> FloatArray:
    """Magnitude of `stft`, float32, shape ``(frames, n_fft // 2 + 1)``."""
    frames = framed(samples, n_fft, hop, center=center)
    out = np.empty((len(frames), n_fft // 2 + 1), np.float32)
    for block, spectra in _spectra(frames, window):
        np.abs(spectra.astype(np.complex64), out=out[block])
    return out


def stft_power(
    samples: FloatArray,
    n_fft: int = N_FFT,
    hop: int = HOP,
    window: Window | None = None,
    center: bool = True,
) -> FloatArray:
    """Squared magnitude of `stft`, float32, shape ``(frames, n_fft // 2 + 1)``."""
    magnitude = stft_magnitude(samples, n_fft, hop, window, center)
    return np.square(magnitude, out=magnitude)
