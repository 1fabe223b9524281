"""A batch on one machine: what is planned, heard, written and gone on with."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import batches
import bundles
import emotone
from emotone.batch import parquet, pool, run, worker
from emotone.batch.ahead import Ahead
from emotone.batch.count import Count
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.sources import Recording
from emotone.batch.summary import summarize
from emotone.batch.work import Analyst
from emotone.errors import AudioError, BundleError, EmotoneError, UsageError

CRASHING = """
import os, signal
from emotone import audio
read = audio.read
def crash(source, **options):
    if "boom" in str(source):
        os.kill(os.getpid(), signal.SIGSEGV)
    return read(source, **options)
audio.read = crash
from emotone.batch.worker import serve
serve()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(bundles.write(tmp_path_factory.mktemp("model") / "toy.emotone"))


def heard(folder: Path, out: Path, model: str, **options: Any) -> Count:
    resume = options.pop("resume", False)
    partition = options.pop("partition", "none")
    task = run.task(model, **options)
    plan = run.prepare([folder], out, task, jobs=2, resume=resume, partition=partition)
    return run.run(plan, jobs=2)


def test_every_file_is_a_row_and_equals_predict(tmp_path: Path, model: str) -> None:
    files = batches.clips(tmp_path / "in", 40)
    (tmp_path / "in" / "bad.wav").write_text("no audio")
    (tmp_path / "in" / "empty.wav").touch()
    count = heard(tmp_path / "in", tmp_path / "out", model)
    assert (count.done, count.recordings, count.failed) == (42, 42, 2)
    assert count.failures == {"empty_file": 1, "unreadable_audio": 1}
    rows = {row["file"]: row for row in batches.rows(tmp_path / "out")}
    assert len(rows) == 42
    recognizer = emotone.load(model)
    for file in files:
        alone, row = recognizer.predict(file), rows[str(file)]
        assert row["emotion"] == alone.emotion
        assert row["model"] == alone.model
        assert (row["start"], row["end"]) == (0.0, row["duration_s"])
        assert row["duration_s"] == pytest.approx(alone.duration_s)
        scores = [row[name] for name in recognizer.emotions]
        np.testing.assert_allclose(
            scores, [alone.scores[name] for name in recognizer.emotions], atol=1e-5
        )
        assert row["error"] is row["error_code"] is None
    bad = rows[str(tmp_path / "in" / "bad.wav")]
    assert bad["error_code"] == "unreadable_audio"
    assert str(tmp_path / "in" / "bad.wav") in bad["error"]
    assert bad["emotion"] is bad["start"] is bad["confidence"] is None


def test_segments_are_those_of_analyze(tmp_path: Path, model: str) -> None:
    for number in range(3):
        batches.clip(tmp_path / "in" / f"{number}.wav", number, 3.0)
    (tmp_path / "in" / "bad.wav").write_text("no audio")
    heard(tmp_path / "in", tmp_path / "out", model, segments=True)
    rows = batches.rows(tmp_path / "out")
    recognizer = emotone.load(model)
    for number in range(3):
        file = str(tmp_path / "in" / f"{number}.wav")
        mine = [row for row in rows if row["file"] == file]
        theirs = recognizer.timeline(file).rows()
        assert [(r["start"], r["end"], r["emotion"]) for r in mine] == [
            (r["start"], r["end"], r["emotion"]) for r in theirs
        ]
    assert [row["error_code"] for row in rows if "bad" in row["file"]] == ["unreadable_audio"]


def test_rows_are_in_the_order_of_the_plan(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 30)
    heard(tmp_path / "in", tmp_path / "out", model)
    files = [row["file"] for row in batches.rows(tmp_path / "out")]
    assert files == sorted(files)


def test_a_batch_is_not_begun_twice_but_gone_on_with(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 150)
    out = tmp_path / "out"
    heard(tmp_path / "in", out, model)
    with pytest.raises(UsageError, match="a batch already"):
        heard(tmp_path / "in", out, model)
    before = batches.rows(out)
    lost = sorted(out.glob("part-*"))[1]
    whole = parquet.about(Place(lost))["recordings"]
    lost.unlink()
    (out / ".part-00001.parquet.77").write_text("half")
    count = heard(tmp_path / "in", out, model, resume=True)
    assert (count.done, count.earlier) == (150, 150 - whole)
    assert batches.rows(out) == before
    assert not list(out.glob(".part*"))
    again = heard(tmp_path / "in", out, model, resume=True)
    assert (again.done, again.earlier, again.audio_s) == (150, 150, 0)


