"""A timeline that was stopped goes on to the very same result; what does not fit is left alone."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile

import bundles
import emotone
from emotone import audio, bundle
from emotone.cli.analyze import _kept
from emotone.errors import EmotoneWarning, UsageError
from emotone.recognizer import Recognizer
from emotone.speech import RATE
from emotone.timeline import Timeline, analysis
from emotone.timeline.checkpoints import Checkpoint
from emotone.timeline.segments import KINDS
from emotone.timeline.settings import TimelineSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


T = TypeVar("T")


class Stopped(BaseException):
    """As Ctrl-C, which no handler of errors catches."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose scores depend on every sample of a window."""
    path = tmp_path_factory.mktemp("models") / "power.emotone"
    weights = np.array([[3.0, -40.0, 90.0, 5.0]])
    network = bundles.linear_model(weights, np.array([0.2, 0.3, -0.1, 0.0]), kind="waveform")
    heard = bundle.ModelInput("waveform", rate=RATE)
    bundle.write(path, network, bundles.card(input=heard, feature_set=None, feature_version=None))
    return path


@pytest.fixture(scope="module")
def recognizer(model: Path) -> Recognizer:
    return emotone.load(model)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels at 22.05 kHz: speech without a pause, silence, noise, and speech at the end."""
    rate = 22_050
    low, raised = (
        audio.read(EXAMPLES / f"{name}.flac", rate=rate).samples
        for name in ("low-voice", "raised-voice")
    )
    noise = np.random.default_rng(0).normal(scale=0.05, size=2 * rate).astype(np.float32)
    quiet = np.zeros(4 * rate, np.float32)
    one = np.concatenate([low, raised, quiet, noise, quiet, low, low, raised])
    other = np.concatenate([noise, raised, quiet, quiet, quiet, low])
    samples = np.zeros((len(one), 2), np.float32)
    samples[:, 0] = one
    samples[: len(other), 1] = other[: len(one)]
    path = tmp_path_factory.mktemp("calls") / "call.flac"
    soundfile.write(path, samples, rate)
    return path


def stop_at(seconds: float) -> Callable[[float, float | None], None]:
    def progress(done: float, total: float | None) -> None:
        if done >= seconds:
            raise Stopped

    return progress


def places(whole: Timeline) -> list[float]:
    """Within speech, silence and noise, of each channel, in the order in which they are heard."""
    found = []
    for number, channel in enumerate(whole.channels):
        for kind in KINDS:
            some = [s for s in whole.segments if (s.channel, s.kind) == (channel, kind)]
            longest = sorted(some, key=lambda segment: -segment.duration_s)[:2]
            before = number * whole.duration_s
            found += [before + (segment.start + segment.end) / 2 for segment in longest]
    return sorted(found)


class AtOnce(ThreadPoolExecutor):
    """Does what is submitted before it returns, so that how far a run came is no matter of luck."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done = super().submit(fn, *args, **kwargs)
        wait([done])
        return done


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("channels", ["mix", "split", 1])
def test_wherever_it_is_stopped_it_goes_on_to_the_same(
    recognizer: Recognizer,
    call: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    channels: analysis.Channels,
    at_once: bool,
) -> None:
    if at_once:
        monkeypatch.setattr(analysis, "ThreadPoolExecutor", AtOnce)
    whole = recognizer.timeline(call, channels=channels, jobs=1)
    assert {segment.kind for segment in whole.segments} == set(KINDS)
    kept = tmp_path / "call.progress"
    reached = []
    for seconds in places(whole):
        monkeypatch.setattr(analysis, "_BLOCK_S", 0.35)
        checkpoint = Checkpoint(kept)
        with pytest.raises(Stopped):
            recognizer.timeline(
                call, channels=channels, jobs=2, progress=stop_at(seconds), checkpoint=checkpoint
            )
        monkeypatch.setattr(analysis, "_BLOCK_S", 20.0)
        reached.append(checkpoint.saved_s or 0.0)
        begun: list[float] = []
        again = recognizer.timeline(
            call,
            channels=channels,
            jobs=1,
            progress=lambda done, total, begun=begun: begun.append(done),
            checkpoint=kept,
        )
        assert again == whole
        assert begun[0] == reached[-1] <= seconds + 0.35
        assert not kept.exists()
    if at_once:
        assert len(set(reached)) > len(reached) / 2


