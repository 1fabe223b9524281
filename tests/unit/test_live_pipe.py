"""Sound from a pipe: what it may be, how it may end, and what is refused."""

from __future__ import annotations

import io
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audio_files
from emotone.errors import AudioError, AudioWarning, UsageError
from emotone.live import Pipe
from emotone.live import pipe as pipe_module
from emotone.live.arrivals import Arrivals
from emotone.live.wav import read_header

RATE = 16_000
TONE = audio_files.tone(0.5)
STEREO = audio_files.tone(0.5, channels=2)


def all_of(pipe: Pipe) -> np.ndarray:
    """Everything that comes."""
    blocks = []
    while (block := pipe.take(1.0)) is not None:
        blocks.append(block)
    return np.concatenate([block for block in blocks if len(block)])


def heard(data: bytes, **options: object) -> np.ndarray:
    return all_of(Pipe(io.BytesIO(data), **options))  # type: ignore[arg-type]


class Dribble(io.RawIOBase):
    """Gives its bytes in odd pieces, as a pipe may."""

    def __init__(self, data: bytes, sizes: tuple[int, ...] = (1, 3, 7, 4096)) -> None:
        self._data, self._sizes, self._turn = data, sizes, 0

    def read(self, size: int = -1) -> bytes:
        most = min(size, self._sizes[self._turn % len(self._sizes)])
        self._turn += 1
        piece, self._data = self._data[:most], self._data[most:]
        return piece


@pytest.mark.parametrize("codec", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("sound", [TONE, STEREO], ids=["mono", "stereo"])
def test_a_wav_is_what_soundfile_reads(sound: np.ndarray, container: str, codec: str) -> None:
    data = audio_files.encode(sound, RATE, container, codec)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    assert np.array_equal(heard(data), expected)


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_F000, 0x8000_0000])
def test_a_wav_without_a_length_is_read_to_the_end(length: int) -> None:
    data = bytearray(audio_files.encode(TONE))
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = struct.pack("<I", length)
    assert len(heard(bytes(data))) == len(TONE)


@pytest.mark.parametrize("chunk", [b"LIST", b"fact", b"bext", b"id3 "])
def test_a_wav_of_no_samples_with_tags_behind(chunk: bytes) -> None:
    data = audio_files.encode(np.zeros(0, np.float32))
    tags = chunk + struct.pack("<I", 4000) + bytes(4000)
    with pytest.raises(AudioError, match="no audio samples"):
        heard(data[: data.index(b"data")] + b"data" + bytes(4) + tags)


@pytest.mark.parametrize(
    ("length", "riff", "known"),
    [
        (0x9000_0000, 0x9000_0024, True),
        (0x9000_0000, 0x9000_0100, True),  # with tags behind
        (0xFFFF_0000, 0xFFFF_0024, True),
        (0x9000_0000, 0x9000_0023, False),
        (0x9000_0000, 0, False),
        (0x9000_0000, 36, False),
        (0x7FFF_F000, 0x7FFF_F024, False),  # of SoX
        (0x8000_0000, 0x8000_0024, False),  # of arecord
        (0x7FFF_EFFF, 0, True),
    ],
)
def test_the_lengths_that_are_believed(length: int, riff: int, known: bool) -> None:
    data = bytearray(audio_files.encode(TONE))
    assert data.index(b"data") == 36
    data[4:8], data[40:44] = struct.pack("<I", riff), struct.pack("<I", length)
    rest = io.BytesIO(data[12:])
    header = read_header(bytes(data[:12]), rest.read, "it")
    assert header.length == (length if known else None)


