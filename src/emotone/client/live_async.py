"""A live session of a service, from a program that awaits."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from types import TracebackType
from typing import Any

from emotone.client.calls import headers
from emotone.client.errors import ServiceError
from emotone.client.live import (
    LARGEST_BYTES,
    LEAVE_S,
    OPEN_S,
    connection_lost,
    ended,
    not_opened,
    realtime_url,
    understood,
    websockets,
)
from emotone.client.sound import AHEAD_S, Pace, Samples, blocks, pcm
from emotone.server.realtime.messages import (
    Close,
    Closed,
    Created,
    Error,
    ServerMessage,
    Update,
    Updated,
)
from emotone.server.realtime.protocol import SUBPROTOCOL, encoded


class AsyncSession:
    """A live session; `AsyncClient.realtime` gives one, which an ``async with`` block opens.

    Attributes
    ----------
    created, updated, closed
        As of `emotone.client.Session`.
    """

    created: Created
    updated: Updated

    def __init__(
        self, url: str, asked: Update, *, key: str | None, context: ssl.SSLContext | None
    ) -> None:
        self.closed: Closed | None = None
        self._client = websockets("asyncio.client")
        self._lost: Any = websockets("exceptions")
        self._url, self._asked = realtime_url(url), asked
        self._rate = asked.rate or 16_000
        self._key, self._context = key, context

    async def __aenter__(self) -> AsyncSession:
        try:
            self._socket = await self._client.connect(
                self._url,
                subprotocols=[SUBPROTOCOL],
                additional_headers=headers(self._key),
                user_agent_header=None,
                compression=None,
                open_timeout=OPEN_S,
                max_size=LARGEST_BYTES,
                ssl=self._context,
            )
        except (OSError, self._lost.WebSocketException) as error:
            raise not_opened(self._url, error) from error
        try:
            self.created = await self._answer(Created)
            await self._socket.send(encoded(self._asked))
            self.updated = await self._answer(Updated)
        except BaseException:
            await self._socket.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[ServerMessage]:
        """What the service tells, up to the totals; see `emotone.client.Session`."""
        fatal: Error | None = None
        while self.closed is None:
            told = await self._next()
            if isinstance(told, Error) and told.fatal:
                fatal = told
                continue
            if isinstance(told, Closed):
                self.closed = told
            if told is not None:
                yield told
        if fatal is not None:
            raise ended(fatal)

    async def send(self, samples: Samples) -> None:
        """Send sound; see `emotone.client.Session.send`."""
        with self._connected():
            await self._socket.send(pcm(samples))

    async def finish(self) -> None:
        """Say that nothing more comes. What was sent is heard and told of, then the totals."""
        with self._connected():
            await self._socket.send(encoded(Close()))

    async def hear(self, source: Any, *, ahead_s: float = AHEAD_S) -> AsyncIterator[ServerMessage]:
        """Send all of a source, and tell what the service says of it meanwhile.

        As `emotone.client.Session.hear`; the source may also be an async iterator of blocks.
        """
        feeding = asyncio.create_task(self._feed(source, ahead_s))
        try:
            async for told in self:
                yield told
        finally:
            if not feeding.done():
                feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({feeding})
        if not feeding.cancelled():
            feeding.result()

    async def close(self) -> None:
        """Leave, whatever is still to be told."""
        await self._socket.close()

    # -- within

    async def _feed(self, source: Any, ahead_s: float) -> None:
        pace = Pace(self._rate, ahead_s, time.monotonic)
        try:
            async for block in _awaited(source, self._rate):
                wait_s = pace.wait_s(block)
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                await self.send(block)
        except ServiceError:
            return  # whoever reads is told
        finally:
            with contextlib.suppress(ServiceError):
                await self.finish()

    async def _answer(self, kind: type[Any]) -> Any:
        while True:
            try:
                told = await asyncio.wait_for(self._next(), OPEN_S)
            except asyncio.TimeoutError as error:  # which is no OSError in Python 3.10
                raise connection_lost(self._url, error) from error
            if isinstance(told, kind):
                return told
            if isinstance(told, Error):
                raise ended(told)

    async def _next(self) -> ServerMessage | None:
        with self._connected():
            text = await self._socket.recv()
        return understood(self._url, text)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except (self._lost.ConnectionClosed, OSError) as error:
            raise connection_lost(self._url, error) from error


async def _awaited(source: Any, rate: int) -> AsyncIterator[bytes]:
    """The blocks of a source; one that may have to wait is read on a thread."""
    if isinstance(source, AsyncIterable):
        async for samples in source:
            yield pcm(samples)
        return
    with contextlib.closing(blocks(source, rate)) as all_blocks:
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(next, all_blocks, None))
            try:
                block = await asyncio.shield(reading)
            except asyncio.CancelledError:
                await asyncio.wait({reading}, timeout=LEAVE_S)
                raise
            if block is None:
                return
            yield block