def test_stopped_again_and_again(recognizer: Recognizer, call: Path, tmp_path: Path) -> None:
    whole = recognizer.timeline(call, channels="split")
    checkpoint = Checkpoint(tmp_path / "call.progress")
    for seconds in (8.0, 25.0, 40.0, 55.0):
        with pytest.raises(Stopped):
            recognizer.timeline(
                call, channels="split", progress=stop_at(seconds), checkpoint=checkpoint
            )
    assert checkpoint.saved_s is not None
    assert checkpoint.saved_s > whole.duration_s  # in the second channel
    assert recognizer.timeline(call, channels="split", checkpoint=checkpoint) == whole
    assert checkpoint.path.exists()  # the caller's to remove
    checkpoint.remove()
    assert not checkpoint.path.exists()


def test_what_is_through_is_not_heard_again(
    recognizer: Recognizer, call: Path, tmp_path: Path
) -> None:
    checkpoint = Checkpoint(tmp_path / "call.progress", every_s=0)
    whole = recognizer.timeline(call, checkpoint=checkpoint)
    assert checkpoint.saved_s == pytest.approx(whole.duration_s)
    told: list[float] = []
    again = recognizer.timeline(
        call, checkpoint=checkpoint, progress=lambda done, total: told.append(done)
    )
    assert again == whole
    assert told == [pytest.approx(whole.duration_s)]


