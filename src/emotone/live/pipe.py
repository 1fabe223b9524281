"""Sound from standard input or another stream of bytes: WAV, or raw PCM."""

from __future__ import annotations

import os
import select
import threading
import time
import warnings
from collections.abc import Callable
from typing import IO, Any

from emotone.audio.limits import MAX_RATE, MIN_RATE, check_rate
from emotone.audio.waveform import FloatArray
from emotone.errors import AudioError, AudioWarning, EmotoneError, UsageError
from emotone.live.arrivals import MOST_BYTES, Arrivals
from emotone.live.wav import BY_FFMPEG, ENCODINGS, Encoding, is_wav, read_header

RAW = ("s16le", "f32le")
"""What raw PCM may be: 16-bit integers or floats, the lower byte first."""

MOST_CHANNELS = 64

_BEFORE = "Check the program before the pipe."

_PIECE_S = 0.1
_NOTHING_S = 0.02
_AHEAD_S = 2.0
_AHEAD_LIVE_S = 600.0
"""Seconds that are read before they are heard; then whoever writes has to wait."""

_WIDTH = 4
"""Bytes of a sample that waits."""

_MAGIC = (
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"ID3", "MP3"),
    (4, b"ftyp", "MP4"),
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (0, b"RIFX", "WAV with the higher byte first"),
    (0, b"FORM", "AIFF"),
    (0, b".snd", "AU"),
)


