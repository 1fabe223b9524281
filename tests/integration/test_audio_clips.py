"""Audio on real clips, real processes and long recordings."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from audio_files import encode_av
from emotone import audio

SOME_OF_EACH = [
    ("ravdess", "*/*.flac"),
    ("tess", "*/*.opus"),
    ("emodb", "*.opus"),
    ("urdu", "*/*.opus"),
    ("ased", "*/*.opus"),
    ("turev", "*/*.opus"),
    ("casia", "*/*/*.opus"),
    ("emovo", "*/*.opus"),
    ("nemo", "samples/*.opus"),
    ("originals", "*.wav"),
]


@pytest.mark.parametrize(("corpus", "pattern"), SOME_OF_EACH)
def test_real_clips_are_read_without_a_warning(corpora, corpus, pattern):
    clips = sorted((corpora / corpus).glob(pattern))
    assert clips
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for clip in clips[:: max(1, len(clips) // 10)]:
            wanted, rate = soundfile.read(clip, dtype="float32", always_2d=True)
            waveform = audio.read(clip)
            assert waveform.rate == rate
            np.testing.assert_allclose(waveform.samples, wanted.mean(axis=1), atol=1e-6)
            blocks = list(audio.read_blocks(clip, block_s=0.7, rate=16_000))
            joined = np.concatenate([block.samples for block in blocks])
            np.testing.assert_allclose(joined, audio.read(clip, rate=16_000).samples, atol=2e-6)
            info = audio.probe(clip)
            assert (info.rate, info.channels) == (rate, wanted.shape[1])
            assert info.duration_s == pytest.approx(waveform.duration_s, abs=0.01)


def test_a_real_clip_survives_the_containers_of_phones_and_the_web(corpora):
    clip = sorted((corpora / "originals").glob("03-*.wav"))[0]
    original = audio.read(clip)
    assert original.rate == 48_000
    for container, codec in (("ipod", "aac"), ("mp4", "aac"), ("webm", "libopus")):
        encoded = encode_av(original.samples, 48_000, container, codec)
        decoded = audio.read(encoded).samples
        assert abs(len(decoded) - len(original)) < 3_000
        # AAC leaves its encoder's delay in some containers: find it, then compare.
        size = 1 << 19
        crossed = np.fft.irfft(
            np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(original.samples, size))
        )
        delay = int(crossed.argmax())
        delay = delay if delay < size // 2 else delay - size
        assert abs(delay) < 3_000
        aligned = decoded[max(delay, 0) :]
        reference = original.samples[max(-delay, 0) :]
        length = min(len(aligned), len(reference))
        assert np.corrcoef(aligned[:length], reference[:length])[0, 1] > 0.98


def test_a_real_clip_through_every_preparation(corpora):
    clip = sorted((corpora / "originals").glob("03-*.wav"))[0]
    preparation = audio.Preparation(
        rate=16_000,
        denoise=0.6,
        band_hz=(80, 7_600),
        trim_db=30,
        normalize="loudness",
        length_s=3.0,
    )
    waveform = audio.read(clip)
    prepared = preparation.apply(waveform)
    assert (prepared.rate, len(prepared)) == (16_000, 48_000)
    again = audio.Preparation.from_dict(preparation.to_dict()).apply(audio.read(clip))
    np.testing.assert_array_equal(prepared.samples, again.samples)


def test_noise_reduction_brings_a_noisy_voice_nearer_to_the_clean_one(corpora):
    generator = np.random.default_rng(0)
    gains = []
    for clip in sorted((corpora / "ravdess").glob("*/*.flac"))[::300]:
        clean = audio.read(clip).samples
        hiss = generator.standard_normal(len(clean)) * np.sqrt(np.mean(clean**2))
        noisy = audio.Waveform((clean + hiss).astype(np.float32), 16_000)
        reduced = audio.Preparation(denoise=0.9).apply(noisy).samples
        before = np.mean((noisy.samples - clean) ** 2)
        gains.append(10 * np.log10(before / np.mean((reduced - clean) ** 2)))
    assert np.mean(gains) > 3


def test_standard_input_of_a_real_process(corpora):
    clip = sorted((corpora / "ravdess").glob("*/*.flac"))[0]
    program = "from emotone import audio; print(len(audio.read('-')))"
    command = [sys.executable, "-c", program]
    with clip.open("rb") as opened:
        done = subprocess.run(command, stdin=opened, capture_output=True, text=True, check=True)
    cat = subprocess.Popen(["cat", clip], stdout=subprocess.PIPE)
    piped = subprocess.run(command, stdin=cat.stdout, capture_output=True, text=True, check=True)
    cat.wait()
    assert int(done.stdout) == int(piped.stdout) == soundfile.info(clip).frames


def test_nothing_is_imported_before_it_is_needed(corpora):
    flac = sorted((corpora / "ravdess").glob("*/*.flac"))[0]
    program = f"""
