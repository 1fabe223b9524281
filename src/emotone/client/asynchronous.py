"""A client whose answers are awaited."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from emotone.client import calls
from emotone.client.calls import Call
from emotone.client.errors import ServiceError
from emotone.client.live_async import AsyncSession
from emotone.client.results import Analysis, Page
from emotone.client.synchronous import kept
from emotone.client.waiting import Progress, Wait
from emotone.prediction import Prediction
from emotone.server.realtime.messages import Update

if TYPE_CHECKING:
    from emotone.audio.sources import Source

T = TypeVar("T")


class AsyncClient:
    """A service, from a program that awaits; parameters and methods are those of `Client`.

    Examples
    --------
    >>> async with AsyncClient("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     print((await client.predict("clip.wav")).emotion)
    angry
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        timeout_s: float = 120.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.url = calls.base_url(url)
        self._key, self._context = key, context
        self._httpx = calls.httpx()
        self._http = self._httpx.AsyncClient(
            base_url=self.url,
            headers=calls.headers(key),
            timeout=timeout_s,
            verify=True if context is None else context,
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of its connections."""
        await self._http.aclose()

    async def service(self) -> dict[str, Any]:
        """What the service is and allows: version, emotions, limits, export formats and so on."""
        return await self._do(calls.service())

    async def models(self) -> list[dict[str, Any]]:
        """The models to choose from: name, version, emotions."""
        return await self._do(calls.models())

    async def predict(
        self, source: Source, *, model: str | None = None, threshold: float | None = None
    ) -> Prediction:
        """The emotion of one clip."""
        return await self._do(calls.predict(source, model, threshold))

    async def submit(
        self, source: Source, *, idempotency_key: str | None = None, **options: Any
    ) -> Analysis:
        """Begin to analyse a recording, and do not wait for it."""
        return await self._do(calls.submit(source, idempotency_key, options))

    async def analyze(
        self,
        source: Source,
        *,
        timeout_s: float | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Analysis:
        """Analyse a recording and wait until that is done; see `submit` and `wait`."""
        begun = await self.submit(source, **options)
        return await self.wait(begun.id, timeout_s=timeout_s, progress=progress)

    async def wait(
        self, id: str, *, timeout_s: float | None = None, progress: Progress | None = None
    ) -> Analysis:
        """Wait until an analysis is done."""
        wait = Wait(timeout_s, progress)
        while True:
            found = await self.analysis(id)
            pause = wait.after(found)
            if pause is None:
                return found
            await asyncio.sleep(pause)

    async def analysis(self, id: str) -> Analysis:
        """An analysis; with its timeline, where it is done."""
        return await self._do(calls.analysis(id))

    async def page(self, *, limit: int = 50, cursor: str | None = None, **filters: Any) -> Page:
        """A part of the list of analyses; filters as for `analyses`."""
        return await self._do(calls.page(limit, cursor, filters))

    async def analyses(self, **filters: Any) -> AsyncIterator[Analysis]:
        """All analyses, the latest first, without their timelines."""
        cursor = None
        while True:
            page = await self.page(cursor=cursor, **filters)
            for each in page.items:
                yield each
            cursor = page.next
            if cursor is None:
                return

    async def change(
        self,
        id: str,
        *,
        name: str | None = None,
        notes: str | None = None,
        keep_audio: bool | None = None,
        keep_days: float | None = None,
    ) -> Analysis:
        """Rename an analysis, note something, delete its audio (``keep_audio=False``), or say in
        how many days all of it is deleted."""
        keep = {"keep_audio": keep_audio, "keep_days": keep_days}
        return await self._do(calls.change(id, {"name": name, "notes": notes, **keep}))

    async def cancel(self, id: str) -> Analysis:
        """Give an analysis up."""
        return await self._do(calls.cancel(id))

    async def delete(self, id: str) -> None:
        """Delete an analysis and all that belongs to it."""
        await self._do(calls.delete(id))

    async def label(
        self, id: str, index: int, emotion: str | None, *, note: str | None = None
    ) -> dict[str, Any]:
        """Say what a segment is, beside the model's answer; None takes that back."""
        return await self._do(calls.label(id, index, emotion, note))

    async def export(
        self, id: str, format: str, path: str | Path | None = None, *, labels: str = "corrected"
    ) -> bytes:
        """A timeline for other programs."""
        return kept(await self._do(calls.export(id, format, labels)), path)

    async def audio(self, id: str, path: str | Path | None = None) -> bytes:
        """The recording as it was sent, where it is kept; `path` as for `export`."""
        return kept(await self._do(calls.audio(id)), path)

    async def corrections(self, path: str | Path | None = None) -> bytes:
        """Corrected segments as a zip that `emotone train` takes; `path` as for `export`."""
        return kept(await self._do(calls.corrections()), path)

    def realtime(
        self,
        *,
        rate: int = 16_000,
        model: str | None = None,
        window_s: float | None = None,
        step_s: float | None = None,
        threshold: float | None = None,
    ) -> AsyncSession:
        """A live session."""
        asked = Update(
            rate=rate, model=model, window_s=window_s, step_s=step_s, threshold=threshold
        )
        return AsyncSession(self.url, asked, key=self._key, context=self._context)

    # -- within

    async def _do(self, call: Call[T]) -> T:
        tried = 0
        while True:
            try:
                return call.answer(calls.checked(await self._sent(call), call, tried))
            except ServiceError as error:
                pause = calls.wait_s(error, tried)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            tried += 1

    async def _sent(self, call: Call[Any]) -> Any:
        options = call.options()
        try:
            return await self._http.request(call.method, call.path, **options)
        except self._httpx.TransportError as error:
            raise calls.unreachable(self.url, error) from error
        finally:
            for _, content in options.get("files", {}).values():
                content.close()
