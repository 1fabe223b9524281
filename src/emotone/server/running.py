"""The service as a process: it listens, says where, and stops when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from emotone.errors import UsageError
from emotone.server.realtime.sockets import LenientProtocol
from emotone.server.security.connections import HEADERS_BYTES, BoundedProtocol, make_room
from emotone.server.settings import ServerSettings

FRAME_BYTES = 1024**2
"""The largest frame of a WebSocket that is read at all; sessions refuse smaller ones by name."""

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}

_STOPPING = [signal.SIGINT, signal.SIGTERM]
if sys.platform == "win32":
    _STOPPING.append(signal.SIGBREAK)


class Server(uvicorn.Server):
    """An HTTP server that tells the application when it is asked to stop, and others when it runs.

    Parameters
    ----------
    app
        What `emotone.server.app.create_app` gave.
    settings
        Host, port, and how long stopping may take.
    started
        Called with the address of the page, as this machine reaches it, once requests are answered.
    """

    def __init__(
        self, app: FastAPI, settings: ServerSettings, started: Callable[[str], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=type("Protocol", (BoundedProtocol,), {"most_connections": make_room()}),
                h11_max_incomplete_event_size=HEADERS_BYTES,
                ws=LenientProtocol,
                ws_max_size=FRAME_BYTES,
                ws_per_message_deflate=False,  # sound does not get smaller by it
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(settings.shutdown_s)),
            )
        )
        self._app, self._settings, self._told = app, settings, started

    def serve_until_stopped(self) -> None:
        """Listen, and return when it was asked to stop and has.

        Raises
        ------
        UsageError
            If the address is taken or is none of this machine.
        """
        settings = self._settings
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            listener.close()
            raise UsageError(
                f"it cannot listen there ({error.strerror or error})",
                source=f"{settings.host}:{settings.port}",
                remedy="Choose another port with --port, or stop what uses this one.",
                code="address_in_use",
            ) from error
        port = listener.getsockname()[1]
        self._address = shown(settings.host, port)
        serving = self.serve(sockets=[listener])
        if sys.platform == "win32":
            asyncio.run(serving)
        else:
            import uvloop

            uvloop.run(serving)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self.started:
            self._told(self._address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop answering; what streams is told to end first, or it would be waited for."""
        self._app.state.closing.set()
        await self._app.state.realtime.shut()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take Ctrl-C and requests to terminate as such; having stopped is then all there is.

        The server that this is would end the process by the same signal once more.
        """
        before = {number: signal.signal(number, self.handle_exit) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def shown(host: str, port: int) -> str:
    """The address of a service as this machine reaches it.

    What stands for every address of the machine is none that a browser could open.

    Examples
    --------
    >>> shown("0.0.0.0", 8000), shown("::1", 8000)
    ('http://127.0.0.1:8000/', 'http://[::1]:8000/')
    """
    reached = _LOOPBACK.get(host, host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}/"
