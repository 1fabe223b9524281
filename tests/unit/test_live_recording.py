"""The file of a live session: lossless, right at every moment, in the place of no other."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audio_files
from emotone import audio
from emotone.errors import UsageError
from emotone.live import Recording, wav

RATE = 16_000


def frames(bits: int, channels: int = 2, count: int = 20_000) -> np.ndarray:
    """Samples that so many bits hold, full scale included."""
    sound = audio_files.noise(count * channels / RATE).reshape(-1, channels).clip(-0.9, 0.9)
    sound[:2] = [[-1.0] * channels, [1.0 - 2.0 ** (1 - min(bits, 24))] * channels]
    if bits == 32:
        return sound
    return (np.round(sound * 2 ** (bits - 1)) / 2 ** (bits - 1)).astype(np.float32)


@pytest.mark.parametrize("ending", [".wav", ".flac"])
@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read(tmp_path: Path, ending: str, bits: int, channels: int) -> None:
    sound = frames(bits, channels)
    path = tmp_path / "folder" / f"täglich 1{ending}"
    recording = Recording(path, RATE, channels, bits)
    for start in range(0, len(sound), 1777):
        recording.write(sound[start : start + 1777])
    recording.close()
    recording.close()
    read, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    assert recording.frames == len(sound)
    if (bits, ending) == (32, ".flac"):
        assert read == pytest.approx(sound, abs=2**-23)
    else:
        assert np.array_equal(read, sound)


def test_a_wav_is_whole_after_every_write(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "a.wav", RATE, 1, 16)
    for number in range(1, 4):
        recording.write(audio_files.tone(0.5)[:, None])
        crashed = shutil.copy(tmp_path / "a.wav", tmp_path / "crashed.wav")
        info = soundfile.info(crashed)
        assert (info.frames, info.subtype) == (number * RATE // 2, "PCM_16")
        assert len(audio.read(crashed)) == number * RATE // 2
    recording.close()


def test_a_wav_has_an_even_number_of_bytes(tmp_path: Path) -> None:
    """As RIFF has it, where that of its samples is odd; and none too many where more come."""
    path = tmp_path / "a.wav"
    sound = frames(24, 1, 1003)
    with wav.WavFile(path, RATE, 1, 24) as file:
        for start, end in ((0, 301), (301, 602), (602, 1003)):
            file.write(sound[start:end])
            size = path.stat().st_size
            assert size % 2 == 0
            assert struct.unpack("<I", path.read_bytes()[4:8])[0] == size - 8
            read, _ = soundfile.read(path, dtype="float32", always_2d=True)
            assert np.array_equal(read, sound[:end])


def test_a_flac_that_was_not_closed_can_be_read(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "a.flac", RATE, 1, 16)
    for _ in range(10):
        recording.write(audio_files.noise(0.5)[:, None])
    crashed = shutil.copy(tmp_path / "a.flac", tmp_path / "crashed.flac")
    assert 5 * RATE - 4096 <= len(audio.read(crashed)) <= 5 * RATE
    recording.close()


def test_past_4_gib_it_is_an_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav, "_MOST_RIFF", 30_000)
    sound = frames(16, 1)
    recording = Recording(tmp_path / "a.wav", RATE, 1, 16)
    recording.write(sound[:10_000])
    assert soundfile.info(tmp_path / "a.wav").format == "WAV"
    recording.write(sound[10_000:])
    recording.close()
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    read, _ = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    assert np.array_equal(read, sound)
    assert len(audio.read(tmp_path / "a.wav")) == len(sound)


def test_beyond_full_scale_is_cut(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "a.wav", RATE, 1, 16)
    recording.write(np.array([[-3.0], [0.5], [3.0]], np.float32))
    recording.close()
    read, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert read.tolist() == [-32768, 16384, 32767]


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_file_that_is_there_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(FileExistsError):
        Recording(tmp_path / name, RATE, 1, 16)
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_an_old_file_is_replaced_when_the_first_sound_is_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("precious")
    recording = Recording(path, RATE, 1, 16, replace=True)
    recording.discard()
    assert path.read_text() == "precious"
    recording = Recording(path, RATE, 1, 16, replace=True)
    recording.close()
    assert path.read_text() == "precious"
    recording = Recording(path, RATE, 1, 16, replace=True)
    recording.write(audio_files.tone(0.5)[:, None])
    recording.close()
    recording.discard()  # there is sound in it
    assert soundfile.info(path).frames == RATE // 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_an_old_file_is_back_where_no_new_one_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_text("precious")
    recording = Recording(path, RATE, 1, 16, replace=True)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emotone.live.wav.WavFile.write", full)
    monkeypatch.setattr("emotone.live.recording._FlacFile.write", full)
    with pytest.raises(OSError, match="No space"):
        recording.write(audio_files.tone(0.5)[:, None])
    recording.close()
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_recording_of_nothing_is_discarded(tmp_path: Path, name: str) -> None:
    Recording(tmp_path / name, RATE, 1, 16).discard()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.wav or \.flac"):
        Recording(tmp_path / "a.mp3", RATE, 1, 16)
    with pytest.raises(UsageError, match="8 channels, not 9"):
        Recording(tmp_path / "a.flac", RATE, 9, 16)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.flac").write_text("precious")
    with pytest.raises(UsageError, match="8 channels, not 9"):
        Recording(tmp_path / "a.flac", RATE, 9, 16, replace=True)
    assert (tmp_path / "a.flac").read_text() == "precious"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk here")
def test_a_full_disk(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "a.wav", RATE, 1, 16)
    recording.write(audio_files.tone(0.5)[:, None])
    file = recording._file
    assert isinstance(file, wav.WavFile)
    whole, file._file = file._file, open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
    with pytest.raises(OSError, match="No space"):
        recording.write(audio_files.tone(0.5)[:, None])
    file._file.close()
    file._file = whole
    recording.close()
    assert soundfile.info(tmp_path / "a.wav").frames == RATE // 2 == recording.frames
