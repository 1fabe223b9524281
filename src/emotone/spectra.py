"""Power spectra of frames, as the neural models of this package see them, in NumPy.

A model of a bundle may take them in place of a waveform (its optional input ``power``), so that
overlapping windows are not transformed again and again.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray

RATE = 16_000
SIZE = 512
"""Samples per frame: 32 ms."""

HOP = 160
"""Samples from frame to frame: 10 ms."""

BINS = SIZE // 2 + 1


def power(sounds: npt.ArrayLike) -> FloatArray:
    """Power spectra of waveforms, with silence before and after.

    Parameters
    ----------
    sounds
        Shape ``(n, samples)``, at 16 kHz.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(n, 257, frames)``: squared magnitudes of the transform of 512 samples
        under a periodic Hann window, centred on every 160th sample from the first one on.
    """
    waveforms = np.asarray(sounds, dtype=np.float32)
    padded = np.pad(waveforms, ((0, 0), (SIZE // 2, SIZE // 2)))
    return np.ascontiguousarray(_transformed(padded).transpose(0, 2, 1))


class PowerFrames:
    """Power spectra of windows of one sound, of which each frame is transformed once.

    Parameters
    ----------
    origin
        Place of a sample of the sound; windows that begin a multiple of `HOP` after it share
        frames.
    """

    def __init__(self, origin: int) -> None:
        self._origin = origin
        self._first = 0
        self._frames = np.zeros((0, BINS), dtype=np.float32)

    def window(self, start: int, samples: FloatArray) -> FloatArray:
        """What `power` gives for a window.

        Parameters
        ----------
        start
            Place of its first sample in the sound, not before that of the window before.
        samples
            The window, float32 ``(n,)`` at 16 kHz. Where it overlaps with the one before it must
            be the same sound.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(257, frames)``.
        """
        offset = start - self._origin
        count = 1 + len(samples) // HOP
        edge = -(-SIZE // 2 // HOP)
        if offset % HOP or count <= 2 * edge:
            alone: FloatArray = power(samples[None])[0]
            return alone
        # Frames that reach over an end of the window hear silence there, unlike the sound's own.
        first, last = offset // HOP + edge, offset // HOP + count - edge
        known = self._first + len(self._frames)
        if not self._first <= first <= known:
            self._first, self._frames, known = first, self._frames[:0], first
        if last > known:
            begin = (known * HOP - SIZE // 2) - offset
            end = ((last - 1) * HOP + SIZE // 2) - offset
            new = _transformed(samples[None, begin:end])[0]
            self._frames = np.concatenate([self._frames[first - self._first :], new])
        else:
            self._frames = self._frames[first - self._first :]
        self._first = first
        found = np.empty((count, BINS), dtype=np.float32)
        found[edge : count - edge] = self._frames[: last - first]
        found[:edge] = _transformed(
            np.pad(samples[None, : (edge - 1) * HOP + SIZE // 2], ((0, 0), (SIZE // 2, 0)))
        )[0]
        tail = (count - edge) * HOP - SIZE // 2
        found[count - edge :] = _transformed(
            np.pad(samples[None, tail:], ((0, 0), (0, SIZE // 2)))
        )[0][:edge]
        turned: FloatArray = np.ascontiguousarray(found.T)
        return turned


@functools.cache
def _window() -> FloatArray:
    values: FloatArray = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)).astype(np.float32)
    return values


def _transformed(padded: FloatArray) -> FloatArray:
    """Power spectra of every 160th 512 samples, shape ``(n, frames, 257)``."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE, axis=1)[:, ::HOP]
    spectra = np.fft.rfft(frames * _window())
    found: FloatArray = (spectra.real**2 + spectra.imag**2).astype(np.float32)
    return found