def test_progress_is_kept_while_nobody_speaks(recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    voice = audio.read(EXAMPLES / "low-voice.flac", rate=RATE).samples
    noise = np.random.default_rng(0).normal(scale=1e-3, size=60 * RATE).astype(np.float32)
    soundfile.write(path, np.concatenate([voice, noise]), RATE)
    checkpoint = Checkpoint(tmp_path / "call.progress", every_s=0)
    with pytest.raises(Stopped):
        recognizer.timeline(path, checkpoint=checkpoint, progress=stop_at(50))
    assert checkpoint.saved_s is not None
    assert checkpoint.saved_s > 40


def test_short_work_is_not_written_down(recognizer: Recognizer, call: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "call.progress", every_s=1000)
    recognizer.timeline(call, checkpoint=checkpoint)
    assert checkpoint.saved_s is None
    assert not checkpoint.path.exists()
    checkpoint.write()  # the caller may all the same
    assert checkpoint.path.exists()


def stopped(recognizer: Recognizer, call: Path, kept: Path) -> None:
    with pytest.raises(Stopped):
        recognizer.timeline(call, progress=stop_at(20), checkpoint=kept)
    assert kept.exists()


def test_progress_of_something_else_is_not_used(
    recognizer: Recognizer, call: Path, model: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "call.progress"
    stopped(recognizer, call, kept)
    data = kept.read_bytes()
    whole = recognizer.timeline(call)

    def again(match: str, **options: object) -> Timeline:
        kept.write_bytes(data)
        about = {"source": call, "checkpoint": kept} | options
        with pytest.warns(EmotoneWarning, match=match):
            return recognizer.timeline(**about)  # type: ignore[arg-type]

    again("other channels", channels=0)
    again("other settings", settings=TimelineSettings(step_s=0.25))
    copy = tmp_path / "copy.flac"
    copy.write_bytes(call.read_bytes())
    assert dataclasses.replace(again("another recording", source=copy), file=whole.file) == whole
    adapted = recognizer.adapt(EXAMPLES / "low-voice.flac")
    kept.write_bytes(data)
    with pytest.warns(EmotoneWarning, match="another model"):
        adapted.timeline(call, checkpoint=kept)
    times = call.stat()
    os.utime(call, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000))
    assert again("another state") == whole


def test_damage_is_noticed(recognizer: Recognizer, call: Path, tmp_path: Path) -> None:
    kept = tmp_path / "call.progress"
    stopped(recognizer, call, kept)
    data = kept.read_bytes()
    whole = recognizer.timeline(call)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for damaged in (b"", data[:-100], bytes(flipped), b"something else", data + b"\0"):
        kept.write_bytes(damaged)
        with pytest.warns(EmotoneWarning, match="damaged"):
            assert recognizer.timeline(call, checkpoint=kept) == whole
        assert not kept.exists()


def test_where_nothing_can_be_kept_the_work_goes_on(
    recognizer: Recognizer, call: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    impossible = Checkpoint(tmp_path / "file" / "call.progress", every_s=0)
    with pytest.warns(EmotoneWarning, match="progress cannot be") as said:
        timeline = recognizer.timeline(call, checkpoint=impossible)
    assert timeline == recognizer.timeline(call)
    assert 1 <= len(said) <= 2


def test_what_is_no_file_has_no_progress(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for a file alone"):
        recognizer.timeline((np.zeros(RATE, np.float32), RATE), checkpoint=tmp_path / "x")


def test_each_thing_asked_has_a_progress_of_its_own(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path))
    settings = TimelineSettings()
    asked: list[tuple[str, str, analysis.Channels, TimelineSettings]] = [
        (str(call), "a", "mix", settings),
        (str(EXAMPLES / "low-voice.flac"), "a", "mix", settings),
        (str(call), "b", "mix", settings),
        (str(call), "a", 0, settings),
        (str(call), "a", "split", settings),
        (str(call), "a", "mix", TimelineSettings(step_s=0.25)),
    ]
    found = [_kept(*each, fresh=False) for each in asked]
    paths = {keep.path for keep in found if keep is not None}
    assert len(paths) == len(asked)
    monkeypatch.chdir(call.parent)
    again = _kept(call.name, "a", "mix", settings, fresh=False)
    assert again is not None
    assert again.path == found[0].path  # type: ignore[union-attr]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    _kept(*asked[0], fresh=True)
    assert set(again.path.parent.iterdir()) == paths - {again.path}


def test_old_progress_goes_when_new_is_begun(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path))
    folder = tmp_path / "timelines"
    folder.mkdir()
    keep = _kept(str(call), "a", "mix", TimelineSettings(), fresh=False)
    assert keep is not None
    old, unfinished, new, other = (
        folder / name for name in ("old.progress", ".x.progress.1.progress", "new.progress", "x")
    )
    for path, days in ((keep.path, 40), (old, 31), (unfinished, 31), (new, 29), (other, 99)):
        path.touch()
        os.utime(path, (time.time() - days * 86_400,) * 2)
    assert _kept(str(call), "a", "mix", TimelineSettings(), fresh=False)
    assert keep.path.exists()  # it is gone on with, however old
    assert old.exists()
    assert _kept(str(call), "b", "mix", TimelineSettings(), fresh=False)
    assert set(folder.iterdir()) == {new, other}


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a user's folders from others itself")
def test_nobody_else_may_read_it(recognizer: Recognizer, call: Path, tmp_path: Path) -> None:
    kept = tmp_path / "call.progress"
    stopped(recognizer, call, kept)
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("library", ["soundfile", "soxr", "av", "onnxruntime"])
def test_another_library_may_give_other_last_bits(
    recognizer: Recognizer,
    call: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    library: str,
) -> None:
    about = analysis._about(recognizer, call, "mix", TimelineSettings())
    monkeypatch.setattr(f"{library}.__version__", "99")
    other = analysis._about(recognizer, call, "mix", TimelineSettings())
    assert [key for key in about if about[key] != other[key]] == ["version"]


_KILLED = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor, wait
import emotone
from emotone.timeline import analysis
from emotone.timeline.checkpoints import Checkpoint

model, call, kept, number, seconds = sys.argv[1:]
analysis._BLOCK_S = 0.5
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background

class AtOnce(ThreadPoolExecutor):  # or what is cut may run away from what is scored and kept
    def submit(self, *work):
        done = super().submit(*work)
        wait([done])
        return done

analysis.ThreadPoolExecutor = AtOnce

def progress(done, total):
    if done >= float(seconds):
        os.kill(os.getpid(), int(number))

keep = Checkpoint(kept, every_s=0 if int(number) == signal.SIGKILL else 1000)
emotone.load(model).timeline(call, channels="split", progress=progress, checkpoint=keep)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("seconds", [19.3, 44.0])
def test_a_process_that_is_killed(
    recognizer: Recognizer,
    call: Path,
    model: Path,
    tmp_path: Path,
    number: signal.Signals,
    seconds: float,
) -> None:
    kept = tmp_path / "call.progress"
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, model, call, kept, str(int(number)), str(seconds)],
        capture_output=True,
    )
    assert done.returncode == -number
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    begun: list[float] = []
    again = recognizer.timeline(
        call,
        channels="split",
        progress=lambda done, total: begun.append(done),
        checkpoint=kept,
    )
    assert 5 < begun[0] <= seconds + 1
    assert again == recognizer.timeline(call, channels="split")
