"""A batch that is killed again and again ends with every recording once."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import batches
import bundles
from emotone.batch import hearing, run
from emotone.children import Children

CLIPS = 4000
KILLS, LEAST_KILLS = 12, 3
LONGEST_S = 120.0


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
        "--jobs",
        "2",
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


def children(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def parts(out: Path) -> int:
    return len(list(out.glob("part-*")))


def killed(
    words: list[str], out: Path, chance: random.Random, within: float
) -> list[psutil.Process] | None:
    """Kill a run as it begins, or some time after it has written one part more, however fast this
    machine is: at most such a share of what that took. With its processes, or without.

    Gives these, which end by themselves then; None where it was through before.
    """
    before, begun = parts(out), time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    longest = 1.0
    if chance.random() < 0.7:
        while parts(out) == before and process.poll() is None:
            assert time.monotonic() < begun + LONGEST_S
            time.sleep(0.01)
        longest = within * (time.monotonic() - begun)
    time.sleep(chance.uniform(0, longest))
    if process.poll() is not None:
        return None
    left = children(process)
    process.kill()
    if chance.random() < 0.5:
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):  # it knows already
                each.kill()
    process.wait()
    return left


def test_killed_at_random_moments_and_gone_on_with(folder: Path) -> None:
    out = folder / "killed"
    chance = random.Random(1)
    words = command(folder / "in", out, folder / "toy.emotone", "--resume")
    kills, left = 0, []
    while kills < KILLS:
        # The first three at once, for there are eight parts, of which two may come together.
        theirs = killed(words, out, chance, 0.25 if kills >= LEAST_KILLS else 0.05)
        if theirs is None:
            break
        kills += 1
        left += theirs
    assert not psutil.wait_procs(left, timeout=LONGEST_S)[1], "they do not end by themselves"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # some files are bad
    assert kills >= LEAST_KILLS
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
    theirs = children(process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 130
    assert "--resume goes on" in said
    assert not any(each.is_running() for each in theirs)
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
        assert process.wait(timeout=LONGEST_S) == 0
    assert not list((tmp_path / "out").glob("part-*"))
    assert not list((tmp_path / "work").iterdir())
