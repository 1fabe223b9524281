"""Recordings, heard one after the other in the background, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from emotone.bundle.registry import DEFAULT
from emotone.errors import EmotoneError
from emotone.features.job import cores
from emotone.server.cuts import Cut
from emotone.server.errors import NotReadyError, described
from emotone.server.folder import Folder
from emotone.server.metrics import Metrics
from emotone.server.models import Models
from emotone.server.packing import Packed
from emotone.server.processes import (
    Process,
    WorkerDiedError,
    WorkerTookTooLongError,
    gave_up,
    reason,
)
from emotone.server.settings import ServerSettings
from emotone.server.store import Store
from emotone.server.store.records import Analysis, Outcome
from emotone.server.sweeping import Sweeping

_LOG = logging.getLogger("emotone.server")

_NOTED_S = 0.5
"""Between one note of a job's progress in the store and the next."""

_LOOK_S = 10.0
"""Between one look for work and the next, where nobody says that there is some."""

_AGAIN_S = 2.0
_NICE = 5
_STOP_S = 5.0

_CLOSE_LOOK_S = 0.1
"""Between one look at what still works and the next, while the service stops."""

_MEDIA_TYPES = {
    "WAV": "audio/wav",
    "WAVEX": "audio/wav",
    "RF64": "audio/wav",
    "FLAC": "audio/flac",
    "OGG": "audio/ogg",
    "MP3": "audio/mpeg",
    "MPEG": "audio/mpeg",
    "AIFF": "audio/aiff",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "aac": "audio/aac",
    "mov,mp4,m4a,3gp,3g2,mj2": "audio/mp4",
    "matroska,webm": "audio/webm",
}


