"""WAV without seeking: its header read from a pipe, and a file that is whole at every moment."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.decoding import to_float
from emotone.audio.waveform import FloatArray
from emotone.errors import AudioError

_UNKNOWN_LENGTHS = (range(0x7FFF_F000, 0x8000_0001), range(0xFFFF_F000, 0x1_0000_0000))
"""Sizes that programs write that stream and cannot go back; 0 is another."""

_SIGNED = 0x8000_0000
"""From here on a size is believed only if that of the whole file agrees."""

_AFTER = frozenset(
    (b"LIST", b"JUNK", b"junk", b"PAD ", b"FLLR", b"fact", b"PEAK", b"cue ", b"smpl", b"inst",
     b"plst", b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX", b"afsp", b"cart")
)  # fmt: skip
"""Chunks that may come after the samples, and so after none at all."""

_MOST_HEADER = 16 * 1024**2
"""Bytes before the samples, tags and pictures among them, after which there will be none."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE

BY_FFMPEG = "Let FFmpeg turn it into WAV: … | ffmpeg -i - -f wav - | emotone listen --stdin"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How samples lie in bytes.

    Attributes
    ----------
    name
        ``"s16le"``, ``"f32le"``, as FFmpeg has it.
    width
        Bytes of a sample.
    bits
        What a recording needs to lose nothing: 16 or 24, or 32 for floats.
    """

    name: str
    width: int
    bits: int

    def decode(self, data: bytes, channels: int) -> FloatArray:
        """Bytes of whole frames as float32 of shape ``(frames, channels)``."""
        if self.name == "s24le":
            wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
            wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
            samples: npt.NDArray[Any] = wide.view("<i4")[:, 0]
        else:
            samples = np.frombuffer(data, dtype=_TYPES[self.name])
        return to_float(samples.reshape(-1, channels))


_TYPES = {"u8": "u1", "s16le": "<i2", "s32le": "<i4", "f32le": "<f4", "f64le": "<f8"}

ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        Encoding("u8", 1, 16),
        Encoding("s16le", 2, 16),
        Encoding("s24le", 3, 24),
        Encoding("s32le", 4, 32),
        Encoding("f32le", 4, 32),
        Encoding("f64le", 8, 32),
    )
}
"""What can be decoded, by name."""

_OF_WAV = {
    (_PCM, 8): "u8",
    (_PCM, 16): "s16le",
    (_PCM, 24): "s24le",
    (_PCM, 32): "s32le",
    (_FLOAT, 32): "f32le",
    (_FLOAT, 64): "f64le",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a WAV says before its samples.

    Attributes
    ----------
    encoding
        Of the samples.
    rate
        In Hz.
    channels
        At least 1.
    length
        Bytes of samples; None where it does not say.
    samples
        The first of those bytes, where they had to be read.
    """

    encoding: Encoding
    rate: int
    channels: int
    length: int | None
    samples: bytes = b""


def is_wav(start: bytes) -> bool:
    """Whether the first twelve bytes are those of a WAV."""
    return start[:4] in (b"RIFF", b"RF64", b"BW64") and start[8:12] == b"WAVE"


def read_header(start: bytes, read: Callable[[int], bytes], name: str) -> Header:
    """Read on after the first twelve bytes, up to the samples.

    Parameters
    ----------
    start
        The first twelve bytes.
    read
        Gives as many bytes as asked for, fewer only at the end.
    name
        What to call the source in messages.

    Raises
    ------
    AudioError
        If it ends before the samples, is damaged, or holds samples that are not decoded here.
    """
    form: bytes | None = None
    long_length: int | None = None
    done = 0
    while done < _MOST_HEADER:
        head = read(8)
        if len(head) < 8:
            raise _broken(name, "it ends before its samples begin")
        chunk, length = struct.unpack("<4sI", head)
        if chunk == b"data":
            if form is None:
                raise _broken(name, "its header does not say what its samples are")
            if length == 0:
                ahead = read(8)
                return _header(form, 0 if ahead[:4] in _AFTER else None, name, ahead)
            if length == 0xFFFF_FFFF and start[:4] != b"RIFF":
                return _header(form, long_length, name)
            whole = struct.unpack("<I", start[4:8])[0]
            return _header(form, _known(length, whole - (done + 12)), name)
        if length > _MOST_HEADER - done:
            break
        body = read(length + length % 2)
        done += 8 + len(body)
        if chunk == b"fmt ":
            form = body
        elif chunk == b"ds64" and len(body) >= 16:
            long_length = struct.unpack("<8xQ", body[:16])[0] or None
    raise _broken(name, f"no samples begin in its first {_MOST_HEADER:,} bytes")


def _known(length: int, most: int) -> int | None:
    """The length of the samples, if it is one; `most` fit into what the file says to be."""
    if any(length in unknown for unknown in _UNKNOWN_LENGTHS):
        return None
    return length if length < _SIGNED or length <= most else None


