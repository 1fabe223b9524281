"""The timeline of a recording, by the default model: on real clips joined with silence."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import bundles
import emotone
from emotone import audio, bundle, features
from emotone.audio.preparation import Preparation
from emotone.audio.waveform import FloatArray
from emotone.bundle import Bundle, find
from emotone.errors import AudioError, AudioWarning, UsageError
from emotone.recognizer import Recognizer
from emotone.speech import RATE, UtteranceSettings
from emotone.timeline import analysis
from emotone.timeline.hearing import Asked
from emotone.timeline.settings import TimelineSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return emotone.load()


@pytest.fixture(scope="module")
def voices() -> list[np.ndarray]:
    return [
        audio.read(EXAMPLES / f"{name}.flac", rate=RATE).samples
        for name in ("low-voice", "raised-voice")
    ]


@pytest.fixture(scope="module")
def talk(voices: list[np.ndarray]) -> np.ndarray:
    pause = np.zeros(2 * RATE, dtype=np.float32)
    return np.concatenate([pause, voices[0], pause, voices[1], pause])


def test_a_recording_becomes_speech_and_silence(recognizer: Recognizer, talk: np.ndarray) -> None:
    timeline = recognizer.timeline((talk, RATE))
    assert timeline.duration_s == pytest.approx(len(talk) / RATE)
    assert timeline.model == recognizer.model
    assert timeline.channels == (None,)
    assert (timeline.segments[0].start, timeline.segments[0].kind) == (0, "silence")
    assert timeline.segments[-1].end == timeline.duration_s
    for one, other in zip(timeline.segments[:-1], timeline.segments[1:], strict=True):
        assert one.end == other.start
    for segment in timeline.speech:
        assert segment.emotion in recognizer.emotions
        assert sum(segment.scores.values()) == pytest.approx(1, abs=1e-5)
    assert {round(m.end - m.start, 1) for m in timeline.measurements} >= {0.5, 1.0, 1.5}
    assert timeline.settings["window_s"] == 3.0


def test_what_is_measured_is_what_the_model_says_to_the_window(
    recognizer: Recognizer, talk: np.ndarray
) -> None:
    timeline = recognizer.timeline((talk, RATE), settings=TimelineSettings(window_s=1.5))
    for measurement in timeline.measurements[::5]:
        sound = talk[round(measurement.start * RATE) : round(measurement.end * RATE)]
        (alone,) = recognizer.scores(sound)
        assert list(measurement.scores) == list(recognizer.emotions)
        assert np.allclose(list(measurement.scores.values()), alone, atol=1e-4)


def test_cores_and_containers_change_nothing(
    recognizer: Recognizer, talk: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, talk, RATE, subtype="FLOAT")
    alone = recognizer.timeline(path, jobs=1)
    heard: list[tuple[float, float | None]] = []
    both = recognizer.timeline(path, jobs=3, progress=lambda done, all_: heard.append((done, all_)))
    assert both.to_dict() == alone.to_dict()
    assert both.file == str(path)
    assert heard[-1][0] == pytest.approx(len(talk) / RATE)
    assert heard[-1][1] == pytest.approx(len(talk) / RATE)
    once = recognizer.timeline(io.BytesIO(path.read_bytes()))
    assert once.to_dict()["segments"] == alone.to_dict()["segments"]
    assert once.file is None


def test_channels_are_heard_apart_or_together(
    recognizer: Recognizer, voices: list[np.ndarray], tmp_path: Path
) -> None:
    length = sum(map(len, voices)) + 3 * RATE
    call = np.zeros((length, 3), dtype=np.float32)  # the third is silent all the time
    call[RATE : RATE + len(voices[0]), 0] = voices[0]
    call[length - len(voices[1]) - RATE : length - RATE, 1] = voices[1]
    path = tmp_path / "call.wav"
    soundfile.write(path, call, RATE)
    split = recognizer.timeline(path, channels="split")
    assert split.channels == (0, 1, 2)
    by_channel = {c: [s for s in split.segments if s.channel == c] for c in (0, 1, 2)}
    for segments in by_channel.values():
        assert (segments[0].start, segments[-1].end) == (0, pytest.approx(length / RATE))
    middle = (length / RATE) / 2
    assert all(s.end < middle + 2 for s in by_channel[0] if s.kind == "speech")
    assert all(s.start > middle - 2 for s in by_channel[1] if s.kind == "speech")
    assert [s.kind for s in by_channel[2]] == ["silence"]
    alone = recognizer.timeline(path, channels=1)
    assert alone.speech == tuple(s for s in by_channel[1] if s.kind == "speech")
    assert recognizer.timeline(path).channels == (None,)
    assert [s.kind for s in recognizer.timeline(path, channels=2).segments] == ["silence"]


def test_little_waits_to_be_scored_however_long_an_utterance_is(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short steps make hundreds of windows of a minute of speech, which would be in memory."""
    prepared, heard = analysis.prepared, analysis.heard
    begun: list[int] = []
    done: list[int] = []
    most = 0

    def prepare(recognizer: Recognizer, windows: Asked) -> list[FloatArray]:
        nonlocal most
        begun.append(len(windows))
        most = max(most, len(begun) - len(done))
        return prepared(recognizer, windows)

    def hear(recognizer: Recognizer, sounds: list[FloatArray]) -> FloatArray:
        time.sleep(0.02)
        done.append(len(sounds))
        return heard(recognizer, sounds)

    monkeypatch.setattr(analysis, "_AHEAD", 2)
    monkeypatch.setattr(analysis, "prepared", prepare)
    monkeypatch.setattr(analysis, "heard", hear)
    short = TimelineSettings(step_s=0.05)
    timeline = recognizer.timeline((talk, RATE), settings=short, jobs=1)
    assert sum(begun) == sum(done) == len(timeline.measurements) > 8 * 2 * 3
    assert most <= 2


