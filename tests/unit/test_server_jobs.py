"""Jobs and clips with processes that are made up, and fail as they are told to."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

import timelines
from emotone.audio.limits import DEFAULT_LIMITS
from emotone.errors import AudioError
from emotone.server import clips as clips_module
from emotone.server import jobs as jobs_module
from emotone.server.clips import Clips
from emotone.server.errors import NotReadyError, RequestError
from emotone.server.folder import Folder
from emotone.server.jobs import Jobs
from emotone.server.metrics import Metrics
from emotone.server.models import Models
from emotone.server.packing import Packed
from emotone.server.processes import WorkerDiedError, WorkerTookTooLongError
from emotone.server.settings import ServerSettings
from emotone.server.store import Store
from emotone.server.store.records import Analysis, NewAnalysis

Does = Callable[["Fake", dict[str, Any]], Any]


class Fake:
    """A process that does what the test wants at each task."""

    does: Does
    made: list[Fake]

    def __init__(self, setup: Any) -> None:
        self.alive, self.spent, self.answered = False, False, 0
        self.asked: list[dict[str, Any]] = []
        self.killed = asyncio.Event()
        type(self).made.append(self)

    async def start(self) -> None:
        self.alive = True

    async def ask(self, task: dict[str, Any], **about: Any) -> Any:
        self.asked.append(task)
        self.progress = about.get("progress")
        work = asyncio.ensure_future(self._work(task))
        end = asyncio.ensure_future(self.killed.wait())
        done, _ = await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
        if work not in done:
            work.cancel()
            raise WorkerDiedError(-9)
        end.cancel()
        try:
            answer = work.result()
        except (WorkerDiedError, WorkerTookTooLongError):
            self.alive = False
            raise
        self.answered += 1
        return answer

    async def _work(self, task: dict[str, Any]) -> Any:
        found = type(self).does(self, task)
        return await found if asyncio.iscoroutine(found) else found

    async def stop(self, within_s: float) -> None:
        await self.kill()

    async def kill(self) -> None:
        self.alive = False
        self.killed.set()


def analyses_it(process: Fake, task: dict[str, Any]) -> Any:
    """What a worker does with a recording that it can read."""
    out = Path(task["out"])
    out.mkdir(exist_ok=True)
    Packed.of(timelines.call()).write(out)
    (out / "tracks").write_bytes(b"tracks")
    return {"answer": {"container": "WAV"}, "warnings": []}


class House:
    """Store, folder and jobs of a service."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.settings = ServerSettings(folder=path, **settings)
        self.folder = Folder(path)
        self.store = Store(self.settings.database_url)
        self.metrics = Metrics(states=self.store.analyses.counts)
        self.models = Models.open({}, DEFAULT_LIMITS)

    def jobs(self) -> Jobs:
        return Jobs(self.settings, self.store, self.folder, self.models, self.metrics)

    def clips(self) -> Clips:
        return Clips(self.settings, self.models, self.metrics)

    def add(self, *, keep_audio: bool = False) -> Analysis:
        new = NewAnalysis(
            id=str(uuid.uuid4()), owner="ada", name="talk.wav", notes="", model="m@1",
            options={}, keep_audio=keep_audio, node=self.folder.node,
            created_at=datetime.now(timezone.utc),
        )  # fmt: skip
        upload = self.folder.incoming / "upload"
        upload.write_bytes(b"sound")
        self.folder.take_in(upload, new.id)
        return self.store.analyses.add(new, most_waiting=9)[0]

    def get(self, id: str) -> Analysis:
        found = self.store.analyses.get("ada", id)
        assert found is not None
        return found

    async def over(self, id: str) -> Analysis:
        while not self.get(id).over:
            await asyncio.sleep(0.01)
        return self.get(id)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., House]]:
    monkeypatch.setattr(jobs_module, "Process", Fake)
    monkeypatch.setattr(clips_module, "Process", Fake)
    monkeypatch.setattr(jobs_module, "_AGAIN_S", 0.01)
    monkeypatch.setattr(jobs_module, "_NOTED_S", 0.01)
    Fake.made = []
    Fake.does = analyses_it
    made: list[House] = []

    def make(**settings: Any) -> House:
        made.append(House(tmp_path, **settings))
        return made[-1]

    yield make
    for each in made:
        each.store.close()
        each.folder.close()


def in_time(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 120))


