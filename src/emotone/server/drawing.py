"""Pictures and pages, drawn one after the other in a process of their own.

A picture of hours takes seconds. Drawn where clips are heard, a few of them would keep every clip
waiting, so nothing but drawings waits for a drawing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from emotone.server.errors import RequestError
from emotone.server.processes import Process, WorkerDiedError, WorkerTookTooLongError, reason
from emotone.server.settings import ServerSettings

_LOG = logging.getLogger("emotone.server")

_DRAW_S = 120.0
_WAIT_S = 60.0
_MOST_WAITING = 16
"""Owners whose drawings wait."""

_MOST_ANSWERS = 200
"""After so many a process is replaced."""

_RETRY_S = 2
_OTHER_FORMS = "Ask for csv or json."


class Drawings:
    """Draws timelines; its process is started by the first that is asked for.

    Parameters
    ----------
    settings
        What the process may take.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._setup = {
            "models": {},
            "memory_bytes": settings.clip_memory_bytes,
            "nice": 0,
            "max_duration_s": settings.max_clip_s,
            "warm": None,
        }
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._waiting: set[str] = set()

    async def close(self) -> None:
        """End the process, and what it draws."""
        await self._end()

    @contextlib.asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Wait until nothing else is drawn; nothing else is, as long as the block lasts.

        Parameters
        ----------
        owner
            For whom. One drawing of each owner waits.

        Raises
        ------
        RequestError
            If another of theirs waits, too many do, or it takes too long.
        """
        if self._turn.locked() or self._waiting:
            await self._wait(owner)
        else:
            await self._turn.acquire()  # at once
        try:
            yield
        finally:
            self._turn.release()

    async def _wait(self, owner: str) -> None:
        if owner in self._waiting:
            raise RequestError(
                "another picture or page of yours waits to be drawn",
                status=429,
                code="too_many_at_once",
                remedy="Ask again when it has come, or ask for csv or json.",
                headers={"Retry-After": str(_RETRY_S)},
            )
        if len(self._waiting) >= _MOST_WAITING:
            raise _busy()
        self._waiting.add(owner)
        try:
            await asyncio.wait_for(self._turn.acquire(), _WAIT_S)
        except asyncio.TimeoutError:
            raise _busy() from None
        finally:
            self._waiting.discard(owner)

    async def draw(self, folder: Path, form: str, title: str) -> Path:
        """Draw a timeline as a picture or a page, or write a long one as text, within a `turn`.

        Parameters
        ----------
        folder
            With ``head``, as JSON, ``segments`` and ``measurements``, a line of JSON for each, and
            ``tracks``.
        form
            A name of `emotone.server.api.formats`.
        title
            Above it.

        Returns
        -------
        pathlib.Path
            The file, in the same folder.

        Raises
        ------
        EmotoneError
            If its package is not installed, or it takes too much time or memory.
        """
        out = folder / "out"
        paths = {"folder": str(folder), "out": str(out)}
        task = {"do": "export", **paths, "format": form, "title": title, "name": title}
        process = await self._ready()
        try:
            await process.ask(task, time_s=_DRAW_S)
        except (WorkerDiedError, WorkerTookTooLongError) as error:
            told = {"event": "worker_lost", "reason": reason(error)}
            _LOG.warning("a worker was lost", extra=told)
            raise _gave_up(error, form) from error
        finally:
            if not process.alive or process.spent or process.answered >= _MOST_ANSWERS:
                await self._end()
        return out

    async def _ready(self) -> Process:
        if self._process is not None and self._process.alive:
            return self._process
        await self._end()
        process = Process(self._setup)
        try:
            await process.start()
        except (WorkerDiedError, WorkerTookTooLongError, OSError) as error:
            told = {"event": "worker_lost", "reason": reason(error)}
            _LOG.error("a worker does not start", extra=told)
            raise _busy() from error
        self._process = process
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.kill()


def _gave_up(error: Exception, form: str) -> RequestError:
    what = {"png": "picture", "svg": "picture", "html": "page"}.get(form, "file")
    if isinstance(error, WorkerTookTooLongError):
        cause, code = f"the {what} takes too long to make", "took_too_long"
    else:
        cause, code = f"the process that made the {what} broke down", "worker_died"
    return RequestError(cause, status=422, code=code, remedy=_OTHER_FORMS)


def _busy() -> RequestError:
    return RequestError(
        "too many pictures and pages wait to be drawn",
        status=503,
        code="server_busy",
        remedy="Ask again after the seconds in Retry-After, or ask for csv or json.",
        headers={"Retry-After": str(_RETRY_S)},
    )
