"""What has expired or belongs to nothing, removed again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container

from starlette.concurrency import run_in_threadpool

from emotone.server.folder import Folder
from emotone.server.settings import ServerSettings
from emotone.server.store import Store

_LOG = logging.getLogger("emotone.server")

_NEW_S = 300.0
"""Files that belong to nothing may have only just come."""


class Sweeping:
    """Removes analyses that have expired, and files that belong to none.

    Parameters
    ----------
    settings
        How often, and how long analyses are kept.
    store, folder
        Where they are.
    working
        Ids of those that are worked on.
    stop
        Ends the work on one.
    """

    def __init__(
        self,
        settings: ServerSettings,
        store: Store,
        folder: Folder,
        working: Container[str],
        stop: Callable[[str], Awaitable[None]],
    ) -> None:
        self._settings, self._store, self._folder = settings, store, folder
        self._working, self._stop = working, stop

    async def run(self) -> None:
        """Sweep every now and then, until it is cancelled."""
        while True:
            await asyncio.sleep(self._settings.sweep_s)
            try:
                for id in await run_in_threadpool(self._expire):
                    await self._stop(id)
                    await run_in_threadpool(self._folder.forget, id)
                await run_in_threadpool(self._files, _NEW_S)
            except Exception as error:  # such as a database that is away for a while
                _LOG.error("not tidied up", exc_info=error)

    def all(self) -> None:
        """What expired or was left half deleted while the service did not run."""
        self._expire()
        self._files(0.0)

    def _expire(self) -> list[str]:
        return self._store.analyses.expire(days=self._settings.results_days)

    def _files(self, older_than_s: float) -> None:
        """Remove files that belong to nothing, but for those that have only just come."""
        self._folder.forget_backups()
        wanted = self._store.analyses.with_files(self._folder.node)
        for name in list(self._folder.ids()):
            if name not in wanted and self._folder.age_s(name) >= older_than_s:
                self._folder.forget(name)
            elif wanted.get(name) is False and name not in self._working:
                self._folder.tidy(name)
