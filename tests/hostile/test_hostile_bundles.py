"""What strangers' bundles are refused for, and how little they can cost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile_bundles as hostile
import numpy as np
import onnx
import pytest

import bundles
from emotone import bundle, runtime
from emotone.bundle import Bundle, graph, operators
from emotone.errors import BundleError
from emotone.recognizer import Recognizer
from emotone.verification import verify

ROWS = np.ones((3, 13), np.float32)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "stranger.emotone"


@pytest.mark.parametrize("kind", hostile.GRAPHS)
def test_a_graph_that_may_never_end_or_fit_is_refused_unread(kind: str, place: Path) -> None:
    make, words = hostile.GRAPHS[kind]
    hostile.write(place, hostile.bundle(make()))
    with pytest.raises(BundleError, match=words) as caught:
        Bundle.open(place)
    assert str(place) in str(caught.value)
    assert caught.value.remedy
    last = bundle.verify(place)[-1]
    assert (last.name, last.passed, last.detail) == ("graph", False, str(caught.value))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", hostile.CONTAINERS)
def test_a_container_or_card_that_lies_is_refused(kind: str, place: Path) -> None:
    make, words = hostile.CONTAINERS[kind]
    hostile.write(place, make())
    began = time.monotonic()
    with pytest.raises(BundleError, match=words) as caught:
        Recognizer(Bundle.open(place))
    assert time.monotonic() - began < 30.0
    assert caught.value.remedy
    assert len(str(caught.value)) < 1000 + len(str(place))
    assert list(place.parent.iterdir()) == [place], "nothing was unpacked"


@pytest.mark.parametrize("kind", hostile.RUNS)
def test_what_only_a_run_shows_costs_little_and_is_told(kind: str, place: Path) -> None:
    make, words = hostile.RUNS[kind]
    hostile.write(place, hostile.bundle(make()))
    checks = verify(place)
    assert [check.passed for check in checks] == [True] * (len(checks) - 1) + [False]
    assert checks[-1].name == "runs"
    assert re.search(words, checks[-1].detail), checks[-1].detail
    assert str(place) in checks[-1].detail


def test_a_trial_that_takes_too_long_is_ended(place: Path) -> None:
    hostile.write(place, hostile.bundle(hostile.slow()))
    began = time.monotonic()
    last = verify(place, within_s=3.0)[-1]
    assert time.monotonic() - began < 60.0  # of minutes
    assert (last.name, last.passed) == ("runs", False)
    assert "take the model more than 3 s" in last.detail


def test_a_trial_that_brings_its_process_down_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles.write(place)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "brings the program down (exit status 1)" in verify(place)[-1].detail


def test_the_memory_of_all_models_is_bounded_and_the_others_go_on(tmp_path: Path) -> None:
    code = """
import re, sys, numpy
from emotone import runtime
from emotone.bundle import Bundle
from emotone.errors import BundleError
from emotone.recognizer import Recognizer
assert runtime.bound_memory(512 * 2**20)
good, bad = (Recognizer(Bundle.open(path)) for path in sys.argv[1:])
rows = numpy.ones((3, 13), numpy.float32)
before = good.scores(rows)
for _ in range(3):
    try:
        bad.scores(rows)
    except BundleError as error:
        print(error)
    assert (good.scores(rows) == before).all()
# Not the resource usage: that counts the memory of whoever started the process, too.
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""
    good = bundles.write(tmp_path / "good.emotone")
    bad = hostile.write(tmp_path / "bad.emotone", hostile.bundle(hostile.shape_bomb()))
    done = subprocess.run(
        [sys.executable, "-c", code, str(good), str(bad)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *errors, peak = done.stdout.splitlines()
    assert len(errors) == 3
    assert all("the model fails to compute" in error for error in errors)
    assert int(peak) < 700, "MiB"


def test_a_run_that_takes_too_long_is_stopped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "RUN_S", 1.0)
    hostile.write(place, hostile.bundle(hostile.slow()))
    recognizer = Recognizer(Bundle.open(place))
    began = time.monotonic()
    with pytest.raises(BundleError, match="does not answer within 1 s"):
        recognizer.scores(ROWS)
    assert time.monotonic() - began < 60.0  # of minutes


def test_a_clock_that_jumps_stops_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundles.write(place)
    recognizer = Recognizer(Bundle.open(place))
    expected = recognizer.scores(ROWS)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    monkeypatch.setattr(time, "time_ns", lambda: 4 * 10**18)
    for _ in range(3):
        assert (recognizer.scores(ROWS) == expected).all()
        time.sleep(runtime._LOOK_S)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_watch_is_there_again_after_a_fork(place: Path) -> None:
    code = """
import os, sys, numpy
from emotone import runtime
from emotone.bundle import Bundle
from emotone.recognizer import Recognizer
recognizer = Recognizer(Bundle.open(sys.argv[1]))
rows = numpy.ones((3, 13), numpy.float32)
recognizer.scores(rows)
child = os.fork()
if not child:
    recognizer.scores(rows)
    os._exit(0 if runtime._WATCH._thread.is_alive() else 3)
assert os.waitpid(child, 0)[1] == 0
"""
    bundles.write(place)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(place)], check=True)


