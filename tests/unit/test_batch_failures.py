"""Recordings that fail for a while: since their store or disk is gone, or their process was."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

import batches
import bundles
from emotone.batch import outage, pool, run
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.reading import named
from emotone.cli.app import run as command
from emotone.errors import AudioError, EmotoneError, UsageError

KILLED = """
import os, signal, sys
from pathlib import Path
from emotone import audio
read, notes = audio.read, Path(NOTES)
def kill(source, **options):
    if "hog" in str(source):
        tried = len(notes.read_text()) if notes.exists() else 0
        if tried < TIMES:
            notes.write_text("x" * (tried + 1))
            os.kill(os.getpid(), signal.SIGKILL)
    return read(source, **options)
audio.read = kill
from emotone.batch.worker import serve
serve()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(bundles.write(tmp_path_factory.mktemp("model") / "toy.emotone"))


def planned(tmp_path: Path, model: str, **options: Any) -> Plan:
    return run.prepare([tmp_path / "in"], tmp_path / "out", run.task(model), jobs=1, **options)


def test_a_clip_whose_process_others_killed_is_tried_again(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches.clips(tmp_path / "in", 3)
    batches.clip(tmp_path / "in" / "hog.wav")
    notes = tmp_path / "notes"
    program = KILLED.replace("NOTES", repr(str(notes)))
    # Once when it is heard with others, twice alone: then it is heard.
    monkeypatch.setattr(pool, "PROGRAM", program.replace("TIMES", "3"))
    assert run.run(planned(tmp_path, model), jobs=1).failed == 0
    # Ever again it is the recording's fault, for now.
    notes.unlink()
    shutil.rmtree(tmp_path / "out")
    monkeypatch.setattr(pool, "PROGRAM", program.replace("TIMES", "4"))
    plan = planned(tmp_path, model)
    count = run.run(plan, jobs=1)
    assert (count.done, count.failures) == (4, {"crashed": 1})
    assert "signal 9" in next(
        row["error"] for row in batches.rows(tmp_path / "out") if row["error"]
    )
    assert run.run(plan, jobs=1).earlier == 4
    count = run.run(plan, jobs=1, again=True)
    assert (count.done, count.earlier, count.failed) == (4, 0, 0)
    assert len(batches.rows(tmp_path / "out")) == 4


def test_a_folder_that_is_gone_ends_the_run(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 30)
    (tmp_path / "in" / "a" / "bad.wav").write_text("no audio")
    plan = planned(tmp_path, model)
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    (tmp_path / "in").mkdir()  # where a disk is not mounted, there is its folder
    with pytest.raises(EmotoneError, match="is empty now") as caught:
        run.run(plan, jobs=1)
    assert caught.value.code == "store_failed"
    assert not list((tmp_path / "out").glob("part-*"))
    (tmp_path / "in").rmdir()
    with pytest.raises(EmotoneError, match="cannot be read"):
        run.run(plan, jobs=1)
    (tmp_path / "elsewhere").rename(tmp_path / "in")
    assert run.run(plan, jobs=1).failures == {"unreadable_audio": 1}


def test_single_files_that_are_gone_are_rows(tmp_path: Path, model: str) -> None:
    files = batches.clips(tmp_path / "in", 30)
    plan = planned(tmp_path, model)
    for file in files[:25]:
        file.unlink()
    assert run.run(plan, jobs=1).failures == {"missing_file": 25}
    batches.clips(tmp_path / "in", 30)
    assert run.run(plan, jobs=1, again=True).failed == 0


def listed(tmp_path: Path, model: str, form: str) -> tuple[Plan, Path]:
    """A batch of recordings on a disk of their own, as a list or as single files."""
    disk = tmp_path / "disks" / "one"
    files = batches.clips(disk / "calls", 30)
    list_ = tmp_path / "list.csv"
    list_.write_text("path\n" + "".join(f"{file}\n" for file in files))
    given = [list_] if form == "list" else files
    return run.prepare(given, tmp_path / "out", run.task(model), jobs=1), disk


@pytest.mark.parametrize("form", ["list", "files"])
def test_a_disk_that_is_gone_ends_the_run_of_a_list(
    tmp_path: Path, model: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, disk = listed(tmp_path, model, form)
    disk.rename(tmp_path / "elsewhere")
    disk.mkdir()  # where a disk is not mounted, there is its folder
    with pytest.raises(EmotoneError, match="is empty now") as caught:
        run.run(plan, jobs=1)
    assert (caught.value.code, caught.value.source) == ("store_failed", str(disk))
    assert "delete it" in str(caught.value)
    assert not list((tmp_path / "out").glob("part-*"))
    (disk / "lost+found").mkdir()
    assert run.run(plan, jobs=1).failures == {"missing_file": 30}  # the folder was taken away
    disk.joinpath("lost+found").rmdir()
    disk.rmdir()
    (tmp_path / "disks" / "two").mkdir()
    watch = outage.Watch(plan.inputs, plan.root)
    watch.see(str(disk / "calls" / "a" / "0000.wav"), "missing_file")
    watch.end()
    monkeypatch.setattr(outage, "_MOUNTS", {str(tmp_path / "disks")})
    with pytest.raises(EmotoneError, match="is gone") as caught:
        watch.end()
    assert caught.value.source == str(disk)


def test_a_listed_folder_that_was_emptied_is_rows(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, disk = listed(tmp_path, model, "list")
    for file in (disk / "calls" / "a").iterdir():
        file.unlink()
    with monkeypatch.context() as mounted:
        mounted.setattr(outage, "_MOUNTS", {str(disk / "calls")})
        watch = outage.Watch(plan.inputs, plan.root, [each.file for each in plan.block(0)])
        watch.see(str(disk / "calls" / "a" / "0000.wav"), "missing_file")
        with pytest.raises(EmotoneError, match="is empty now"):
            watch.end()  # disks are mounted there: one of them is not
    assert run.run(plan, jobs=1).failures == {"missing_file": 15}


def test_a_disk_that_does_not_answer_ends_the_run_of_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(folder: str) -> Any:
        raise error

    monkeypatch.setattr(outage.os, "scandir", scan)
    watch = outage.Watch(["list.csv"], str(tmp_path))
    watch.see("a/b.wav", "missing_file")
    error: OSError = PermissionError(errno.EACCES, "Permission denied")
    watch.end()  # a folder that may not be looked into, of which recordings may be read
    error = OSError(errno.ENOTCONN, "Transport endpoint is not connected")
    with pytest.raises(EmotoneError, match="not connected"):
        watch.end()


def test_a_listed_path_that_cannot_be_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    watch = outage.Watch(["list.csv"], str(tmp_path))
    for file in ("x" * 300 + "/a.wav", "there/a.wav", "a\0b/c.wav"):
        watch.see(file, "missing_file")
        watch.end()


def test_a_store_that_is_gone_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def kind(place: Place) -> str:
        asked.append(place.address)
        if len(asked) == 2:
            raise EmotoneError("the store does not do", code="store_failed")
        return "folder"

    monkeypatch.setattr(Place, "kind", kind)
    watch = outage.Watch(["memory://calls"], "/")
    file = "memory://calls/a/b.wav"
    watch.see(file, None)
    watch.see(file, "unreadable_audio")  # was read, and is no audio
    watch.end()
    assert asked == []
    for _ in range(20):
        watch.see(file, "store_failed")
    assert len(asked) == 1  # it answers: the recordings are what failed
    assert asked[0].endswith("calls/a")
    with pytest.raises(EmotoneError, match="store does not do"):
        watch.end()


def test_errors_of_a_store_have_a_word_of_their_own() -> None:
    assert named(OSError("ACCESS_DENIED"), "s3://a/b.wav").code == "store_failed"
    assert named(PermissionError("no"), "s3://a/b.wav").code == "store_failed"
    assert named(FileNotFoundError("no"), "s3://a/b.wav").code == "missing_file"


def test_an_input_that_does_not_exist_begins_nothing(tmp_path: Path, model: str) -> None:
    with pytest.raises(AudioError, match="no such file or folder") as caught:
        planned(tmp_path, model)
    assert caught.value.source == str(tmp_path / "in")
    assert not (tmp_path / "out").exists()


def test_the_same_model_elsewhere_goes_on(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 3)
    mine = tmp_path / "mine.emotone"
    shutil.copy(model, mine)
    planned(tmp_path, str(mine))
    mine.unlink()
    assert run.run(planned(tmp_path, model, resume=True), jobs=1).failed == 0


def test_features_are_not_gone_on_with_as_a_batch(tmp_path: Path, model: str) -> None:
    from emotone.batch import vectors

    batches.clips(tmp_path / "in", 3)
    task = vectors.task("mfcc-13")
    run.prepare([tmp_path / "in"], tmp_path / "out", task, jobs=1)
    with pytest.raises(UsageError, match="the results there are features"):
        planned(tmp_path, model, resume=True)


def test_a_channel_that_nothing_has_begins_nothing(tmp_path: Path, model: str) -> None:
    batches.clips(tmp_path / "in", 3)
    (tmp_path / "in" / "bad.wav").write_text("no audio")
    for channel, begins in ((1, False), (0, True)):
        task = run.task(model, channels=channel)
        if begins:
            run.prepare([tmp_path / "in"], tmp_path / "out", task, jobs=1)
            continue
        with pytest.raises(UsageError, match=f"has a channel {channel}"):
            run.prepare([tmp_path / "in"], tmp_path / "out", task, jobs=1)
        assert not (tmp_path / "out").exists()


def test_failures_may_be_allowed(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    batches.clips(tmp_path / "in", 3)
    listed = tmp_path / "list.csv"
    listed.write_text("path\nnone.wav\n")
    words = ["batch", str(tmp_path / "in"), str(listed), str(tmp_path / "out"), "-m", model]
    assert command([*words, "--allow-failures"]) == 0
    said = capsys.readouterr().err
    assert "1 of 4 recordings could not be heard" in said
    assert "--retry-failed" in said
    assert command([*words, "--resume"]) == 1
    batches.clip(tmp_path / "none.wav")
    assert command([*words, "--retry-failed"]) == 0