def test_a_job_is_done_and_its_files_go(house: Any) -> None:
    async def run() -> None:
        home = house()
        jobs = home.jobs()
        with pytest.raises(NotReadyError):
            jobs.check()
        await jobs.start()
        jobs.check()
        made = home.add()
        jobs.wake()
        assert (await home.over(made.id)).state == "done"
        while home.folder.place(made.id).exists():
            await asyncio.sleep(0.01)
        await jobs.close(1)
        assert not any(process.alive for process in Fake.made)

    in_time(run())


def test_a_service_that_stops_while_a_process_starts_begins_no_job(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Fake):
        """Starts until it is killed; the second one is there at once."""

        async def start(self) -> None:
            if len(Fake.made) == 1:
                await self.killed.wait()
                raise WorkerDiedError(-9)
            await super().start()

    async def run() -> None:
        monkeypatch.setattr(jobs_module, "Process", Slow)
        home = house(jobs_at_once=1)
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        while not Fake.made:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(jobs.close(60), 30)
        assert home.get(made.id).state == "queued"
        assert not any(process.asked for process in Fake.made)
        jobs = home.jobs()  # the next start
        await jobs.start()
        assert (await home.over(made.id)).state == "done"
        await jobs.close(1)

    in_time(run())


def test_what_is_claimed_while_the_service_stops_is_parked(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        home = house(jobs_at_once=1)
        claim, reached, go_on = home.store.queue.claim, threading.Event(), threading.Event()

        def slow(node: str) -> Analysis | None:
            reached.set()
            go_on.wait(60)
            found: Analysis | None = claim(node)
            return found

        monkeypatch.setattr(home.store.queue, "claim", slow)
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        assert await asyncio.to_thread(reached.wait, 60)
        closing = asyncio.ensure_future(jobs.close(0))
        await asyncio.sleep(0.05)
        go_on.set()
        await asyncio.wait_for(closing, 30)
        parked = home.get(made.id)
        assert (parked.state, parked.crashes) == ("queued", 0)
        assert not any(process.asked for process in Fake.made)

    in_time(run())


def test_a_store_that_is_away_at_the_end_loses_nothing(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        home = house()
        finish, refused = home.store.queue.finish, []

        def away(*arguments: Any) -> bool:
            if len(refused) < 2:
                refused.append(arguments)
                raise OSError("the database is away")
            return bool(finish(*arguments))

        monkeypatch.setattr(home.store.queue, "finish", away)
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        found = await home.over(made.id)
        assert (found.state, found.crashes, len(refused)) == ("done", 2, 2)
        await jobs.close(1)

    in_time(run())


def test_each_run_without_an_end_is_put_back_once(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        home = house()
        made = [home.add() for _ in range(3)]
        lost = [home.store.queue.claim(home.folder.node) for _ in made]
        crashed, told = home.store.queue.crashed, list[str]()

        def slow(job: Analysis) -> bool:
            told.append(job.id)
            time.sleep(0.05)
            if job.id == made[0].id and told.count(job.id) == 1:
                raise OSError("the database is away")
            return bool(crashed(job))

        monkeypatch.setattr(home.store.queue, "crashed", slow)
        jobs = home.jobs()
        jobs._unsettled += lost
        settled = await asyncio.gather(jobs._settle(), jobs._settle(), return_exceptions=True)
        assert {type(each) for each in settled} == {OSError, type(None)}
        await jobs._settle()  # as the runner does again
        assert sorted(told) == sorted(each.id for each in (made[0], *made))
        assert [home.get(each.id).state for each in made] == ["queued"] * 3
        assert not jobs._unsettled

    in_time(run())


def test_a_store_that_is_away_for_a_while(
    house: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        home = house()
        claim, asked = home.store.queue.claim, []

        def away(node: str) -> Analysis | None:
            asked.append(node)
            if len(asked) < 5:
                raise OSError("[parameters: 'secret.wav']")
            found: Analysis | None = claim(node)
            return found

        monkeypatch.setattr(home.store.queue, "claim", away)
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        assert (await home.over(made.id)).state == "done"
        await jobs.close(1)

    in_time(run())
    assert "no work" in {record.getMessage() for record in caplog.records}
    assert not [record for record in caplog.records if "secret" in record.getMessage()]


@pytest.mark.parametrize("attempts", [1, 3])
def test_what_kills_its_process_is_tried_so_often(house: Any, attempts: int) -> None:
    def dies(process: Fake, task: Any) -> Any:
        raise WorkerDiedError(-11)

    async def run() -> None:
        home = house(job_attempts=attempts)
        Fake.does = dies
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        found = await home.over(made.id)
        assert (found.state, found.error["code"]) == ("failed", "worker_died")
        assert sum(len(process.asked) for process in Fake.made) == attempts
        Fake.does = analyses_it
        next_one = home.add()
        jobs.wake()
        assert (await home.over(next_one.id)).state == "done"
        await jobs.close(1)

    in_time(run())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AudioError("no", code="silent"), "silent"),
        (WorkerTookTooLongError(), "took_too_long"),
    ],
)
def test_what_fails_is_not_tried_again(house: Any, error: Exception, code: str) -> None:
    def fails(process: Fake, task: Any) -> Any:
        raise error

    async def run() -> None:
        home = house()
        Fake.does = fails
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        found = await home.over(made.id)
        assert (found.state, found.error["code"]) == ("failed", code)
        while home.folder.place(made.id).exists():
            await asyncio.sleep(0.01)
        await jobs.close(1)

    in_time(run())


def test_what_a_killed_backup_left_is_swept_away(house: Any) -> None:
    async def run() -> None:
        home = house(sweep_s=0.01)
        jobs = home.jobs()
        await jobs.start()
        left = home.folder.incoming / "backup-1"
        left.mkdir()
        os.utime(left, (0, 0))
        while left.exists():
            await asyncio.sleep(0.01)
        await jobs.close(1)

    in_time(run())


async def for_ever(process: Fake, task: Any) -> Any:
    process.progress({"heard_s": 5.0, "total_s": 10.0, "duration_s": 10.0})
    await asyncio.sleep(3600)


def test_what_the_store_knows_no_longer_is_ended(house: Any) -> None:
    async def run() -> None:
        home = house()
        Fake.does = for_ever
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        while home.get(made.id).progress != 0.5:
            await asyncio.sleep(0.01)
        # Deleted by another service on the same database: nobody tells this one.
        assert home.store.analyses.delete("ada", made.id)
        (process,) = [each for each in Fake.made if each.asked]
        process.progress({"heard_s": 6.0, "total_s": 10.0, "duration_s": 10.0})
        await process.killed.wait()
        while home.folder.place(made.id).exists():
            await asyncio.sleep(0.01)
        await jobs.close(1)

    in_time(run())


def test_shutting_down_parks_what_is_not_through(house: Any) -> None:
    async def run() -> None:
        home = house()
        Fake.does = for_ever
        made, waits = home.add(), home.add()
        jobs = home.jobs()
        await jobs.start()
        while home.get(made.id).progress != 0.5:
            await asyncio.sleep(0.01)
        await jobs.close(0.1)
        parked = home.get(made.id)
        assert (parked.state, parked.progress, parked.crashes) == ("queued", 0.5, 0)
        assert home.get(waits.id).state == "queued"
        assert home.folder.recording(made.id).exists()

    in_time(run())


def test_what_a_stop_spoils_is_parked(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is stopped in its work may say that the recording cannot be read."""

    async def run() -> None:
        home = house()
        stopped = asyncio.Event()

        async def spoiled(process: Fake, task: Any) -> Any:
            await stopped.wait()
            raise AudioError("it cannot be decoded")

        async def stop(process: Fake, within_s: float) -> None:
            stopped.set()
            await asyncio.sleep(within_s)

        Fake.does = spoiled
        monkeypatch.setattr(Fake, "stop", stop)
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        while not any(process.asked for process in Fake.made):
            await asyncio.sleep(0.01)
        await jobs.close(0.2)
        parked = home.get(made.id)
        assert (parked.state, parked.crashes, parked.error) == ("queued", 0, None)
        assert home.folder.recording(made.id).exists()

    in_time(run())


@pytest.mark.parametrize("end", ["finish", "crashed"])
def test_no_note_comes_after_the_end_of_a_run_and_takes_it_for_deleted(
    house: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    def works(process: Fake, task: Any) -> Any:
        process.progress({"heard_s": 9.0, "total_s": 10.0, "duration_s": 10.0})
        if end == "crashed" and len([each for each in Fake.made if each.asked]) == 1:
            raise WorkerDiedError(-11)
        return analyses_it(process, task)

    async def run() -> None:
        home = house()
        settle, progress, ended = getattr(home.store.queue, end), home.store.queue.progress, []
        noted = threading.Event()

        def slow(*arguments: Any) -> bool:
            ended.append(arguments)
            found = bool(settle(*arguments))
            noted.wait(0.3)  # as where the database or the disk is slow
            return found

        def note(*arguments: Any) -> bool:
            found = bool(progress(*arguments))
            if ended:
                noted.set()
            return found

        monkeypatch.setattr(home.store.queue, end, slow)
        monkeypatch.setattr(home.store.queue, "progress", note)
        Fake.does = works
        made = home.add(keep_audio=True)
        jobs = home.jobs()
        await jobs.start()
        assert (await home.over(made.id)).has_audio
        await jobs.close(60)
        assert len(ended) == 1
        assert home.folder.recording(made.id).read_bytes() == b"sound"

    in_time(run())


def test_stopping_a_run_waits_for_its_end(house: Any) -> None:
    async def run() -> None:
        home = house()
        Fake.does = for_ever
        made = home.add()
        jobs = home.jobs()
        await jobs.start()
        while not any(process.asked for process in Fake.made):
            await asyncio.sleep(0.01)
        assert home.store.queue.cancel("ada", made.id)
        await jobs.stop(made.id)
        (process,) = [each for each in Fake.made if each.asked]
        assert not process.alive
        await jobs.stop(made.id)  # there is none any more
        assert home.get(made.id).state == "cancelled"
        await jobs.close(1)

    in_time(run())


# -- clips

CLIP = {"path": Path("x"), "name": "a.wav", "model": "default", "threshold": None}


def answers(process: Fake, task: Any) -> Any:
    return {"answer": {"duration_s": 1.0, "by": Fake.made.index(process)}, "warnings": []}


def test_clips_share_the_processes_that_there_are(house: Any) -> None:
    async def slow(process: Fake, task: Any) -> Any:
        await asyncio.sleep(0.01)
        return answers(process, task)

    async def run() -> None:
        Fake.does = slow
        clips = house(clip_workers=3).clips()
        with pytest.raises(NotReadyError):
            clips.check()
        clips.start()
        said = await asyncio.gather(*(clips.predict(**CLIP) for _ in range(30)))
        clips.check()
        assert {each["by"] for each in said} == {0, 1, 2}
        assert len(Fake.made) == 3
        await clips.close()
        assert not any(process.alive for process in Fake.made)

    in_time(run())


def test_a_process_is_replaced_when_it_had_better_be(house: Any) -> None:
    async def run() -> None:
        clips = house(clip_workers=1).clips()
        clips.start()
        Fake.does = answers
        assert (await clips.predict(**CLIP))["by"] == 0
        Fake.made[0].answered = clips_module._MOST_ANSWERS - 1
        assert (await clips.predict(**CLIP))["by"] == 0
        assert (await clips.predict(**CLIP))["by"] == 1

        def spends(process: Fake, task: Any) -> Any:
            process.spent = True
            raise AudioError("too much", code="too_large")

        Fake.does = spends
        with pytest.raises(AudioError):
            await clips.predict(**CLIP)

        def dies(process: Fake, task: Any) -> Any:
            raise WorkerDiedError(-9)

        Fake.does = dies
        with pytest.raises(RequestError) as lost:
            await clips.predict(**CLIP)
        assert (lost.value.status, lost.value.code) == (422, "worker_died")
        Fake.does = answers
        assert (await clips.predict(**CLIP))["by"] == 3
        assert [process.alive for process in Fake.made] == [False, False, False, True]
        await clips.close()

    in_time(run())


def test_a_process_that_died_while_it_was_idle_costs_nothing(house: Any) -> None:
    async def run() -> None:
        Fake.does = answers
        clips = house(clip_workers=2).clips()
        clips.start()
        assert (await clips.predict(**CLIP))["by"] in (0, 1)
        for process in Fake.made:
            process.alive = False
        said = [await clips.predict(**CLIP) for _ in range(4)]
        assert {each["by"] for each in said} <= {2, 3}
        await clips.close()

    in_time(run())


def test_too_many_clips_are_refused(house: Any) -> None:
    async def run() -> None:
        Fake.does = for_ever_deaf
        clips = house(clip_workers=1, clips_waiting=2).clips()
        clips.start()
        await asyncio.sleep(0.05)
        asked = [asyncio.ensure_future(clips.predict(**CLIP)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(RequestError) as busy:
            await asyncio.wait_for(clips.predict(**CLIP), 5)
        assert not any(each.done() for each in asked)  # one is heard, and two may wait
        assert busy.value.status == 503
        assert busy.value.headers["Retry-After"]
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await clips.close()

    in_time(run())


async def for_ever_deaf(process: Fake, task: Any) -> Any:
    await asyncio.sleep(3600)
