"""A live session: what a microphone may do, and that audio time is never lost."""

from __future__ import annotations

import io
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

import emotone
from emotone import audio
from emotone.audio.waveform import FloatArray
from emotone.errors import (
    AudioError,
    AudioWarning,
    BundleError,
    DeviceError,
    MissingExtraError,
    UsageError,
)
from emotone.live import Behind, Microphone, Overflowed, Pipe, Recording, Session
from emotone.live import microphone as microphone_module
from emotone.live import session as sessions
from emotone.live.microphone import devices
from emotone.recognizer import Recognizer
from emotone.stream import LIVE, Measured, SpeechEnded, SpeechStarted, Stream
from microphones import Fake, device
from timelines import alike

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000


class Slow:
    """A recognizer that takes its time for each window, and hears what another hears."""

    def __init__(self, inner: Recognizer, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not name.startswith("hear"):
            return found

        def hear(sounds: Sequence[np.ndarray], *others: Any) -> np.ndarray:
            time.sleep(self._seconds * len(sounds))
            return found(sounds, *others)

        return hear


@dataclass
class Given:
    """A source of silence: of as much as a test says, when it says so.

    Attributes
    ----------
    is_live
        Whether time goes on there.
    sound
        Samples that have come in.
    keeps
        Whether it gives none of them.
    """

    is_live: bool
    sound: int = 0
    keeps: bool = False
    name: str = "made-up"
    rate: int = RATE
    channels: int = 1
    bits: int = 16
    overflows: int = 0

    @property
    def waiting(self) -> int:
        return self.sound

    def take(self, timeout_s: float) -> FloatArray | None:
        if self.keeps:
            return np.zeros((0, 1), np.float32)
        found, self.sound = self.sound, 0
        return np.zeros((found, 1), np.float32)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    found = emotone.load()
    sessions.warm_up(found)
    return found


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two short utterances with pauses as 16-bit integers, shape (n, 1); some 6 s."""
    voice = audio.read(EXAMPLES / "raised-voice.flac", rate=RATE).samples[: 2 * RATE]
    pause = np.zeros(RATE * 6 // 10, np.float32)
    sound = np.concatenate([pause, voice, pause, voice, pause])
    return (sound * 32767).astype(np.int16)[:, None]


def events_of(recognizer: Recognizer, sound: np.ndarray) -> list[dict[str, object]]:
    """What a stream tells of it."""
    stream = Stream(recognizer, RATE)
    told = stream.feed((sound[:, 0] / 32768).astype(np.float32)) + stream.finish()
    return [event.to_dict() for event in told]


def heard_until(session: Session, seconds: float) -> list[sessions.Told]:
    """Its events, stopped when so much has been heard."""
    told = []
    for some in session:
        told += some
        if session.time >= seconds:
            session.stop()
    return told


# -- pipes


def test_a_pipe_is_heard_as_the_stream_and_the_timeline_hear_it(
    recognizer: Recognizer, talk: np.ndarray
) -> None:
    session = Session(recognizer, Pipe(io.BytesIO(talk.tobytes()), rate=RATE))
    told = [event.to_dict() for some in session for event in some]
    assert told == alike(events_of(recognizer, talk))
    live, whole = session.timeline("talk.wav"), recognizer.timeline((talk, RATE), settings=LIVE)
    assert live.file == "talk.wav"
    assert live.duration_s == whole.duration_s
    assert live.settings == whole.settings
    assert [(s.start, s.end, s.label) for s in live.segments] == [
        (s.start, s.end, s.label) for s in whole.segments
    ]
    assert len(live.measurements) == len(whole.measurements)
    assert (session.skipped, session.lag_s, session.interrupted) == (0, 0.0, False)
    summary = session.summary()
    assert summary["duration_s"] == pytest.approx(len(talk) / RATE, abs=1e-3)
    shares = {k: round(v, 4) for k, v in whole.summary().shares.items()}
    assert summary["shares"] == alike(shares)


def test_channels_are_mixed_or_one_is_heard(recognizer: Recognizer, talk: np.ndarray) -> None:
    quiet = np.zeros_like(talk)
    data = np.concatenate([quiet, talk], axis=1).tobytes()
    found = []
    for channel in (None, 0, 1):
        pipe = Pipe(io.BytesIO(data), rate=RATE, channels=2)
        session = Session(recognizer, pipe, channel=channel)
        found.append([event.to_dict() for some in session for event in some])
        assert session.timeline().settings["channels"] == ("mix" if channel is None else channel)
        if channel == 1:
            segments = session.timeline().segments
            assert {segment.channel for segment in segments} == {1}
            assert {measured.channel for measured in session.timeline().measurements} == {1}
    assert found[1] == []
    for event in found[2]:
        for part in (event, *event.get("segments", [])):
            part.pop("channel", None)
    assert found[2] == alike(events_of(recognizer, talk))
    assert [e["event"] for e in found[0]] == [e["event"] for e in found[2]]
    with pytest.raises(AudioError, match="no channel 2; it has 2"):
        Session(recognizer, Pipe(io.BytesIO(data), rate=RATE, channels=2), channel=2)


def test_what_is_no_sample_is_silence_and_time_stays_right(
    recognizer: Recognizer, talk: np.ndarray
) -> None:
    sound = (talk / 32768).astype("<f4")
    whole = sound.copy()
    whole[2000:2010] = 0
    sound[2000:2010, 0] = [np.nan, np.inf, -np.inf, 1e30, -200, *[np.nan] * 5]
    stream = Stream(recognizer, RATE)
    expected = [e.to_dict() for e in stream.feed(whole[:, 0]) + stream.finish()]
    pipe = Pipe(io.BytesIO(sound.tobytes()), rate=RATE, encoding="f32le")
    session = Session(recognizer, pipe)
    assert [e.to_dict() for some in session for e in some] == alike(expected)
    assert session.broken == session.summary()["broken"] == 10


def test_the_wrong_format_is_noticed(recognizer: Recognizer, talk: np.ndarray) -> None:
    session = Session(recognizer, Pipe(io.BytesIO(talk.tobytes()), rate=RATE, encoding="f32le"))
    list(session)
    assert session.broken > 100


def test_clipping_is_counted(recognizer: Recognizer) -> None:
    sound = np.zeros((RATE, 1), np.int16)
    sound[100:110], sound[200:205] = 32767, -32768
    session = Session(recognizer, Pipe(io.BytesIO(sound.tobytes()), rate=RATE))
    list(session)
    assert session.clipped == 15


def test_a_broken_end_keeps_what_was_heard(recognizer: Recognizer, talk: np.ndarray) -> None:
    session = Session(recognizer, Pipe(io.BytesIO(talk.tobytes()[:-1]), rate=RATE))
    with pytest.warns(AudioWarning, match="in the middle of a sample"):
        told = [event for some in session for event in some]
    assert sum(isinstance(event, SpeechEnded) for event in told) == 2


def test_the_error_of_the_model_is_told_and_not_that_the_stream_is_over(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BundleError("it takes more memory than models may have")

    monkeypatch.setattr(Recognizer, "hear_frames", fail)
    pipe = Pipe(io.BytesIO(talk.tobytes()), rate=RATE)
    with pytest.raises(BundleError, match="more memory"):
        list(Session(recognizer, pipe))


def test_a_pipe_is_stopped_while_nothing_comes(recognizer: Recognizer, talk: np.ndarray) -> None:
    import os

    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as stream, os.fdopen(write, "wb", buffering=0) as other:
        other.write(talk[: 2 * RATE].tobytes())
        session = Session(recognizer, Pipe(stream, rate=RATE))
        told = heard_until(session, 2.0)  # which ends though the pipe does not
    assert session.interrupted
    assert isinstance(told[-1], SpeechEnded)
    assert session.timeline().duration_s == 2.0


def test_a_pipe_is_not_read_faster_than_it_is_heard(recognizer: Recognizer) -> None:
    """Else a file of hours were in memory, and Ctrl-C would end nothing."""
    pipe = Pipe(io.BytesIO(bytes(2 * 60 * RATE)), rate=RATE)
    session = Session(recognizer, pipe)
    ahead = []
    until = time.monotonic() + 60.0
    while pipe.waiting < 2 * RATE:  # all that it reads ahead
        assert time.monotonic() < until, f"{pipe.waiting} samples were read ahead"
        time.sleep(0.01)
    for _ in session:
        ahead.append(session.arrived_s - session.time)
        if session.time >= 5.0:
            session.stop()
    assert 1.5 < max(ahead) < 2 * 2.2  # what the pipe reads ahead, twice at the end
    assert session.interrupted
    assert session.time < 5.1 + 2 * 2.2


def test_realtime_input_that_comes_too_fast_is_skipped_and_not_lost(
    recognizer: Recognizer, talk: np.ndarray
) -> None:
    pipe = Pipe(io.BytesIO(talk.tobytes()), rate=RATE, realtime=True)
    session = Session(Slow(recognizer, 0.05), pipe)  # type: ignore[arg-type]
    told = [event for some in session for event in some]
    assert session.skipped > 0
    assert any(isinstance(event, Behind) for event in told)
    assert session.timeline().duration_s == len(talk) / RATE


# -- the microphone


def test_a_microphone_is_heard_as_the_stream_hears_it(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = Fake(talk, speed=3).install(monkeypatch)
    microphone = Microphone()
    assert (microphone.name, microphone.rate, microphone.channels) == (
        "Made-up Microphone", RATE, 1,
    )  # fmt: skip
    recording = Recording(tmp_path / "talk.wav", microphone.rate, 1, microphone.bits)
    session = Session(recognizer, microphone, recording=recording)
    told = heard_until(session, len(talk) / RATE)
    assert session.interrupted
    # Not equal to the last place: in a real-time run a window may be skipped on a busy machine.
    expected = [e for e in events_of(recognizer, talk) if e["event"] != "measurement"]
    times = [(e["event"], e["time"]) for e in expected]
    assert [
        (e.event, round(e.time, 3)) for e in told if isinstance(e, SpeechStarted | SpeechEnded)
    ] == times
    kept, _ = soundfile.read(tmp_path / "talk.wav", dtype="int16", always_2d=True)
    assert len(kept) == round(session.time * RATE) >= len(talk)
    assert np.array_equal(kept[: len(talk)], talk)
    assert not kept[len(talk) :].any()
    assert fake.closed == 1
    assert fake.opened[0]["dtype"] == "int16"


def test_a_slow_machine_skips_windows_and_never_time(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Fake(talk, speed=3).install(monkeypatch)
    microphone = Microphone()
    recording = Recording(tmp_path / "talk.flac", RATE, 1, 16)
    slow = Slow(recognizer, 0.3)  # 0.9 s of sound, more than three steps
    session = Session(slow, microphone, recording=recording)  # type: ignore[arg-type]
    told = heard_until(session, len(talk) / RATE)
    expected = events_of(recognizer, talk)
    for kind in (SpeechStarted, SpeechEnded):
        assert [round(e.time, 3) for e in told if isinstance(e, kind)] == [
            e["time"]
            for e in expected
            if e["event"] == kind(0, *[()] * (kind is SpeechEnded)).event
        ]
    measured = sum(isinstance(event, Measured) for event in told)
    assert session.skipped > 0
    assert measured + session.skipped == sum(e["event"] == "measurement" for e in expected)
    behind = [event for event in told if isinstance(event, Behind)]
    assert behind
    assert all(event.to_dict()["event"] == "behind" for event in behind)
    assert max(event.lag_s for event in behind) > sessions.HURRY_S / 2
    assert session.worst_lag_s > sessions.HURRY_S
    assert session.summary()["lag_s"] == round(session.worst_lag_s, 3)
    kept, _ = soundfile.read(tmp_path / "talk.flac", dtype="int16", always_2d=True)
    assert np.array_equal(kept[: len(talk)], talk)


@pytest.mark.parametrize("stalls", [False, True])
def test_a_microphone_pulled_out(
    recognizer: Recognizer,
    talk: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stalls: bool,
) -> None:
    """In the middle of the second utterance."""
    seconds = 4.4
    fake = Fake(talk, speed=4, unplugged_s=seconds, stalls=stalls).install(monkeypatch)
    recording = Recording(tmp_path / "talk.wav", RATE, 1, 16)
    # Time passes there only when nothing will come any more, however busy this machine is.
    times = itertools.count(0.0, 5.0)
    microphone = Microphone(now=lambda: next(times) if fake.ended.is_set() else 0.0)
    session = Session(recognizer, microphone, recording=recording)
    with pytest.raises(DeviceError, match="Made-up Microphone: the microphone is gone") as found:
        list(session)
    assert found.value.code == "device_lost"
    assert "stopped" in str(found.value) if not stalls else "nothing has come" in str(found.value)
    assert fake.closed == 1
    timeline = session.timeline()
    assert timeline.duration_s == pytest.approx(seconds, abs=1e-6)
    assert timeline.speech[-1].end == pytest.approx(seconds, abs=0.15)
    assert soundfile.info(tmp_path / "talk.wav").frames == round(seconds * RATE)
    assert not session.interrupted


def test_sound_that_was_lost_is_told(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fake(talk, speed=4, overflows_s=(0.5, 1.0)).install(monkeypatch)
    session = Session(recognizer, Microphone())
    told = heard_until(session, 1.5)
    lost = [event for event in told if isinstance(event, Overflowed)]
    assert lost[-1].overflows == session.overflows == session.summary()["overflows"] == 2
    assert lost[0].to_dict()["event"] == "overflow"
    assert lost[-1].time >= 1.0


def test_the_time_of_lost_sound_is_not_before_it_was_lost(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is lost while what came before is on its way from the thread of the sound card."""
    source = Given(is_live=True)
    session = Session(recognizer, source)
    events = iter(session)
    given = Given.take

    def take(self: Given, timeout_s: float) -> FloatArray | None:
        found = given(self, timeout_s)
        self.sound += RATE // 2  # comes in after the last was taken, and then some is lost
        self.overflows += 1
        return found

    monkeypatch.setattr(Given, "take", take)
    assert next(events) == []
    for seconds in (0.5, 1.0):
        (lost,) = next(events)
        assert isinstance(lost, Overflowed)
        assert lost.time == seconds == lost.overflows / 2
    events.close()


def test_far_too_slow_is_given_up(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_BEHIND_S", 1.0)
    Fake(talk, speed=20).install(monkeypatch)
    session = Session(Slow(recognizer, 0.4), Microphone())  # type: ignore[arg-type]
    with pytest.raises(DeviceError, match="behind, and was given up") as found:
        list(session)
    assert found.value.code == "too_slow"
    assert session.timeline().duration_s == pytest.approx(session.time)


def test_who_is_to_blame_for_a_lag(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: now))
    for held_s, said in (
        (700.0, r"hearing is 700 s behind, and was given up: it was held up for 700 s\. Take"),
        (10.0, r"hearing is 700 s behind, and was given up\. This machine is too slow"),
    ):
        source = Given(is_live=True)
        events = iter(Session(recognizer, source))
        next(events)
        now += held_s
        source.sound = 700 * RATE
        source.keeps = True
        with pytest.raises(DeviceError, match=said):
            list(events)


def test_what_waits_at_a_microphone_is_bounded(
    talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone_module, "MOST_BYTES", 2 * RATE)
    fake = Fake(talk, speed=100, unplugged_s=5.0).install(monkeypatch)
    microphone = Microphone()
    assert fake.ended.wait(30)
    assert RATE <= microphone.waiting <= RATE + RATE // 50
    assert microphone.overflows == 1
    assert len(microphone.take(0.0)) >= RATE  # type: ignore[arg-type]
    microphone.close()


def test_a_microphone_of_no_channels(talk: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(talk).install(monkeypatch)
    with pytest.raises(UsageError, match="0 channels"):
        Microphone(channels=0)


def test_exact_zeros_are_known(recognizer: Recognizer) -> None:
    for sound, zeros in ((np.zeros(RATE, "<i2"), True), (np.ones(RATE, "<i2"), False)):
        session = Session(recognizer, Pipe(io.BytesIO(sound.tobytes()), rate=RATE))
        list(session)
        assert session.zeros is zeros


def test_all_channels_of_a_device_that_gives_none_alone(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    stereo = np.concatenate([np.zeros_like(talk), talk], axis=1)
    fake = Fake(stereo, speed=5, refuses={"mono": "Invalid number of channels"})
    fake.install(monkeypatch)
    microphone = Microphone("made-up")
    assert microphone.channels == 2
    session = Session(recognizer, microphone, channel=1)
    told = heard_until(session, 3.5)
    assert any(isinstance(event, SpeechEnded) for event in told)
    assert fake.opened[0]["device"] == "made-up"


def test_the_devices_there_are(talk: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(talk).install(monkeypatch)
    (found,) = devices()
    assert found.to_dict() == {
        "device": 1, "name": "Made-up Microphone", "system": "Made-up",
        "channels": 1, "rate": RATE, "default": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("which", "said"),
    [
        (7, "no microphone is 7.*1 Made-up Microphone; 2 Made-up Line"),
        (0, "no microphone is 0"),
        ("USB", "no microphone is 'USB'"),
        ("made-up", "several microphones match 'made-up'"),
    ],
)
def test_a_device_that_is_not_there(
    talk: np.ndarray, monkeypatch: pytest.MonkeyPatch, which: int | str, said: str
) -> None:
    fake = Fake(talk).install(monkeypatch)
    fake.devices.append(device("Made-up Line", 2, 48_000.0))
    with pytest.raises(UsageError, match=said):
        Microphone(which)


def test_no_microphone_at_all(talk: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(talk, devices=[device("Loudspeaker", 0, 48_000.0)]).install(monkeypatch)
    with pytest.raises(DeviceError, match=r"there is no microphone.*--stdin") as found:
        Microphone()
    assert found.value.code == "no_device"
    assert devices() == []


@pytest.mark.parametrize("when", ["open", "start"])
def test_a_microphone_that_another_program_holds(
    talk: np.ndarray, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    fake = Fake(talk, refuses={when: "Device unavailable [PaErrorCode -9985]"})
    fake.install(monkeypatch)
    with pytest.raises(DeviceError, match=r"cannot be opened \(Device unavailable") as found:
        Microphone()
    assert found.value.code == "device_refused"
    assert fake.closed == (when == "start")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotone\[live\]'"):
        Microphone()


@pytest.mark.parametrize(
    ("platform", "how"),
    [("linux", "apt-get install libportaudio2"), ("darwin", "brew"), ("win32", "force-reinstall")],
)
def test_without_portaudio(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, how: str
) -> None:
    """As sounddevice says it where the library is not installed."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    for call in (devices, Microphone):
        with pytest.raises(DeviceError, match=how) as found:
            call()
        assert found.value.code == "no_portaudio"
    # On a Mac the wheel's own library may be what is missing.
    (tmp_path / "sounddevice.py").write_text("import _sounddevice_data")
    monkeypatch.setitem(sys.modules, "_sounddevice_data", None)
    with pytest.raises(DeviceError, match=how):
        devices()


def test_listening_imports_no_sounddevice_before_a_microphone_is_asked_for() -> None:
    assert isinstance(sys.modules.get("emotone.live"), ModuleType)
    import subprocess

    code = "import emotone.live, sys; assert 'sounddevice' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
