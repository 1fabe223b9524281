"""Decoding through libsndfile (soundfile): WAV, FLAC, Ogg, Opus, MP3, AIFF and their kin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import soundfile

from emotone.audio import decoding
from emotone.audio.headers import Header
from emotone.audio.sources import Encoded
from emotone.audio.waveform import FloatArray
from emotone.errors import AudioError

Error = soundfile.LibsndfileError


class _Input:
    """A file as libsndfile sees it: without a name, and without exceptions.

    From a name's ending soundfile would guess at a raw encoding. An exception inside a callback
    of C code is printed and lost, so it is kept here for `check`.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._error: OSError | None = None
        self.tell = handle.tell

    def read(self, size: int) -> bytes:
        """Read, or answer with the end of the file where that fails."""
        try:
            return self._handle.read(size)
        except OSError as error:
            self._error = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek, or stay where a damaged header sends to a place before the start."""
        try:
            return self._handle.seek(offset, whence)
        except (ValueError, OSError):
            return self._handle.tell()

    def check(self) -> None:
        """Raise what a read has failed with."""
        if self._error is not None:
            raise self._error


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile read from front to back.

    SoundFile seeks after every read of a file that can seek. An MP3 or Opus decoder loses its
    memory at a seek, and a truncated FLAC loses what it just gave.
    """

    def seekable(self) -> bool:
        """No."""
        return False


class LibsndfileDecoder(decoding.FileDecoder):
    """Everything libsndfile reads: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, AU, CAF and more.

    The first chunk is decoded at once, so that a file libsndfile chokes on fails here, where
    FFmpeg can still take over.

    Raises
    ------
    Error
        When libsndfile cannot open the file or decode its start.
    """

    def __init__(self, encoded: Encoded, header: Header) -> None:
        self._encoded, self._header = encoded, header
        self._input = _Input(encoded.handle)
        self._file = _ForwardFile(self._input)
        try:
            self.container = self._file.format
            self.codec = self._file.subtype
            self.rate = self._file.samplerate
            self.channels = self._file.channels
            self.note = header.note
            self._step = max(1, decoding.CHUNK_SAMPLES // self.channels)
            self._done = 0
            self._first: FloatArray | None = self._read()
        except BaseException:
            self._file.close()
            raise
        self.promised_s = header.promised_s
        if self.promised_s is None:
            self.promised_s = self._file.frames * header.promised_ratio / self.rate

    def _read(self) -> FloatArray:
        # frames is the header's word, so never ask for (and allocate) more than one step of it.
        frames = min(self._step, self._file.frames - self._done)
        chunk: FloatArray = self._file.read(frames, dtype="float32", always_2d=True)
        self._input.check()
        self._done += len(chunk)
        return chunk

    def chunks(self) -> Iterator[FloatArray]:
        """Yield the samples in order, each piece of shape ``(frames, channels)``."""
        chunk, self._first = self._first, None
        frames = 0
        damaged = False
        while chunk is not None and len(chunk):
            frames += len(chunk)
            yield chunk
            chunk = None
            if frames < self._file.frames:
                try:
                    chunk = self._read()
                except Error:
                    damaged = True
        if damaged or self.falls_short(frames, self._file.frames / self.rate):
            for rest in self._rest(frames):
                frames += len(rest)
                yield rest
        self.compare(frames)

    def _rest(self, done: int) -> Iterator[FloatArray]:
        """What FFmpeg, which steps over damage, can still read after the frames already done."""
        from emotone.audio.ffmpeg import FfmpegDecoder

        self._encoded.handle.seek(0)
        place = f"it is damaged after {done / self.rate:.2f} s"
        damage = f"{place}; what could be read was"
        try:
            decoder = FfmpegDecoder(self._encoded, self._header)
        except AudioError:
            self.note = self.note or damage
            return
        try:
            if (decoder.rate, decoder.channels) == (self.rate, self.channels):
                for chunk in decoder.chunks():
                    if len(chunk) > done:
                        yield chunk[done:]
                    done = max(0, done - len(chunk))
                self.note = self.note or (decoder.note and f"{place}; {decoder.note}")
            else:
                self.note = self.note or damage
        finally:
            decoder.close()

    def close(self) -> None:
        """Let go of libsndfile's handle."""
        self._file.close()