class Pipe:
    """A stream of bytes, read by a thread of its own.

    A WAV is known by its header, whose length may be 0 or the largest number, as in what programs
    write to a pipe; it is then read to the end of the stream. Anything else is raw PCM, if `rate`
    says at which rate.

    Parameters
    ----------
    stream
        Binary; a ``read(n)`` that gives what is there without waiting for all of it suits best.
    rate
        Of raw PCM, in Hz.
    channels
        Of raw PCM, interleaved; 1 when None.
    encoding
        Of raw PCM, one of `RAW`; the first when None.
    realtime
        Whether the sound goes on while it is not read, as that of a microphone does.
    name
        What to call it.

    Raises
    ------
    AudioError
        If nothing comes, it is neither WAV nor said to be PCM, or a WAV that is damaged or not
        decoded here.
    UsageError
        If the options make no sense, or a WAV is not what they say.
    """

    def __init__(
        self,
        stream: IO[bytes],
        *,
        rate: int | None = None,
        channels: int | None = None,
        encoding: str | None = None,
        realtime: bool = False,
        name: str = "standard input",
    ) -> None:
        _check(rate, channels, encoding)
        self.name = name
        self.is_live = realtime
        self.overflows = 0
        self._stream = stream
        self._read_some: Callable[[int], bytes | None] = getattr(stream, "read1", stream.read)
        self._closed = False
        start = self._exactly(12)
        if not start:
            raise AudioError(
                "nothing came in",
                source=name,
                remedy=_BEFORE,
                code="empty_file",
            )
        self._left: int | None = None
        self._rest = b""
        self._encoding: Encoding
        if is_wav(start):
            header = read_header(start, self._exactly, name)
            self.rate, self.channels, self._encoding = header.rate, header.channels, header.encoding
            self._left = self._promised = header.length
            self._rest = header.samples if header.length is None else b""
            self._agrees(rate, channels, encoding)
        else:
            self._rest = start
            self.rate, self.channels = _raw(start, rate, name), channels or 1
            self._encoding = ENCODINGS[encoding or RAW[0]]
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise AudioError(
                f"its rate of {self.rate} Hz is outside {MIN_RATE} to {MAX_RATE} Hz",
                source=name,
                remedy="Convert it to 16000 Hz or more.",
                code="bad_rate",
            )
        if self.channels > MOST_CHANNELS:
            raise AudioError(
                f"it has {self.channels} channels, and {MOST_CHANNELS} are the most",
                source=name,
                remedy="Check that it is what it says, or send fewer.",
                code="no_channels",
            )
        self.bits = self._encoding.bits
        self._notes: list[str] = []
        ahead_s = _AHEAD_LIVE_S if realtime else _AHEAD_S
        most = min(round(ahead_s * self.rate), MOST_BYTES // (self.channels * _WIDTH))
        self._arrivals = Arrivals(most)
        # A daemon, since nothing can wake it from a read that waits for bytes.
        self._thread = threading.Thread(target=self._fill, name="emotone-pipe", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Frames that have come and were not taken."""
        return self._arrivals.waiting

    def take(self, timeout_s: float) -> FloatArray | None:
        """All that has come since the last call; see `Source.take`.

        Raises
        ------
        AudioError
            If there was no sound at all, or the reading failed.

        Warns
        -----
        AudioWarning
            At the end, if it broke off in the middle of a frame or before its promised length.
        """
        found: Any = self._arrivals.take(timeout_s)
        if found is None:
            notes, self._notes = self._notes, []
            for note in notes:
                warnings.warn(AudioWarning(f"{self.name}: {note}."), stacklevel=2)
            return None
        taken: FloatArray = found.reshape(len(found), self.channels)
        return taken

    def close(self) -> None:
        """Take nothing more; the stream is the caller's to close. May be called again."""
        self._closed = True
        self._arrivals.end()

    def _fill(self) -> None:
        """In a thread: bytes to frames, until the end."""
        try:
            self._decode()
        except EmotoneError as error:
            self._arrivals.end(error)
        except Exception as error:
            why = getattr(error, "strerror", None) or error
            self._arrivals.end(
                AudioError(f"reading failed ({why})", source=self.name, remedy=_BEFORE)
            )
        else:
            self._arrivals.end()

    def _decode(self) -> None:
        frame = self.channels * self._encoding.width
        piece = max(1, round(_PIECE_S * self.rate)) * frame
        rest, frames = self._rest, 0
        while True:
            if rest and len(rest) >= frame:
                whole = len(rest) - len(rest) % frame
                block = self._encoding.decode(rest[:whole], self.channels)
                frames += len(block)
                if not self._arrivals.put(block, wait=True):
                    return
                rest = rest[whole:]
            wanted = piece if self._left is None else min(piece, self._left)
            data = self._read(wanted) if wanted else b""
            if not data:
                break
            if self._left is not None:
                self._left -= len(data)
            rest += data
        if not frames:
            raise AudioError(
                "it holds no audio samples",
                source=self.name,
                remedy=_BEFORE,
                code="no_samples",
            )
        if self._left:
            self._notes.append(
                f"it ends after {frames / self.rate:.2f} s of the "
                f"{(self._promised or 0) / frame / self.rate:.2f} s that its header promises"
            )
        if rest:
            self._notes.append(
                f"it ends in the middle of a sample; the last {len(rest)} bytes were left out"
            )

    def _read(self, count: int) -> bytes:
        """Some bytes, none at the end."""
        data = self._read_some(count)
        while not data and not self._closed:
            # Of a stream that does not wait, None means that nothing is there yet; a buffer before
            # it, as that of sys.stdin, says so by no bytes.
            if data is not None and not self._waits_not():
                break
            if self._ready():
                data = self._read_some(count)
                if data is not None:
                    break
        return data or b""

    def _waits_not(self) -> bool:
        try:
            return not os.get_blocking(self._stream.fileno())
        except (AttributeError, OSError, ValueError):  # on Windows, or no file
            return False

    def _ready(self) -> bool:
        """Wait a little; whether it is worth while to read again."""
        try:
            return bool(select.select([self._stream], [], [], _NOTHING_S)[0])
        except (OSError, TypeError, ValueError):  # no pipes on Windows, or no file
            time.sleep(_NOTHING_S)
            return True

    def _exactly(self, count: int) -> bytes:
        """So many bytes, fewer only at the end."""
        found = b""
        while len(found) < count:
            data = self._read(count - len(found))
            if not data:
                break
            found += data
        return found

    def _agrees(self, rate: int | None, channels: int | None, encoding: str | None) -> None:
        """Refuse a WAV that is not what the options say."""
        for option, said, there in (
            ("--rate", rate, self.rate),
            ("--channels", channels, self.channels),
            ("--format", encoding, self._encoding.name),
        ):
            if said is not None and said != there:
                raise UsageError(
                    f"it is a WAV with {option[2:]} {there}, and {option} says {said}",
                    source=self.name,
                    remedy="Leave it out: it is for raw PCM, and a WAV says itself what it is.",
                )


def _check(rate: int | None, channels: int | None, encoding: str | None) -> None:
    if rate is not None:
        check_rate(rate)
    if channels is not None and not 1 <= channels <= MOST_CHANNELS:
        raise UsageError(
            f"{channels} channels", remedy=f"Give a number of them from 1 to {MOST_CHANNELS}."
        )
    if encoding is not None and encoding not in RAW:
        raise UsageError(f"the format is {encoding!r}", remedy=f"Give {' or '.join(RAW)}.")


def _raw(start: bytes, rate: int | None, name: str) -> int:
    """The rate of raw PCM, if this can be some."""
    kind = next((kind for at, magic, kind in _MAGIC if start[at:].startswith(magic)), None)
    if kind is not None:
        raise AudioError(f"this is {kind}, not WAV or raw PCM", source=name, remedy=BY_FFMPEG)
    if rate is None:
        raise AudioError(
            "this is no WAV, and raw PCM does not say at which rate it was taken",
            source=name,
            remedy="Give --rate HZ, and --channels N and --format s16le|f32le where they are not "
            f"1 and s16le. If it is no PCM: {BY_FFMPEG[0].lower()}{BY_FFMPEG[1:]}",
        )
    return rate
