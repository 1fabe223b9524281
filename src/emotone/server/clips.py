"""Clips, heard at once: a few processes that hold the model and are never far away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotone.bundle.registry import DEFAULT
from emotone.server.errors import NotReadyError, RequestError
from emotone.server.metrics import Metrics
from emotone.server.models import Models
from emotone.server.processes import (
    Process,
    WorkerDiedError,
    WorkerTookTooLongError,
    gave_up,
    reason,
)
from emotone.server.settings import ServerSettings

_LOG = logging.getLogger("emotone.server")

_MOST_ANSWERS = 2000
"""After so many a process is replaced: no decoder is free of leaks."""

_AGAIN_S = 1.0


class Clips:
    """A pool of worker processes for what is answered within a request.

    Parameters
    ----------
    settings
        How many there are, what may wait for them, and what they may take.
    models
        What they hear with.
    metrics
        Where it is counted what they hear.
    """

    def __init__(self, settings: ServerSettings, models: Models, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._setup = {
            "models": {name: str(path) for name, path in models.paths.items()},
            "memory_bytes": settings.clip_memory_bytes,
            "nice": 0,
            "max_duration_s": settings.max_clip_s,
            "warm": DEFAULT,
        }
        self._idle: asyncio.LifoQueue[Process] = asyncio.LifoQueue()
        self._running: set[Process] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiting = 0
        self._closing = False

    def check(self) -> None:
        """Raise `NotReadyError` where no process is there to answer."""
        if not any(process.alive for process in self._running):
            raise NotReadyError("no worker process runs")

    def start(self) -> None:
        """Start the processes; what is asked before they run waits for them."""
        for _ in range(self._settings.clip_workers):
            self._in_background(self._add())

    async def close(self) -> None:
        """End them all."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(process.kill() for process in self._running))

    async def predict(
        self, path: Path, *, name: str, model: str, threshold: float | None
    ) -> Mapping[str, Any]:
        """The emotion of a clip, as `Prediction.to_dict` says it.

        Parameters
        ----------
        path
            Where it lies.
        name
            What its owner calls it.
        model
            One that there is.
        threshold
            The least confidence of an answer.

        Raises
        ------
        AudioError
            If it cannot be read.
        RequestError
            If too many wait, or it takes too much.
        """
        task = {"do": "predict", "path": str(path), "name": name, "model": model}
        said = await self._ask({**task, "threshold": threshold}, self._settings.clip_time_s)
        found: Mapping[str, Any] = said["answer"]
        self._metrics.heard_s.labels("clip").inc(found["duration_s"])
        return found

    async def channels(self, path: Path, *, name: str) -> int:
        """How many channels a recording has, of any length, as its header says.

        Raises
        ------
        AudioError, RequestError
            As `predict`.
        """
        task = {"do": "inspect", "path": str(path), "name": name}
        longest = {"max_duration_s": self._settings.max_recording_s}
        said = await self._ask({**task, **longest}, self._settings.clip_time_s)
        found: int = said["answer"]["channels"]
        return found

    async def _ask(self, task: Mapping[str, Any], time_s: float) -> Mapping[str, Any]:
        process = self._free_now() or await self._free()
        try:
            return await process.ask(task, time_s=time_s)
        except (WorkerDiedError, WorkerTookTooLongError) as error:
            told = {"event": "worker_lost", "reason": reason(error)}
            _LOG.warning("a worker was lost", extra=told)
            raise gave_up(error, task["name"]) from error
        finally:
            if process.alive and not process.spent and process.answered < _MOST_ANSWERS:
                self._idle.put_nowait(process)
            else:
                self._in_background(self._replace(process))

    def _free_now(self) -> Process | None:
        """A process that has nothing to do, if there is one that nobody waits for."""
        while not self._waiting and not self._idle.empty():
            if (process := self._idle.get_nowait()).alive:
                return process
            self._in_background(self._replace(process))
        return None

    async def _free(self) -> Process:
        """The next process that has nothing to do, after those who wait already."""
        if self._waiting >= self._settings.clips_waiting:
            raise _busy()
        self._waiting += 1
        try:
            return await asyncio.wait_for(self._next(), self._settings.clip_time_s)
        except asyncio.TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1

    async def _next(self) -> Process:
        """Any that comes free; those that died in the meantime are replaced."""
        while not (process := await self._idle.get()).alive:
            self._in_background(self._replace(process))
        return process

    async def _replace(self, process: Process) -> None:
        await process.kill()
        self._running.discard(process)
        await self._add()

    async def _add(self) -> None:
        while not self._closing:
            process = Process(self._setup)
            try:
                await process.start()
            except (WorkerDiedError, WorkerTookTooLongError, OSError) as error:
                told = {"event": "worker_lost", "reason": reason(error)}
                _LOG.error("a worker does not start", extra=told)
                await asyncio.sleep(_AGAIN_S)
                continue
            self._running.add(process)
            self._idle.put_nowait(process)
            return

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _busy() -> RequestError:
    return RequestError(
        "too many clips wait to be heard",
        status=503,
        code="server_busy",
        remedy="Ask again after the seconds in Retry-After.",
        headers={"Retry-After": "1"},
    )
