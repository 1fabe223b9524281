"""`emotone analyze` stopped by Ctrl-C at a terminal, and given again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone import audio

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000
SECONDS = 180

INTERRUPTED = """
import os, runpy, signal, sys
from emotone.timeline import analysis

seconds, hear = float(sys.argv.pop(1)), analysis._hear

def heard(block, cutter, *others):
    hear(block, cutter, *others)
    if cutter.heard >= seconds * 16_000:
        os.kill(os.getpid(), signal.SIGINT)

analysis._hear = heard
runpy.run_module("emotone", run_name="__main__", alter_sys=True)
"""
"""`emotone` with Ctrl-C at a place in the sound, however fast the machine gets there."""


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Three minutes of speech with pauses."""
    names = ("low-voice", "raised-voice")
    voices = [audio.read(EXAMPLES / f"{name}.flac", rate=RATE).samples for name in names]
    one = np.concatenate([voices[0], np.zeros(RATE, np.float32), voices[1], voices[0]])
    path = tmp_path / "talk.flac"
    soundfile.write(path, np.resize(one, SECONDS * RATE), RATE)
    return path


def analyze(talk: Path, out: str, *options: str, stop_at: int | None = None) -> tuple[int, str]:
    """Exit status of a real process and what its terminal showed."""
    import pty

    ours, theirs = pty.openpty()
    runs = ["-m", "emotone"] if stop_at is None else ["-c", INTERRUPTED, str(stop_at)]
    # On one core, so that not much more than a minute waits for its scores at a time.
    command = [sys.executable, *runs, "analyze", talk.name, "-o", out, "-j", "1", *options]
    environment = {**os.environ, "EMOTONE_CACHE": str(talk.parent / "cache"), "COLUMNS": "120"}
    shown = b""
    with subprocess.Popen(
        command, cwd=talk.parent, env=environment, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # so does Linux report the end of a terminal
                break
            if not more:
                break
            shown += more
    os.close(ours)
    return process.returncode, plain(shown).decode()


def plain(shown: bytes) -> bytes:
    return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown)


def test_the_same_command_goes_on_to_the_same_file(talk: Path) -> None:
    folder = talk.parent
    status, shown = analyze(talk, "whole.json")
    assert status == 0, shown
    assert "Going on" not in shown
    kept = folder / "cache" / "timelines"
    assert not kept.exists() or not list(kept.iterdir())

    status, shown = analyze(talk, "stopped.json", stop_at=120)
    assert status == 130
    assert f"/{SECONDS} s of audio" in shown
    assert re.search(r"Stopped at \d:\d\d\.\d of the audio\. The same command goes on", shown)
    assert not (folder / "stopped.json").exists()
    (progress,) = kept.iterdir()
    assert progress.stat().st_size < 300_000

    status, shown = analyze(talk, "stopped.json")
    assert status == 0, shown
    at = re.search(r"Going on at (\d):(\d\d)\.\d, where an earlier run stopped", shown)
    assert at is not None
    assert 60 * int(at[1]) + int(at[2]) > 10
    assert (folder / "stopped.json").read_bytes() == (folder / "whole.json").read_bytes()
    assert not list(kept.iterdir())


def test_starting_over(talk: Path) -> None:
    kept = talk.parent / "cache" / "timelines"
    assert analyze(talk, "out.csv", stop_at=120)[0] == 130
    status, shown = analyze(talk, "out.csv", "--fresh", stop_at=140)
    assert status == 130
    assert "Going on" not in shown
    assert len(list(kept.iterdir())) == 1
    status, shown = analyze(talk, "other.csv", "--switch", "1", stop_at=120)
    assert status == 130
    assert "Going on" not in shown
    assert len(list(kept.iterdir())) == 2
    status, shown = analyze(talk, "out.csv")
    assert status == 0, shown
    assert "Going on" in shown
    assert len(list(kept.iterdir())) == 1
