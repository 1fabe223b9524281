"""Connections that somebody would hold open for nothing, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

pytest.importorskip("uvicorn", reason="needs the extra server")

import uvicorn

from emotone.server.security.connections import HEADERS_BYTES, BoundedProtocol, make_room

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = 32 << 20


class Hasty(BoundedProtocol):
    """One that waits shorter than a person would."""

    headers_s, read_s, most_connections = 0.3, 0.5, 5
    all_open: ClassVar[set[Any]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        Hasty.all_open = self.connections
        super().connection_made(transport)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut off here, however slow this machine is."""
    monkeypatch.setattr(Hasty, "headers_s", 60.0)
    monkeypatch.setattr(Hasty, "read_s", 60.0)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = bytes(LARGE) if scope["path"] == "/large" else b"ok"
    for start in range(0, len(body), 1 << 16):
        piece = body[start : start + (1 << 16)]
        more = start + len(piece) < len(body)
        await send({"type": "http.response.body", "body": piece, "more_body": more})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=Hasty,
        lifespan="off",
        log_config=None,
        h11_max_incomplete_event_size=HEADERS_BYTES,
        timeout_keep_alive=60,
    )
    server = uvicorn.Server(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


@contextlib.contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as opened:
        yield opened


def nobody_else() -> None:
    """Wait until the server has no connection."""
    until = time.monotonic() + 60
    while Hasty.all_open:
        assert time.monotonic() < until
        time.sleep(0.01)


def rest(opened: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := opened.recv(1 << 20):
            found += piece
    return bytes(found)


def error(reply: bytes) -> tuple[int, str]:
    head, body = reply.split(b"\r\n\r\n", 1)
    assert b"connection: close" in head.lower()
    return int(head.split(b" ", 2)[1]), json.loads(body)["error"]["code"]


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b"])
def test_headers_that_do_not_come_to_an_end(port: int, begun: bytes):
    began = time.monotonic()
    with connection(port) as opened:
        opened.sendall(begun)
        assert error(rest(opened)) == (408, "too_slow")
    assert time.monotonic() - began >= 0.29


def test_headers_that_trickle(port: int):
    """It takes no heed of single bytes, which would come for as long as it waits."""
    until = time.monotonic() + 30
    with connection(port) as opened:
        opened.sendall(GET[:-2] + b"X-A: ")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() < until:
                opened.sendall(b"b")
                time.sleep(0.05)
        assert time.monotonic() < until
        assert rest(opened)[:12] in (b"HTTP/1.1 408", b"")


def test_the_next_headers_on_the_same_connection_too(port: int):
    with connection(port) as opened:
        for _ in range(3):
            opened.sendall(GET)
            while not opened.recv(1 << 16).endswith(b"0\r\n\r\n"):
                pass
            time.sleep(0.4)  # a pause between requests is uvicorn's to bound
        opened.sendall(b"GET / HT")
        assert error(rest(opened)) == (408, "too_slow")


@pytest.mark.usefixtures("patient")
def test_two_requests_at_once(port: int):
    with connection(port) as opened:
        opened.sendall(GET + GET + GET[:-2])
        answers = b""
        while answers.count(b"0\r\n\r\n") < 2:
            answers += opened.recv(1 << 16)
        opened.sendall(b"Connection: close\r\n\r\n")
        assert (answers + rest(opened)).count(b"200 OK") == 3


def test_a_body_has_no_clock_here(port: int):
    with connection(port) as opened:
        opened.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
        for byte in b"body":
            time.sleep(0.15)
            opened.sendall(bytes([byte]))
        assert b"200 OK" in opened.recv(1 << 16)


@pytest.mark.parametrize("pieces", [1, 50])
def test_headers_that_are_too_large(port: int, pieces: int):
    request = GET[:-2] + b"X-Large: " + b"x" * (2 * HEADERS_BYTES) + b"\r\n\r\n"
    with connection(port) as opened:
        size = len(request) // pieces + 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(request), size):
                opened.sendall(request[start : start + size])
        assert error(rest(opened)) == (431, "headers_too_large")
    with connection(port) as opened:
        opened.sendall(GET[:-2] + b"X: " + b"x" * (HEADERS_BYTES // 2) + b"\r\n\r\n")
        assert b"200 OK" in opened.recv(1 << 16)


def test_what_is_no_http(port: int):
    with connection(port) as opened:
        opened.sendall(b"\x16\x03\x01" + bytes(100))
        assert error(rest(opened)) == (400, "bad_request")


def test_an_answer_that_nobody_reads(port: int):
    nobody_else()
    with connection(port) as opened:
        opened.sendall(GET)
        assert b"200 OK" in opened.recv(1 << 16)  # it is there, then
        opened.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        nobody_else()  # it was hung up on
        assert len(rest(opened)) < LARGE


@pytest.mark.usefixtures("patient")
def test_an_answer_that_is_read(port: int):
    with connection(port) as opened:
        opened.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert len(rest(opened)) > LARGE


def answered(opened: socket.socket) -> bool:
    """Whether a request gets an answer, and no end of the connection."""
    try:
        opened.sendall(GET)
        return b"200 OK" in opened.recv(1 << 16)
    except (BrokenPipeError, ConnectionResetError):
        return False


@pytest.mark.usefixtures("patient")
def test_more_connections_than_there_may_be(port: int):
    nobody_else()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connection(port)) for _ in range(8)]
        assert sum(answered(opened) for opened in held) == 5
    nobody_else()
    with connection(port) as opened:  # their places are free again
        assert answered(opened)


def test_a_websocket_outlives_the_clocks(port: int):
    with connection(port) as opened:
        opened.sendall(
            GET[:-2] + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101 Switching" in opened.recv(1 << 16)
        time.sleep(0.7)
        opened.setblocking(False)
        with pytest.raises(BlockingIOError):
            opened.recv(1)


@pytest.mark.parametrize(
    ("soft", "hard", "room", "then"),
    [
        (1024, 1_000_000, 2000, 2500),
        (1024, 4096, 2000, 2500),
        (1024, 1024, 524, 1024),
        (256, 256, 64, 256),
        (100_000, 100_000, 2000, 100_000),
    ],
)
def test_connections_leave_files_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, room: int, then: int
):
    resource = pytest.importorskip("resource", reason="Windows has no such bound")
    limits = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.__setitem__(slice(2), new))
    assert make_room() == room
    assert limits == [then, hard]
