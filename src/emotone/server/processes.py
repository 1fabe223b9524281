"""Worker processes as the service sees them: started, asked, given up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from emotone import errors
from emotone.debugging import debugging
from emotone.errors import EmotoneError
from emotone.server.errors import RequestError
from emotone.server.logs import DETAILS

_LOG = logging.getLogger("emotone.server")

_LONGEST_LINE = 1 << 20
_START_S = 60.0
_KEPT = ("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV", "LANG", "TZ")
"""What of the environment a worker is told. It may hold the password of the database."""
_KEPT_BEGINNINGS = ("LC_", "LD_", "DYLD_", "PYTHON", "XDG_", "MPL", "FONTCONFIG_", "NUMBA_")

Progress = Callable[[Mapping[str, Any]], None]


class WorkerDiedError(Exception):
    """The process ended in the middle of a task.

    Attributes
    ----------
    status
        What it ended with; below 0 the signal that ended it.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the worker process ended with {status}")
        self.status = status


class WorkerTookTooLongError(Exception):
    """A task took more time than it may, and its process was ended."""


class Process:
    """One worker process.

    Parameters
    ----------
    setup
        As `emotone.server.worker.Worker` takes it.

    Attributes
    ----------
    answered
        Tasks that are done.
    spent
        Whether it came to the end of its memory, and had better be replaced.
    """

    def __init__(self, setup: Mapping[str, Any]) -> None:
        self._setup = setup
        self._process: asyncio.subprocess.Process | None = None
        self.answered = 0
        self.spent = False

    async def start(self) -> None:
        """Start it, and wait until it can be asked.

        Raises
        ------
        WorkerDiedError, WorkerTookTooLongError
            If that does not come to be.
        """
        environment = {
            name: value
            for name, value in os.environ.items()
            if name.upper() in _KEPT or name.startswith(_KEPT_BEGINNINGS)
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "emotone.server.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if debugging() else asyncio.subprocess.DEVNULL,
            env={**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            limit=_LONGEST_LINE,
            # Ctrl-C at a terminal is for the service, which tells its workers when it wants.
            start_new_session=True,
        )
        try:
            await self._say(self._setup)
            await asyncio.wait_for(self._hear(), _START_S)
        except asyncio.TimeoutError:
            await self.kill()
            raise WorkerTookTooLongError from None
        except BaseException:
            await self.kill()
            raise

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def ask(
        self,
        task: Mapping[str, Any],
        *,
        time_s: float,
        stall_s: float | None = None,
        progress: Progress | None = None,
    ) -> Mapping[str, Any]:
        """Give it a task and wait for the answer: ``answer`` and ``warnings``.

        Parameters
        ----------
        task
            See `emotone.server.worker`.
        time_s, stall_s
            Seconds for all of it, and from one sign of progress to the next. After that the process
            is ended.
        progress
            Called with each sign of progress.

        Raises
        ------
        EmotoneError
            What the worker raised.
        WorkerDiedError, WorkerTookTooLongError
            If no answer came. The process is gone then.
        """
        ends = time.monotonic() + time_s
        try:
            await self._say(task)
            while True:
                left_s = min(ends - time.monotonic(), stall_s or time_s)
                said = await asyncio.wait_for(self._hear(), max(0.0, left_s))
                if "answer" in said or "error" in said:
                    break
                if progress is not None and "progress" in said:
                    progress(said["progress"])
        except asyncio.TimeoutError:
            await self.kill()
            raise WorkerTookTooLongError from None
        except BaseException:  # an answer that nobody waits for would be taken for the next
            await self.kill()
            raise
        self.answered += 1
        self.spent = self.spent or bool(said.get("spent"))
        if "unforeseen" in said:
            told = {"traceback": said["unforeseen"], DETAILS: said[DETAILS]}
            _LOG.error("unforeseen in a worker", extra=told)
        if "error" in said:
            raise revived(said["error"])
        return said

    async def stop(self, within_s: float) -> None:
        """Ask it to keep its progress and end; it is ended if it does not in time."""
        if self.alive:
            with contextlib.suppress(WorkerDiedError, asyncio.TimeoutError):
                await self._say({"stop": True})
                assert self._process is not None
                await asyncio.wait_for(self._process.wait(), within_s)
        await self.kill()

    async def kill(self) -> None:
        """End it at once."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _say(self, said: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(said).encode() + b"\n")
            await self._process.stdin.drain()
        except (OSError, RuntimeError) as error:  # the pipe is broken, or closed
            raise WorkerDiedError(await self._process.wait()) from error

    async def _hear(self) -> Mapping[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise WorkerDiedError(await self._process.wait())
        said: Mapping[str, Any] = json.loads(line)
        return said


def revived(told: Mapping[str, Any]) -> EmotoneError:
    """The error that a worker told of."""
    kind = getattr(errors, told["kind"], EmotoneError)
    # By its code: its class takes other words, and is lost where the error was given a source.
    if told["code"] == errors.MissingExtraError.code:
        return RequestError(told["cause"], status=501, code=told["code"], remedy=told["remedy"])
    found: EmotoneError = kind(
        told["cause"], source=told["source"], remedy=told["remedy"], code=told["code"]
    )
    return found


def reason(error: Exception) -> str:
    """Why a worker was lost, for a log: nothing that a task could have put there."""
    if isinstance(error, WorkerDiedError):
        return f"it ended with {error.status}"
    if isinstance(error, WorkerTookTooLongError):
        return "it took too long"
    return type(error).__name__


def gave_up(error: Exception, name: str) -> RequestError:
    """Why a file was given up, for whoever sent it: `WorkerDiedError`, `WorkerTookTooLongError`."""
    if isinstance(error, WorkerTookTooLongError):
        return RequestError(
            "it took longer than is allowed",
            source=name,
            status=422,
            code="took_too_long",
            remedy="Check that it plays elsewhere, or cut it.",
        )
    return RequestError(
        "the process that read it broke down",
        source=name,
        status=422,
        code="worker_died",
        remedy="The file may be damaged. Check that it plays elsewhere, or convert it to WAV.",
    )
