"""A batch on a real Ray cluster of three nodes gives the rows of one machine, whatever is killed.

The nodes are raylets with workers of their own on this machine; what drives them is the command, as
a user gives it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.fs
import pytest

import batches
import bundles
import stores
from emotone.batch.places import Place
from emotone.batch.plan import Plan

ray = pytest.importorskip("ray")

CLIPS = 1500
STORE = 80 * 1024**2
LONGEST_S = 300.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one core each; no process of them is left."""
    from ray.cluster_utils import Cluster

    before = os.environ.copy()
    os.environ.update({**stores.KEYS, "RAY_USAGE_STATS_ENABLED": "0"})
    node = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    session = made.head_node.get_session_dir_path()
    try:
        for _ in range(2):
            made.add_node(num_cpus=1, object_store_memory=STORE)
        yield made
    finally:
        made.shutdown()
        os.environ.clear()
        os.environ.update(before)
    until = time.monotonic() + 120
    while (left := list(of_session(session))) and time.monotonic() < until:
        time.sleep(0.2)
    for process in left:
        process.kill()
    assert left == []


def of_session(session: str) -> Iterator[psutil.Process]:
    """Processes that Ray started for a cluster."""
    name = Path(session).name
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if name in words:
                yield process
        except psutil.Error:
            continue


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    batches.clips(folder / "in", CLIPS)
    (folder / "in" / "a" / "bad.wav").write_text("no audio")
    bundles.write(folder / "toy.emotone")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[dict[str, Any]]:
    """What one machine writes."""
    done = finished(command(folder, folder / "alone", "--jobs", "3"))
    assert done.returncode == 1, done.stderr
    return batches.rows(folder / "alone")


def command(folder: Path, out: Path | str, *more: str) -> list[str]:
    words = [sys.executable, "-m", "emotone", "batch", str(folder / "in"), str(out)]
    return [*words, "-m", str(folder / "toy.emotone"), *more]


def finished(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=LONGEST_S, check=False)


def disturbed(
    words: list[str], out: Place, *disturbances: Callable[[subprocess.Popen[str]], None]
) -> str:
    """Run a command, and do something to it whenever a part has come; what it said."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        until = time.monotonic() + LONGEST_S
        there = 0
        for disturb in disturbances:
            while (done := parts(out)) <= there:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < until
                time.sleep(0.02)
            there = done
            assert not complete(out)
            disturb(process)
        return process.communicate(timeout=LONGEST_S)[0]
    finally:
        process.kill()
        process.wait()


def parts(out: Place) -> int:
    """How many blocks are done."""
    plan = Plan.load(out)
    return 0 if plan is None else sum(1 for _ in plan.done())


def complete(out: Place) -> bool:
    plan = Plan.load(out)
    assert plan is not None
    return parts(out) == len(plan.sizes)


def kill_a_worker(cluster: Any) -> bool:
    """Whether one was there."""
    for raylet in of_session(cluster.head_node.get_session_dir_path()):
        with contextlib.suppress(psutil.Error):
            for process in raylet.children():
                if "BlockHearer" in " ".join(process.cmdline()):
                    process.kill()
                    return True
    return False


def lose_a_node(cluster: Any) -> None:
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)


def test_a_worker_is_killed(cluster: Any, folder: Path, expected: list[dict[str, Any]]) -> None:
    out = folder / "worker"
    killed = []
    words = command(folder, out, "--jobs", "3", "--ray", cluster.address)
    said = disturbed(words, Place(out), lambda _: killed.append(kill_a_worker(cluster)))
    assert killed == [True], said
    assert batches.rows(out) == expected


def test_the_driver_is_killed_and_one_machine_goes_on(
    cluster: Any, folder: Path, expected: list[dict[str, Any]]
) -> None:
    out = folder / "driver"
    words = command(folder, out, "--jobs", "3")
    disturbed([*words, "--ray", cluster.address], Place(out), lambda process: process.kill())
    assert not complete(Place(out))
    there = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    done = finished([*words, "--resume"])
    assert done.returncode == 1, done.stderr
    assert batches.rows(out) == expected
    again = {path: path.stat().st_mtime_ns for path in there}
    assert sum(again[path] != there[path] for path in there) <= 3  # those that were about to come


def test_from_a_store_to_a_store(cluster: Any, tmp_path: Path) -> None:
    bundles.write(tmp_path / "toy.emotone")
    batches.clips(tmp_path / "in", 100)
    (tmp_path / "in" / "a" / "bad.wav").write_text("no audio")
    with stores.bucket(tmp_path) as bucket:
        source, out = bucket / "in", bucket / "out"
        pyarrow.fs.copy_files(
            str(tmp_path / "in"), source.path, destination_filesystem=source.files
        )
        words = [sys.executable, "-m", "emotone", "batch", source.address]
        model = ["-m", str(tmp_path / "toy.emotone"), "--jobs", "2"]
        for place, more in ((out, ["--ray", cluster.address]), (bucket / "alone", [])):
            done = finished([*words, place.address, *model, *more])
            assert done.returncode == 1, done.stderr
            assert "1 of 101 recordings could not be heard (1 unreadable_audio)" in done.stderr
            assert ("3 nodes, 3 cores" in done.stderr) == bool(more)
            pyarrow.fs.copy_files(
                place.path,
                str(tmp_path / place.path.rpartition("/")[2]),
                source_filesystem=place.files,
            )
    rows = batches.rows(tmp_path / "out")
    assert len(rows) == 101
    assert rows == batches.rows(tmp_path / "alone")


def test_a_node_is_lost(cluster: Any, folder: Path, expected: list[dict[str, Any]]) -> None:
    out = folder / "node"
    words = command(folder, out, "--jobs", "3", "--ray", cluster.address)
    said = disturbed(words, Place(out), lambda _: lose_a_node(cluster))
    assert batches.rows(out) == expected, said


def test_a_worker_and_then_a_node_are_lost_between_stores(
    cluster: Any, folder: Path, expected: list[dict[str, Any]]
) -> None:
    while len(cluster.worker_nodes) < 2:  # the one that another test took away
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    killed = []
    with stores.bucket(folder) as bucket:
        source, out = bucket / "in", bucket / "out"
        half = str(folder / "in" / "a")  # for time: a store takes files one by one
        pyarrow.fs.copy_files(half, f"{source.path}/a", destination_filesystem=source.files)
        words = [sys.executable, "-m", "emotone", "batch", source.address, out.address]
        words += ["-m", str(folder / "toy.emotone"), "--jobs", "3", "--ray", cluster.address]
        said = disturbed(
            words,
            out,
            lambda _: killed.append(kill_a_worker(cluster)),
            lambda _: lose_a_node(cluster),
        )
        pyarrow.fs.copy_files(out.path, str(folder / "store"), source_filesystem=out.files)
    assert killed == [True], said

    def heard(row: dict[str, Any]) -> dict[str, Any]:
        """But for where the recording lies, which its error names too, and since when."""
        name = row["file"].partition("?")[0].rpartition("/in/")[2]
        return row | {"file": name, "error": row["error"] is not None, "recorded": None}

    rows = sorted(map(heard, batches.rows(folder / "store")), key=lambda row: row["file"])
    wanted = sorted(map(heard, expected), key=lambda row: row["file"])
    assert rows == [row for row in wanted if row["file"].startswith("a/")]
    assert len(rows) == CLIPS // 2 + 1
