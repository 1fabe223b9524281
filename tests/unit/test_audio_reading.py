"""Reading: every format, source, rate and channel count comes out as the samples that went in."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from audio_files import encode, encode_av, noise, tone
from emotone import audio
from emotone.errors import AudioError, UsageError

LOSSLESS = [
    ("WAV", "PCM_U8", 2**-7),
    ("WAV", "PCM_16", 2**-15),
    ("WAV", "PCM_24", 2**-23),
    ("WAV", "PCM_32", 2**-24),
    ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 0),
    ("WAV", "ALAW", 0.02),
    ("WAV", "ULAW", 0.02),
    ("WAVEX", "PCM_24", 2**-23),
    ("RF64", "PCM_16", 2**-15),
    ("W64", "PCM_16", 2**-15),
    ("FLAC", "PCM_S8", 2**-7),
    ("FLAC", "PCM_16", 2**-15),
    ("FLAC", "PCM_24", 2**-23),
    ("AIFF", "PCM_16", 2**-15),
    ("AIFF", "FLOAT", 0),
    ("AU", "PCM_16", 2**-15),
    ("CAF", "PCM_16", 2**-15),
]
RATES = [8_000, 11_025, 16_000, 22_050, 24_414, 44_100, 48_000, 96_000, 192_000]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


@pytest.mark.parametrize(("container", "codec", "step"), LOSSLESS)
@settings(max_examples=8, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    channels=st.integers(1, 6),
    seconds=st.floats(0.11, 0.4),
    seed=st.integers(0, 9),
)
def test_samples_survive_every_lossless_format(
    container, codec, step, rate, channels, seconds, seed
):
    frames = int(seconds * rate)
    columns = np.random.default_rng(seed).uniform(-0.9, 0.9, (frames, channels)).astype(np.float32)
    encoded = encode(columns, rate, container, codec)

    waveform = audio.read(encoded)

    assert waveform.rate == rate
    assert waveform.samples.dtype == np.float32
    assert waveform.samples.shape == (frames,)
    np.testing.assert_allclose(waveform.samples, columns.mean(axis=1), atol=step + 1e-6)
    picked = audio.read(encoded, channel=channels - 1).samples
    np.testing.assert_allclose(picked, columns[:, -1], atol=step + 1e-6)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_lossy_formats_of_soundfile(container, codec, rate):
    original = tone(1.0, rate)
    waveform = audio.read(encode(original, rate, container, codec))
    assert waveform.rate == rate
    assert len(waveform) == len(original)
    assert correlation(waveform.samples, original) > 0.99


VIDEO_AND_AAC = [
    ("adts", "aac", False),
    ("ipod", "aac", False),  # .m4a
    ("ipod", "alac", False),
    ("mp4", "aac", True),
    ("mov", "aac", True),
    ("matroska", "aac", True),
    ("matroska", "flac", False),
    ("webm", "libopus", True),
    ("webm", "libopus", False),
    ("avi", "libmp3lame", True),
    ("mpegts", "aac", True),
    ("3gp", "aac", False),
    ("ac3", "ac3", False),
]


@pytest.mark.parametrize(("container", "codec", "video"), VIDEO_AND_AAC)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_only_ffmpeg_reads(container, codec, video, channels):
    original = tone(2.0, 48_000, channels=channels)
    encoded = encode_av(original, 48_000, container, codec, video=video)

    waveform = audio.read(encoded)

    assert waveform.rate == 48_000
    assert waveform.duration_s == pytest.approx(2.0, abs=0.06)
    steady = slice(12_000, 84_000)
    spectrum = np.abs(np.fft.rfft(waveform.samples[steady] * np.hanning(72_000)))
    hertz = np.fft.rfftfreq(72_000, 1 / 48_000)
    assert hertz[spectrum.argmax()] == pytest.approx(440, abs=2 if channels == 1 else 441)
    assert np.abs(waveform.samples[steady]).max() == pytest.approx(0.5, abs=0.1)


def test_each_channel_of_a_video_can_be_picked():
    encoded = encode_av(tone(1.0, 48_000, channels=2), 48_000, "mp4", "aac", video=True)
    for channel, wanted in ((0, 440), (1, 880)):
        samples = audio.read(encoded, channel=channel).samples[4_000:44_000]
        peak = np.abs(np.fft.rfft(samples)).argmax() * 48_000 / len(samples)
        assert peak == pytest.approx(wanted, abs=2)


def test_every_kind_of_source_gives_the_same(tmp_path, monkeypatch):
    encoded = encode(noise())
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded)
    wanted = audio.read(path).samples

    class Pipe(io.RawIOBase):
        """Something that can be read once, from front to back."""

        def __init__(self) -> None:
            self.inner = io.BytesIO(encoded)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer):
            return self.inner.readinto(buffer)

    past_a_header = io.BytesIO(b"1234" + encoded)
    past_a_header.seek(4)
    with path.open("rb") as opened:
        for source in (
            str(path), os.fspath(path), encoded, bytearray(encoded), memoryview(encoded),
            io.BytesIO(encoded), opened, Pipe(), past_a_header,
        ):  # fmt: skip
            np.testing.assert_array_equal(audio.read(source).samples, wanted)
        assert not opened.closed
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(encoded)))
    np.testing.assert_array_equal(audio.read("-").samples, wanted)
    waveform = audio.Waveform(wanted, 16_000)
    np.testing.assert_array_equal(audio.read(waveform).samples, wanted)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are for POSIX")
def test_a_named_pipe_is_read_to_its_end(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(encode(noise(), container="FLAC"),))
    writer.start()
    assert audio.read(pipe).duration_s == 1.0
    writer.join()


def test_a_large_file_is_not_taken_into_memory_first(tmp_path, monkeypatch):
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(noise()))
    wanted = audio.read(path).samples
    monkeypatch.setattr("emotone.audio.sources._SMALL_FILE", 100)
    np.testing.assert_array_equal(audio.read(path).samples, wanted)


@pytest.mark.parametrize("name", ["clip.raw", "clip.vox", "clip.gsm", "clip.txt", "clip"])
def test_the_content_decides_and_not_the_ending(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(encode(noise()))
    assert audio.read(path).duration_s == 1.0
    with path.open("rb") as opened:
        assert audio.read(opened).duration_s == 1.0


@given(
    data=st.data(),
    dtype=st.sampled_from([np.int8, np.uint8, np.int16, np.int32, np.float32, np.float64]),
    rate=st.sampled_from(RATES),
    channels=st.integers(0, 4),
)
@settings(max_examples=60, deadline=None)
def test_arrays_are_scaled_to_full_scale(data, dtype, rate, channels):
    """Zero channels stands for shape (n,)."""
    frames = rate // 10 + 1
    shape = (frames, channels) if channels else (frames,)
    if np.dtype(dtype).kind == "f":
        elements, zero, scale = st.floats(-1, 1, width=32), 0, 1.0
    else:
        limits = np.iinfo(dtype)
        elements = st.integers(int(limits.min), int(limits.max))
        zero = 128 if np.dtype(dtype).kind == "u" else 0
        scale = float(-(limits.min - zero)) if zero else float(-int(limits.min))
    array = data.draw(st_numpy.arrays(dtype, shape, elements=elements, fill=elements))
    array[0], array[1] = (array.dtype.type(zero), array.dtype.type(zero + scale * 0.5))
    before = array.copy()

    waveform = audio.read((array, rate))

    wanted = (array.astype(np.float64) - zero) / scale
    wanted = wanted.mean(axis=1) if channels else wanted
    np.testing.assert_allclose(waveform.samples, wanted, atol=1e-6)
    np.testing.assert_array_equal(array, before)
    assert not np.shares_memory(waveform.samples, array)


def test_a_numpy_rate_and_a_whole_float_rate_are_rates():
    for rate in (np.int64(16_000), 16_000.0, np.float64(16_000)):
        waveform = audio.read((noise(), rate))
        assert waveform.rate == 16_000
        assert isinstance(waveform.rate, int)


@given(
    rate=st.sampled_from(RATES),
    new_rate=st.sampled_from(RATES),
    seconds=st.floats(0.1, 1.0),
)
@settings(max_examples=40, deadline=None)
def test_resampling_keeps_length_and_pitch(rate, new_rate, seconds):
    samples = tone(seconds, rate, hz=1_000.0)
    if len(samples) < 0.1 * rate:
        samples = tone(0.2, rate, hz=1_000.0)

    waveform = audio.read((samples, rate), rate=new_rate)

    assert waveform.rate == new_rate
    assert abs(len(waveform) - len(samples) * new_rate / rate) <= 1
    middle = slice(len(waveform) // 4, -len(waveform) // 4)
    time = np.arange(len(waveform))[middle] / new_rate
    wanted = 0.5 * np.sin(2 * np.pi * 1_000 * time)
    np.testing.assert_allclose(waveform.samples[middle], wanted, atol=2e-3)


@given(
    rate=st.sampled_from(RATES),
    new_rate=st.sampled_from([None, 8_000, 16_000, 22_050, 48_000]),
    seconds=st.floats(0.2, 3.0),
    block_s=st.floats(0.01, 1.3),
    chunk=st.integers(500, 40_000),
    channels=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_blocks_joined_equal_the_whole(rate, new_rate, seconds, block_s, chunk, channels):
    columns = noise(seconds * channels, rate, seed=channels)
    columns = columns[: len(columns) // channels * channels].reshape(-1, channels)
    encoded = encode(columns, rate, "WAV", "FLOAT")
    whole = audio.read(encoded, rate=new_rate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotone.audio.decoding.CHUNK_SAMPLES", chunk)
        blocks = list(audio.read_blocks(encoded, rate=new_rate, block_s=block_s))

    assert {block.rate for block in blocks} == {whole.rate}
    size = round(block_s * whole.rate)
    assert all(len(block) == size for block in blocks[:-1])
    assert 1 <= len(blocks[-1]) <= size
    joined = np.concatenate([block.samples for block in blocks])
    assert len(joined) == len(whole)
    np.testing.assert_allclose(joined, whole.samples, atol=2e-6)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
def test_blocks_of_compressed_files_equal_the_whole(container, codec, monkeypatch):
    encoded = encode(noise(8.0), 16_000, container, codec)
    whole = audio.read(encoded).samples
    monkeypatch.setattr("emotone.audio.decoding.CHUNK_SAMPLES", 5_000)
    joined = np.concatenate([block.samples for block in audio.read_blocks(encoded, block_s=1.7)])
    np.testing.assert_allclose(joined, whole, atol=1e-6)


def test_stopping_early_lets_go_of_the_file(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(noise(3.0)))
    blocks = audio.read_blocks(path, block_s=1.0)
    assert next(blocks).duration_s == 1.0
    blocks.close()
    assert not [
        link for link in Path("/proc/self/fd").glob("*") if link.exists() and link.samefile(path)
    ]


def test_options_out_of_range_are_refused():
    sound = (noise(), 16_000)
    for rate in (4_000, 200_000, 16_000.5, True):
        with pytest.raises(UsageError, match="rate"):
            audio.read(sound, rate=rate)
    for block_s in (0, -1, float("nan")):
        with pytest.raises(UsageError, match="block_s"):
            audio.read_blocks(sound, block_s=block_s)
    for channel in (1, -1):
        with pytest.raises(AudioError, match="counted from 0") as caught:
            audio.read(sound, channel=channel)
        assert caught.value.code == "no_channels"
    with pytest.raises(UsageError, match="max_bytes"):
        audio.Limits(max_bytes=-1)
    with pytest.raises(UsageError, match="exceeds"):
        audio.Limits(max_duration_s=1, min_duration_s=2)


@pytest.mark.parametrize("source", [None, 3, 1.5, ["clip.wav"], object()])
def test_what_is_no_source_is_a_mistake_of_the_caller(source):
    with pytest.raises(TypeError, match="audio is read from"):
        audio.read(source)


def test_probe_reads_the_header(tmp_path):
    info = audio.probe(encode(tone(1.5, 44_100, channels=2), 44_100, "FLAC"))
    assert info == audio.AudioInfo("FLAC", "PCM_16", 44_100, 2, 1.5)
    info = audio.probe(encode_av(tone(1.0, 48_000), 48_000, "webm", "libopus"))
    assert (info.codec, info.rate, info.channels) == ("opus", 48_000, 1)
    assert info.duration_s == pytest.approx(1.0, abs=0.02)


def test_probe_counts_where_the_header_gives_no_length():
    info = audio.probe(encode_av(tone(1.0, 48_000), 48_000, "adts", "aac"))
    assert info.codec == "aac"
    assert info.duration_s == pytest.approx(1.0, abs=0.05)


def test_find_audio_follows_linked_folders_each_once(tmp_path):
    day, elsewhere = tmp_path / "calls" / "monday", tmp_path / "disk" / "tuesday"
    for folder in (day, elsewhere):
        folder.mkdir(parents=True)
        (folder / "a.wav").touch()
    (tmp_path / "calls" / "tuesday").symlink_to(elsewhere)
    (tmp_path / "calls" / "twice").symlink_to(elsewhere)
    (day / "round").symlink_to(tmp_path / "calls")
    found = audio.find_audio([tmp_path / "calls"])
    assert found == [day / "a.wav", tmp_path / "calls" / "tuesday" / "a.wav"]


def test_find_audio_walks_folders_in_order(tmp_path):
    for name in (
        "b/2.wav",
        "b/1.FLAC",
        "a.mp3",
        "notes.txt",
        ".hidden/x.wav",
        "b/.y.wav",
        "c/z.m4a",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    odd, missing = tmp_path / "notes.txt", tmp_path / "missing.wav"

    found = audio.find_audio([odd, tmp_path, missing, tmp_path / "a.mp3"])

    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["notes.txt", "a.mp3", "b/1.FLAC", "b/2.wav", "c/z.m4a", "missing.wav"]
    assert audio.is_audio_path("x/CLIP.OPUS")
    assert not audio.is_audio_path("README.md")


def test_a_folder_without_audio_is_said_so(tmp_path):
    with pytest.raises(AudioError, match="holds no audio files"):
        audio.find_audio([tmp_path])