@pytest.mark.parametrize("other", ["inputs", "model", "emotions", "segments", "partition"])
def test_another_task_is_not_gone_on_with(tmp_path: Path, model: str, other: str) -> None:
    batches.clips(tmp_path / "in", 4)
    heard(tmp_path / "in", tmp_path / "out", model)
    folder, options = tmp_path / "in", {}
    if other == "inputs":
        folder = tmp_path / "in" / "a"
    elif other == "model":
        model = str(bundles.write(tmp_path / "other.emotone", version="2.0"))
    elif other == "emotions":
        options = {"emotions": ["happy", "sad"]}  # by the same model
    elif other == "segments":
        options = {"segments": True}
    else:
        options = {"partition": "day"}
    with pytest.raises(UsageError, match="begun otherwise") as caught:
        heard(folder, tmp_path / "out", model, resume=True, **options)
    assert other in caught.value.cause


def test_a_card_may_spell_emotions_as_it_likes(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone", emotions=("Neutral", "anger", "angry", "Joy"))
    batches.clips(tmp_path / "in", 3)
    assert heard(tmp_path / "in", tmp_path / "out", str(path)).failed == 0
    assert {"Neutral", "anger", "angry", "Joy"} <= set(batches.rows(tmp_path / "out")[0])


def test_only_some_emotions_can_occur(tmp_path: Path, model: str) -> None:
    files = batches.clips(tmp_path / "in", 6)
    assert heard(tmp_path / "in", tmp_path / "out", model, emotions=["sad", "joy"]).failed == 0
    rows = {row["file"]: row for row in batches.rows(tmp_path / "out")}
    recognizer = emotone.load(model, emotions=["happy", "sad"])
    for file in files:
        row, alone = rows[str(file)], recognizer.predict(file)
        assert "angry" not in row
        assert row["happy"] == pytest.approx(alone.scores["happy"], abs=1e-5)
        assert row["emotion"] == alone.emotion


def test_the_model_must_stay_the_same(tmp_path: Path, model: str) -> None:
    mine = tmp_path / "mine.emotone"
    shutil.copy(model, mine)
    batches.clips(tmp_path / "in", 4)
    plan = run.prepare([tmp_path / "in"], tmp_path / "out", run.task(str(mine)), jobs=1)
    bundles.write(mine, version="3.0")
    with pytest.raises(BundleError, match="begun with"):
        Analyst(plan.task)
    with pytest.raises(EmotoneError, match="begun with"):
        run.run(plan, jobs=1)


def test_a_file_given_twice_is_heard_once(tmp_path: Path, model: str) -> None:
    files = batches.clips(tmp_path / "in", 3)
    task = run.task(model)
    inputs = [tmp_path / "in", files[0], tmp_path / "in" / "a" / ".." / "a" / files[0].name]
    assert run.prepare(inputs, tmp_path / "out", task).recordings == 3


def test_nothing_to_hear(tmp_path: Path, model: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(AudioError, match="no recording"):
        heard(tmp_path / "in", tmp_path / "out", model)
    assert not (tmp_path / "out").exists()


def test_parts_by_day(tmp_path: Path, model: str) -> None:
    for day in ("2026-11-20", "2026-11-21"):
        for number in range(3):
            batches.clip(tmp_path / "in" / day / f"{number}.wav", number)
    heard(tmp_path / "in", tmp_path / "out", model, partition="day")
    parts = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("part*"))
    assert parts == ["day=2026-11-20/part-00000.parquet", "day=2026-11-21/part-00001.parquet"]
    assert {f"{row['recorded']:%Y-%m-%d}" for row in batches.rows(tmp_path / "out")} == {
        "2026-11-20",
        "2026-11-21",
    }


def test_relative_paths_begin_where_the_batch_was_begun(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches.clips(tmp_path / "in", 3)
    monkeypatch.chdir(tmp_path)
    task = run.task(model)
    plan = run.prepare(["in"], "out", task)
    monkeypatch.chdir(tmp_path / "in")
    assert run.run(plan, jobs=1).failed == 0
    assert {row["file"][:3] for row in batches.rows(tmp_path / "out")} == {"in/"}


def test_a_name_that_is_no_text(tmp_path: Path, model: str) -> None:
    try:
        batches.clip(tmp_path / "in" / "a.wav").rename(tmp_path / "in" / "a\udcff.wav")
    except OSError:
        pytest.skip("the file system takes no such name")
    assert heard(tmp_path / "in", tmp_path / "out", model).failed == 0
    assert batches.rows(tmp_path / "out")[0]["file"].endswith(r"a\udcff.wav")


def test_a_file_that_crashes_the_decoder_is_a_row(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PROGRAM", CRASHING)
    batches.clips(tmp_path / "in", 20)
    batches.clip(tmp_path / "in" / "a" / "boom1.wav")
    batches.clip(tmp_path / "in" / "b" / "boom2.wav")
    count = heard(tmp_path / "in", tmp_path / "out", model)
    assert (count.done, count.failures) == (22, {"crashed": 2})
    rows = batches.rows(tmp_path / "out")
    assert len({row["file"] for row in rows}) == len(rows) == 22
    assert all("signal 11" in row["error"] for row in rows if "boom" in row["file"])


def test_processes_that_keep_dying_are_given_up(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PROGRAM", "import os; os._exit(3)")
    batches.clips(tmp_path / "in", 2)
    with pytest.raises(EmotoneError, match="keep dying"):
        heard(tmp_path / "in", tmp_path / "out", model)


def test_what_is_told_of_a_part(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 3)
    (tmp_path / "in" / "bad.wav").write_text("no audio")
    heard(tmp_path / "in", tmp_path / "out", model)
    about = parquet.about(Place(tmp_path / "out" / "part-00000.parquet"))
    assert about["recordings"] == 4
    assert about["failures"] == {"unreadable_audio": 1}
    assert about["model"] == "test@1.0"


def test_a_damaged_part_is_told_and_heard_again(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 3)
    heard(tmp_path / "in", tmp_path / "out", model)
    before = batches.rows(tmp_path / "out")
    part = tmp_path / "out" / "part-00000.parquet"
    for content in (b"", b"PAR1 and then nothing", part.read_bytes()[:-40]):
        part.write_bytes(content)
        with pytest.raises(EmotoneError, match="Delete the part") as caught:
            heard(tmp_path / "in", tmp_path / "out", model, resume=True)
        assert caught.value.code == "damaged_part"
        assert caught.value.source == str(part)
        with pytest.raises(EmotoneError, match="Delete the part"):
            summarize(str(tmp_path / "out"))
    part.unlink()
    heard(tmp_path / "in", tmp_path / "out", model, resume=True)
    assert batches.rows(tmp_path / "out") == before


def test_a_damaged_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_emotone").mkdir()
    (tmp_path / "_emotone" / "plan.parquet").write_text("damaged")
    with pytest.raises(UsageError, match="damaged"):
        Plan.load(Place(tmp_path))


def test_warnings_are_in_the_row(tmp_path: Path, model: str) -> None:
    whole = batches.clip(tmp_path / "in" / "cut.wav", seconds=2.0)
    whole.write_bytes(whole.read_bytes()[:40_000])
    heard(tmp_path / "in", tmp_path / "out", model)
    (row,) = batches.rows(tmp_path / "out")
    assert row["error"] is None
    assert "cut.wav" in row["warning"]


def test_one_by_one_gives_the_same_rows(tmp_path: Path, model: str) -> None:
    files = batches.clips(tmp_path / "in", 5)
    analyst = Analyst(run.task(model))
    recordings = [Recording(str(file)) for file in files]
    touched: list[int] = []
    careful = dict(analyst.rows(recordings, started=touched.append))
    assert touched == [0, 1, 2, 3, 4]
    together = dict(analyst.rows(recordings))
    for place, rows in careful.items():
        assert rows[0]["file"] == together[place][0]["file"]
        assert rows[0]["confidence"] == pytest.approx(together[place][0]["confidence"], abs=1e-5)


def test_a_teller_sums_up() -> None:
    said: list[dict[str, Any]] = []

    class Out:
        def write(self, line: bytes) -> None:
            said.append(json.loads(line))

        def flush(self) -> None: ...

    teller = worker.Teller(Out())
    teller._told = float("inf")
    teller.count({"duration_s": 2.0})
    teller.count({"error_code": "silent"})
    teller.flush()
    assert said == [{"done": 2, "audio_s": 2.0, "failures": {"silent": 1}}]


def test_no_more_is_read_ahead_than_there_is_room_for() -> None:
    lock, held, most = threading.Lock(), 0, 0

    def work(weight: int) -> int:
        nonlocal held, most
        with lock:
            held += weight
            most = max(most, held)
        return weight

    with Ahead(
        [3] * 200, work, weigh=lambda weight: weight, threads=2, most=100, weight=10
    ) as ahead:
        for weight in ahead:
            with lock:
                held -= weight
    assert held == 0
    assert most <= 10 + 3 * 3  # what waits, one in the hands of each thread, and the reader's


def test_what_is_read_ahead_comes_in_its_order() -> None:
    def slow_now_and_then(number: int) -> int:
        time.sleep(0.02 * (number % 5 == 0))
        return number

    with Ahead(
        range(50), slow_now_and_then, weigh=lambda _: 1, threads=4, most=3, weight=3
    ) as ahead:
        assert list(ahead) == list(range(50))


def test_two_runs_give_the_same_bits(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 100)
    heard(tmp_path / "in", tmp_path / "one", model)
    heard(tmp_path / "in", tmp_path / "two", model)
    assert batches.rows(tmp_path / "one") == batches.rows(tmp_path / "two")


def test_what_is_read_ahead_may_fail_and_be_left() -> None:
    def fail(_: int) -> int:
        raise ValueError("no")

    with (
        pytest.raises(ValueError, match="no"),
        Ahead([1], fail, weigh=lambda _: 1, threads=1, most=1, weight=1) as ahead,
    ):
        list(ahead)
    with Ahead(range(1000), int, weigh=lambda _: 1, threads=3, most=2, weight=2) as ahead:
        next(iter(ahead))
