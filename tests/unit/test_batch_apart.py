"""Batches that are in each other's way: one inside of another, two at once, parts of others."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import batches
import bundles
from emotone import locks
from emotone.batch import lock, run, scratch
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.sources import Recording
from emotone.batch.summary import summarize
from emotone.batch.work import Task
from emotone.errors import EmotoneError, UsageError

TASK = Task("m.emotone", "digest", "m", ("calm",))


def planned(out: Path, count: int = 300, **options: Any) -> Plan:
    calls = [Recording(f"/calls/{number}.wav", "ann") for number in range(count)]
    return Plan.make(Place(out), ["/calls"], calls, TASK, **options)


def test_a_batch_inside_of_another_is_refused(tmp_path: Path) -> None:
    planned(tmp_path / "outer")
    with pytest.raises(UsageError, match="inside of another batch") as caught:
        planned(tmp_path / "outer" / "day=2" / "inner")
    assert caught.value.source == str(tmp_path / "outer")
    planned(tmp_path / "around" / "a" / "inner")
    with pytest.raises(UsageError, match="another batch inside") as caught:
        planned(tmp_path / "around")
    assert caught.value.source == str(tmp_path / "around" / "a" / "inner")


@pytest.mark.parametrize("partition", ["none", "speaker"])
def test_parts_that_lie_elsewhere_do_not_count(tmp_path: Path, partition: Any) -> None:
    plan = planned(tmp_path, partition=partition)
    mine = Path(plan.part(1, plan.block(1)).path)
    for name in ("part-00000.parquet", "part-1.parquet", "speaker=ann/deep/part-00002.parquet"):
        for folder in (tmp_path / "nest", tmp_path):
            if (folder / name).parent == tmp_path and name == "part-00000.parquet":
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    assert list(plan.done()) == []
    mine.parent.mkdir(exist_ok=True)
    mine.touch()
    assert [(number, part.path) for number, part in plan.done()] == [(1, str(mine))]


def test_a_part_of_another_batch_does_not_count_as_done(tmp_path: Path) -> None:
    model = str(bundles.write(tmp_path / "toy.emotone"))
    for name in ("one", "two"):
        batches.clip(tmp_path / name / "a.wav")
        run.run(
            run.prepare([tmp_path / name], tmp_path / f"{name}-out", run.task(model), jobs=1),
            jobs=1,
        )
    part = tmp_path / "one-out" / "part-00000.parquet"
    shutil.copy(tmp_path / "two-out" / "part-00000.parquet", part)
    plan = Plan.load(Place(tmp_path / "one-out"))
    assert plan is not None
    with pytest.raises(EmotoneError, match="not of the batch") as caught:
        run.run(plan, jobs=1)
    assert (caught.value.code, caught.value.source) == ("other_part", str(part))
    with pytest.raises(EmotoneError, match="not of the batch"):
        summarize(str(tmp_path / "one-out"))


def test_a_second_run_is_told_of_the_first(tmp_path: Path) -> None:
    out = Place(tmp_path / "deep" / "out")
    with lock.locked(out):
        with pytest.raises(UsageError, match=r"another run is at work .*process \d+ on") as caught:
            run.prepare(["/calls"], out.path, TASK)
        assert caught.value.code == "in_use"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    with lock.locked(Place(tmp_path / "there")):
        pass
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


def test_a_run_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from emotone.batch.lock import locked; "
        "from emotone.batch.places import Place\n"
        "with locked(Place(sys.argv[1])): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / "_emotone" / "lock").exists()
    with lock.locked(Place(tmp_path)):
        pass


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Place:
    """Where the runs of a store say that they go on, which they do in a hurry."""
    pytest.importorskip("fsspec")
    for name, seconds in (("_BEAT_S", 0.05), ("_SILENT_S", 0.5), ("_LOOK_S", 0.05)):
        monkeypatch.setattr(lock, name, seconds)
    return Place(f"memory://{secrets.token_hex(8)}/_emotone/running.json")


def batch_of(running: Place) -> Place:
    return running.at(running.path.removesuffix("/_emotone/running.json"))


def test_a_run_on_a_store_is_known_by_its_signs(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = batch_of(running)
    with lock.locked(out):
        with pytest.raises(UsageError, match="another run"), lock.locked(out):
            pass  # its process lives
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(lock.socket, "gethostname", lambda: "another")
            elsewhere.setattr(lock, "_MINE", set())
            with (
                pytest.warns(Warning, match="waiting"),
                pytest.raises(UsageError, match="another run"),
                lock.locked(out),
            ):
                pass  # it gives signs
        assert running.kind() == "file"
    assert running.kind() == "missing"
    lock._say(running, {"host": "another", "process": 1, "beat": 7})
    with pytest.warns(Warning, match="waiting"), lock.locked(out):
        pass  # it gives none
    monkeypatch.setattr(lock, "runs", lambda process: False)
    lock._say(running, lock._self() | {"process": os.getppid()})
    with lock.locked(out):
        pass  # its process is gone


def test_a_killed_run_with_the_number_of_this_process_is_dead(
    running: Place, recwarn: pytest.WarningsRecorder
) -> None:
    lock._say(running, lock._self() | {"run": "killed", "beat": 3})
    with lock.locked(batch_of(running)):
        pass
    assert not recwarn.list  # nor was it waited for


def test_a_process_that_has_the_number_of_a_killed_run_is_waited_for(running: Place) -> None:
    lock._say(running, lock._self() | {"process": os.getppid(), "run": "killed", "beat": 3})
    with pytest.warns(Warning, match="waiting"), lock.locked(batch_of(running)):
        pass


def test_a_run_in_another_container_of_the_same_name_is_known_by_its_signs(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock.locked(batch_of(running)):
        monkeypatch.setattr(lock, "_numbering", lambda: "another container's")
        monkeypatch.setattr(lock, "_MINE", set())
        with (
            pytest.warns(Warning, match="waiting"),
            pytest.raises(UsageError, match="another run"),
            lock.locked(batch_of(running)),
        ):
            pass


def test_a_store_that_refuses_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Place, finished: Path) -> None:
        raise EmotoneError("the store does not do what is asked of it")

    monkeypatch.setattr(lock.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Place, "take", refuse)
    with pytest.raises(EmotoneError):
        lock._say(Place("memory://x/running.json"), {"beat": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_no_other_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def without(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", without)
    with (
        pytest.raises(EmotoneError, match=r"cannot lock.*Function not implemented") as caught,
        lock.locked(Place(tmp_path / "out")),
    ):
        pass
    assert caught.value.code == "no_locks"
    assert list(tmp_path.iterdir()) == []


KEEPS = """
import os, sys
os.getpid = lambda: 4_194_305  # as in a container: no process has that number here
from emotone.batch.scratch import folder
made = folder()
(made / "copy.wav").write_text("a recording")
print(made, flush=True)
sys.stdin.read()
"""


def test_folders_of_processes_that_are_gone_are_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    others = ["emotone-batch-no-number", "emotone-other"]
    for name in others:
        (tmp_path / name).mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", KEEPS],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other, scratch.scratch() as mine:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        scratch.sweep()
        assert {path.name for path in tmp_path.iterdir()} == {mine.name, theirs.name, *others}
        assert (theirs / "copy.wav").exists()
        other.kill()
        other.wait()
        scratch.sweep()
        assert {path.name for path in tmp_path.iterdir()} == {mine.name, *others}
    assert not mine.exists()


def test_folders_of_other_machines_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    code = KEEPS.replace(
        "import os,", "import socket; socket.gethostname = lambda: 'b-1'; import os,"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    monkeypatch.setattr(locks.socket, "gethostname", lambda: "b")
    scratch.sweep()  # a share may tell machines nothing of the locks of others
    assert len(list(tmp_path.glob("*/copy.wav"))) == 1
    monkeypatch.setattr(locks.socket, "gethostname", lambda: "b-1")
    scratch.sweep()
    assert list(tmp_path.iterdir()) == []


def test_without_locks_no_folder_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def without(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", without)
    with scratch.scratch() as mine:
        os.utime(mine, (0, 0))
        scratch.sweep()
        assert mine.exists()
    assert list(tmp_path.iterdir()) == []


def test_what_was_taken_away_in_part_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    made = scratch.folder()
    locks.drop(made)
    made.mkdir()
    (made / "copy.wav").write_text("a recording")
    scratch.sweep()
    assert made.exists()  # it may be about to be locked
    os.utime(made, (0, 0))
    scratch.sweep()
    assert not made.exists()
