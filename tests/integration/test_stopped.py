"""Asked to terminate at any moment, a full disk, no home, a clock that jumps: no finished work is
lost, and nothing unfinished is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import batches
import emotone
from emotone import audio, interrupts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs the signals of POSIX")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.flac"))
RATE = 16_000
TERMINATED = 128 + signal.SIGTERM

AT_SECOND = """
import os, runpy, signal, sys
from emotone.timeline import analysis

seconds, hear = float(sys.argv.pop(1)), analysis._hear

def heard(block, cutter, *others):
    hear(block, cutter, *others)
    if cutter.heard >= seconds * 16_000:
        os.kill(os.getpid(), signal.SIGTERM)

analysis._hear = heard
runpy.run_module("emotone", run_name="__main__", alter_sys=True)
"""
"""`emotone` asked to terminate at a place in the sound, however fast the machine gets there."""


def started(*arguments: object, folder: Path, program: tuple[str, ...] = ("-m", "emotone"),
            **options: Any) -> subprocess.Popen[str]:  # fmt: skip
    environment = {**os.environ, "EMOTONE_CACHE": str(folder / "cache"), "TMPDIR": str(folder)}
    environment |= options.pop("environment", {})
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)], cwd=folder, text=True, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, said = process.communicate(timeout=120)
    assert "Traceback" not in said, said
    return process.returncode, out, said


def talk(folder: Path, seconds: int) -> Path:
    sounds = [audio.read(path, rate=RATE).samples for path in EXAMPLES]
    one = np.concatenate([sounds[0], np.zeros(RATE, np.float32), sounds[1]])
    path = folder / "talk.flac"
    soundfile.write(path, np.resize(one, seconds * RATE), RATE)
    return path


# -- asked to terminate


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.4, 0.8])
def test_predict_stops_with_the_answers_it_has(tmp_path: Path, after_s: float) -> None:
    # More rows than a pipe holds: no machine is through before somebody reads them.
    process = started("predict", *EXAMPLES * 1000, "--csv", "-j", "1", folder=tmp_path)
    header = ""
    if after_s:  # so long after its first line
        assert process.stdout is not None
        header = process.stdout.readline()
        assert header.startswith("file,emotion,")
        time.sleep(after_s)
    process.send_signal(signal.SIGTERM)
    status, out, said = ended(process)
    if after_s:
        assert (status, said.strip()[-10:]) == (TERMINATED, "terminated")
    else:
        assert status in (TERMINATED, -signal.SIGTERM)  # before it was even loaded
    rows = out.splitlines()
    if after_s:
        commas = header.count(",")
        assert all(row.count(",") == commas and row.endswith(",") for row in rows), rows[-1:]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("second", [100, 150])  # some 70 s may wait for scores and for a pause
def test_analyze_goes_on_where_it_was_asked_to_terminate(tmp_path: Path, second: int) -> None:
    path = talk(tmp_path, 180)
    whole = started("analyze", path.name, "-o", "whole.json", "-j", "1", folder=tmp_path)
    assert ended(whole)[0] == 0
    options = ("analyze", path.name, "-o", "out.json", "-j", "1")
    stopped = started(second, *options, folder=tmp_path, program=("-c", AT_SECOND))
    status, _, said = ended(stopped)
    assert (status, "terminated" in said) == (TERMINATED, True)
    assert "goes on from there" in said.replace("\n", " ")
    assert not (tmp_path / "out.json").exists()
    status, _, said = ended(started(*options, folder=tmp_path))
    assert status == 0
    assert "Going on at" in said
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert list(tmp_path.rglob("*.progress")) == []


def test_a_batch_that_is_asked_to_terminate_is_resumed_without_loss(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    batches.clips(tmp_path / "in", 400)
    command = ("batch", "in", "out", "--jobs", "1")
    process = started(*command, folder=tmp_path)
    while not list(tmp_path.glob("out/**/part-*.parquet")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    status, _, _ = ended(process)
    assert status in (0, TERMINATED)
    before = {row["file"] for row in batches.rows(tmp_path / "out")}
    assert before
    status, _, said = ended(started(*command, "--resume", folder=tmp_path))
    assert status == 0, said
    files = [row["file"] for row in batches.rows(tmp_path / "out")]
    assert len(files) == len(set(files)) == 400
    assert before <= set(files)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty clips in a folder per emotion."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(60):
        emotion = ("happy", "sad", "angry")[number % 3]
        batches.clip(folder / emotion / f"{number:02}.wav", number, 0.5)
    return folder


@pytest.mark.parametrize("after_s", [0.5, 1.5, 3.0])
def test_training_leaves_a_whole_bundle_or_none(
    tmp_path: Path, corpus: Path, after_s: float
) -> None:
    asked = ("--family", "logistic", "--features", "mfcc-13", "--split", "random:seed=1")
    process = started("train", f"folder={corpus}", *asked, "-o", "mine.emotone", folder=tmp_path)
    time.sleep(after_s)
    process.send_signal(signal.SIGTERM)
    status, _, said = ended(process)
    # Where it falls while a library loads that runs Python from C, Python itself ends by SIGINT.
    assert status in (0, TERMINATED, -signal.SIGTERM, -signal.SIGINT), said
    if (tmp_path / "mine.emotone").exists():
        assert emotone.load(tmp_path / "mine.emotone").emotions
    else:
        assert status != 0
    left = [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert left == []


def test_a_request_falls_where_ctrl_c_would_and_once() -> None:
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGHUP)}
    saved = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        steps: list[str] = []

        def step() -> None:
            with interrupts.terminable():
                with interrupts.deferred():
                    signal.raise_signal(signal.SIGTERM)
                    steps.append("to the end of the block")
                steps.append("and no further")

        with pytest.raises(KeyboardInterrupt):
            step()
        assert steps == ["to the end of the block"]
        assert interrupts.status() == TERMINATED
        with pytest.raises(KeyboardInterrupt), interrupts.terminable():
            signal.raise_signal(signal.SIGINT)
        assert interrupts.status() == 130
    finally:
        signal.signal(signal.SIGINT, saved)
    assert {name: signal.getsignal(name) for name in before} == before


def test_in_the_background_of_a_script_a_request_is_obeyed_at_once() -> None:
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from emotone import interrupts\n"
        "with interrupts.terminable():\n"
        "    print('on', flush=True)\n"
        "    time.sleep(30)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


# -- a full disk


def full_after(count: int) -> Any:
    """What makes every file of a process end after so many bytes, root's too."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (count, count))

    return limit


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", EXAMPLES[0], "-o", "out.csv"),
        ("analyze", EXAMPLES[0], "-o", "out.json"),
        ("analyze", EXAMPLES[0], "-o", "out.TextGrid"),
        ("analyze", EXAMPLES[0], "-o", "out.html"),
        ("features", EXAMPLES[0], "--set", "mfcc-13", "-o", "out.csv"),
        ("features", EXAMPLES[0], "--set", "rich", "-o", "out.npz"),
        ("models", "export", "default", "out.emotone"),
        ("models", "export", "default", "out"),
        ("plot", "waveform", EXAMPLES[0], "-o", "out.png"),
        ("batch", EXAMPLES[0], EXAMPLES[1], "out"),
    ],
    ids=lambda given: "-".join(str(word) for word in given if word != EXAMPLES[0])[-40:],
)
def test_a_full_disk_is_told_and_keeps_what_was_there(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / str(arguments[-1])
    if out.suffix and out.suffix != ".emotone":
        out.write_text("from before")
    process = started(*arguments, folder=tmp_path, preexec_fn=full_after(200))
    status, _, said = ended(process)
    assert status == 1, said
    assert "error: " in said
    if out.suffix and out.suffix != ".emotone":
        assert out.read_text() == "from before"
    elif out.suffix:
        assert not out.exists()
    left = [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert left == [], "nothing unfinished stays"


def test_a_batch_on_a_full_disk_goes_on_when_there_is_space(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    batches.clips(tmp_path / "in", 6)
    command = ("batch", "in", "out", "--jobs", "1")
    assert ended(started(*command, folder=tmp_path))[0] == 0
    whole = batches.rows(tmp_path / "out")
    for part in tmp_path.glob("out/**/part-*.parquet"):
        part.unlink()
    process = started(*command, "--resume", folder=tmp_path, preexec_fn=full_after(1000))
    status, _, said = ended(process)
    assert (status, "error: " in said) == (1, True), said
    assert list(tmp_path.glob("out/**/part-*.parquet")) == []
    assert ended(started(*command, "--resume", folder=tmp_path))[0] == 0
    assert [r["file"] for r in batches.rows(tmp_path / "out")] == [r["file"] for r in whole]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_results_that_go_to_a_full_disk_end_in_one_line() -> None:
    for form in ("--json", "--csv"):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "emotone", "analyze", EXAMPLES[0], form],
                stdout=full, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert done.returncode == 1
        assert "No space left on device. Free some space" in done.stderr
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


# -- no home

NO_HOME = """
import pwd, sys
def nobody(*_):
    raise KeyError("no such user")
pwd.getpwuid = nobody
from emotone.cli import main
main()
"""
"""`emotone` under a number that the system has no user for."""


@pytest.mark.parametrize("home", [None, "file/home", "/proc/nothing"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", EXAMPLES[0]),
        ("analyze", EXAMPLES[0], "--csv"),
        ("models", "list"),
        ("features", EXAMPLES[0], "--set", "mfcc-13"),
    ],
    ids=lambda given: given[0],
)
def test_without_a_home_there_are_results(
    home: str | None, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file in the place of a folder, so that root cannot write")
    kept = {"HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "EMOTONE_CACHE"}
    environment = {name: value for name, value in os.environ.items() if name not in kept}
    if home is not None:
        environment["HOME"] = str(tmp_path / home)
    done = subprocess.run(
        [sys.executable, "-c", NO_HOME, *map(str, arguments)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is written elsewhere"


# -- a clock that jumps

JUMPING = """
import itertools, random, sys, time
true, jumps = time.time, random.Random(0)
time.time = lambda: true() + jumps.choice([-10 * 365 * 86400, 0, 3600, 10 * 365 * 86400])
time.time_ns = lambda: int(1e9 * time.time())
from emotone.cli import main
main()
"""
"""`emotone` while the clock is set back and forth, by ten years each time that it is looked at."""


def test_a_clock_that_jumps_changes_no_result(tmp_path: Path) -> None:
    path = talk(tmp_path, 30)
    for program in (("-m", "emotone"), ("-c", JUMPING)):
        out = "jumping.json" if program[0] == "-c" else "steady.json"
        status, _, said = ended(
            started("analyze", path.name, "-o", out, folder=tmp_path, program=program)
        )
        assert status == 0, said
    steady, jumping = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("steady", "jumping")
    )
    assert jumping == steady


def test_waits_are_by_a_clock_that_does_not_jump() -> None:
    """Wall-clock time is compared with the dates of files, and with nothing else."""
    allowed = {
        "features/cache.py": 2,  # the day a row was last used
        "features/identity.py": 1,  # whether a file has settled
        "locks.py": 1,  # the age of a folder without a lock
        "timeline/checkpoints.py": 1,  # the age of files
        "server/folder.py": 2,  # the same
    }
    source = ROOT / "src" / "emotone"
    found = {
        path.relative_to(source).as_posix(): count
        for path in source.rglob("*.py")
        if (count := path.read_text(encoding="utf-8").count("time.time()"))
    }
    assert found == allowed