def test_many_threads_begin_and_end_runs_and_leave_nothing_behind(place: Path) -> None:
    bundles.write(place)
    recognizer = Recognizer(Bundle.open(place))
    threads = [
        threading.Thread(target=lambda: [recognizer.scores(ROWS) for _ in range(200)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not runtime._WATCH._running
    assert len([t for t in threading.enumerate() if t.name == "emotone-watch"]) == 1


def test_the_operators_are_those_of_the_standard() -> None:
    standard: dict[str, set[str]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        standard.setdefault(schema.domain, set()).add(schema.name)
    for domain, names in operators.ALLOWED.items():
        assert names <= standard["" if domain == "ai.onnx" else domain]
    assert not operators.ALLOWED[""] & {"Loop", "Scan", "SequenceMap", "RandomNormal"}


def test_tensors_of_every_type_hold_what_they_declare() -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    tensors = [
        onnx.numpy_helper.from_array(np.zeros(shape, kind), "w")
        for shape in ((), (0,), (7,), (3, 5), (0, 10**6))
        for kind in (np.float32, np.float16, np.int8, np.bool_, np.int64, np.float64)
    ]
    tensors += [
        helper.make_tensor("w", kind, [3], [0, 1, 0])
        for kind in (kinds.FLOAT, kinds.INT32, kinds.INT64, kinds.DOUBLE, kinds.UINT8, kinds.BOOL,
                     kinds.FLOAT16, kinds.UINT64)
    ]  # fmt: skip
    tensors.append(helper.make_tensor("w", kinds.INT4, [4], [1, 2, 3, 4]))
    for tensor in tensors:
        made = hostile.model(hostile.LINEAR, hostile.WEIGHTS, [tensor])
        assert graph.inspect(made).weights == 13 * 4 + 4 + int(np.prod(tensor.dims))


@pytest.mark.parametrize("dimensions", [[-1], [2**40, 2**40], [10**6] * 3, [2] * 10_000])
def test_dimensions_beyond_reason_are_refused(dimensions: list[int]) -> None:
    tensor = onnx.TensorProto(name="w", data_type=1, raw_data=bytes(8), dims=dimensions)
    with pytest.raises(graph.GraphError, match="declares weights"):
        graph.inspect(hostile.model(hostile.LINEAR, hostile.WEIGHTS, [tensor]))


def test_a_folder_is_no_way_around(tmp_path: Path) -> None:
    cases: list[tuple[Callable[[Path], object], str]] = [
        (lambda folder: (folder / "run.py").write_text("print(1)"), "does not belong"),
        (lambda folder: _swapped(folder, lambda path: os.mkfifo(path)), "not a regular file"),
        (lambda folder: _swapped(folder, lambda path: path.mkdir()), "not a regular file"),
        (
            lambda folder: _swapped(folder, lambda path: path.symlink_to("/dev/zero")),
            "not a regular file",
        ),
        (
            lambda folder: _swapped(folder, lambda path: path.symlink_to(path)),
            "not a regular file|cannot be read",
        ),
    ]
    for number, (spoil, words) in enumerate(cases):
        folder = bundles.write(tmp_path / f"mine-{number}")
        spoil(folder)
        with pytest.raises(BundleError, match=words):
            Bundle.open(folder)


def _swapped(folder: Path, make: Callable[[Path], object]) -> None:
    (folder / "model.onnx").unlink()
    make(folder / "model.onnx")


def test_the_command_explains_each_finding(place: Path, tmp_path: Path) -> None:
    hostile.write(place, hostile.bundle(hostile.GRAPHS["endless loop"][0]()))
    done = subprocess.run(
        [sys.executable, "-m", "emotone", "models", "verify", str(place)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "400"},
    )
    assert done.returncode == 1
    marks = [line.split()[:2] for line in done.stdout.splitlines() if line.strip()]
    assert marks[:4] == [["✓", "container"], ["✓", "card"], ["✓", "checksum"], ["✗", "graph"]]
    assert "'Loop' (node 'looped'), which repeats a part of the graph" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_card_that_is_shown_steers_no_terminal(place: Path) -> None:
    evil = {"made \x1b[2J by": ["\x1b]0;evil\x07", {"\x9b31m": 1.5}]}
    bundles.write(place, notes=evil, training={"corpora": ["\x1b[31mravdess"]})
    for options in ((), ("--json",)):
        done = subprocess.run(
            [sys.executable, "-m", "emotone", "models", "show", str(place), *options],
            capture_output=True,
            text=True,
            check=True,
        )
        assert not set("\x1b\x07\x9b") & set(done.stdout), options
    assert "ravdess" in done.stdout


def test_zip_files_of_other_programs_are_told_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    with pytest.raises(BundleError, match=r"(model\.onnx|card\.json) is missing"):
        Bundle.open(path)
