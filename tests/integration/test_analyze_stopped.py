"""`emotone analyze` stopped by Ctrl-C at a terminal, and given again."""

from __future__ import annotations

import os
import re
import signal
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
    command = [sys.executable, "-m", "emotone", "analyze", talk.name, "-o", out, *options]
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
            seen = re.findall(rf"(\d+)/{SECONDS} s of audio".encode(), plain(shown))
            if stop_at is not None and seen and int(seen[-1]) >= stop_at:
                process.send_signal(signal.SIGINT)
                stop_at = None
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

    status, shown = analyze(talk, "stopped.json", stop_at=60)
    assert status == 130
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
    assert analyze(talk, "out.csv", stop_at=60)[0] == 130
    status, shown = analyze(talk, "out.csv", "--fresh", stop_at=100)
    assert status == 130
    assert "Going on" not in shown
    status, shown = analyze(talk, "out.csv", "--switch", "1")
    assert status == 0, shown
    assert "it was of other settings" in " ".join(shown.split())
