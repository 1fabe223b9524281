"""Sound on its way to a service: files to upload, and blocks of 16-bit samples at their pace."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from emotone import interrupts
from emotone.errors import AudioError, UsageError

if TYPE_CHECKING:
    from emotone.audio.sources import Source
    from emotone.live.arrivals import Source as LiveSource

BLOCK_S = 0.04
"""Of a file, sent at once."""

AHEAD_S = 5.0
"""How far ahead of real time a file is sent unless asked for otherwise."""

Samples = npt.ArrayLike | bytes
"""Floats from -1 to 1, integers of 16 bits, or the bytes of such integers; mono."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that can be sent more than once.

    Attributes
    ----------
    name
        Of the file.
    open
        Its content from the beginning.
    """

    name: str
    open: Callable[[], BinaryIO]


def upload(source: Source) -> Upload:
    """A path, bytes, a binary file object, or ``(samples, rate)`` to send.

    Raises
    ------
    AudioError
        If there is no such file.
    UsageError
        If it is nothing of these.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise AudioError(
                "there is no such file", source=path, remedy="Check the path.", code="missing_file"
            )
        return Upload(path.name, lambda: path.open("rb"))
    if isinstance(source, bytes):
        return Upload("clip", lambda: io.BytesIO(source))
    if isinstance(source, tuple):
        import soundfile

        samples, rate = cast("tuple[npt.ArrayLike, int]", source)
        buffer = io.BytesIO()
        with interrupts.deferred():
            soundfile.write(buffer, np.asarray(samples), rate, format="WAV")
        wav = buffer.getvalue()
        return Upload("samples.wav", lambda: io.BytesIO(wav))
    if hasattr(source, "read"):
        content = source.read()
        name = Path(str(getattr(source, "name", "clip"))).name
        return Upload(name, lambda: io.BytesIO(content))
    raise UsageError(
        f"{type(source).__name__} is no audio to send",
        remedy="Give a path, bytes, a binary file, or (samples, rate).",
    )


def pcm(samples: Samples) -> bytes:
    """Samples as the little-endian integers of 16 bits that a live session takes.

    Raises
    ------
    UsageError
        If they are neither floats nor integers of 16 bits, or not of one channel.
    """
    if isinstance(samples, (bytes, bytearray, memoryview)):
        return bytes(samples)
    block = np.asarray(samples)
    if block.ndim != 1:
        raise UsageError(
            f"samples of the shape {block.shape}", remedy="Give one channel, shape (n,)."
        )
    if block.dtype.kind == "f":
        whole = np.round(np.clip(np.nan_to_num(block), -1.0, 1.0) * 32767)
        return bytes(whole.astype("<i2").tobytes())
    if (block.dtype.kind, block.dtype.itemsize) == ("i", 2) or not len(block):
        return bytes(block.astype("<i2").tobytes())
    raise UsageError(
        f"samples of the type {block.dtype}",
        remedy="Give floats from -1 to 1, or integers of 16 bits.",
    )


def blocks(source: Any, rate: int) -> Generator[bytes, None, None]:
    """The sound of a source as blocks to send.

    Parameters
    ----------
    source
        A path, bytes of a file, a binary file object or ``(samples, rate)``, which are decoded to
        the rate; a live source such as `emotone.live.Microphone` at that rate; or anything that
        gives blocks of samples.
    rate
        Of the session, in Hz.

    Raises
    ------
    UsageError
        If a live source has another rate, or it is nothing of these.
    AudioError, DeviceError
        If it cannot be read.
    """
    if hasattr(source, "take"):
        yield from _live(source, rate)
    elif isinstance(source, (str, os.PathLike, bytes, tuple)) or hasattr(source, "read"):
        from emotone import audio

        for block in audio.read_blocks(source, block_s=BLOCK_S, rate=rate):
            yield pcm(block.samples)
    elif isinstance(source, Iterable):
        for samples in source:
            yield pcm(samples)
    else:
        raise UsageError(
            f"{type(source).__name__} is no sound to send",
            remedy="Give a file, an iterator of blocks, or a microphone.",
        )


def _live(source: LiveSource, rate: int) -> Iterator[bytes]:
    if source.rate != rate:
        raise UsageError(
            f"the session was opened for {rate} Hz, but {source.name} has {source.rate}",
            remedy="Open it with the rate of the source.",
        )
    try:
        while True:
            frames = source.take(0.1)
            if frames is None:
                return
            if len(frames):
                yield pcm(frames.mean(axis=1, dtype=np.float32))
    finally:
        source.close()


class Pace:
    """How long to wait before more is sent, so that it is not too fast for a live session.

    Parameters
    ----------
    rate
        Of the samples, in Hz.
    ahead_s
        How far ahead of real time to be, in seconds.
    clock
        Seconds, from anywhere.
    """

    def __init__(self, rate: int, ahead_s: float, clock: Callable[[], float]) -> None:
        if not ahead_s >= 0:
            raise UsageError(f"ahead_s is {ahead_s}", remedy="Give 0 or more seconds.")
        self._rate, self._ahead_s, self._clock = rate, ahead_s, clock
        self._began: float | None = None
        self._samples = 0

    def wait_s(self, block: bytes) -> float:
        """Seconds until this block, the next one, should be sent."""
        now = self._clock()
        if self._began is None:
            self._began = now
        self._samples += len(block) // 2
        return self._began + self._samples / self._rate - self._ahead_s - now
