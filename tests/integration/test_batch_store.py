"""A batch from and to an object store: a server that speaks S3, on this machine."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs
import pytest

import batches
import bundles
import emotone
import stores
from emotone.batch import places, run
from emotone.batch.places import Place
from emotone.batch.plan import parts
from emotone.batch.summary import summarize
from emotone.errors import EmotoneError

pytest.importorskip("moto")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    for name, value in stores.KEYS.items():
        monkeypatch.setenv(name, value)
    with stores.bucket(tmp_path) as place:
        yield place


def test_from_a_bucket_to_a_bucket(bucket: Place, tmp_path: Path) -> None:
    model = str(bundles.write(tmp_path / "toy.emotone"))
    files = batches.clips(tmp_path / "in", 12)
    source = bucket / "in" / "two words"
    pyarrow.fs.copy_files(str(tmp_path / "in"), source.path, destination_filesystem=source.files)
    with source.files.open_output_stream(f"{source.path}/bad.wav") as sink:
        sink.write(b"no audio")
    out = bucket / "out"
    task = run.task(model)
    plan = run.prepare([source.address], out.address, task, jobs=2)
    count = run.run(plan, jobs=2)
    assert (count.done, count.failures) == (13, {"unreadable_audio": 1})

    pyarrow.fs.copy_files(out.path, str(tmp_path / "out"), source_filesystem=out.files)
    rows = {
        row["file"].partition("?")[0].rpartition("/")[2]: row
        for row in batches.rows(tmp_path / "out")
    }
    recognizer = emotone.load(model)
    for file in files:
        assert rows[file.name]["emotion"] == recognizer.predict(file).emotion
    assert rows["bad.wav"]["error"].startswith(rows["bad.wav"]["file"])
    assert sum(group.recordings for group in summarize(out.address).groups) == 13

    ((_, part),) = parts(out)
    part.files.delete_file(part.path)
    again = run.run(run.prepare([source.address], out.address, task, jobs=2, resume=True), jobs=2)
    assert (again.done, again.earlier) == (13, 0)


def test_segments_and_patterns(bucket: Place, tmp_path: Path) -> None:
    model = str(bundles.write(tmp_path / "toy.emotone"))
    batches.clip(tmp_path / "in" / "2026-11-21" / "a.wav", seconds=2.0)
    batches.clip(tmp_path / "in" / "2026-11-21" / "b.flac", seconds=2.0)
    pyarrow.fs.copy_files(
        str(tmp_path / "in"), f"{bucket.path}/in", destination_filesystem=bucket.files
    )
    task = run.task(model, segments=True)
    given = (bucket / "in" / "**" / "*.wav").address
    plan = run.prepare([given], tmp_path / "out", task, partition="day")
    assert run.run(plan).failed == 0
    theirs = emotone.load(model).timeline(tmp_path / "in" / "2026-11-21" / "a.wav").rows()
    rows = batches.rows(tmp_path / "out" / "day=2026-11-21")
    assert [(r["start"], r["end"]) for r in rows] == [(r["start"], r["end"]) for r in theirs]


def test_a_bucket_that_is_not_there(bucket: Place, tmp_path: Path) -> None:
    task = run.task(str(bundles.write(tmp_path / "toy.emotone")))
    batches.clips(tmp_path / "in", 2)
    other = bucket.address.replace("calls", "nocalls", 1)
    with pytest.raises(EmotoneError, match="the store does not do"):
        run.prepare([tmp_path / "in"], other, task)


@pytest.mark.parametrize(("presses", "size"), [(1, 12_000_000), (2, None)])
def test_an_upload_that_is_interrupted_appears_whole_or_not_at_all(
    bucket: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, presses: int, size: int | None
) -> None:
    def interrupted(source: Any, sink: Any, length: int) -> None:
        sink.write(source.read(length))
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)
        shutil.copyfileobj(source, sink, length)

    finished = tmp_path / "finished"
    finished.write_bytes(bytes(12_000_000))
    part = bucket / "out" / "part-00000.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(places, "shutil", type("", (), {"copyfileobj": staticmethod(interrupted)}))
        with pytest.raises(KeyboardInterrupt):
            part.take(finished)
    found = part.entry()
    assert (found and found.size) == size
    if presses == 2:
        part.take(finished)
        assert part.kind() == "file"


def test_an_upload_that_cannot_be_read_to_its_end_does_not_appear(
    bucket: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(source: Any, sink: Any, length: int) -> None:
        sink.write(source.read(length))
        raise OSError(5, "Input/output error")

    finished = tmp_path / "finished"
    finished.write_bytes(bytes(12_000_000))
    part = bucket / "out" / "part-00000.parquet"
    monkeypatch.setattr(places, "shutil", type("", (), {"copyfileobj": staticmethod(fails)}))
    with pytest.raises(EmotoneError, match="Input/output"):
        part.take(finished)
    assert part.kind() == "missing"
