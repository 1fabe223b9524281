"""A batch that is killed again and again ends with every recording once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import batches
import bundles
from emotone.batch import hearing, run
from emotone.children import Children

CLIPS = 4000
KILLS = 12


def command(folder: Path, out: Path, model: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "emotone",
        "batch",
        str(folder),
        str(out),
        "-m",
        str(model),
        *more,
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch")
    batches.clips(folder / "in", CLIPS)
    for number in range(5):
        (folder / "in" / "a" / f"bad{number}.wav").write_text("no audio")
    bundles.write(folder / "toy.emotone")
    return folder


def children(pid: int) -> list[int]:
    import psutil

    return [each.pid for each in psutil.Process(pid).children(recursive=True)]


def killed(words: list[str], after_s: float, *, everything: bool) -> bool:
    """Whether it was still running when it was killed; its processes may be left to end alone."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        also = children(process.pid) if everything else []
        for pid in (process.pid, *also):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def test_killed_at_random_moments_and_gone_on_with(folder: Path) -> None:
    out = folder / "killed"
    chance = random.Random(1)
    words = command(folder / "in", out, folder / "toy.emotone", "--resume")
    kills = 0
    while kills < KILLS and killed(
        words, chance.uniform(0.4, 1.6), everything=chance.random() < 0.5
    ):
        kills += 1
    time.sleep(0.5)  # what was left alone may be at its end
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # some files are bad
    assert kills >= 3
    rows = batches.rows(out)
    files = [row["file"] for row in rows]
    assert len(files) == len(set(files)) == CLIPS + 5
    assert set(files) == {str(path) for path in (folder / "in").rglob("*.wav")}
    assert sum(row["error"] is not None for row in rows) == 5
    once = folder / "once"
    whole = command(folder / "in", once, folder / "toy.emotone")
    assert subprocess.run(whole, capture_output=True, check=False).returncode == 1
    expected = {row["file"]: row for row in batches.rows(once)}
    for row in rows:
        other = expected[row["file"]]
        assert row["emotion"] == other["emotion"]
        assert row["confidence"] == pytest.approx(other["confidence"], abs=1e-5)
    assert not list(out.rglob(".part*"))
    assert not (out / "_emotone" / "unfinished").exists()


def test_ctrl_c_ends_it_and_says_how_to_go_on(folder: Path) -> None:
    out = folder / "stopped"
    words = command(folder / "in", out, folder / "toy.emotone")
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not list(out.glob("part-*")):
        assert process.poll() is None
        time.sleep(0.05)
    theirs = children(process.pid)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "--resume goes on" in said
    for pid in theirs:
        assert not Path(f"/proc/{pid}").exists()
    assert subprocess.run([*words, "--resume"], capture_output=True, check=False).returncode == 1
    files = [row["file"] for row in batches.rows(out)]
    assert len(files) == len(set(files)) == CLIPS + 5


def test_a_process_that_is_left_alone_ends_in_the_middle(folder: Path, tmp_path: Path) -> None:
    """Whoever asked it is gone; what it has copied is taken away."""
    long = batches.clip(tmp_path / "in" / "long.wav", seconds=1200.0)
    task = run.task(str(folder / "toy.emotone"), segments=True)
    run.prepare([long], tmp_path / "out", task, jobs=1)
    (tmp_path / "work").mkdir()
    with Children(hearing.PROGRAM) as children:
        process = children.start(
            hearing.Setup(str(tmp_path / "out"), str(tmp_path / "work")).line()
        )
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(b'{"block": 0, "careful": true, "crashed": {}}\n')
        process.stdin.flush()
        assert process.stdout is not None
        assert b"started" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    assert not list((tmp_path / "out").glob("part-*"))
    assert not list((tmp_path / "work").iterdir())
