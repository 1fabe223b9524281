"""How large a request may be, and how slowly it may come."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone.server.errors import answer

_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Patience:
    """How slowly a body may come.

    Attributes
    ----------
    idle_s
        Seconds without a byte.
    grace_s
        Seconds that are waited for it in all, before its rate counts.
    bytes_per_s
        The mean rate below which it is given up, over all of the waiting.
    """

    idle_s: float = 30.0
    grace_s: float = 30.0
    bytes_per_s: float = 2048.0


_SMALLER = "Send a shorter recording, or one in a compressed format such as FLAC or Opus."


class _BrokenOffError(Exception):
    """Ends the reading of a body that is not worth reading to its end."""


class Bodies:
    """Bounds the bodies of requests.

    Parameters
    ----------
    app
        What it guards.
    upload_bytes
        How large a recording may be that a request, by its method and path, brings; None where it
        brings none.
    room_bytes
        For the form around a recording: boundaries and the other fields.
    other_bytes
        How large any other body may be.
    patience
        How slowly one may come.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        upload_bytes: Callable[[str, str], int | None],
        room_bytes: int = 1 << 20,
        other_bytes: int = 1 << 20,
        patience: Patience | None = None,
    ) -> None:
        self.app, self.upload_bytes = app, upload_bytes
        self.room_bytes, self.other_bytes = room_bytes, other_bytes
        self.patience = patience or Patience()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted and timed; answer 408 or 413 in its place."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.upload_bytes(scope["method"], scope["path"])
        if limit is None:
            body = _Body(self.other_bytes, 0, self.patience, receive, "Send less text.")
        else:
            body = _Body(limit, self.room_bytes, self.patience, receive, _SMALLER)
        await self._bounded(body, scope, receive, send)

    async def _bounded(self, body: _Body, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def unless_broken_off(message: Message) -> None:
            nonlocal started
            # Whatever the route makes of a body that broke off, the reason is told in its place.
            if body.refusal is None or started:
                started = started or message["type"] == "http.response.start"
                await send(message)

        try:
            body.check(Headers(scope=scope).get("content-length"))
            await self.app(scope, body.receive, unless_broken_off)
        except Exception:
            if body.refusal is None or started:
                raise
        if body.refusal is not None and not started:
            await body.refusal(scope, receive, send)


class _Body:
    """One body, counted and timed while it is received.

    It may have `limit` bytes, and `room` for what is around them, of which nobody is told.
    """

    def __init__(
        self, limit: int, room: int, patience: Patience, receive: Receive, remedy: str
    ) -> None:
        self.limit, self.room, self.patience, self._receive = limit, room, patience, receive
        self._remedy = remedy
        self.refusal: Response | None = None
        self._bytes, self._waited_s, self._more = 0, 0.0, True

    def check(self, declared: str | None) -> None:
        """Refuse a body by the length that it declares."""
        if declared is None or not declared.isdecimal():
            return  # what is no number has been refused by the parser of HTTP
        if len(declared) > _MOST_DIGITS or int(declared) > self.limit + self.room:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece of the body."""
        if self.refusal is not None:
            raise _BrokenOffError
        if not self._more:
            return await self._receive()  # waits for the client to leave, however long
        since = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), self._wait_s())
        except asyncio.TimeoutError:
            raise self._too_slow() from None
        self._waited_s += time.monotonic() - since
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._more = message.get("more_body", False)
            if self._bytes > self.limit + self.room:
                raise self._too_large()
        return message

    def _wait_s(self) -> float:
        """How long the next piece may take, by what has come so far."""
        patience = self.patience
        rated_s = patience.grace_s + self._bytes / patience.bytes_per_s - self._waited_s
        return max(0.0, min(patience.idle_s, rated_s))

    def _too_large(self) -> _BrokenOffError:
        self.refusal = answer(
            413,
            "too_large",
            f"the request has more than the {_size(self.limit)} that are taken.",
            self._remedy,
            {"Connection": "close"},
        )
        return _BrokenOffError()

    def _too_slow(self) -> _BrokenOffError:
        self.refusal = answer(
            408,
            "too_slow",
            "the request came too slowly to wait for the rest of it.",
            "Send it again over a better connection.",
            {"Connection": "close"},
        )
        return _BrokenOffError()


def _size(count: int) -> str:
    """A count of bytes as a person says it."""
    unit = min(3, int(math.log(max(count, 1), 1024)))
    return f"{count / 1024**unit:.0f} {('bytes', 'KiB', 'MiB', 'GiB')[unit]}"
