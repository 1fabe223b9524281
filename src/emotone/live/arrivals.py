"""Sound on its way from the thread that it comes in on to the one that hears it."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import deque
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray

MOST_BYTES = 256 * 1024**2
"""Bytes of sound that may wait to be heard, however many channels it has."""

Frames = npt.NDArray[Any]
"""Samples of shape ``(frames, channels)``, of any type with a known full scale."""


class Source(Protocol):
    """Where live sound comes from.

    Attributes
    ----------
    name
        What to call it.
    rate
        In Hz.
    channels
        At least 1.
    bits
        What a recording needs to lose nothing: 16 or 24, or 32 for floats.
    is_live
        Whether time goes on there while nobody listens: then hearing has to keep up.
    overflows
        How often sound was lost before it got here.
    """

    name: str
    rate: int
    channels: int
    bits: int
    is_live: bool
    overflows: int

    @property
    def waiting(self) -> int:
        """Frames that have come and were not taken."""

    @abstractmethod
    def take(self, timeout_s: float) -> FloatArray | None:
        """All that has come since the last call.

        Parameters
        ----------
        timeout_s
            How long to wait for something where there is nothing, in seconds.

        Returns
        -------
        numpy.ndarray or None
            float32 from -1 to 1, shape ``(frames, channels)``, which may be empty; None at the end.

        Raises
        ------
        EmotoneError
            If nothing more will come though it should; what came before was given before.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it; may be called again."""


class Arrivals:
    """A queue of frames between two threads, which knows how many wait in it.

    Parameters
    ----------
    most
        Frames from which on a writer waits, or what it brings is dropped if it cannot.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._blocks: deque[Frames] = deque()
        self._changed = threading.Condition()
        self._waiting = 0
        self._over = False
        self._error: Exception | None = None

    @property
    def waiting(self) -> int:
        """Frames in the queue."""
        return self._waiting

    def put(self, block: Frames, *, wait: bool = False) -> bool:
        """Hand over frames; whether they were taken."""
        with self._changed:
            while wait and self._waiting >= self._most and not self._over:
                self._changed.wait()
            if self._over or self._waiting >= self._most:
                return False
            self._blocks.append(block)
            self._waiting += len(block)
            self._changed.notify_all()
        return True

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes: for a reason that is told to the reader, or because it is over."""
        with self._changed:
            self._error = self._error or error
            self._over = True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frames | None:
        """All frames in the queue, as `Source.take`; raises the error that ended it, once."""
        with self._changed:
            if not self._blocks and not self._over:
                self._changed.wait(timeout_s)
            blocks, self._blocks = self._blocks, deque()
            self._waiting = 0
            self._changed.notify_all()
            if not blocks and not self._over:
                return np.empty((0, 0), dtype=np.float32)
            error = None
            if not blocks:
                error, self._error = self._error, None
        if error is not None:
            raise error
        # Outside the lock, which a sound card's thread may be about to need.
        return np.concatenate(blocks) if blocks else None