def test_what_ffmpeg_writes_to_a_pipe(tmp_path: Path) -> None:
    """With tags before the samples and sizes of 0xFFFFFFFF, since it cannot go back."""
    import av

    class Out(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.written += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    out = Out()
    with av.open(out, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (TONE * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert b"LIST" in out.written[:80]
    assert out.written[4:8] == b"\xff\xff\xff\xff"
    assert heard(out.written)[:, 0] == pytest.approx(TONE, abs=1e-4)


@pytest.mark.parametrize("endings", ["RF64", "BW64"])
def test_a_wav_of_more_than_4_gib(endings: str) -> None:
    data = bytearray(audio_files.encode(TONE, container="RF64"))
    data[:4] = endings.encode()
    assert len(heard(bytes(data) + b"LIST and so on")) == len(TONE)


@pytest.mark.parametrize(("encoding", "kind"), [("s16le", "<i2"), ("f32le", "<f4"), (None, "<i2")])
def test_raw_pcm_in_odd_pieces(encoding: str | None, kind: str) -> None:
    scale = 32768 if kind == "<i2" else 1
    samples = np.round(STEREO * 16384) / 32768
    data = (samples * scale).astype(kind).tobytes()
    pipe = Pipe(Dribble(data), rate=RATE, channels=2, encoding=encoding)  # type: ignore[arg-type]
    assert (pipe.rate, pipe.channels, pipe.bits) == (RATE, 2, 32 if kind == "<f4" else 16)
    assert np.array_equal(all_of(pipe), samples.astype(np.float32))


def test_an_end_in_the_middle_of_a_frame_is_told() -> None:
    data = (STEREO * 32767).astype("<i2").tobytes()
    with pytest.warns(AudioWarning, match="middle of a sample; the last 3 bytes"):
        assert len(heard(data[:-1], rate=RATE, channels=2)) == len(STEREO) - 1


def test_a_wav_that_breaks_off_is_told() -> None:
    data = audio_files.encode(TONE)
    with pytest.warns(AudioWarning, match=r"after 0\.25 s of the 0\.50 s that its header promises"):
        assert len(heard(data[: -len(TONE)])) == len(TONE) // 2


def test_what_follows_the_samples_is_no_sound() -> None:
    assert len(heard(audio_files.encode(TONE) + b"LIST" + b"\x7f" * 5000)) == len(TONE)


@pytest.mark.parametrize(
    ("data", "options", "code", "said"),
    [
        (b"", {}, "empty_file", "nothing came in"),
        (b"", {"rate": 8000}, "empty_file", "nothing came in"),
        (b"\1", {"rate": 8000}, "no_samples", "no audio samples"),
        (b"\0" * 99, {}, "unreadable_audio", "Give --rate"),
        (b"RIFF\0\0\0\0WAVE", {}, "unreadable_audio", "ends before its samples"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1", {}, "unreadable_audio", "ends before"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0\1\1", {}, "unreadable_audio", "does not say what"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f" + b"x" * 99, {}, "unreadable_audio", "no samples"),
        (b"RIFF\0\0\0\0WAVEfmt \2\0\0\0\1\0data\0\0\0\0", {}, "unreadable_audio", "damaged"),
        (b"fLaC" + b"\0" * 99, {"rate": 8000}, "unreadable_audio", "this is FLAC"),
        (b"OggS" + b"\0" * 99, {}, "unreadable_audio", "ffmpeg -i -"),
        (b"\0\0\0\x20ftypisom", {}, "unreadable_audio", "this is MP4"),
    ],
)
def test_what_is_no_sound(data: bytes, options: dict[str, int], code: str, said: str) -> None:
    with pytest.raises(AudioError, match=said) as found:
        heard(data, **options)
    assert found.value.code == code


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (22, struct.pack("<H", 0), "no channels"),
        (22, struct.pack("<H", 7), "damaged"),
        (24, struct.pack("<I", 4000), "4000 Hz is outside"),
        (20, struct.pack("<H", 85), "type 85"),
        (34, struct.pack("<H", 12), "12 bits"),
    ],
)
def test_a_header_of_garbage(at: int, value: bytes, said: str) -> None:
    data = bytearray(audio_files.encode(TONE))
    data[at : at + len(value)] = value
    with pytest.raises(AudioError, match=said):
        heard(bytes(data))


def test_a_wav_of_no_samples() -> None:
    with pytest.raises(AudioError, match="no audio samples"):
        heard(audio_files.encode(np.zeros(0, np.float32)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": 100}, "rate 100"),
        ({"rate": 8000, "channels": 0}, "0 channels"),
        ({"rate": 8000, "encoding": "s24be"}, "s16le or f32le"),
        ({"rate": 44_100}, "WAV with rate 16000, and --rate says 44100"),
        ({"channels": 2}, "WAV with channels 1"),
        ({"encoding": "f32le"}, "WAV with format s16le"),
    ],
)
def test_wrong_options(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        heard(audio_files.encode(TONE), **options)


def test_a_wav_that_is_what_the_options_say() -> None:
    data = audio_files.encode(TONE)
    assert len(heard(data, rate=RATE, channels=1, encoding="s16le")) == len(TONE)


def test_a_reading_that_fails_after_some_sound() -> None:
    class Failing(io.BytesIO):
        def read1(self, size: int = -1) -> bytes:  # type: ignore[override]
            if self.tell() > 20_000:
                raise OSError(5, "Input/output error")
            return self.read(size)

    pipe = Pipe(Failing(bytes(40_000)), rate=RATE)
    got = 0
    with pytest.raises(AudioError, match=r"Input/output error.*Check the program"):  # noqa: PT012
        while (block := pipe.take(1.0)) is not None:
            got += len(block)
    assert got > 10_000
    assert pipe.take(0.1) is None


def test_whoever_writes_waits_unless_time_does_not() -> None:
    """Read ahead a little, so that memory stays flat; much where it is live."""
    for realtime, least, most in ((False, 2.0, 2.2), (True, 5.0, 5.0)):
        pipe = Pipe(io.BytesIO(bytes(10 * RATE)), rate=RATE, realtime=realtime)
        for _ in range(3000):
            if pipe.waiting >= least * RATE:
                break
            threading.Event().wait(0.01)
        threading.Event().wait(0.05)
        assert least * RATE <= pipe.waiting <= most * RATE
        pipe.close()
        pipe._thread.join(5)
        assert not pipe._thread.is_alive()


def test_what_is_there_is_given_before_more_comes() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as stream, os.fdopen(write, "wb", buffering=0) as other:
        other.write(bytes(2000))
        pipe = Pipe(stream, rate=RATE)
        got = 0
        while got < 1000:
            block = pipe.take(30.0)
            assert block is not None
            assert len(block)
            got += len(block)
        empty = pipe.take(0.01)
        assert empty is not None
        assert len(empty) == 0
        other.close()
        assert pipe.take(30.0) is None


@pytest.mark.skipif(not hasattr(os, "set_blocking"), reason="no such pipes here")
@pytest.mark.parametrize("buffering", [0, -1])
def test_a_stream_that_does_not_wait_is_no_end(buffering: int) -> None:
    """As a program leaves it that shares the terminal or the pipe and asked for that."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    sound = (TONE * 32767).astype("<i2").tobytes()
    with os.fdopen(read, "rb", buffering=buffering) as stream:

        def send() -> None:
            with os.fdopen(write, "wb", buffering=0) as other:
                for start in range(0, len(sound), 5000):
                    threading.Event().wait(0.03)
                    other.write(sound[start : start + 5000])

        thread = threading.Thread(target=send)
        thread.start()
        pipe = Pipe(stream, rate=RATE)
        assert len(all_of(pipe)) == len(TONE)
        thread.join()


def test_a_stream_without_a_file_that_gives_none() -> None:
    class Late(Dribble):
        turn = 0

        def read(self, size: int = -1) -> bytes:
            self.turn += 1
            return None if self.turn % 2 else super().read(size)  # type: ignore[return-value]

    pipe = Pipe(Late(bytes(9000)), rate=RATE)  # type: ignore[arg-type]
    assert len(all_of(pipe)) == 4500


def test_what_is_read_ahead_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_module, "MOST_BYTES", 64 * 4 * RATE)
    data = io.BytesIO(bytes(64 * 2 * 3 * RATE))
    pipe = Pipe(data, rate=RATE, channels=64, realtime=True)
    for _ in range(3000):
        if pipe.waiting >= RATE:
            break
        threading.Event().wait(0.01)
    threading.Event().wait(0.05)
    assert RATE <= pipe.waiting <= 1.2 * RATE
    pipe.close()


def test_arrivals_that_cannot_wait_are_dropped() -> None:
    arrivals = Arrivals(6)
    assert arrivals.put(np.zeros((4, 1)))
    assert arrivals.put(np.zeros((4, 1)))
    assert not arrivals.put(np.zeros((4, 1)))
    assert arrivals.waiting == 8
    assert len(arrivals.take(0)) == 8  # type: ignore[arg-type]
    assert arrivals.put(np.zeros((4, 1)))


def test_arrivals_end_once() -> None:
    arrivals = Arrivals(10)
    assert arrivals.put(np.zeros((4, 1)))
    arrivals.end(ValueError("why"))
    assert not arrivals.put(np.zeros((4, 1)))
    assert len(arrivals.take(0)) == 4  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="why"):
        arrivals.take(0)
    assert arrivals.take(0) is None