def _header(form: bytes, length: int | None, name: str, samples: bytes = b"") -> Header:
    if len(form) < 16:
        raise _broken(name, "its header is damaged")
    tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", form[:16])
    if tag == _EXTENSIBLE and len(form) >= 26:
        tag = struct.unpack("<H", form[24:26])[0]
    encoding = ENCODINGS.get(_OF_WAV.get((tag, bits), ""))
    if channels == 0:
        raise AudioError(
            "its header says that it has no channels",
            source=name,
            remedy="Record or export it again.",
            code="no_channels",
        )
    if encoding is None:
        raise AudioError(
            f"a WAV with samples of type {tag} and {bits} bits is not read from a pipe",
            source=name,
            remedy=BY_FFMPEG,
        )
    if align != channels * encoding.width:
        raise _broken(name, "its header is damaged")
    return Header(encoding, rate, channels, length, samples)


def _broken(name: str, what: str) -> AudioError:
    return AudioError(f"{what}, so it is no WAV", source=name, remedy=BY_FFMPEG)


_HEADER_BYTES = 80
_MOST_RIFF = 0xFFFF_FFFF
"""Bytes that the sizes in a plain header can tell; from here on it is an RF64."""


class WavFile:
    """A WAV that grows, whose header is right after every write, whatever happens next.

    Past 4 GiB it becomes an RF64 (EBU Tech 3306), for which a place is kept in its header.

    Parameters
    ----------
    path
        Where; the file must not be there yet.
    rate
        In Hz.
    channels
        At least 1.
    bits
        16 or 24 for integers, 32 for floats.

    Raises
    ------
    OSError
        If it cannot be made, FileExistsError where there is one; or in `write`.
    """

    def __init__(self, path: Path, rate: int, channels: int, bits: int) -> None:
        self._rate, self._channels, self._bits = rate, channels, bits
        self._bytes = 0
        # Without a buffer, which would try again at the end what a full disk has refused.
        self._file = path.open("xb", buffering=0)
        self._put(0, self._header())

    def write(self, frames: FloatArray) -> None:
        """Append float32 from -1 to 1, shape ``(frames, channels)``."""
        data = to_bytes(frames, self._bits)
        try:
            # An odd number of bytes is made even, as RIFF has it; what comes next goes over that.
            self._put(_HEADER_BYTES + self._bytes, data + bytes(self._odd(len(data))))
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(_HEADER_BYTES + self._bytes + self._odd())
            raise
        # Only now: the header must not promise what a full disk did not take.
        self._bytes += len(data)
        self._put(0, self._header())

    def close(self) -> None:
        """Let go of the file; may be called again."""
        self._file.close()

    def __enter__(self) -> WavFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _odd(self, more: int = 0) -> int:
        return (self._bytes + more) % 2

    def _put(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _header(self) -> bytes:
        width = self._bits // 8
        riff = self._bytes + self._odd() + _HEADER_BYTES - 8
        if riff <= _MOST_RIFF:
            head = struct.pack("<4sI4s", b"RIFF", riff, b"WAVE")
            head += struct.pack("<4sI28x", b"JUNK", 28)
            length = self._bytes
        else:
            head = struct.pack("<4sI4s", b"RF64", 0xFFFF_FFFF, b"WAVE")
            frames = self._bytes // (width * self._channels)
            head += struct.pack("<4sIQQQI", b"ds64", 28, riff, self._bytes, frames, 0)
            length = 0xFFFF_FFFF
        head += struct.pack(
            "<4sIHHIIHH",
            b"fmt ",
            16,
            _FLOAT if self._bits == 32 else _PCM,
            self._channels,
            self._rate,
            self._rate * self._channels * width,
            self._channels * width,
            self._bits,
        )
        return head + struct.pack("<4sI", b"data", length)


def to_bytes(frames: FloatArray, bits: int) -> bytes:
    """Samples in the bytes of a WAV; integers that were decoded come out as they were."""
    if bits == 32:
        return frames.astype("<f4").tobytes()
    integers = to_integers(frames, bits)
    if bits == 16:
        return integers.astype("<i2").tobytes()
    flat = np.ascontiguousarray(integers, dtype="<i4").reshape(-1, 1)
    return flat.view(np.uint8)[:, :3].tobytes()


def to_integers(frames: FloatArray, bits: int) -> npt.NDArray[np.int32]:
    """Samples scaled to integers of so many bits; what is beyond full scale is cut."""
    scale = 2 ** (bits - 1)
    scaled = np.rint(frames.astype(np.float64) * scale)
    integers: npt.NDArray[np.int32] = np.clip(scaled, -scale, scale - 1).astype(np.int32)
    return integers
