"""Connections that cannot be held open for nothing.

uvicorn bounds the size of headers, but not how long they take, nor how long an answer may wait to
be read, nor how many connections there are. Each of these holds a file descriptor, of which a
process has few.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 15.0
"""Seconds for the headers of a request, from when the connection is made or their first byte."""

READ_S = 60.0
"""Seconds that an answer waits for a client that does not read it."""

MOST_CONNECTIONS = 2000
"""Connections at a time, WebSockets among them; any more are closed at once."""

HEADERS_BYTES = 32 * 1024
"""The largest headers of a request."""

_OTHER_FILES = 500
_PIECE_BYTES = 4 * 1024

_LOG = logging.getLogger("emotone.server")


def make_room() -> int:
    """Let this process open as many files as it may; gives how many connections it may then have.

    A connection is a file, and so are databases, uploads and pipes to workers, which must not run
    out of them because of connections.
    """
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _OTHER_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):  # macOS has a bound below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(soft // 4, soft - _OTHER_FILES))


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, with the bounds of this module.

    Not that of httptools, which takes headers of any size.
    """

    headers_s, read_s, most_connections = HEADERS_S, READ_S, MOST_CONNECTIONS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._headers_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            _LOG.warning("too many connections", extra={"connections": len(self.connections)})
            transport.abort()
            return
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._cancel_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of headers against the clock, and a few at a time.

        h11 measures headers that are not complete. Of those that come in one piece it would take as
        many as the system hands over at once.
        """
        at = 0
        while at < len(data) and not self.transport.is_closing():
            end = at + _PIECE_BYTES if self.conn.their_state is h11.IDLE else len(data)
            super().data_received(data[at:end])
            at = end
        self._time_headers()

    def on_response_complete(self) -> None:
        """Wait for the next request, a part of which may have come already."""
        super().on_response_complete()
        self._time_headers()

    def _time_headers(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_waiting()
        elif self.timeout_keep_alive_task is None and self._headers_timer is None:
            self._await_headers()  # else uvicorn's own clock runs, until their first byte

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over, which has bounds of its own from then on."""
        self._cancel_timers()
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """Give an answer up that is not read."""
        super().pause_writing()
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.read_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has headers too large, in the shape of all errors."""
        fault = sys.exc_info()[1]
        too_large = isinstance(fault, h11.RemoteProtocolError) and fault.error_status_hint == 431
        self._answer_error(431 if too_large else 400)

    def _await_headers(self) -> None:
        self._headers_timer = self.loop.call_later(self.headers_s, self._headers_late)

    def _headers_late(self) -> None:
        self._headers_timer = None
        if not self.transport.is_closing():
            self._answer_error(408)

    def _answer_error(self, status: int) -> None:
        code, message = _ERRORS[status]
        body = json.dumps({"error": {"code": code, "message": message, "remedy": None}}).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _cancel_timers(self) -> None:
        self._stop_waiting()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None


_ERRORS = {
    400: ("bad_request", "this is no request of HTTP."),
    408: ("too_slow", "the headers came too slowly."),
    431: ("headers_too_large", f"the headers have more than {HEADERS_BYTES // 1024} KiB."),
}
