"""However many recordings a batch has, memory holds as many of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import weakref
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import batches
import bundles
from emotone.batch import places, plan, reading, run, work
from emotone.batch.alike import Alike
from emotone.batch.names import in_order
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.reading import Clip
from emotone.batch.sources import Recording
from emotone.errors import EmotoneError, UsageError

PLANNED = """
import sys
from pathlib import Path
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.sources import Recording
from emotone.batch.work import Task

task = Task("m.emotone", "digest", "m", ("calm",), segments=True)
calls = (Recording(f"/calls/{n // 1000:05}/{n:08}.wav", None, None, 1) for n in range(COUNT))
plan = Plan.make(Place(sys.argv[1]), ["/calls"], calls, task)
assert plan.recordings == COUNT and len(plan.sizes) == COUNT // 16
status = Path("/proc/self/status").read_text()
print(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the most memory")
def test_a_plan_takes_no_more_memory_for_more_recordings(tmp_path: Path) -> None:
    most = []
    for count in (4_000, 40_000):
        words = [sys.executable, "-c", f"COUNT = {count}\n{PLANNED}", str(tmp_path / str(count))]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        most.append(int(done.stdout) / 1024)
    # With a row group for each block it was 20 MiB more, in each process that had the plan open.
    assert most[1] - most[0] < 10


@pytest.mark.parametrize("partition", ["none", "speaker"])
def test_blocks_are_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partition: Any
) -> None:
    monkeypatch.setattr(plan, "_GROUP", 100)
    monkeypatch.setattr(plan, "_CLIPS", 64)
    when = datetime(2026, 11, 21, 8, 30, tzinfo=timezone.utc)
    given = [
        Recording(f"/calls/{number}.wav", "ab"[number % 2], when, number, {"emotion": "calm"})
        for number in range(1000)
    ]
    task = work.Task("m.emotone", "digest", "m", ("calm",))
    made = Plan.make(Place(tmp_path), ["/calls"], [*given, *given], task, partition=partition)
    blocks = [made.block(number) for number in range(len(made.sizes))]
    assert [len(block) for block in blocks] == list(made.sizes)
    assert max(made.sizes) == 64
    if partition == "speaker":
        given.sort(key=lambda each: (each.speaker, each.size))
        assert all(len({each.speaker for each in block}) == 1 for block in blocks)
    assert [each for block in blocks for each in block] == given
    again = Plan.load(Place(tmp_path))
    assert again is not None
    assert again.block(7) == blocks[7]


def test_a_plan_of_other_blocks_is_damaged(tmp_path: Path) -> None:
    import pyarrow.parquet

    task = work.Task("m.emotone", "digest", "m", ("calm",))
    Plan.make(Place(tmp_path), ["x"], [Recording("x.wav")], task)
    file = tmp_path / "_emotone" / "plan.parquet"
    notes = pyarrow.parquet.read_metadata(file).metadata
    table = pyarrow.parquet.read_table(file)
    with pyarrow.parquet.ParquetWriter(file, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({**notes, b"emotone_blocks": b"[1, 1]"})
    with pytest.raises(UsageError, match="damaged"):
        Plan.load(Place(tmp_path))


def test_names_are_sorted_on_the_disk() -> None:
    chance = np.random.default_rng(0)
    given = [f"{number}\n\udcff{'é' * int(number % 3)}" for number in chance.permutation(1000)]
    for held in (7, 100, 1000, 1001):
        assert list(in_order(iter(given), held)) == sorted(given)
    assert list(in_order([])) == []


def test_no_room_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(EmotoneError, match="No space left") as caught:
        list(in_order("ab", 1))
    assert caught.value.code == "storage_full"


def test_a_large_folder_comes_in_the_order_of_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/z.wav", "a-b.wav", "a.wav", "a/b/c.wav", "A.wav", "b.wav", ".hidden/x.wav"):
        batches.clip(tmp_path / name, seconds=0.01)
    found = list(Place(tmp_path).walk())
    relative = [Path(entry.path).relative_to(tmp_path).as_posix() for entry in found]
    assert relative == ["A.wav", "a/b/c.wav", "a/z.wav", "a-b.wav", "a.wav", "b.wav"]
    assert all(entry.size > 44 and entry.changed for entry in found)
    monkeypatch.setattr(places, "in_order", lambda names: in_order(names, 2))
    assert list(Place(tmp_path).walk()) == found


def test_the_commonest_length_is_taken_first() -> None:
    alike = Alike(most=5, weight=10**9)
    for index, length in enumerate((3, 1, 2, 1)):
        alike.add(Clip(index), (1, length))
    assert not alike.full
    alike.add(Clip(4), (1, 1))
    assert alike.full
    assert [clip.index for clip in alike.take(2)] == [1, 3]
    # Of those that are equally many the length that came first, and what is left of one stays.
    assert [[clip.index for clip in alike.take(2)] for _ in range(3)] == [[0], [2], [4]]
    assert not alike


def test_alike_is_full_by_weight_too() -> None:
    alike = Alike(most=100, weight=1000)
    alike.add(Clip(0, prepared=np.zeros((1, 250), np.float32)), (1, 250))
    assert alike.full
    alike.take(16)
    assert not alike.full


def test_no_more_clips_are_held_than_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = batches.clips(tmp_path / "in", 20)
    model = str(bundles.write(tmp_path / "toy.emotone"))
    monkeypatch.setattr(work, "_CLIPS", 24)
    monkeypatch.setattr(reading, "_CLIPS", 4)
    lock, held, most = threading.Lock(), 0, 0

    def gone() -> None:
        nonlocal held
        with lock:
            held -= 1

    class Counted(work.Analyst):
        def _clip(self, index: int, source: str | bytes) -> Clip:
            nonlocal held, most
            clip = super()._clip(index, source)
            with lock:
                held += 1
                most = max(most, held)
            assert clip.prepared is not None
            weakref.finalize(clip.prepared, gone)
            return clip

    recordings = [Recording(str(file)) for file in files] * 20
    answers = list(Counted(run.task(model)).rows(recordings))
    assert sorted(place for place, _ in answers) == list(range(400))
    # What waits for its like, what is read ahead or just heard, and one in each reader's hands.
    assert 24 <= most <= 24 + 4 + 16 + 2
