"""What the first bytes of an audio file promise, checked against the bytes that are there.

The decoders read a truncated file, or one whose header lies about its length, without a word.
Reading the few header fields that matter here first is how such a file gets its warning, and how
a container that only FFmpeg knows goes straight to FFmpeg.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

_TAIL = 65_536 + 512
"""The longest Ogg page, and some."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about itself.

    Attributes
    ----------
    ffmpeg
        The decoder to use is FFmpeg's, since soundfile does not know the container or trusts a
        header that is wrong.
    promised_s
        Length the header promises, in seconds, where the decoder will not tell.
    promised_ratio
        Bytes promised over bytes there, above 1 for a truncated file.
    no_channels
        The header says that there are no channels.
    note
        What is wrong, as a clause, where the file can be read all the same.
    """

    ffmpeg: bool = False
    promised_s: float | None = None
    promised_ratio: float = 1.0
    no_channels: bool = False
    note: str | None = None


TRUSTED = Header()
FOR_FFMPEG = Header(ffmpeg=True)

BROKEN_OFF = Header(ffmpeg=True, note="it breaks off early; what is there was read")

_FFMPEG_ONLY = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"0&\xb2u",  # ASF, WMA
    b"\x00\x00\x01\xba",  # MPEG programme stream
    b"FLV",
    b"#!AMR",
    b"MAC ",  # Monkey's Audio
    b"wvpk",  # WavPack
)

_UNKNOWN_LENGTH = 0x7FFF_F000
"""Sizes from here on are what programs write when they stream and cannot go back."""

_NO_LENGTH = "its header gives no length, as when a recorder is cut off; all that follows was read"


def inspect(handle: IO[bytes], size: int) -> Header:
    """Inspect a file's header and leave the file at its start.

    Parameters
    ----------
    handle
        A seekable binary file at its start.
    size
        Its length in bytes.
    """
    try:
        return _inspect(handle, size)
    except (struct.error, IndexError):
        # Cut off inside its header: the decoder says what is wrong with it.
        return TRUSTED
    finally:
        handle.seek(0)


def _inspect(handle: IO[bytes], size: int) -> Header:
    head = handle.read(64)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return _riff(handle, size, head)
    if head[:4] == b"RIFF":
        length = struct.unpack("<I", head[4:8])[0]
        return BROKEN_OFF if size < length + 8 < _UNKNOWN_LENGTH else FOR_FFMPEG
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(handle, size)
    if head[:4] == b".snd":
        return _au(head, size)
    if head[:4] == b"fLaC":
        return _flac(handle, size)
    if head[:4] == b"OggS":
        return _ogg(handle, size)
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1] & 0xE0 == 0xE0):
        return _mpeg(handle, size, head)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _iso(handle, size)
    if head.startswith(_FFMPEG_ONLY):
        return FOR_FFMPEG
    return TRUSTED


def _riff(handle: IO[bytes], size: int, head: bytes) -> Header:
    """WAVE: a list of chunks, each a name, a size, and that many bytes padded to even."""
    order = ">" if head[:4] == b"RIFX" else "<"
    byte_rate, long_size, position = 0, None, 12
    while position + 8 <= size:
        handle.seek(position)
        name, length = struct.unpack(f"{order}4sI", handle.read(8))
        position += 8
        if name == b"ds64":
            long_size = struct.unpack("<8xQ", handle.read(16))[0]
        elif name == b"fmt ":
            _, channels, _, byte_rate = struct.unpack(f"{order}HHII", handle.read(12))
            if channels == 0:
                return Header(no_channels=True)
        elif name == b"data":
            if head[:4] == b"RF64" and length == 0xFFFF_FFFF and long_size is not None:
                length = long_size
            elif length >= _UNKNOWN_LENGTH:
                return TRUSTED
            return _riff_data(handle, size, position, length, byte_rate, order)
        position += length + length % 2
    return TRUSTED


def _riff_data(
    handle: IO[bytes], size: int, start: int, length: int, byte_rate: int, order: str
) -> Header:
    there = size - start
    if length > there:
        return Header(promised_ratio=length / there if there else 1.0)
    # Tags may follow the samples; what is no chunk and lasts is sound that the header disowns.
    position = start + length + length % 2
    while position + 8 <= size:
        handle.seek(position)
        name, chunk_length = struct.unpack(f"{order}4sI", handle.read(8))
        if not all(32 <= byte < 127 for byte in name) or position + 8 + chunk_length > size + 1:
            break
        position += 8 + chunk_length + chunk_length % 2
    left = size - position
    if left <= max(byte_rate // 10, 8):
        return TRUSTED
    if length == 0:
        return Header(ffmpeg=True, note=_NO_LENGTH)
    return Header(
        note=f"{left:,} bytes follow the samples that its header declares; those were left out"
    )


def _aiff(handle: IO[bytes], size: int) -> Header:
    position = 12
    while position + 8 <= size:
        handle.seek(position)
        name, length = struct.unpack(">4sI", handle.read(8))
        if name == b"COMM" and handle.read(2) == b"\0\0":
            return Header(no_channels=True)
        if name == b"SSND":
            there = size - position - 16
            if 0 < there < length - 8 < _UNKNOWN_LENGTH:
                return Header(promised_ratio=(length - 8) / there)
            return TRUSTED
        position += 8 + length + length % 2
    return TRUSTED


def _au(head: bytes, size: int) -> Header:
    start, length, _, _, channels = struct.unpack(">5I", head[4:24])
    if channels == 0:
        return Header(no_channels=True)
    if 0 < size - start < length < _UNKNOWN_LENGTH:
        return Header(promised_ratio=length / (size - start))
    return TRUSTED


def _flac(handle: IO[bytes], size: int) -> Header:
    """FLAC: the first metadata block holds rate, channels, bits and total of samples (RFC 9639)."""
    position, last, stream = 4, False, 0
    while not last and position + 4 <= size:
        handle.seek(position)
        block = handle.read(4)
        last = bool(block[0] & 0x80)
        if block[0] & 0x7F == 0:
            stream = int.from_bytes(handle.read(18)[10:18], "big")
        position += 4 + int.from_bytes(block[1:4], "big")
    rate, channels = stream >> 44, (stream >> 41 & 7) + 1
    bits, total = (stream >> 36 & 31) + 1, stream & (1 << 36) - 1
    if rate == 0:
        return TRUSTED
    if total == 0:
        return FOR_FFMPEG  # length unknown, as a streaming encoder leaves it
    # No frame of FLAC is much longer than its samples would be uncompressed.
    if size - position > 1.1 * total * channels * bits / 8 + 65_536:
        return Header(
            ffmpeg=True,
            note=f"its header says {total / rate:.2f} s and more follows; all of it was read",
        )
    return Header(promised_s=total / rate)


def _iso(handle: IO[bytes], size: int) -> Header:
    """MP4, M4A, MOV: boxes, each with its size and name, one after the other (ISO 14496-12)."""
    position = 0
    while position + 8 <= size:
        handle.seek(position)
        (length,) = struct.unpack(">I4x", handle.read(8))
        if length == 1:
            length = struct.unpack(">Q", handle.read(8))[0]
        if length < 8:
            break  # 0 means up to the end of the file
        position += length
    return BROKEN_OFF if position > size else FOR_FFMPEG


def _ogg(handle: IO[bytes], size: int) -> Header:
    """Ogg: the last page of a stream that was written to its end is marked so (RFC 3533)."""
    handle.seek(max(0, size - _TAIL))
    tail = handle.read(_TAIL)
    page = tail.rfind(b"OggS\x00")
    if page >= 0 and page + 27 <= len(tail):
        segments = tail[page + 27 : page + 27 + tail[page + 26]]
        end = page + 27 + tail[page + 26] + sum(segments)
        if tail[page + 5] & 4 and end <= len(tail):
            return TRUSTED
    return Header(note="it breaks off before its last page; what is there was read")


_MPEG_PIECE = 65_536

_MPEG_FRAME_S = 0.072
"""The longest frame; the index stands in one that it does not count."""

_KBITS = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),  # version 1, layer I
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),  # version 1, layer II
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # version 1, layer III
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),  # version 2, layer I
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # version 2, layers II, III
)


def _mpeg(handle: IO[bytes], size: int, head: bytes) -> Header:
    """MPEG audio: soundfile gets it where its frames follow each other as they should.

    libsndfile's MP3 decoder prints to standard error about every file that is not in order, so
    one that is damaged, or breaks off, goes to FFmpeg.
    """
    start = 0
    if head[:3] == b"ID3":
        flags, tag = head[5], head[6:10]
        start = (
            10 + (tag[0] << 21 | tag[1] << 14 | tag[2] << 7 | tag[3]) + (10 if flags & 16 else 0)
        )
        handle.seek(start)
        if handle.read(4) == b"fLaC":
            return FOR_FFMPEG
    handle.seek(start)
    data = handle.read(256)
    first = _mpeg_frame(data)
    if first is None:
        return FOR_FFMPEG  # ADTS (AAC), or damaged
    promised_s = None
    index = max(data.find(b"Xing", 0, 64), data.find(b"Info", 0, 64))
    if index > 0:
        flags, frames = struct.unpack(">II", data[index + 4 : index + 12])
        promised_s = frames * first[1] if flags & 1 else None
    return _mpeg_frames(handle, size, start, promised_s)


def _mpeg_frames(handle: IO[bytes], size: int, start: int, promised_s: float | None) -> Header:
    """Walk from frame to frame to the end, a microsecond each."""
    seconds, position = 0.0, start
    data, offset = b"", 0
    while position + 4 <= size:
        at = position - offset
        if not 0 <= at <= len(data) - 4:
            handle.seek(position)
            data, offset, at = handle.read(_MPEG_PIECE), position, 0
        frame = _mpeg_frame(data[at : at + 4])
        if frame is None:
            handle.seek(position)
            if handle.read(8).startswith((b"TAG", b"APETAGEX", b"LYRICS", b"ID3", bytes(4))):
                return TRUSTED
            note = f"it is damaged after {seconds:.2f} s; what could be read was"
            return Header(ffmpeg=True, promised_s=promised_s, note=note)
        position += frame[0]
        seconds += frame[1]
    if position > size:
        # Cut off inside a frame: by how much, only an index tells.
        return Header(True, promised_s) if promised_s else BROKEN_OFF
    if promised_s and seconds > 1.01 * promised_s + 2 * _MPEG_FRAME_S:
        # libsndfile would stop there, and its decoder print a warning of its own.
        note = f"its header says {promised_s:.2f} s and more follows; all of it was read"
        return Header(ffmpeg=True, note=note)
    return TRUSTED


def _mpeg_frame(data: bytes) -> tuple[int, float] | None:
    """Bytes and seconds of the MPEG audio frame that starts here, None where none does."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)  # version 3 is MPEG-1, 0 is 2.5
    bitrate, rate_index, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate_index == 3:
        return None
    rate = (44_100, 48_000, 32_000)[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    row = layer - 1 if version == 3 else (3 if layer == 1 else 4)
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1
    length = (samples // 8 * _KBITS[row][bitrate] * 1000 // rate // slot + padding) * slot
    return length, samples / rate
