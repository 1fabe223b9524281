"""Decoding through FFmpeg (PyAV): AAC, MP4, MOV, Matroska, WebM, and what soundfile refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import av
import av.error
import numpy as np

from emotone.audio import decoding
from emotone.audio.headers import Header
from emotone.audio.sources import Encoded
from emotone.audio.waveform import FloatArray
from emotone.errors import AudioError

CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,webm,mov,mp4,"
    "m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,rm,tak,tta,voc,w64,wav,wv"
)
"""The demuxers allowed: no playlist (it could name other files or addresses), no image, no raw
format that takes any bytes for sound."""

_CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,12})?)")

_LENGTH_KNOWN = {"mov,mp4,m4a,3gp,3g2,mj2", "flac", "wav", "aiff", "caf", "asf", "ape", "tta", "wv"}
"""Containers whose stated length is counted, not estimated from a bit rate."""

_GAP_S = 0.1
"""Timestamps are rounded and jitter, and encoders pad; from here on something is missing."""

_PLANES = 8
"""Channels that an FFmpeg frame has room for by itself; pointers to others lie elsewhere."""

_LONGEST_GAP_S = 3600.0
_LONGEST_BROADCAST_GAP_S = 10.0
"""A longer gap is taken for a clock that was set anew, as FFmpeg takes it in a broadcast."""


class FfmpegDecoder(decoding.FileDecoder):
    """The first audio track of anything FFmpeg reads.

    Damaged packets are stepped over and counted. Where the timestamps leave a gap, as where a
    recorder paused or packets were lost, silence is put in, so that what follows keeps its time;
    for gaps that are short each, as soon as they add up to a tenth of a second. The first frame is
    decoded at once, since some codecs tell their true rate only there.

    Raises
    ------
    AudioError
        ``unreadable_audio`` when it is not audio or nothing of it decodes; ``no_channels`` when
        the file holds video or data and no audio track.
    """

    def __init__(self, encoded: Encoded, header: Header) -> None:
        self._name = encoded.name
        self._damaged = self._jumps = self._gaps = 0
        self._filled_s = 0.0
        # By the timestamps: where the sound begins, how much was given out since (or since the
        # clock was set anew), and where the last frame ended.
        self._origin: float | None = None
        self._given_s = self._until = 0.0
        self.note = header.note
        try:
            self._container = av.open(encoded.handle, "r", options={"format_whitelist": CONTAINERS})
        except (av.error.FFmpegError, ValueError, UnicodeError) as error:
            if header.note is not None:
                raise AudioError(
                    "it breaks off before the index that its decoding needs",
                    source=encoded.name,
                    remedy="Copy or export it again.",
                ) from error
            raise _not_audio(encoded.name) from error
        try:
            self._start(encoded, header)
        except BaseException:
            self._container.close()
            raise

    def _start(self, encoded: Encoded, header: Header) -> None:
        if not self._container.streams.audio:
            raise AudioError(
                "it holds no audio track",
                source=self._name,
                remedy="Give a file with sound in it.",
                code="no_channels",
            )
        stream = self._container.streams.audio[0]
        self._stream = stream
        self.container = self._container.format.name
        codec = stream.codec_context
        if codec is None:
            raise AudioError(
                "its audio is in a codec that FFmpeg does not know",
                source=self._name,
                remedy="Convert it to WAV or FLAC.",
            )
        self.codec = codec.name
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None or self._first.sample_rate < 1:
            raise _not_audio(encoded.name)
        self.rate = self._first.sample_rate
        self.channels = len(self._first.layout.channels)
        self._format, self._layout = self._first.format.name, self._first.layout.name
        # PyAV makes no array of integers of 64 bits, and of more than eight planes it reads memory
        # that is not the frame's: these are converted on the way.
        self._format = {"s64": "dbl", "s64p": "dblp"}.get(self._format, self._format)
        if self.channels > _PLANES and self._format.endswith("p"):
            self._format = self._format.removesuffix("p")
        self.promised_s = header.promised_s or self._stated_s()

    def _stated_s(self) -> float | None:
        container, stream = self._container, self._stream
        if self.container in _LENGTH_KNOWN:
            if stream.duration is not None and stream.time_base is not None:
                return float(stream.duration * stream.time_base)
        elif "matroska" in self.container:
            clock = _CLOCK.fullmatch(stream.metadata.get("DURATION", ""))
            if clock is not None:
                hours, minutes, seconds = map(float, clock.groups())
                return hours * 3600 + minutes * 60 + seconds
            if container.duration and not container.streams.video:
                return container.duration / av.time_base
        return None

    def _decode(self) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, IndexError):
                # The latter is how PyAV ends where other streams have begun on the way, as in a
                # broadcast: it would flush them too, and does not know them.
                return
            except av.error.FFmpegError:
                # The container itself breaks off: nothing follows that could be found.
                self._damaged += 1
                return
            try:
                yield from packet.decode()
            except (av.error.FFmpegError, ValueError):
                self._damaged += 1

    def chunks(self) -> Iterator[FloatArray]:
        """Yield the samples in order, each piece of shape ``(frames, channels)``."""
        step = max(1, decoding.CHUNK_SAMPLES // self.channels)
        held: list[FloatArray] = []
        count = total = 0
        for frame in self._all_frames():
            held.append(frame)
            count += len(frame)
            if count >= step:
                total += count
                yield np.concatenate(held)
                held, count = [], 0
        if held:
            total += count
            yield np.concatenate(held)
        if self._jumps and self.note is None:
            times = "once" if self._jumps == 1 else f"{self._jumps} times"
            self.note = (
                f"its timestamps jump {times}; times are counted from what there is, one after the "
                "other"
            )
        self.compare(max(total, self._reached()))
        if self._damaged and self.note is None:
            parts = "part is" if self._damaged == 1 else "parts are"
            self.note = f"{self._damaged} {parts} damaged and left out"
        if self._gaps and self.note is None:
            gaps = "1 gap of" if self._gaps == 1 else f"{self._gaps} gaps with a sum of"
            verb = "is" if self._gaps == 1 else "are"
            self.note = f"{gaps} {self._filled_s:.2f} s {verb} filled with silence"

    def _all_frames(self) -> Iterator[FloatArray]:
        converter: _Converter | None = None
        frame, self._first = self._first, None
        while frame is not None:
            yield from self._silence_before(frame)
            if self._is_uniform(frame):
                yield self._to_array(frame)
            else:
                # Rate or channels change on the way, as in a broadcast: bring them to the first's.
                if converter is None:
                    converter = _Converter(self._format, self._layout, self.rate)
                pieces = converter.convert(frame)
                self._damaged += pieces is None
                for piece in pieces or []:
                    yield self._to_array(piece)
            frame = next(self._frames, None)

    def _reached(self) -> int:
        """Where the last frame ends, in samples on the clock by which a length is promised."""
        if self._origin is None:
            return 0
        # Matroska's counts from the beginning of the picture, others' from that of the sound.
        start = 0.0 if "matroska" in self.container else self._origin
        return round((self._until - start) * self.rate)

    def _silence_before(self, frame: av.AudioFrame) -> Iterator[FloatArray]:
        """What the timestamps say is missing between the last frame and this one."""
        # AVI has no timestamps: FFmpeg makes them of sizes and a rate that may be wrong.
        if frame.pts is not None and frame.time_base is not None and self.container != "avi":
            start = float(frame.pts * frame.time_base)
            if self._origin is None:
                self._origin = self._until = start
            # Not from the end of the last frame: what many short gaps lack adds up, and what a
            # clock lags behind and catches up is none.
            missing = start - self._origin - self._given_s
            longest = _LONGEST_BROADCAST_GAP_S if "mpeg" in self.container else _LONGEST_GAP_S
            if missing > longest or start - self._until < -_GAP_S:
                self._jumps += 1
                self._origin = start - self._given_s
            elif missing > _GAP_S:
                self._gaps += 1
                self._filled_s += missing
                self._given_s += missing
                step = max(1, decoding.CHUNK_SAMPLES // self.channels)
                for left in range(round(missing * self.rate), 0, -step):
                    yield np.zeros((min(step, left), self.channels), np.float32)
            self._until = start
        if frame.sample_rate:
            self._given_s += frame.samples / frame.sample_rate
            self._until += frame.samples / frame.sample_rate

    def _is_uniform(self, frame: av.AudioFrame) -> bool:
        return (
            frame.sample_rate == self.rate
            and frame.format.name == self._format
            and frame.layout.name == self._layout
        )

    def _to_array(self, frame: av.AudioFrame) -> FloatArray:
        array: Any = frame.to_ndarray()
        samples = array.T if frame.format.is_planar else array.reshape(-1, self.channels)
        return decoding.to_float(samples)

    def close(self) -> None:
        """Let go of FFmpeg's handle."""
        self._frames.close()  # type: ignore[attr-defined]
        self._container.close()


class _Converter:
    """Brings frames of any rate and layout to one."""

    def __init__(self, sample_format: str, layout: str, rate: int) -> None:
        self._target = (sample_format, layout, rate)
        self._resampler = av.AudioResampler(*self._target)

    def convert(self, frame: av.AudioFrame) -> list[av.AudioFrame] | None:
        """The frame converted, None where its description makes no sense."""
        try:
            return self._resampler.resample(frame)
        except (ValueError, av.error.FFmpegError):
            # Its source differs from that of the frame before: begin anew.
            self._resampler = av.AudioResampler(*self._target)
        try:
            return self._resampler.resample(frame)
        except (ValueError, av.error.FFmpegError):
            self._resampler = av.AudioResampler(*self._target)
            return None


def _not_audio(name: str) -> AudioError:
    return AudioError(
        "it is not audio, or is damaged beyond reading",
        source=name,
        remedy="Check that it plays elsewhere; WAV, FLAC, MP3, Ogg, M4A, MP4 and WebM are read.",
    )
