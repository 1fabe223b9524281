"""`emotone analyze` on a real recording: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.cli.app import run
from emotone.timeline import Timeline, exports
from emotone.timeline.clock import clock

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call of two channels."""
    voices = [
        audio.read(EXAMPLES / f"{name}.flac", rate=16000).samples
        for name in ("low-voice", "raised-voice")
    ]
    samples = np.zeros((sum(map(len, voices)) + 48000, 2), dtype=np.float32)
    samples[16000 : 16000 + len(voices[0]), 0] = voices[0]
    samples[-16000 - len(voices[1]) : -16000, 1] = voices[1]
    path = tmp_path_factory.mktemp("calls") / "call.wav"
    soundfile.write(path, samples, 16000)
    return path


def test_a_table_and_files(call: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outs = [tmp_path / f"call.{ending}" for ending in ("json", "csv", "srt", "TextGrid", "eaf")]
    options = [text for out in outs for text in ("-o", str(out))]
    assert run(["analyze", str(call), "--channels", "split", *options]) == 0
    printed = capsys.readouterr()
    assert "Share of speech" in printed.out
    timeline = exports.read(outs[0])
    spoken = clock(sum(segment.duration_s for segment in timeline.speech))
    assert f"{spoken} of speech in 2 channels of 0:12" in printed.out
    assert "changes of emotion per minute of speech;" in printed.out
    assert all(f"Written: {out}" in printed.err for out in outs)
    assert timeline.channels == (0, 1)
    assert timeline.file == str(call)
    with outs[1].open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(timeline.segments)
    for segment in timeline.speech:
        assert clock(segment.start) in printed.out


def test_only_emotions_that_can_occur(call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(call), "--emotions", "neutral,calm,fear", "--json"]) == 0
    timeline = Timeline.from_dict(json.loads(capsys.readouterr().out))
    assert timeline.emotions == ("neutral", "calm", "fearful")
    assert timeline.speech
    for segment in timeline.speech:
        assert set(segment.scores) == set(timeline.emotions)
        assert sum(segment.scores.values()) == pytest.approx(1, abs=1e-3)


def test_a_page_and_a_picture(call: Path, tmp_path: Path) -> None:
    page, picture = tmp_path / "call.html", tmp_path / "call.png"
    options = ["-o", str(page), "-o", str(picture)]
    assert run(["analyze", str(call), "--channels", "split", *options]) == 0
    assert "audio/mpeg" in page.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_machines_read_stdout(call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(call), "--json", "--window", "2", "--step", "0.25"]) == 0
    whole = Timeline.from_dict(json.loads(capsys.readouterr().out))
    assert whole.settings["window_s"] == 2
    assert whole.channels == (None,)
    assert run(["analyze", str(call), "--csv", "--channels", "1"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["channel"] for row in rows} == {"1"}
    assert rows[0]["emotion"] == "silence"


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["-o", "out.xyz"], 2, ".html"),
        (["--channels", "left"], 2, "mix, split"),
        (["--step", "9"], 2, "--step"),
        (["--pause", "0"], 2, "--pause is 0"),
        (["--json", "--csv"], 2, "exclude each other"),
        (["--channels", "7"], 1, "channel"),
    ],
)
def test_wrong_usage_is_told_before_the_work(
    call: Path, options: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["analyze", str(call), *options]) == status
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["file/out.csv", "folder.csv"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    call: Path,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.setattr("emotone.recognizer.load", None)  # not asked
    assert run(["analyze", str(call), "-o", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "Give another" in said


@pytest.mark.parametrize("name", ["out.csv", "out.html", "out.png"])
def test_a_folder_that_is_not_there_is_made(call: Path, tmp_path: Path, name: str) -> None:
    """Whatever the form is: it would be refused after the work."""
    path = tmp_path / "new" / "deep" / name
    assert run(["analyze", str(call), "-o", str(path)]) == 0
    assert path.stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="root may write anywhere else")
def test_a_place_that_is_shut_is_told_as_one(
    call: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(0o000)
    if os.geteuid() == 0:
        shut = Path("/sys")  # where nobody makes files
    assert run(["analyze", str(call), "-o", str(shut / "inside" / "out.csv")]) == 2
    assert "nothing can be written in" in capsys.readouterr().err


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", "none.wav"]) == 1
    assert "no such file" in capsys.readouterr().err


def test_silence_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "night.wav"
    soundfile.write(path, np.zeros(16000 * 30), 16000)
    assert run(["analyze", str(path), "-o", str(tmp_path / "night.csv")]) == 0
    printed = capsys.readouterr()
    assert "nobody speaks in it, there is silence only" in printed.err
    assert "0:00.0 of speech in 0:30.0" in printed.out
    (row,) = csv.DictReader((tmp_path / "night.csv").read_text().splitlines())
    assert (row["start"], row["end"], row["emotion"]) == ("0.0", "30.0", "silence")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once(
    call: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(call.read_bytes()))
    writer.start()
    assert run(["analyze", str(pipe), "--json"]) == 0
    writer.join()
    piped = json.loads(capsys.readouterr().out)
    assert run(["analyze", str(call), "--json"]) == 0
    assert piped["segments"] == json.loads(capsys.readouterr().out)["segments"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (7.26, "0:07.3"), (59.96, "1:00.0"), (3723.4, "1:02:03.4")]
)
def test_the_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