class Jobs:
    """Works through the queue of the store.

    Parameters
    ----------
    settings
        How many at once, and what each may take.
    store
        Which has the queue.
    folder
        Which has the recordings.
    models
        What they are heard with.
    metrics
        Where it is counted what comes of them.
    """

    def __init__(
        self,
        settings: ServerSettings,
        store: Store,
        folder: Folder,
        models: Models,
        metrics: Metrics,
    ) -> None:
        self._settings, self._store, self._folder = settings, store, folder
        self._metrics = metrics
        threads = settings.job_threads or max(1, cores() // settings.jobs_at_once)
        self._threads = threads
        self._setup = {
            "models": {name: str(path) for name, path in models.paths.items()},
            "memory_bytes": settings.job_memory_bytes,
            "nice": _NICE,
            "max_duration_s": settings.max_recording_s,
            "warm": DEFAULT,
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._runs: dict[str, _Run] = {}
        self._starting: set[Process] = set()
        self._unsettled: list[Analysis] = []
        self._work = asyncio.Event()
        self._cutting = asyncio.Lock()
        self._sweeping = Sweeping(settings, store, folder, self._runs, self.stop)
        self._closing = False

    def check(self) -> None:
        """Raise where what waits will not be worked on: `NotReadyError` before and after work."""
        if not self._tasks or self._closing:
            raise NotReadyError("nobody works through the queue")
        if any(task.done() for task in self._tasks):
            raise RuntimeError("what works through the queue broke")

    async def start(self) -> None:
        """Take up what a service that was killed left, and begin."""
        left = await run_in_threadpool(self._store.queue.recover, self._folder.node)
        if left:
            _LOG.info("%d analyses go on", left, extra={"event": "jobs_recovered", "count": left})
        await run_in_threadpool(self._sweeping.all)
        self._tasks = [
            asyncio.ensure_future(self._runner()) for _ in range(self._settings.jobs_at_once)
        ]
        self._tasks.append(asyncio.ensure_future(self._sweeping.run()))

    def wake(self) -> None:
        """There is work."""
        self._work.set()

    async def stop(self, id: str) -> None:
        """End the run on an analysis, if there is one, whatever becomes of its progress."""
        run = self._runs.get(id)
        if run is not None:
            run.dropped = True
            await run.process.kill()
            await run.over.wait()

    async def cut(self, id: str, name: str, cuts: Sequence[Cut], out: Path) -> None:
        """Cut clips from a recording that is kept, into a folder, in a process of its own.

        Raises
        ------
        AudioError, RequestError
            If it cannot be read, or takes too much.
        """
        task = {
            "do": "cut",
            "path": str(self._folder.recording(id)),
            "name": name,
            "cuts": [asdict(each) for each in cuts],
            "out": str(out),
        }
        async with self._cutting:
            process = Process({**self._setup, "warm": None})
            try:
                await process.start()
                await process.ask(task, time_s=self._settings.job_stall_s)
            except (WorkerDiedError, WorkerTookTooLongError) as error:
                raise gave_up(error, name) from error
            finally:
                await process.kill()

    async def close(self, within_s: float) -> None:
        """Let what runs finish if it can in time; park it otherwise. Nothing new is begun."""
        self._closing = True
        self._work.set()
        if self._tasks:
            self._tasks[-1].cancel()
        ends = time.monotonic() + within_s
        working = set(self._tasks[:-1])
        while working:
            # Again and again: what was just begun or claimed may come up only now.
            for process in tuple(self._starting):  # for jobs that it will not get
                await process.kill()
            if time.monotonic() >= ends:
                runs = list(self._runs.values())
                for run in runs:
                    run.parked = True
                await asyncio.gather(*(run.process.stop(_STOP_S) for run in runs))
            _, working = await asyncio.wait(working, timeout=_CLOSE_LOOK_S)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _runner(self) -> None:
        spare: Process | None = None
        try:
            while not self._closing:
                self._work.clear()
                try:
                    await self._settle()
                    spare = await self._spare(spare)
                    if self._closing:  # it may have taken long
                        break
                    job = await run_in_threadpool(self._store.queue.claim, self._folder.node)
                    if job is not None and self._closing:
                        await run_in_threadpool(self._store.queue.park, job)
                        break
                    if job is not None:
                        process, spare = spare, None
                        await self._run(job, process)
                        continue
                except Exception as error:  # such as a database that is away for a while
                    if self._closing:  # what was claimed is put back at the next start
                        break
                    _LOG.error("no work", extra={"event": "no_work"}, exc_info=error)
                    await asyncio.sleep(_AGAIN_S)
                    continue
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._work.wait(), _LOOK_S)
        finally:
            if spare is not None:
                await spare.kill()

    async def _spare(self, spare: Process | None) -> Process:
        """A process that waits for the next job, so that a job need not wait for it."""
        if spare is None or not spare.alive:
            spare = Process(self._setup)
            self._starting.add(spare)
            try:
                await spare.start()
            finally:
                self._starting.discard(spare)
        return spare

    async def _run(self, job: Analysis, process: Process) -> None:
        run = _Run(job, process)
        self._runs[job.id] = run
        try:
            await self._worked(run)
        except BaseException:
            self._unsettled.append(job)
            raise
        finally:
            await process.kill()
            if run.dropped:  # by whom it was may have no hand in this folder
                await run_in_threadpool(self._folder.forget, job.id)
            del self._runs[job.id]
            run.over.set()

    async def _settle(self) -> None:
        """Put back what the store did not hear the end of, being away for a while."""
        while self._unsettled:
            job = self._unsettled.pop()  # now: other runners put back the rest meanwhile
            try:
                await self._crashed(job, RuntimeError("its end was not kept"))
            except BaseException:
                self._unsettled.append(job)
                raise

    async def _crashed(self, job: Analysis, error: Exception) -> None:
        """Try again what broke down, and give it up when it did so too often."""
        told = {"event": "run_lost", "analysis": job.id, "reason": reason(error)}
        _LOG.warning("a run was lost", extra=told)
        if job.crashes + 1 < self._settings.job_attempts:
            await run_in_threadpool(self._store.queue.crashed, job)
        else:
            await self._failed(job, gave_up(error, job.name))

    async def _worked(self, run: _Run) -> None:
        """Let a process work on a job, and keep what comes of it."""
        job, queue = run.job, self._store.queue
        try:
            said = await self._asked(run)
        except WorkerTookTooLongError as error:
            await self._failed(job, gave_up(error, job.name))
        except (WorkerDiedError, EmotoneError) as error:
            if run.dropped:
                return
            if run.parked:  # whatever a library made of the stop
                await run_in_threadpool(queue.park, job)
            elif isinstance(error, EmotoneError):
                await self._failed(job, error)
            else:
                await self._crashed(job, error)
        else:
            if await run_in_threadpool(self._finished, job, said):
                self._count(run)

    async def _asked(self, run: _Run) -> Mapping[str, Any]:
        """What a process makes of a job; its progress is noted meanwhile."""
        noting = asyncio.ensure_future(self._note(run))
        try:
            return await run.process.ask(
                self._task(run.job),
                time_s=self._settings.job_time_s,
                stall_s=self._settings.job_stall_s,
                progress=run.heard,
            )
        finally:  # a note after the store has the end would take the analysis for deleted
            noting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await noting

    def _task(self, job: Analysis) -> dict[str, Any]:
        return {
            "do": "analyze",
            "path": str(self._folder.recording(job.id)),
            "name": job.name,
            "options": dict(job.options),
            "checkpoint": str(self._folder.progress(job.id)),
            "checkpoint_s": self._settings.checkpoint_s,
            "threads": self._threads,
            "out": str(self._folder.result(job.id)),
        }

    async def _note(self, run: _Run) -> None:
        """Keep a run's progress in the store; end the run when the store knows it no longer."""
        noted = run.at  # nothing yet: the store may know of an earlier run
        while True:
            await asyncio.sleep(_NOTED_S)
            at = run.at
            if at is noted:
                continue
            noted = at
            try:
                still = await run_in_threadpool(
                    self._store.queue.progress,
                    run.job,
                    at["heard_s"],
                    at["progress"],
                    at["duration_s"],
                )
            except Exception as error:  # the result is what counts
                _LOG.warning("progress was not noted", exc_info=error)
                continue
            if not still:
                run.dropped = True
                await run.process.kill()

    def _count(self, run: _Run) -> None:
        heard_s = run.at["heard_s"] - (run.from_s or 0.0)
        self._metrics.analyses.labels("done").inc()
        self._metrics.heard_s.labels("recording").inc(heard_s)
        if heard_s > 0:
            took_s = time.monotonic() - run.began
            self._metrics.factor.labels("recording").observe(took_s / heard_s)

    def _finished(self, job: Analysis, said: Mapping[str, Any]) -> bool:
        """Keep what came of a job; whether there still is such a one."""
        out = self._folder.result(job.id)
        outcome = Outcome(
            timeline=Packed.read(out),
            tracks=(out / "tracks").read_bytes(),
            warnings=said["warnings"],
            media_type=_MEDIA_TYPES.get(said["answer"]["container"], "application/octet-stream"),
        )
        if not self._store.queue.finish(job, outcome):
            return False  # it was deleted meanwhile, and so were its files
        if self._store.analyses.keeps_audio(job.number):
            self._folder.tidy(job.id)
        else:
            self._folder.forget(job.id)
        _LOG.info("analysed", extra={"event": "job_done", "analysis": job.id})
        return True

    async def _failed(self, job: Analysis, error: EmotoneError) -> None:
        if await run_in_threadpool(self._store.queue.fail, job, described(error)):
            self._metrics.analyses.labels("failed").inc()
            await run_in_threadpool(self._folder.forget, job.id)
            _LOG.info(
                "not analysed",
                extra={"event": "job_failed", "analysis": job.id, "code": error.code},
            )


class _Run:
    """A job that is worked on."""

    def __init__(self, job: Analysis, process: Process) -> None:
        self.job, self.process = job, process
        self.dropped = self.parked = False
        self.began = time.monotonic()
        self.from_s: float | None = None
        self.over = asyncio.Event()
        self.at: Mapping[str, Any] = {"heard_s": 0.0, "progress": None, "duration_s": None}

    def heard(self, told: Mapping[str, Any]) -> None:
        """Take note of how far it is."""
        if self.from_s is None:  # where an earlier run came to
            self.from_s = told["heard_s"]
        total_s = told["total_s"]
        share = None if not total_s else min(1.0, told["heard_s"] / total_s)
        self.at = {
            "heard_s": told["heard_s"],
            "progress": share,
            "duration_s": told["duration_s"],
        }
