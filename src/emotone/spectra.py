"""Power spectra of frames, as the neural models of this package see them, in NumPy.

A model of a bundle may take what describes single frames in place of a waveform, so that
overlapping windows are not described again and again. `WindowFrames` keeps what is known of them.
"""

from __future__ import annotations

import functools
from collections import deque

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray

RATE = 16_000
SIZE = 512
"""Samples per frame: 32 ms."""

HOP = 160
"""Samples from frame to frame: 10 ms."""

BINS = SIZE // 2 + 1

_AT_ONCE = 128
"""Frames that are transformed together: what they take stays in the cache of a core, which makes
it five times faster than thousands of them."""

_EDGE = -(-SIZE // 2 // HOP)
"""Frames at each end of a window that reach over it: there they hear silence, unlike the sound's
own."""

_REACH = (_EDGE - 1) * HOP + SIZE
"""Samples that the frames at one end reach over."""


def power(frames: npt.ArrayLike) -> FloatArray:
    """Power spectra of frames.

    Parameters
    ----------
    frames
        Shape ``(..., 512)``, samples at 16 kHz, as `framed` and `WindowFrames.missing` give them.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(..., 257)``: squared magnitudes of the transform under a periodic Hann
        window.
    """
    given = np.asarray(frames, dtype=np.float32)
    rows = given.reshape(-1, SIZE)
    found: FloatArray = np.empty((len(rows), BINS), dtype=np.float32)
    for start in range(0, len(rows), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        spectra = np.fft.rfft(rows[some] * _window())
        np.add(np.square(spectra.real), np.square(spectra.imag), out=found[some])
    return found.reshape(*given.shape[:-1], BINS)


def framed(sounds: npt.ArrayLike) -> FloatArray:
    """The frames of waveforms, with silence before and after.

    Parameters
    ----------
    sounds
        Shape ``(..., samples)``, at 16 kHz.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(..., frames, 512)``, not to be written to: 512 samples around every 160th,
        from the first one on.
    """
    waveforms = np.asarray(sounds, dtype=np.float32)
    beside = [(0, 0)] * (waveforms.ndim - 1) + [(SIZE // 2, SIZE // 2)]
    return _each(np.pad(waveforms, beside))


class WindowFrames:
    """Descriptions of the frames of windows of one sound, each made once.

    Parameters
    ----------
    origin
        Place of a sample of the sound; windows that begin a multiple of `HOP` after it share
        frames.

    Examples
    --------
    >>> known = WindowFrames(0)
    >>> sound = np.zeros(48_000, np.float32)
    >>> known.missing(0, sound[:16_000]).shape
    (101, 512)
    >>> known.window(np.zeros((230, 101), np.float32)).shape
    (230, 101)
    >>> known.missing(4000, sound[4000:20_000]).shape  # 25 new ones, and two at each end
    (29, 512)
    """

    def __init__(self, origin: int) -> None:
        self._origin = origin
        self._asked: deque[tuple[int, int] | None] = deque()
        self._span = (0, 0)  # of the frames that are known once all that was asked for is given
        self._first = 0
        self._known: FloatArray | None = None  # the window before, which nobody writes to

    def missing(self, start: int, samples: FloatArray) -> FloatArray:
        """The frames of a window that are to be described for `window`.

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
            float32, shape ``(k, 512)``. What is missing of the next window may be asked for
            before this one is given to `window`.
        """
        offset = start - self._origin
        count = 1 + len(samples) // HOP
        if offset % HOP or count <= 2 * _EDGE:
            self._asked.append(None)
            return framed(samples)
        first, last = offset // HOP + _EDGE, offset // HOP + count - _EDGE
        known = self._span[1] if self._span[0] <= first <= self._span[1] else first
        known = min(known, last)
        self._asked.append((first, known))
        self._span = (first, last)
        found: FloatArray = np.empty((last - known + 2 * _EDGE, SIZE), dtype=np.float32)
        found[:_EDGE] = _each(self._beside(samples[: _REACH - SIZE // 2], SIZE // 2))
        if last > known:
            begin = known * HOP - SIZE // 2 - offset
            found[_EDGE:-_EDGE] = _each(samples[begin : (last - 1) * HOP + SIZE // 2 - offset])
        tail = samples[(count - _EDGE) * HOP - SIZE // 2 :]
        found[-_EDGE:] = _each(self._beside(tail[:_REACH], 0))
        return found

    @staticmethod
    def _beside(samples: FloatArray, before: int) -> FloatArray:
        """Samples with silence before and after, as long as the frames at an end reach."""
        found: FloatArray = np.zeros(_REACH, dtype=np.float32)
        found[before : before + len(samples)] = samples
        return found

    def window(self, described: FloatArray) -> FloatArray:
        """All frames of the first window that was asked for and not given yet.

        Parameters
        ----------
        described
            Of what was missing, float32 ``(rows, k)``.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(rows, frames)``, not to be written to: the next window takes from it.
        """
        asked = self._asked.popleft()
        if asked is None:
            return described
        first, known = asked
        rows, count = described.shape
        old = known - first if self._known is not None else 0
        found: FloatArray = np.empty((rows, old + count), dtype=np.float32)
        found[:, :_EDGE] = described[:, :_EDGE]
        if old:
            assert self._known is not None
            begin = _EDGE + first - self._first
            found[:, _EDGE : _EDGE + old] = self._known[:, begin : begin + old]
        found[:, _EDGE + old :] = described[:, _EDGE:]
        self._first, self._known = first, found
        return found


def _each(samples: FloatArray) -> FloatArray:
    """512 samples from every 160th on, as many as there are whole."""
    *before, step = samples.strides
    found: FloatArray = np.lib.stride_tricks.as_strided(  # sliding_window_view takes ten times that
        samples,
        (*samples.shape[:-1], 1 + (samples.shape[-1] - SIZE) // HOP, SIZE),
        (*before, HOP * step, step),
        writeable=False,
    )
    return found


@functools.cache
def _window() -> FloatArray:
    values: FloatArray = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)).astype(np.float32)
    return values
