"""`emotone listen` in real processes on real speech: pipes, terminals, Ctrl-C, what it keeps."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import emotone
from emotone import audio
from emotone.cli.app import run
from emotone.live import Behind, Overflowed
from emotone.stream import LIVE
from emotone.timeline import Timeline, exports
from microphones import Fake
from timelines import alike

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000
LISTEN = [sys.executable, "-m", "emotone", "listen"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips with pauses between them, in 16 bits."""
    pause = np.zeros(RATE, np.float32)
    names = ("low-voice", "raised-voice")
    clips = [audio.read(EXAMPLES / f"{name}.flac", rate=RATE).samples for name in names]
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate([pause, clips[0], pause, clips[1], pause]), RATE)
    return path


@pytest.fixture(scope="module")
def expected(talk: Path) -> list[dict[str, Any]]:
    """What the stream tells of it."""
    samples, rate = soundfile.read(talk, dtype="float32")
    stream = emotone.Stream(emotone.load(), rate)
    return [event.to_dict() for event in stream.feed(samples) + stream.finish()]


def pcm(talk: Path, kind: str = "<i2") -> bytes:
    samples, _ = soundfile.read(talk, dtype="int16" if kind == "<i2" else "float32")
    return np.asarray(samples).astype(kind).tobytes()


def streamed_wav(talk: Path) -> bytes:
    """As FFmpeg writes it to a pipe."""
    data = bytearray(talk.read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(data)


def listened(data: bytes, *options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*LISTEN, "--stdin", *map(str, options)],
        input=data,
        capture_output=True,
        env=ENVIRONMENT,
        timeout=120,
    )


def heard_here(monkeypatch: pytest.MonkeyPatch, data: bytes, folder: Path, *options: object) -> int:
    """`emotone listen --stdin` in this process, which takes less time; its exit status."""
    (folder / "standard input").write_bytes(data)
    with (folder / "standard input").open("rb") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        try:
            return run(["listen", "--stdin", *map(str, options)])
        finally:
            # A session that ends early leaves its reader in the middle of a read. Once the file is
            # closed, its number is that of the next one that is opened, whose bytes would be lost.
            for thread in threading.enumerate():
                if thread.name == "emotone-pipe":
                    thread.join(60)
            (folder / "standard input").unlink()


def lines(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.decode().splitlines()]


def grown_to(path: Path, size: int) -> None:
    """Wait until there are so many bytes of sound in a recording, or any of another file."""
    begun = time.monotonic()
    while not (path.exists() and path.stat().st_size >= size + 80):
        assert time.monotonic() - begun < 60
        time.sleep(0.05)


# -- what is heard


