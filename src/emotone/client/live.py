"""A live session of a service, from a program that waits."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from emotone.client.calls import headers, unreachable
from emotone.client.errors import ServiceError, refused
from emotone.client.sound import AHEAD_S, Pace, Samples, blocks, pcm
from emotone.errors import MissingExtraError
from emotone.server.realtime.messages import (
    Close,
    Closed,
    Created,
    Error,
    ServerMessage,
    Update,
    Updated,
)
from emotone.server.realtime.protocol import (
    SUBPROTOCOL,
    ProtocolError,
    encoded,
    server_message,
)

OPEN_S = 20.0
"""Seconds to connect and be answered in."""

LEAVE_S = 2.0
"""Seconds that a source may take to give its next block after nobody wants it any more."""

LARGEST_BYTES = 16 * 1024**2
"""Of a message: an utterance may have many segments."""


class Session:
    """A live session; `Client.realtime` opens one.

    One thread may send while another reads. Whatever is not sent by the end of the ``with`` block
    is lost; `hear` or `finish` see to it that nothing is.

    Attributes
    ----------
    created
        What the service said first: its model, emotions and limits.
    updated
        How the session is heard.
    closed
        The totals, once it is over; None before, or where the connection was lost.
    """

    def __init__(
        self, url: str, asked: Update, *, key: str | None, context: ssl.SSLContext | None
    ) -> None:
        client = websockets("sync.client")
        self.closed: Closed | None = None
        self._lost: Any = websockets("exceptions")
        self._url, self._rate = realtime_url(url), asked.rate or 16_000
        self._open = contextlib.ExitStack()
        try:
            self._socket = self._open.enter_context(
                client.connect(
                    self._url,
                    subprotocols=[SUBPROTOCOL],
                    additional_headers=headers(key),
                    user_agent_header=None,
                    compression=None,
                    open_timeout=OPEN_S,
                    max_size=LARGEST_BYTES,
                    ssl=context,
                )
            )
        except (OSError, self._lost.WebSocketException) as error:
            raise not_opened(self._url, error) from error
        try:
            self.created = self._answer(Created)
            self._socket.send(encoded(asked))
            self.updated = self._answer(Updated)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[ServerMessage]:
        """What the service tells, up to the totals.

        Raises
        ------
        ServiceError
            If the session is ended for another reason than `finish`; what came before is told
            first. ``connection_lost`` where it just breaks.
        """
        fatal: Error | None = None
        while self.closed is None:
            told = self._next()
            if isinstance(told, Error) and told.fatal:
                fatal = told
                continue
            if isinstance(told, Closed):
                self.closed = told
            if told is not None:
                yield told
        if fatal is not None:
            raise ended(fatal)

    def send(self, samples: Samples) -> None:
        """Send sound: floats from -1 to 1, integers of 16 bits, or bytes of such; mono.

        Raises
        ------
        ServiceError
            If the session is over; iterate over it to learn why.
        """
        with self._connected():
            self._socket.send(pcm(samples))

    def finish(self) -> None:
        """Say that nothing more comes. What was sent is heard and told of, then the totals."""
        with self._connected():
            self._socket.send(encoded(Close()))

    def hear(self, source: Any, *, ahead_s: float = AHEAD_S) -> Iterator[ServerMessage]:
        """Send all of a source, and tell what the service says of it meanwhile.

        Parameters
        ----------
        source
            A file (a path, bytes, a binary file object, ``(samples, rate)``), which is decoded to
            the rate of the session; an iterator of blocks of samples; or a live source at that
            rate, such as `emotone.live.Microphone`. It is read on a thread of its own.
        ahead_s
            How far ahead of real time it may be sent, in seconds. The service has a limit.

        Yields
        ------
        ServerMessage
            `UtteranceStart`, `Measurement`, `UtteranceEnd` and so on, and `Closed` at last.

        Raises
        ------
        ServiceError
            As when iterating.
        AudioError, DeviceError, UsageError
            If the source cannot be read; what was read before is heard and told of first.
        """
        stop = threading.Event()
        failures: list[Exception] = []

        def feed() -> None:
            pace = Pace(self._rate, ahead_s, time.monotonic)
            try:
                with contextlib.closing(blocks(source, self._rate)) as all_blocks:
                    for block in all_blocks:
                        if stop.wait(max(0.0, pace.wait_s(block))):
                            return
                        self.send(block)
            except ServiceError:
                return  # whoever reads is told
            except Exception as error:
                failures.append(error)
            with contextlib.suppress(ServiceError):
                self.finish()

        feeding = threading.Thread(target=feed, name="emotone-feeding", daemon=True)
        feeding.start()
        try:
            yield from self
        finally:
            stop.set()
            feeding.join(LEAVE_S)
        if failures:
            raise failures[0]

    def close(self) -> None:
        """Leave, whatever is still to be told."""
        self._open.close()

    # -- within

    def _answer(self, kind: type[Any]) -> Any:
        while True:
            told = self._next(OPEN_S)
            if isinstance(told, kind):
                return told
            if isinstance(told, Error):
                raise ended(told)

    def _next(self, timeout_s: float | None = None) -> ServerMessage | None:
        with self._connected():
            text = self._socket.recv(timeout_s)
        return understood(self._url, text)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except (self._lost.ConnectionClosed, OSError) as error:  # or a TimeoutError
            raise connection_lost(self._url, error) from error


# -- for both clients


def websockets(module: str) -> Any:
    """A module of the library that speaks WebSocket.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(f"websockets.{module}")
    except ImportError as error:
        raise MissingExtraError("a live session with the service", "client") from error


def realtime_url(url: str) -> str:
    """Where live sessions are."""
    return f"{url.replace('http', 'ws', 1)}/v1/realtime"


def not_opened(url: str, error: Exception) -> ServiceError:
    """Why there is no connection."""
    response = getattr(error, "response", None)
    if response is None:
        return unreachable(url, error)
    import json

    try:
        body = json.loads(response.body or b"")
    except ValueError:
        body = None
    return refused(response.status_code, body)


def connection_lost(url: str, error: Exception) -> ServiceError:
    """The connection broke."""
    return ServiceError(
        f"the connection was lost ({str(error) or type(error).__name__})",
        code="connection_lost",
        source=url,
        remedy="Open another session; times begin at 0 again.",
    )


def ended(error: Error) -> ServiceError:
    """A session that the service ended or refused."""
    return ServiceError(error.message, code=error.code)


def understood(url: str, text: str | bytes) -> ServerMessage | None:
    """What the service said; None where that is for later clients."""
    try:
        return server_message(text if isinstance(text, str) else text.decode())
    except (ProtocolError, UnicodeDecodeError) as error:
        raise ServiceError(
            f"the service said what no service of emotone says ({error})",
            code="bad_answer",
            source=url,
        ) from error
