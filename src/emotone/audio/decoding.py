"""Decoders: one source as a sequence of float32 chunks, whatever it is encoded in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emotone import interrupts
from emotone.audio.headers import Header, inspect
from emotone.audio.limits import MAX_RATE, MIN_RATE, Limits
from emotone.audio.sources import Encoded, open_encoded, source_name
from emotone.audio.waveform import FloatArray, Waveform
from emotone.errors import AudioError

CHUNK_SAMPLES = 1 << 20
"""Samples over all channels that are decoded at a time: 4 MiB, a whole clip in one step."""

_TOLERANCE_S = 0.1
_TOLERANCE = 0.01
"""Encoders pad and trim: a file is short only when it misses more than this of its promise."""


class Decoder(Protocol):
    """Decoded audio in pieces.

    Attributes
    ----------
    container, codec
        Names as their libraries give them, such as ``"WAV"`` and ``"PCM_16"``.
    rate
        In Hz.
    channels
        At least 1.
    promised_s
        Length the file promises in seconds, None where it does not say.
    note
        What was wrong on the way, as a clause; complete once `chunks` is exhausted.
    """

    container: str
    codec: str
    rate: int
    channels: int
    promised_s: float | None
    note: str | None

    @abstractmethod
    def chunks(self) -> Iterator[FloatArray]:
        """Yield the samples in order, each piece of shape ``(frames, channels)``."""


@contextmanager
def open_decoder(source: object, limits: Limits) -> Iterator[Decoder]:
    """Open any source.

    Raises
    ------
    AudioError
        When it cannot be opened or is not audio; see `emotone.errors.AudioError` for the codes.
    """
    if isinstance(source, Waveform):
        yield ArrayDecoder(source.samples, source.rate)
    elif isinstance(source, tuple):
        if len(source) != 2:
            raise AudioError(
                f"a tuple of {len(source)} is not (samples, rate)",
                source=source_name(source),
                code="bad_samples",
            )
        yield ArrayDecoder(*source)
    elif isinstance(source, np.ndarray):
        raise AudioError(
            "an array alone has no rate",
            source=source_name(source),
            remedy="Give the tuple (samples, rate).",
            code="bad_samples",
        )
    else:
        with open_encoded(source, limits) as encoded:
            header = inspect(encoded.handle, encoded.size)
            if header.no_channels:
                raise AudioError(
                    "its header says that it has no channels",
                    source=encoded.name,
                    remedy="Record or export it again.",
                    code="no_channels",
                )
            with interrupts.deferred():
                decoder = _open_file(encoded, header)
            try:
                _check_rate(decoder.rate, encoded.name)
                yield decoder
            finally:
                decoder.close()


def _open_file(encoded: Encoded, header: Header) -> FileDecoder:
    if not header.ffmpeg:
        from emotone.audio import libsndfile

        try:
            return libsndfile.LibsndfileDecoder(encoded, header)
        except libsndfile.Error:
            encoded.handle.seek(0)
    from emotone.audio.ffmpeg import FfmpegDecoder

    return FfmpegDecoder(encoded, header)


def _check_rate(rate: int, name: str) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"its rate of {rate} Hz is outside {MIN_RATE} to {MAX_RATE} Hz",
            source=name,
            remedy="Convert it to 16000 Hz.",
            code="bad_rate",
        )


class FileDecoder(Decoder):
    """What the decoders of files share: the comparison of what came with what was promised."""

    note: str | None

    @abstractmethod
    def close(self) -> None:
        """Let go of the library's handle, not of the file."""

    def falls_short(self, frames: int, promised_s: float) -> bool:
        """Whether so many frames are clearly fewer than a promise; encoders pad and trim."""
        return promised_s - frames / self.rate > max(_TOLERANCE_S, _TOLERANCE * promised_s)

    def compare(self, frames: int) -> None:
        """Note a file that ended before the length it promised."""
        if self.promised_s is None or self.note is not None:
            return
        if self.falls_short(frames, self.promised_s):
            self.note = (
                f"it ends after {frames / self.rate:.2f} s of the {self.promised_s:.2f} s that its "
                "header promises; what is there was read"
            )


class ArrayDecoder:
    """Samples that the caller has decoded already.

    Parameters
    ----------
    samples
        Shape ``(n,)`` or ``(n, channels)``; int8, int16, int32 of full scale, unsigned int8 with
        128 as zero (as WAV has it), or float16, float32, float64 from -1 to 1.
    rate
        In Hz, from 8,000 to 192,000.

    Raises
    ------
    AudioError
        ``bad_samples``, ``bad_rate`` or ``no_channels``.
    """

    container = "samples"

    def __init__(self, samples: npt.ArrayLike, rate: Any) -> None:
        name = "<samples>"
        array = np.asarray(samples)
        if array.ndim not in (1, 2):
            raise AudioError(
                f"an array of shape {array.shape} is not audio",
                source=name,
                remedy="Give shape (frames,) or (frames, channels).",
                code="bad_samples",
            )
        if not (array.dtype.kind == "f" or array.dtype in (np.int8, np.uint8, np.int16, np.int32)):
            raise AudioError(
                f"samples of type {array.dtype} have no known full scale",
                source=name,
                remedy="Give int8, uint8, int16, int32, or floats from -1 to 1.",
                code="bad_samples",
            )
        if isinstance(rate, bool | np.bool_) or not isinstance(
            rate, int | float | np.integer | np.floating
        ):
            raise AudioError(
                f"a rate of type {type(rate).__name__} is not a number of Hz",
                source=name,
                remedy="Give (samples, rate), in this order.",
                code="bad_samples",
            )
        if not np.isfinite(rate) or int(rate) != rate:
            raise AudioError(
                f"a rate of {rate} is not a whole number of Hz", source=name, code="bad_rate"
            )
        _check_rate(int(rate), name)
        if array.ndim == 2 and array.shape[1] == 0:
            raise AudioError("the array has no channels", source=name, code="no_channels")
        if array.ndim == 2 and array.shape[1] > array.shape[0] > 0:
            raise AudioError(
                f"{array.shape[1]} channels of {array.shape[0]} samples each",
                source=name,
                remedy="Channels are the second axis: give samples.T.",
                code="bad_samples",
            )
        self._array = array[:, np.newaxis] if array.ndim == 1 else array
        self.codec = str(array.dtype)
        self.rate = int(rate)
        self.channels = int(self._array.shape[1])
        self.promised_s: float | None = len(array) / self.rate
        self.note: str | None = None

    def chunks(self) -> Iterator[FloatArray]:
        """Yield the samples in order, each piece of shape ``(frames, channels)``."""
        step = max(1, CHUNK_SAMPLES // self.channels)
        for start in range(0, len(self._array), step):
            yield to_float(self._array[start : start + step])


def to_float(samples: npt.NDArray[Any]) -> FloatArray:
    """Scale integers of any width to float32 from -1 to 1; floats keep their values.

    Examples
    --------
    >>> to_float(np.array([-32768, 0, 16384], dtype=np.int16)).tolist()
    [-1.0, 0.0, 0.5]
    """
    kind, width = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f":
        # A double beyond the range of a float becomes infinite, and is reported as such.
        with np.errstate(over="ignore"):
            return samples.astype(np.float32)
    scale = np.float32(2.0 ** (1 - 8 * width))
    result = samples.astype(np.float32)
    if kind == "u":
        result -= np.float32(2.0 ** (8 * width - 1))
    result *= scale
    return result