def test_the_events_of_a_process_are_those_of_the_stream(
    talk: Path, expected: list[dict[str, Any]]
) -> None:
    done = listened(streamed_wav(talk), "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert lines(done.stdout)[:-1] == alike(expected)


def test_only_emotions_that_can_occur(
    talk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--json", "--emotions", "calm,sad")
    assert heard_here(monkeypatch, talk.read_bytes(), tmp_path, *options) == 0
    measured = [each for each in lines(capsys.readouterr().out.encode()) if "scores" in each]
    assert measured
    assert all(set(each["scores"]) == {"calm", "sad"} for each in measured)


@pytest.mark.parametrize("form", ["wav", "s16le", "f32le", "stereo s16le", "44100 Hz wav"])
def test_the_events_are_those_of_the_stream(
    talk: Path,
    expected: list[dict[str, Any]],
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options: list[object] = []
    if form == "wav":
        data = talk.read_bytes()
    elif form == "s16le":
        data, options = pcm(talk), ["--rate", RATE]
    elif form == "f32le":
        data, options = pcm(talk, "<f4"), ["--rate", RATE, "--format", "f32le"]
    elif form == "stereo s16le":
        data = np.repeat(np.frombuffer(pcm(talk), "<i2"), 2).tobytes()
        options = ["--rate", RATE, "--channels", 2]
    else:
        samples = audio.read(talk, rate=44_100).samples
        soundfile.write(tmp_path / "cd.wav", samples, 44_100, subtype="FLOAT")
        data = (tmp_path / "cd.wav").read_bytes()
        stream = emotone.Stream(emotone.load(), 44_100)
        expected = [event.to_dict() for event in stream.feed(samples) + stream.finish()]
    assert heard_here(monkeypatch, data, tmp_path, "--json", *options) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    *events, summary = lines(printed.out.encode())
    assert events == alike(expected)
    assert {event["event"] for event in events} == {
        "speech_started", "measurement", "speech_ended",
    }  # fmt: skip
    assert summary["event"] == "summary"
    assert summary["duration_s"] == pytest.approx(soundfile.info(talk).duration, abs=2e-3)
    assert (summary["skipped"], summary["interrupted"], summary["broken"]) == (0, False, 0)


def test_the_timeline_is_that_of_analyze(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.wav"
    done = listened(talk.read_bytes(), "--csv", "--record", kept)
    assert done.returncode == 0
    assert f"Recorded: {kept}, 12." in done.stderr.decode()
    assert run(["analyze", str(kept), "--step", "0.25", "--csv", "--fresh"]) == 0
    rows = [list(csv.DictReader(io.StringIO(text)))
            for text in (done.stdout.decode(), capsys.readouterr().out)]  # fmt: skip
    assert len(rows[0]) == len(rows[1]) > 3
    for one, other in zip(*rows, strict=True):
        assert [one[k] for k in ("start", "end", "emotion")] == [
            other[k] for k in ("start", "end", "emotion")
        ]
    assert np.array_equal(soundfile.read(kept)[0], soundfile.read(talk)[0])
    timeline = exports.read(kept.with_suffix(".json"))
    assert timeline.file == str(kept)
    assert timeline.settings["step_s"] == LIVE.step_s
    assert len(timeline.segments) == len(rows[0])


def test_plain_lines_where_there_is_no_terminal(talk: Path) -> None:
    done = listened(streamed_wav(talk))
    out = done.stdout.decode()
    assert re.search(r"^ +0:01\.0 +0:0\d\.\d  (\w+) +\d+\.\d %$", out, re.MULTILINE)
    assert "Share of speech" in out
    assert "\x1b" not in out
    assert done.stderr == b""


def test_every_output_is_written(
    talk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, flac = talk.read_bytes()[: 44 + 2 * 5 * RATE], tmp_path / "a.flac"
    names = ("a.csv", "a.TextGrid", "a.html")
    options = [text for name in names for text in ("-o", tmp_path / name)]
    assert heard_here(monkeypatch, data, tmp_path, "--record", flac, *options) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "a.flac"])
    assert "audio/mpeg" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "of the 12.64 s that its header promises" in capsys.readouterr().err
    assert heard_here(monkeypatch, data, tmp_path, "--record", flac, *options) == 2
    assert "there is such a file" in capsys.readouterr().err
    assert heard_here(monkeypatch, data[:60_000], tmp_path, "--record", flac, "--overwrite") == 0
    assert soundfile.info(flac).duration < 2


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_an_old_recording_stays_where_there_is_no_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text("precious")
    nine = np.zeros((RATE, 9), "<i2").tobytes()
    empty = io.BytesIO()
    soundfile.write(empty, np.zeros(0), RATE, format="WAV")
    for data, options in (
        (bytes(9999), ["--rate", RATE, "--channel", 3]),
        (empty.getvalue(), []),
        (b"fLaC" + bytes(99), []),
        (nine, ["--rate", RATE, "--channels", 9] if name == "a.flac" else []),
    ):
        record = ["--record", tmp_path / name, "--overwrite"]
        assert heard_here(monkeypatch, data, tmp_path, *record, *options) != 0
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "precious"


def test_one_output_that_fails_costs_no_other(
    talk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError("of another library")

    from emotone.timeline.exports import elan

    monkeypatch.setattr(elan, "text", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = talk.read_bytes()[: 44 + 2 * 3 * RATE]
    outputs = ["-o", tmp_path / "a.eaf", "-o", tmp_path / "a.csv"]
    assert heard_here(monkeypatch, data, tmp_path, *outputs) == 1
    said = capsys.readouterr().err
    assert f"error: {tmp_path / 'a.eaf'}: ZeroDivisionError: of another library." in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert heard_here(monkeypatch, data, tmp_path, "-o", tmp_path / "b.eaf") == 1
    (place,) = re.findall("the timeline is in (.*) instead", capsys.readouterr().err)
    assert exports.read(place).duration_s == 3.0


def test_a_place_that_cannot_be_written_is_refused_before_the_session(
    talk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    for option, path in (("-o", "file/a.csv"), ("--record", "file/a.wav")):
        done = heard_here(monkeypatch, talk.read_bytes(), tmp_path, option, tmp_path / path)
        assert done == 2
        assert "nothing can be written in" in capsys.readouterr().err


def test_nobody_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert heard_here(monkeypatch, bytes(4 * RATE), tmp_path, "--rate", RATE) == 0
    assert "standard input: nobody speaks in it, there is silence only." in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="makes a pipe small as Linux does")
def test_a_stalled_reader_holds_up_no_recording(talk: Path, tmp_path: Path) -> None:
    """More is printed than a pipe holds, of which nobody reads anything."""
    import fcntl

    kept = tmp_path / "kept.wav"
    process = subprocess.Popen(
        [*LISTEN, "--stdin", "--json", "--step", "0.1", "--record", kept],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    sent = streamed_wav(talk)[: 44 + 2 * 5 * RATE]
    process.stdin.write(sent)
    process.stdin.flush()
    grown_to(kept, len(sent) - 44)
    process.send_signal(signal.SIGINT)
    grown_to(kept.with_suffix(".json"), 0)
    assert exports.read(kept.with_suffix(".json")).speech
    time.sleep(1.1)  # or it counts as the same press
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    _, err = process.communicate()
    process.stdin.close()
    assert b"Traceback" not in err
    assert b"Fatal" not in err


def test_a_program_gets_events_as_they_happen_and_ctrl_c_ends_it_well(
    talk: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.wav"
    process = subprocess.Popen(
        [*LISTEN, "--stdin", "--json", "--record", kept, "-o", tmp_path / "kept.srt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sent = streamed_wav(talk)[: 44 + 2 * 3 * RATE]
    process.stdin.write(sent)
    process.stdin.flush()
    first = json.loads(process.stdout.readline())  # while the pipe is open
    assert first["event"] == "speech_started"
    while json.loads(process.stdout.readline())["end"] < 2.7:
        pass
    grown_to(kept, 2 * 3 * RATE)  # all of it has come in
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0  # with the pipe still open
    out, err = process.communicate()
    ended, summary = lines(out)[-2:]
    assert ended["event"] == "speech_ended"
    assert summary["interrupted"]
    assert summary["duration_s"] == pytest.approx(3.0, abs=0.01)
    assert soundfile.info(kept).frames == 3 * RATE
    assert (tmp_path / "kept.srt").read_text().startswith("1\n00:00:0")
    assert b"Traceback" not in err


def test_a_reader_that_goes_away_does_not_cost_the_files(talk: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*LISTEN, "--stdin", "--json", "--record", tmp_path / "kept.wav"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    data = streamed_wav(talk)
    process.stdin.write(data[:100_000])
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(data[100_000:])
        process.stdin.close()
    assert process.wait(60) == 141
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert exports.read(tmp_path / "kept.json").speech
    assert soundfile.info(tmp_path / "kept.wav").duration > 2


def test_a_kill_loses_no_audio(talk: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    process = subprocess.Popen(
        [*LISTEN, "--stdin", "--json", "--record", kept],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    assert process.stdin is not None
    process.stdin.write(streamed_wav(talk)[: 44 + 2 * 2 * RATE])
    process.stdin.flush()
    grown_to(kept, 2 * 2 * RATE)
    process.kill()
    process.wait()
    process.stdin.close()
    # Of the last tenth of a second the header may not have told yet.
    assert 1.9 * RATE <= soundfile.info(kept).frames <= 2 * RATE


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_disk_that_takes_no_more(talk: Path, tmp_path: Path, ending: str) -> None:
    import resource

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    kept = tmp_path / f"kept.{ending}"
    done = subprocess.run(
        [*LISTEN, "--stdin", "--json", "--record", kept],
        input=talk.read_bytes(),
        capture_output=True,
        env=ENVIRONMENT,
        preexec_fn=small,
        timeout=120,
    )
    assert done.returncode == 1
    assert f"error: {kept}: " in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"leaked" not in done.stderr
    assert lines(done.stdout)[-1]["event"] == "summary"
    timeline = exports.read(tmp_path / "kept.json")
    assert timeline.speech
    with warnings.catch_warnings():
        # The last frame of a FLAC is cut off.
        warnings.simplefilter("ignore" if ending == "flac" else "error")
        recorded_s = audio.read(kept).duration_s
    # What a pipe gives at once, up to two seconds, is heard whether or not it can be written.
    assert 0.8 < recorded_s <= timeline.duration_s < recorded_s + 2.5


# -- a terminal


def test_a_terminal_gets_a_live_view_that_makes_way_for_the_result(talk: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    process = subprocess.Popen(
        [*LISTEN, "--stdin"],
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        env={**ENVIRONMENT, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(streamed_wav(talk)[: 44 + 2 * 8 * RATE])
    process.stdin.flush()
    shown, begun, pressed = b"", time.monotonic(), False
    while time.monotonic() - begun < 60:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65_536)
            except OSError:
                break
        if not pressed and time.monotonic() - begun > 1 and b"0:08.0" in shown:
            pressed = True
            process.send_signal(signal.SIGINT)
    os.close(ours)
    assert process.wait(60) == 0
    process.stdin.close()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert "● listening standard input" in text
    assert re.search(r"▪+·+ +-\d+ dB", text)
    assert re.search(r"neutral +━+", text)
    assert "Ctrl-C ends" in text
    last = text[text.rindex("Ctrl-C ends") :]
    assert "Share of speech" in last
    assert "lag" not in text  # a pipe waits
    assert "\x1b[?25h" in shown.decode()  # the cursor is back


def test_a_terminal_that_is_gone_costs_no_files(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pty

    ours, theirs = pty.openpty()
    os.close(ours)
    data = talk.read_bytes()[: 44 + 2 * 4 * RATE]
    with os.fdopen(theirs, "w", encoding="utf-8") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert heard_here(monkeypatch, data, tmp_path, "-o", tmp_path / "a.json") == 141
    assert "Traceback" not in capsys.readouterr().err
    assert exports.read(tmp_path / "a.json").duration_s > 0


# -- the document

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "live.md").read_text(encoding="utf-8")


def test_the_commands_of_the_document_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^\$ .*?\bemotone (listen.*)$", DOCUMENT, re.MULTILINE)
    assert len(commands) > 5
    for command in commands:
        assert run([*shlex.split(command), "--help"]) == 0, capsys.readouterr().err


def test_the_document_names_every_field(expected: list[dict[str, Any]]) -> None:
    for event in [*expected, Behind(1.0, 2.0, 3).to_dict(), Overflowed(1.0, 2).to_dict()]:
        (row,) = re.findall(rf"^\| `{event['event']}` \|.*$", DOCUMENT, re.MULTILINE)
        for name in (event | event.get("segments", [{}])[0]).keys() - {"event"}:
            assert f"`{name}`" in row


# -- what is refused


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--stdin", "--device", "1"], 2, "exclude each other"),
        (["--realtime"], 2, "standard input"),
        (["--format", "s16le"], 2, "standard input"),
        (["--stdin", "--json", "--csv"], 2, "exclude each other"),
        (["--stdin", "--record", "a.mp3"], 2, ".wav or .flac"),
        (["--stdin", "--record", "a.wav", "-o", "a.xyz"], 2, ".html"),
        (["--stdin", "-o", "a.csv", "-o", "./a.csv"], 2, "same name"),
        (["--stdin", "-o", "."], 2, "ending"),
        (["--stdin", "--step", "9"], 2, "--step"),
        (["--stdin"], 1, "nothing came in"),
        (["--stdin", "--rate", "3"], 2, "rate 3"),
        (["--channels", "0"], 2, "--channels"),
        (["--stdin", "--rate", "8000", "--format", "mp3"], 2, "s16le or f32le"),
    ],
)
def test_wrong_usage(
    options: list[str],
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with Path(os.devnull).open("rb") as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert run(["listen", *options]) == status
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_sound_that_is_none_leaves_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = ["--record", tmp_path / "a.wav"]
    for data, options in (
        (b"fLaC" + bytes(99), []),
        (bytes(99), []),
        (b"\1", ["--rate", "8000"]),
        (bytes(99), ["--rate", "8000", "--channel", "3"]),
    ):
        assert heard_here(monkeypatch, data, tmp_path, *record, *options) == 1
        said = capsys.readouterr().err
        assert said.startswith("error: standard input: ")
        assert said.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
    assert "no channel 3" in said


# -- a made-up microphone, in this process


def test_the_devices_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Fake(np.zeros((1, 1), np.int16)).install(monkeypatch)
    assert run(["listen", "--list-devices"]) == 0
    assert re.search(
        r"1 +Made-up Microphone +Made-up +1 +16000 Hz +default", capsys.readouterr().out
    )
    assert run(["listen", "--list-devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "Made-up Microphone"
    assert run(["listen", "--list-devices", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("1,Made-up Microphone,Made-up,1,")


def test_a_microphone_pulled_out_keeps_what_was_heard(
    talk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sound, _ = soundfile.read(talk, dtype="int16", always_2d=True)
    Fake(sound, speed=3, unplugged_s=5.0, overflows_s=(1.0,)).install(monkeypatch)
    kept = tmp_path / "kept.wav"
    assert run(["listen", "--json", "--record", str(kept), "-o", str(tmp_path / "a.json")]) == 1
    printed = capsys.readouterr()
    assert "error: Made-up Microphone: the microphone is gone: it stopped" in printed.err
    assert "warning: the sound system dropped sound 1 time" in printed.err
    *_, ended, summary = lines(printed.out.encode())
    assert ended["event"] == "speech_ended"
    assert summary["duration_s"] == pytest.approx(5.0)
    assert soundfile.info(kept).duration == 5.0
    assert exports.read(tmp_path / "a.json").duration_s == 5.0
    assert isinstance(exports.read(tmp_path / "a.json"), Timeline)


def test_a_microphone_of_zeros(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Fake(np.zeros((1, 1), np.int16), speed=100, unplugged_s=4.0).install(monkeypatch)
    assert run(["listen", "--json"]) == 1
    assert capsys.readouterr().err.count("nothing but zeros. Is it muted? May this terminal") == 2


def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert run(["listen", "--record", str(tmp_path / "a.wav")]) == 2
    assert "pip install 'emotone[live]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
