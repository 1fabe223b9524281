"""Bad input: each kind has its own outcome, and none a traceback or a guess."""

from __future__ import annotations

import io
import os
import random
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_files import encode, encode_av, noise, tone, wav
from emotone import audio
from emotone.errors import AudioError, AudioWarning


def refused(source, code: str, **options) -> AudioError:
    """The error of reading a source, which both ways of reading must agree on."""
    with pytest.raises(AudioError) as caught:
        audio.read(source, **options)
    with pytest.raises(AudioError) as in_blocks:
        for _ in audio.read_blocks(source, **options):
            pass
    assert caught.value.code == in_blocks.value.code == code
    assert str(caught.value) == str(in_blocks.value)
    return caught.value


def test_a_missing_file(tmp_path):
    error = refused(tmp_path / "nowhere.wav", "missing_file")
    assert str(error) == f"{tmp_path}/nowhere.wav: there is no such file. Check the path."
    refused(tmp_path / "nowhere.wav" / "x.wav", "missing_file")
    refused("null\0byte.wav", "missing_file")
    refused("x" * 5000, "missing_file")


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "clip.wav", "missing_file")


def test_a_directory(tmp_path):
    assert "is a directory" in str(refused(tmp_path, "is_directory"))


@pytest.mark.parametrize("ending", ["wav", "mp3", "m4a"])
def test_an_empty_file(tmp_path, ending):
    path = tmp_path / f"clip.{ending}"
    path.touch()
    assert str(path) in str(refused(path, "empty_file"))
    refused(b"", "empty_file")
    refused(io.BytesIO(), "empty_file")


