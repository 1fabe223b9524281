"""Recordings that are not what they should be: each has an outcome that can be relied on."""

from __future__ import annotations

import io
import itertools
import tracemalloc
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import audio_files
import bundles
import emotone
from emotone import audio, bundle
from emotone.audio.decoding import to_float
from emotone.audio.ffmpeg import FfmpegDecoder
from emotone.audio.headers import Header
from emotone.audio.sources import Encoded
from emotone.errors import AudioError, AudioWarning
from emotone.recognizer import Recognizer
from emotone.speech import RATE, SpeechDetector
from emotone.timeline import Timeline, analysis

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Samples = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    path = tmp_path_factory.mktemp("models") / "power.emotone"
    network = bundles.linear_model(
        np.array([[3.0, -40.0, 90.0, 5.0]]), np.array([0.2, 0.3, -0.1, 0.0]), kind="waveform"
    )
    heard = bundle.ModelInput("waveform", rate=RATE)
    bundle.write(path, network, bundles.card(input=heard, feature_set=None, feature_version=None))
    return emotone.load(path)


@pytest.fixture(scope="module")
def voice() -> Samples:
    """Three seconds of speech, from the first to the last."""
    return audio.read(EXAMPLES / "raised-voice.flac", rate=RATE).samples


def kinds(timeline: Timeline) -> list[str]:
    """Of its stretches, whatever the emotion."""
    return [kind for kind, _ in itertools.groupby(s.kind for s in timeline.segments)]


def spoken(timeline: Timeline) -> list[tuple[float, float]]:
    """From when to when somebody speaks, whatever the emotion."""
    found: list[tuple[float, float]] = []
    for segment in timeline.speech:
        if found and found[-1][1] == segment.start:
            found[-1] = (found[-1][0], segment.end)
        else:
            found.append((segment.start, segment.end))
    return found