import sys
from emotone import audio
heavy = ("soundfile", "soxr", "av", "scipy", "librosa", "noisereduce")
print([name for name in heavy if name in sys.modules])
audio.read({str(flac)!r})
print([name for name in heavy if name in sys.modules])
audio.read({str(flac)!r}, rate=8000)
print([name for name in heavy if name in sys.modules])
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['soundfile']", "['soundfile', 'soxr']"]


def test_a_short_clip_costs_little_more_than_soundfile(corpora):
    for clip in (
        sorted((corpora / "ravdess").glob("*/*.flac"))[0],
        sorted((corpora / "originals").glob("03-*.wav"))[0],
    ):

        def fastest(action, clip=clip):
            times = []
            for _ in range(40):
                start = time.perf_counter()
                action(clip)
                times.append(time.perf_counter() - start)
            return min(times)

        bare = fastest(lambda path: soundfile.read(path, dtype="float32"))
        assert fastest(audio.read) - bare < 0.002


def _growth_mib(path: Path, **options: object) -> tuple[float, float]:
    """Peak growth of memory over the second block, and the seconds read."""
    process = psutil.Process()
    seconds, start, peak = 0.0, 0, 0
    for index, block in enumerate(audio.read_blocks(path, **options)):  # type: ignore[arg-type]
        seconds += block.duration_s
        memory = process.memory_info().rss
        if index == 1:
            start = memory
        peak = max(peak, memory)
    return (peak - start) / 2**20, seconds


@pytest.mark.parametrize("kind", ["wav", "flac", "webm"])
def test_memory_stays_flat_over_a_long_recording(tmp_path, kind):
    """Two channels for so long that decoded at once they would take hundreds of MiB."""
    path = tmp_path / f"long.{kind}"
    minute = np.random.default_rng(0).integers(-3000, 3000, (8_000 * 60, 2)).astype(np.int16)
    if kind == "webm":
        import av

        hours = 0.25
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libopus", rate=48_000, layout="stereo")
            stream.codec_context.options = {"compression_level": "0"}
            second = np.repeat(minute[:8_000], 6, axis=0)
            packets = []
            frame = av.AudioFrame.from_ndarray(second.reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, 0
            fifo = av.AudioFifo()
            fifo.write(frame)
            while (piece := fifo.read(960)) is not None:
                packets += stream.encode(piece)
            # One encoded second, over and over: the muxer does not mind, and it is quick.
            clean = [bytes(packet) for packet in packets[5:45]]
            for index in range(round(hours * 3600 * 50)):
                packet = av.Packet(clean[index % len(clean)])
                packet.stream, packet.time_base = stream, Fraction(1, 1000)
                packet.pts = packet.dts = 20 * index
                out.mux(packet)
    else:
        hours = 2 if kind == "wav" else 1
        with soundfile.SoundFile(path, "w", 8_000, 2, "PCM_16") as out:
            for _ in range(hours * 60):
                out.write(minute)

    growth, seconds = _growth_mib(path, rate=16_000, block_s=30.0)

    assert seconds == pytest.approx(hours * 3600, abs=1)
    assert growth < 16