def test_empty_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(AudioError, match="standard input: nothing came in") as caught:
        audio.read("-")
    assert caught.value.code == "empty_file"


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(noise()))

    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied", os.fspath(path))

    monkeypatch.setattr("pathlib.Path.open", deny)
    assert "no permission" in str(refused(path, "permission_denied"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="permissions are POSIX's here")
def test_no_permission_for_a_plain_user(tmp_path):
    """Root may read anything, so a child steps down first."""
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(noise()))
    audio.read(path)
    path.chmod(0)
    child = os.fork()
    if child == 0:
        code = "none"
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            audio.read(path)
        except AudioError as error:
            code = error.code
        finally:
            os._exit(0 if code == "permission_denied" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_failing_disk(tmp_path):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    assert "Input/output error" in str(refused(Failing(b"1234"), "unreadable_audio"))


def test_a_disk_that_fails_on_the_way(capfd):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 200_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    source = Failing(encode(noise(10.0)))
    assert "Input/output error" in str(refused(source, "unreadable_audio"))
    assert capfd.readouterr().err == ""


def test_a_text_mode_file(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"RIFF1234WAVE")
    with path.open() as opened:
        assert "'rb'" in str(refused(opened, "unreadable_audio"))
    refused(io.StringIO("hello"), "unreadable_audio")


NOT_AUDIO = {
    "text": b"The quick brown fox jumps over the lazy dog.\n" * 500,
    "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>" * 50,
    "pdf": b"%PDF-1.7\n" + random.Random(0).randbytes(20_000),
    "zip": b"PK\3\4" + random.Random(1).randbytes(20_000),
    "png": b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(20_000),
    "noise": random.Random(3).randbytes(50_000),
    "zeros": bytes(50_000),
    "ones": b"\xff" * 50_000,
    "one byte": b"R",
    "a WAV header cut short": encode(noise())[:20],
    "a FLAC header cut short": encode(noise(), container="FLAC")[:30],
    "an MP3 sync word, then noise": b"\xff\xfb\x90\x00" + random.Random(4).randbytes(20_000),
    "an AAC sync word, then noise": b"\xff\xf1\x50\x80" + random.Random(5).randbytes(20_000),
    "a WebM magic, then noise": b"\x1aE\xdf\xa3" + random.Random(6).randbytes(20_000),
    "an MP4 magic, then noise": b"\0\0\0\x20ftypisom" + random.Random(7).randbytes(20_000),
    "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n",
    "a list for FFmpeg": b"ffconcat version 1.0\nfile /etc/passwd\n",
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
def test_what_is_not_audio(kind, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(NOT_AUDIO[kind])
    error = refused(path, "unreadable_audio")
    assert str(error).startswith(f"{path}: ")


def test_a_playlist_names_no_other_file(tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode(noise()))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n")
    refused(playlist, "unreadable_audio")
    playlist.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    refused(playlist, "unreadable_audio")


@settings(max_examples=80, deadline=None)
@given(
    cut=st.floats(0, 1),
    start=st.integers(0, 3_000),
    junk=st.binary(max_size=64),
    which=st.sampled_from(["wav", "aiff", "au", "flac", "vorbis", "opus", "webm", "mp4"]),
)
def test_damage_anywhere_ends_in_samples_or_an_audio_error(cut, start, junk, which):
    whole = SOUND[which]
    damaged = bytearray(whole[: round(cut * len(whole))])
    damaged[start : start + len(junk)] = junk[: max(0, len(damaged) - start)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        try:
            waveform = audio.read(bytes(damaged), limits=audio.Limits(max_duration_s=100))
        except AudioError as error:
            assert error.remedy  # noqa: PT017
        else:
            assert np.isfinite(waveform.samples).all()
            assert 8_000 <= waveform.rate <= 192_000


SOUND = {
    "wav": encode(noise()),
    "aiff": encode(noise(), container="AIFF"),
    "au": encode(noise(), container="AU"),
    "flac": encode(noise(), container="FLAC"),
    "vorbis": encode(noise(), container="OGG", codec="VORBIS"),
    "opus": encode(noise(), container="OGG", codec="OPUS"),
    "webm": encode_av(tone(1.0, 48_000), 48_000, "webm", "libopus"),
    "mp4": encode_av(
        tone(1.0, 48_000), 48_000, "mp4", "aac", options={"movflags": "faststart"}
    ),
}  # fmt: skip


TRUNCATED = {
    "wav": encode(noise(3.0)),
    "wav float": encode(noise(3.0), codec="FLOAT"),
    "rf64": encode(noise(3.0), container="RF64"),
    "aiff": encode(noise(3.0), container="AIFF"),
    "au": encode(noise(3.0), container="AU"),
    "flac": encode(noise(3.0), container="FLAC"),
    "vorbis": encode(noise(3.0), container="OGG", codec="VORBIS"),
    "opus": encode(noise(3.0), container="OGG", codec="OPUS"),
    "mp3": encode(noise(3.0), container="MP3", codec="MPEG_LAYER_III"),
    "webm": encode_av(tone(3.0, 48_000), 48_000, "webm", "libopus"),
    "mkv": encode_av(tone(3.0, 48_000), 48_000, "matroska", "aac", video=True),
    "avi": encode_av(tone(3.0, 48_000), 48_000, "avi", "libmp3lame", video=True),
    "mp4": encode_av(tone(3.0, 48_000), 48_000, "mp4", "aac", options={"movflags": "faststart"}),
}


@pytest.mark.parametrize("kind", TRUNCATED)
def test_a_truncated_file_is_read_as_far_as_it_goes_with_a_warning(kind):
    whole = TRUNCATED[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        full = audio.read(whole)
    cut = whole[: len(whole) * 6 // 10]

    with pytest.warns(AudioWarning, match=r"<bytes>: it (ends after|breaks off)"):
        part = audio.read(cut)

    assert 0.25 < part.duration_s / full.duration_s < 0.7
    # An encoder's padding may differ, and so may the last frame; the rest is the same sound.
    length = len(part) - 3_000
    assert np.corrcoef(part.samples[:length], full.samples[:length])[0, 1] > 0.99
    with pytest.warns(AudioWarning, match=r"it (ends after|breaks off)"):
        blocks = list(audio.read_blocks(cut, block_s=0.5))
    joined = np.concatenate([block.samples for block in blocks])
    np.testing.assert_allclose(joined, part.samples, atol=1e-6)


@pytest.mark.parametrize("chunk", [3_000, 1 << 20])
def test_a_long_damaged_flac_gives_all_that_is_left(chunk, monkeypatch):
    """libsndfile stops at the damage; FFmpeg takes over where it stopped."""
    monkeypatch.setattr("emotone.audio.decoding.CHUNK_SAMPLES", chunk)
    original = noise(3.0)
    whole = encode(original, container="FLAC")
    with pytest.warns(AudioWarning, match="ends after"):
        samples = audio.read(whole[: len(whole) * 6 // 10]).samples
    assert len(samples) > 0.5 * len(original)
    np.testing.assert_allclose(samples, original[: len(samples)], atol=2**-15)


def test_an_mp4_cut_off_before_its_index():
    whole = encode_av(tone(2.0, 48_000), 48_000, "mp4", "aac")
    error = refused(whole[: len(whole) // 2], "unreadable_audio")
    assert "breaks off before the index" in str(error)


def test_damaged_mp3s_are_told_by_emotone_alone(capfd):
    """libsndfile's decoder would print a page about each."""
    whole = TRUNCATED["mp3"]
    no_index = encode_av(tone(3.0), 16_000, "mp3", "libmp3lame", options={"write_xing": "0"})
    middle = len(whole) // 2
    junk = random.Random(0).randbytes(500)
    for damaged, words in (
        (whole[: middle + 7], "ends after"),
        (no_index[: len(no_index) // 2 + 7], "breaks off early"),
        (whole[:middle] + junk + whole[middle + 500 :], r"damaged after 1\.\d\d s"),
    ):
        with pytest.warns(AudioWarning, match=words):
            assert audio.read(damaged).duration_s > 1
    tagged = whole + b"TAG" + bytes(125)
    assert audio.read(tagged).duration_s == 3.0
    assert capfd.readouterr().err == ""


def test_a_file_that_is_damaged_in_the_middle():
    damaged = bytearray(TRUNCATED["flac"])
    middle = len(damaged) // 2
    damaged[middle : middle + 500] = random.Random(0).randbytes(500)
    # How far FFmpeg gets past the damage depends on its version.
    words = r"ends after [12]\.|1 gap of 0\.\d+ s is filled with silence"
    with pytest.warns(AudioWarning, match=words):
        assert 1 < audio.read(bytes(damaged)).duration_s <= 3


def test_a_header_that_promises_too_much():
    lying = wav(noise(1.0), data_size=4 * 16_000 * 5)
    with pytest.warns(AudioWarning, match=r"ends after 1\.00 s of the 5\.00 s that its header"):
        assert audio.read(lying).duration_s == 1.0


def test_a_header_that_promises_too_little():
    lying = wav(noise(1.0), data_size=4 * 8_000)
    with pytest.warns(AudioWarning, match="32,000 bytes follow the samples"):
        assert audio.read(lying).duration_s == 0.5


def test_a_recorder_that_never_wrote_the_length():
    samples = noise(1.0)
    with pytest.warns(AudioWarning, match="gives no length"):
        waveform = audio.read(wav(samples, data_size=0))
    np.testing.assert_allclose(waveform.samples, samples, atol=1e-7)


@pytest.mark.parametrize("size", [0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_streamed_wav_of_unknown_length_is_no_lie(size):
    assert audio.read(wav(noise(1.0), data_size=size)).duration_s == 1.0


def test_chunks_after_the_samples_are_no_lie():
    tagged = encode(noise()) + b"LIST" + struct.pack("<I", 20_000) + bytes(20_000)
    assert audio.read(tagged).duration_s == 1.0


def flac_of_length(total: int) -> bytes:
    encoded = bytearray(encode(noise(1.0), container="FLAC"))
    fields = int.from_bytes(encoded[18:26], "big") >> 36 << 36 | total
    encoded[18:26] = fields.to_bytes(8, "big")
    return bytes(encoded)


def test_flac_headers_that_lie():
    with pytest.warns(AudioWarning, match=r"ends after 1\.00 s of the 62500\.00 s"):
        assert audio.read(flac_of_length(10**9)).duration_s == 1.0
    loud = np.random.default_rng(0).uniform(-1, 1, 480_000).astype(np.float32)
    encoded = bytearray(encode(loud, container="FLAC"))
    fields = int.from_bytes(encoded[18:26], "big") >> 36 << 36 | 16_000
    encoded[18:26] = fields.to_bytes(8, "big")
    with pytest.warns(AudioWarning, match=r"says 1\.00 s and more follows"):
        assert audio.read(bytes(encoded)).duration_s == 30.0
    assert audio.read(flac_of_length(0)).duration_s == 1.0  # a streaming encoder's "unknown"


def test_zero_channels():
    assert "no channels" in str(refused(wav(noise(), channels=0), "no_channels"))
    aiff = bytearray(encode(noise(), container="AIFF"))
    at = aiff.index(b"COMM") + 8
    aiff[at : at + 2] = b"\0\0"
    refused(bytes(aiff), "no_channels")
    au = bytearray(encode(noise(), container="AU"))
    au[20:24] = bytes(4)
    refused(bytes(au), "no_channels")
    refused((np.zeros((16_000, 0), np.float32), 16_000), "no_channels")


def test_a_video_without_sound(tmp_path):
    import av

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), "yuv420p")))
        out.mux(stream.encode(None))
    assert "no audio track" in str(refused(path, "no_channels"))


def test_no_samples():
    refused(wav(noise(0.0)), "no_samples")
    refused((np.zeros(0, np.float32), 16_000), "no_samples")
    refused((np.zeros((0, 2), np.float32), 16_000), "no_samples")


@given(
    position=st.integers(0, 15_999),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    channels=st.integers(1, 3),
    channel=st.integers(0, 2),
    chunk=st.sampled_from([1_000, 1 << 20]),
)
@settings(max_examples=30, deadline=None)
def test_the_first_sample_that_is_no_number_is_named(position, value, channels, channel, chunk):
    samples = np.repeat(noise()[:, None], channels, axis=1)
    samples[position, channel % channels] = value
    samples[-1, 0] = np.nan
    kind = "NaN" if position == 15_999 or np.isnan(value) else "Inf"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotone.audio.decoding.CHUNK_SAMPLES", chunk)
        for source in (encode(samples, codec="FLOAT"), (samples, 16_000)):
            error = refused(source, "non_finite")
            wanted = rf"sample {position} \(at {position / 16_000:.3f} s\) is (NaN|Inf)\."
            assert re.search(wanted, str(error))
            if channels == 1:
                assert f"is {kind}." in str(error)


def test_another_channel_than_the_broken_one_can_be_read():
    samples = np.stack([noise(), noise()], axis=1)
    samples[5, 0] = np.nan
    assert audio.read((samples, 16_000), channel=1).duration_s == 1.0


def test_samples_too_large_to_add():
    samples = np.full((16_000, 2), 3e38, np.float32)
    assert "too large to add" in str(refused((samples, 16_000), "non_finite"))
    refused((np.full(16_000, 1e300), 16_000), "non_finite")


@pytest.mark.parametrize("level", [0.0, 0.25, 2**-15])
def test_silence(level):
    """Digital zero, a constant offset, and dither of one step of 16 bits."""
    samples = level * np.sign(noise(2.0)) if level == 2**-15 else np.full(32_000, level)
    assert "silent" in str(refused((samples, 16_000), "silent"))
    refused(encode(np.zeros(32_000, np.float32), container="FLAC"), "silent")


def test_quiet_is_not_silent():
    assert audio.read((1e-4 * tone(), 16_000)).duration_s == 1.0


def test_channels_that_cancel():
    samples = np.stack([noise(), -noise()], axis=1)
    assert "cancel" in str(refused((samples, 16_000), "silent"))
    assert audio.read((samples, 16_000), channel=0).duration_s == 1.0


def test_too_short():
    assert "lasts 0.099 s, less than the 0.1 s" in str(refused((noise(0.099), 16_000), "too_short"))
    assert audio.read((noise(0.1), 16_000)).duration_s == 0.1
    limits = audio.Limits(min_duration_s=0)
    assert len(audio.read((noise(0.01), 16_000), limits=limits)) == 160


def test_a_rate_out_of_range():
    refused(encode(noise(), rate=4_000), "bad_rate")
    refused(encode(noise(), rate=384_000), "bad_rate")
    refused((noise(), 16_000.5), "bad_rate")
    refused((noise(), float("nan")), "bad_rate")
    refused((noise(), 0), "bad_rate")
    refused((noise(), -16_000), "bad_rate")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ((np.zeros((2, 3, 4)), 16_000), "shape"),
        ((np.float32(0.5), 16_000), "shape"),
        ((np.zeros((2, 16_000), np.float32), 16_000), "samples.T"),
        ((np.zeros(16_000, np.int64), 16_000), "int64"),
        ((np.zeros(16_000, bool), 16_000), "bool"),
        ((np.zeros(16_000, complex), 16_000), "complex"),
        ((np.array(["a"] * 9), 16_000), "<U1"),
        ((16_000, np.zeros(16_000, np.float32)), "rate of type ndarray|shape"),
        ((np.zeros(16_000), "16000"), "rate of type str"),
        ((np.zeros(16_000), None), "rate of type NoneType"),
        ((np.zeros(16_000), True), "rate of type bool"),
        ((np.zeros(16_000),), "not \\(samples, rate\\)"),
        (np.zeros(16_000), "no rate"),
    ],
)
def test_arrays_that_are_not_audio(source, words):
    assert re.search(words, str(refused(source, "bad_samples")))


def test_floats_on_the_scale_of_integers_are_warned_of():
    with pytest.warns(AudioWarning, match="full scale is 1"):
        audio.read((noise() * 32_768, 16_000))


def test_a_bomb_is_stopped_by_duration_while_decoding():
    """Ten minutes of near silence in a small file, whatever its header says."""
    quiet = np.zeros(600 * 8_000, np.float32)
    quiet[::8_000] = 0.01
    bomb = encode(quiet, 8_000, "FLAC")
    assert len(bomb) < 0.02 * 4 * len(quiet)
    limits = audio.Limits(max_duration_s=60)
    assert "longer than 60 s" in str(refused(bomb, "too_large", limits=limits))
    fields = int.from_bytes(bomb[18:26], "big") >> 36 << 36
    for total in (0, 100):
        lying = bomb[:18] + (fields | total).to_bytes(8, "big") + bomb[26:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AudioWarning)
            try:
                assert len(audio.read(lying, limits=audio.Limits(60, min_duration_s=0))) <= 480_000
            except AudioError as error:
                assert error.code == "too_large"  # noqa: PT017


def test_a_bomb_is_stopped_by_bytes():
    samples = noise(10.0)
    limits = audio.Limits(max_bytes=100_000)
    with pytest.raises(AudioError, match="100,000 bytes") as caught:
        audio.read(encode(samples), limits=limits)
    assert caught.value.code == "too_large"
    with pytest.raises(AudioError, match="100,000 bytes"):
        audio.read((samples[:16_000], 16_000), rate=192_000, limits=limits)
    blocks = audio.read_blocks(encode(samples), block_s=1.0, limits=limits)
    assert sum(len(block) for block in blocks) == 160_000
    with pytest.raises(AudioError, match="100,000 bytes"):
        next(audio.read_blocks(encode(samples), block_s=2.0, limits=limits))


def test_an_endless_pipe_is_stopped(monkeypatch):
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    with pytest.raises(AudioError, match="from a pipe") as caught:
        audio.read("-", limits=audio.Limits(max_bytes=5_000_000))
    assert caught.value.code == "too_large"


def test_a_header_of_giant_size_allocates_nothing():
    """2^36 samples of promise are 256 GiB of floats."""
    with pytest.warns(AudioWarning, match="ends after"):
        assert audio.read(flac_of_length(2**36 - 1)).duration_s == 1.0


def test_a_compressed_page_is_not_audio():
    refused(zlib.compress(encode(noise())), "unreadable_audio")