def test_of_noise_alone(recognizer: Recognizer) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=3 * RATE).astype(np.float32)
    (only,) = recognizer.timeline((noise, RATE)).segments
    assert (only.kind, only.start, only.end) == ("non-speech", 0, 3)


def test_what_cannot_be_asked_for(recognizer: Recognizer, talk: np.ndarray) -> None:
    with pytest.raises(UsageError, match="jobs"):
        recognizer.timeline((talk, RATE), jobs=0)
    with pytest.raises(UsageError, match="channels"):
        recognizer.timeline((talk, RATE), channels="left")  # type: ignore[arg-type]
    data = io.BytesIO()
    soundfile.write(data, np.stack([talk, talk], axis=1), RATE, format="WAV")
    data.seek(0)
    with pytest.raises(UsageError, match="only once"):
        recognizer.timeline(data, channels="split")
    with pytest.raises(AudioError, match="NaN"):
        recognizer.timeline((np.full(RATE, np.nan, np.float32), RATE))


def test_a_word_shorter_than_a_model_takes_is_heard_all_the_same(tmp_path: Path) -> None:
    """By a model of waveforms alone, with silence after it."""
    default = Bundle.open(find(None))
    path = tmp_path / "waveforms.emotone"
    bundle.write(path, default.model, default.card)
    word = audio.read(EXAMPLES / "raised-voice.flac", rate=RATE).samples[RATE : RATE + RATE // 4]
    short = UtteranceSettings(least_speech_s=0.06, margin_s=0, pause_s=0.1)
    sound = np.concatenate([np.zeros(RATE, np.float32), word, np.zeros(RATE, np.float32)])
    found = emotone.load(path).timeline((sound, RATE), settings=TimelineSettings(utterances=short))
    spoken = [segment for segment in found.segments if segment.kind == "speech"]
    assert spoken
    assert min(segment.duration_s for segment in spoken) < 0.3


def test_a_model_of_more_than_is_heard_is_warned_of(tmp_path: Path, talk: np.ndarray) -> None:
    found = features.get("mfcc-13")
    about = {"feature_version": found.version, "dimension": found.dimension}
    values = Preparation(rate=48_000).to_dict()
    path = bundles.write(tmp_path / "studio.emotone", preparation=values, **about)
    with pytest.warns(AudioWarning, match="48000 Hz.*--rate 16000"):
        emotone.load(path).timeline((talk, RATE))


def test_channels_are_whole_numbers(recognizer: Recognizer, talk: np.ndarray) -> None:
    sound = np.stack([talk, 0.1 * talk], axis=1)
    whole = recognizer.timeline((sound, RATE), channels=1)
    assert recognizer.timeline((sound, RATE), channels=np.int64(1)) == whole  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the channels are True"):
        recognizer.timeline((sound, RATE), channels=True)
    with pytest.raises(AudioError):
        recognizer.timeline("a" * 5000)