def stamped(
    path: Path,
    pieces: Sequence[tuple[float, Samples]],
    codec: str,
    rate: int = 48_000,
) -> Path:
    """A container with pieces of sound, each with the timestamp at which it begins."""
    import av

    with av.open(path, "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        stream.time_base = Fraction(1, rate)
        resampler = av.AudioResampler(stream.format, "mono", rate)
        for at, samples in pieces:
            sound = audio.resample(samples, RATE, rate)
            size = stream.codec_context.frame_size or 960
            for start in range(0, len(sound) - size + 1, size):
                bare = np.ascontiguousarray(sound[None, start : start + size])
                frame = av.AudioFrame.from_ndarray(bare, format="fltp", layout="mono")
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                (frame,) = resampler.resample(frame)
                frame.pts, frame.time_base = round(at * rate) + start, Fraction(1, rate)
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_more_channels_than_a_frame_has_room_for() -> None:
    """PyAV reads beyond the end of a frame with more than eight planes."""
    import av

    layout, count, rate = "hexadecagonal", 16, 48_000
    time = np.arange(rate) / rate
    tones = np.stack([0.3 * np.sin(2 * np.pi * (200 + 50 * k) * time) for k in range(count)], 1)
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("aac", rate=rate, layout=layout)
        packed = av.AudioFrame.from_ndarray(
            tones.astype(np.float32).reshape(1, -1), format="flt", layout=layout
        )
        packed.sample_rate, packed.pts = rate, 0
        fifo = av.AudioFifo()
        for piece in av.AudioResampler(stream.codec_context.format, layout, rate).resample(packed):
            fifo.write(piece)
        while (piece := fifo.read(1024)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    for channel in range(count):
        samples = audio.read(out.getvalue(), channel=channel).samples
        loudest = np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)
        assert loudest == pytest.approx(200 + 50 * channel, abs=3)


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "ogg"])
def test_a_file_that_ends_mid_stream(
    recognizer: Recognizer, voice: Samples, tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"talk.{form}"
    soundfile.write(path, np.concatenate([voice, voice, voice]), RATE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.warns(AudioWarning, match="ends after|breaks off|damaged"):
        timeline = recognizer.timeline(path)
    length = 3 * len(voice) / RATE
    assert 0.3 * length < timeline.duration_s < 0.7 * length
    assert timeline.segments[-1].end == timeline.duration_s
    assert "speech" in kinds(timeline)


@pytest.mark.parametrize(
    ("ending", "codec"),
    [("mkv", "pcm_s16le"), ("mka", "flac"), ("webm", "libopus"), ("mp4", "aac"), ("ts", "aac")],
)
def test_a_gap_in_the_timestamps_is_silence(
    recognizer: Recognizer, voice: Samples, tmp_path: Path, ending: str, codec: str
) -> None:
    length = len(voice) / RATE
    path = stamped(tmp_path / f"talk.{ending}", [(0, voice), (length + 5, voice)], codec)
    with pytest.warns(AudioWarning, match=r"1 gap of 5\.\d\d s is filled with silence"):
        timeline = recognizer.timeline(path)
    first, second = spoken(timeline)
    assert timeline.duration_s == pytest.approx(2 * length + 5, abs=0.1)
    assert first[1] == pytest.approx(length, abs=0.3)
    assert second[0] == pytest.approx(length + 5, abs=0.3)


def frames_of(sound: Samples, size: int, seconds: float) -> list[tuple[float, Samples]]:
    """Frames of so many samples, each so many seconds after the one before."""
    count = len(sound) // size
    return [(k * seconds, sound[k * size : (k + 1) * size]) for k in range(count)]


def test_gaps_too_short_to_count_by_themselves_add_up(tmp_path: Path) -> None:
    """Each is below the threshold; together they are more than half of the recording."""
    sound = audio_files.noise(200 * 0.06)
    pieces = frames_of(sound, 960, 0.14)
    path = stamped(tmp_path / "holes.mka", pieces, "pcm_s16le", RATE)
    with pytest.warns(AudioWarning, match=r"gaps with a sum of 1[56]\.\d\d s are filled") as said:
        heard = audio.read(path)
    assert "ends after" not in str(said[0].message)
    assert heard.duration_s == pytest.approx(199 * 0.14 + 0.06, abs=0.1)
    for at, samples in pieces[:: len(pieces) // 7]:
        around = heard.samples[max(0, round((at - 0.11) * RATE)) : round((at + 0.08) * RATE)]
        found = np.correlate(around, samples).argmax() + max(0, round((at - 0.11) * RATE))
        assert found / RATE == pytest.approx(at, abs=0.1)


def test_single_frames_that_are_lost_are_made_up_for(tmp_path: Path) -> None:
    """A packet of 21 ms in five is lost on the way, as in a bad network."""
    import av

    whole = audio_files.encode_av(audio_files.noise(20.0, 48_000), 48_000, "mp4", "aac")
    path = tmp_path / "lossy.mkv"
    with av.open(io.BytesIO(whole)) as source, av.open(path, "w") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for number, packet in enumerate(source.demux(audio=0)):
            if packet.dts is not None and number % 5 != 3:
                packet.stream = stream
                out.mux(packet)
    with pytest.warns(AudioWarning, match=r"gaps with a sum of [34]\.\d\d s are filled"):
        assert audio.read(path).duration_s == pytest.approx(20.0, abs=0.15)


def test_a_late_beginning_is_no_early_end(tmp_path: Path) -> None:
    """As in a video whose sound sets in after a while: its length counts from the picture's."""
    path = stamped(tmp_path / "late.mka", [(3.0, audio_files.noise(5.0))], "pcm_s16le", RATE)
    assert audio.read(path).duration_s == pytest.approx(5.0, abs=0.1)  # a warning is an error


def test_timestamps_that_lag_behind_are_no_gap(tmp_path: Path) -> None:
    """A recorder that counts 55 ms for its frames of 60 ms and catches up now and then."""
    sound = audio_files.noise(20.0)
    pieces = [
        (0.06 * (k - k % 100) + 0.055 * (k % 100), samples)
        for k, (_, samples) in enumerate(frames_of(sound, 960, 0.06))
    ]
    path = stamped(tmp_path / "lag.mka", pieces, "pcm_s16le", RATE)
    assert len(audio.read(path)) == 960 * len(pieces)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("matroska", "pcm_s16le", 44_100),
        ("matroska", "aac", 22_050),
        ("webm", "libopus", 48_000),
        ("mp4", "aac", 44_100),
        ("mp4", "libopus", 16_000),
        ("mpegts", "aac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("flv", "aac", 22_050),
    ],
)
def test_a_minute_without_gaps_is_as_it_was_decoded(container: str, codec: str, rate: int) -> None:
    """Priming, padding and clocks of a millisecond or of 90 kHz never make for silence."""
    import av

    data = audio_files.encode_av(audio_files.tone(60.0, rate), rate, container, codec)
    with av.open(io.BytesIO(data)) as bare:
        decoded = np.concatenate([f.to_ndarray() for f in bare.decode(audio=0)], axis=1)
    decoder = FfmpegDecoder(Encoded("minute", io.BytesIO(data), len(data)), Header(ffmpeg=True))
    samples = np.concatenate(list(decoder.chunks()))
    decoder.close()
    assert decoder.note is None
    np.testing.assert_array_equal(samples[:, 0], to_float(decoded)[0])


def test_a_wrong_rate_in_avi_makes_no_gaps() -> None:
    data = bytearray(audio_files.encode_av(audio_files.tone(5.0), 16_000, "avi", "pcm_s16le"))
    rate = data.find(b"strh") + 32
    stated = int.from_bytes(data[rate : rate + 4], "little")
    data[rate : rate + 4] = round(stated / 1.2).to_bytes(4, "little")
    assert audio.read(bytes(data)).duration_s == pytest.approx(5.0, abs=0.1)


def test_streams_that_begin_on_the_way_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV may fail at the end of such a file, by what lies in memory then."""
    import av

    class Grown:
        def __init__(self, container: Any) -> None:
            self._own = container

        def __getattr__(self, name: str) -> Any:
            return getattr(self._own, name)

        def demux(self, stream: Any) -> Any:
            yield from self._own.demux(stream)
            raise IndexError("list index out of range")

    data = audio_files.encode_av(audio_files.tone(2.0, 16_000), 16_000, "mpegts", "aac")
    plain = audio.read(data)
    opened = av.open
    monkeypatch.setattr(av, "open", lambda *given, **named: Grown(opened(*given, **named)))
    np.testing.assert_array_equal(audio.read(data).samples, plain.samples)


def test_timestamps_that_jump(recognizer: Recognizer, voice: Samples, tmp_path: Path) -> None:
    """A clock that was set anew, on or back, is no reason to wait for an hour or to leave out."""
    length = len(voice) / RATE
    on = stamped(tmp_path / "on.ts", [(0, voice), (3000, voice)], "aac")
    far = stamped(tmp_path / "far.mkv", [(0, voice), (9000, voice)], "pcm_s16le")
    one, two = (
        stamped(tmp_path / f"{at}.ts", [(at, voice)], "aac").read_bytes() for at in (90, 20)
    )
    back = tmp_path / "back.ts"
    back.write_bytes(one + two)
    for path in (on, far, back):
        with pytest.warns(AudioWarning, match="timestamps jump once"):
            timeline = recognizer.timeline(path)
        assert timeline.duration_s == pytest.approx(2 * length, abs=0.2)


def test_samples_that_are_no_numbers(
    recognizer: Recognizer, voice: Samples, tmp_path: Path
) -> None:
    damaged = np.concatenate([voice, voice])
    damaged[len(voice) + 5] = np.nan
    path = tmp_path / "talk.wav"
    soundfile.write(path, damaged, RATE, subtype="FLOAT")
    with pytest.raises(
        AudioError, match=rf"sample {len(voice) + 5} \(at 2\.\d+ s\) is NaN"
    ) as said:
        recognizer.timeline(path)
    assert said.value.code == "non_finite"


def test_clipping_is_told_with_its_share(
    recognizer: Recognizer, voice: Samples, tmp_path: Path
) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.clip(30 * voice, -1, 1), RATE, subtype="PCM_16")
    with pytest.warns(AudioWarning, match=r"\d\d % of the samples are clipped"):
        timeline = recognizer.timeline(path)
    assert timeline.speech
    soundfile.write(path, np.stack([voice, np.clip(30 * voice, -1, 1)], axis=1), RATE)
    with pytest.warns(AudioWarning, match="channel 1: ") as said:
        recognizer.timeline(path, channels="split")
    assert len(said) == 1
    for fine in (voice / np.abs(voice).max(), 30 * voice):  # up to full scale, and floats beyond
        soundfile.write(path, fine, RATE, subtype="FLOAT")
        recognizer.timeline(path)


def test_music_alone_is_no_speech(recognizer: Recognizer) -> None:
    """Chords of decaying tones: sound in which nobody speaks. Of singing that cannot be said."""
    now = np.arange(RATE) / RATE
    sound = [
        sum(
            np.sin(2 * np.pi * 220 * 2 ** (step / 12) * k * now) * np.exp(-2 * k * now) / k
            for step in chord
            for k in range(1, 6)
        )
        for chord in ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
    ]
    music = (0.1 * np.concatenate(sound * 2)).astype(np.float32)
    assert kinds(recognizer.timeline((music, RATE))) == ["non-speech"]


def hear_no_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the speech detector, for its time."""

    def heard(
        detectors: Sequence[SpeechDetector], blocks: Sequence[Samples]
    ) -> list[npt.NDArray[np.float32]]:
        taken = [each._take(block) for each, block in zip(detectors, blocks, strict=True)]
        return [np.full(len(chunks), 0.01, np.float32) for chunks in taken]

    monkeypatch.setattr("emotone.timeline.cutting.hear_together", heard)
    monkeypatch.setattr("emotone.speech.detector.hear_together", heard)


def test_hours_of_silence(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One segment, in memory that does not grow. The detector is left out for its time."""
    hear_no_speech(monkeypatch)
    path = tmp_path / "night.flac"
    hours = 2
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        for _ in range(hours * 60):
            file.write(np.zeros(60 * 8000, np.int16))
    tracemalloc.start()
    timeline = recognizer.timeline(path, checkpoint=tmp_path / "kept")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kinds(timeline) == ["silence"]
    assert len(timeline.segments) == 1
    assert timeline.duration_s == hours * 3600
    assert not timeline.measurements
    assert timeline.summary().shares == {}
    assert peak < 60 * 2**20


def test_channels_that_cancel_each_other(
    recognizer: Recognizer, voice: Samples, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([voice, -voice], axis=1), RATE)
    with pytest.raises(AudioError, match="cancel each other"):
        recognizer.timeline(path)
    assert "speech" in kinds(recognizer.timeline(path, channels=1))


def test_channels_that_become_more_on_the_way(
    recognizer: Recognizer, voice: Samples, tmp_path: Path
) -> None:
    one = audio_files.encode_av(voice, RATE, "adts", "aac")
    two = audio_files.encode_av(np.stack([voice, voice], axis=1), RATE, "adts", "aac")
    for first, second, channels in ((one, two, [None]), (two, one, [0, 1])):
        path = tmp_path / "talk.aac"
        path.write_bytes(first + second)
        timeline = recognizer.timeline(path, channels="split")
        assert list(timeline.channels) == channels
        assert timeline.duration_s == pytest.approx(2 * len(voice) / RATE, abs=0.4)
        for channel in channels:
            mine = [s for s in timeline.speech if s.channel == channel]
            assert mine[0].start < 0.5
            assert mine[-1].end > 1.8 * len(voice) / RATE


def test_nothing_at_all_and_next_to_nothing(recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    path.touch()
    with pytest.raises(AudioError, match="empty"):
        recognizer.timeline(path)
    soundfile.write(path, np.empty(0), RATE)
    with pytest.raises(AudioError, match="no audio samples"):
        recognizer.timeline(path)
    soundfile.write(path, audio_files.noise(0.05), RATE)
    with pytest.raises(AudioError, match=r"0\.050 s, less than the 0\.1 s"):
        recognizer.timeline(path)
    soundfile.write(path, audio_files.noise(0.1), RATE)
    (only,) = recognizer.timeline(path).segments
    assert (only.kind, only.start, only.end) == ("non-speech", 0.0, 0.1)
    soundfile.write(path, np.zeros(1600), RATE)
    (only,) = recognizer.timeline(path).segments
    assert (only.kind, only.start, only.end) == ("silence", 0.0, 0.1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 192_000])
def test_every_rate_gives_the_same_times(
    recognizer: Recognizer, voice: Samples, tmp_path: Path, rate: int
) -> None:
    quiet = np.zeros(RATE, np.float32)
    talk = np.concatenate([quiet, voice, quiet])
    path = tmp_path / "talk.flac"
    soundfile.write(path, audio.resample(talk, RATE, rate), rate, subtype="PCM_16")
    ((start, end),) = spoken(recognizer.timeline(path))
    ((wanted_start, wanted_end),) = spoken(recognizer.timeline((talk, RATE)))
    assert start == pytest.approx(wanted_start, abs=0.15)
    assert end == pytest.approx(wanted_end, abs=0.15)


def test_eight_channels(recognizer: Recognizer, voice: Samples, tmp_path: Path) -> None:
    room = np.zeros((len(voice) + 8 * RATE, 8), np.float32)
    for channel in range(8):
        room[channel * RATE : channel * RATE + len(voice), channel] = voice
    path = tmp_path / "room.wav"
    soundfile.write(path, room, RATE)
    timeline = recognizer.timeline(path, channels="split")
    assert timeline.channels == tuple(range(8))
    for channel in range(8):
        mine = [s for s in timeline.speech if s.channel == channel]
        assert mine[0].start == pytest.approx(channel, abs=0.3)
        assert mine[-1].end == pytest.approx(channel + len(voice) / RATE, abs=0.3)


def test_sound_is_decoded_block_by_block(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cut has not been decoded long before."""
    path = tmp_path / "noise.wav"
    soundfile.write(path, audio_files.noise(200), RATE)
    decoded = 0
    told: list[float] = []
    blocks = analysis.blocks_if_silent_too

    def counted(*arguments: object, **options: object) -> Iterator[audio.Waveform]:
        nonlocal decoded
        for block in blocks(*arguments, **options):  # type: ignore[arg-type]
            decoded += len(block)
            yield block

    monkeypatch.setattr(analysis, "blocks_if_silent_too", counted)
    hear_no_speech(monkeypatch)
    recognizer.timeline(path, progress=lambda done, total: told.append(done - decoded / RATE))
    assert len(told) == 11
    assert not any(told)
