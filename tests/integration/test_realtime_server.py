"""Live sessions with a real server: what is told, who gets in, and what no frame can do to it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import emotone
import services
from attackers import Target, attacked, new_key
from emotone import audio
from emotone.server.realtime.protocol import CODES
from emotone.stream import Measured, SpeechEnded, SpeechStarted, Stream

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000
SECOND = bytes(2 * RATE)
SOUND = np.round(audio.read(EXAMPLES / "raised-voice.flac", rate=RATE).samples * 32767)
SPEECH = SOUND.astype("<i2").tobytes()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Service]:
    with services.service(tmp_path_factory.mktemp("service"), live_each=12) as running:
        assert running.url
        yield running


def session(service: services.Service | str, **options: Any) -> ClientConnection:
    url = service if isinstance(service, str) else service.url.replace("http", "ws")
    return connect(
        f"{url}/v1/realtime",
        subprotocols=["emotone.v1"],
        compression=None,
        max_queue=None,
        **options,
    )


def heard(connection: ClientConnection) -> dict[str, Any]:
    return json.loads(connection.recv(30))


def rest(connection: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """All that is still told, and how the connection was closed."""
    told = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            told.append(heard(connection))
    return told, connection.close_code


def test_it_tells_what_a_stream_tells(service: services.Service) -> None:
    pcm = SOUND.astype("<i2")
    stream = Stream(emotone.load(), RATE)
    wanted = stream.feed(pcm / np.float32(32768)) + stream.finish()
    with session(service) as connection:
        assert connection.subprotocol == "emotone.v1"
        created = heard(connection)
        assert (created["type"], created["authorised"]) == ("session.created", True)
        connection.send('{"type": "session.update", "rate": 16000}')
        assert heard(connection)["type"] == "session.updated"
        for at in range(0, len(pcm), 640):
            connection.send(pcm[at : at + 640].tobytes())
        connection.send('{"type": "session.close"}')
        told, code = rest(connection)
    assert code == 1000
    closed = told.pop()
    assert closed["type"] == "session.closed"
    assert closed["audio_s"] == pytest.approx(len(pcm) / RATE, abs=1e-3)
    if closed["skipped"]:  # on a machine that is busy with other tests
        told = [each for each in told if each["type"].startswith("utterance")]
        wanted = [event for event in wanted if not isinstance(event, Measured)]
    for mine, event in zip(told, wanted, strict=True):
        if isinstance(event, SpeechStarted):
            assert mine == {"type": "utterance.start", "time": round(event.time, 3)}
        elif isinstance(event, SpeechEnded):
            assert (mine["type"], mine["time"]) == ("utterance.end", round(event.time, 3))
            assert [each["kind"] for each in mine["segments"]] == ["speech"] * len(event.segments)
        else:
            assert mine["type"] == "measurement"
            assert mine["end"] == round(event.measurement.end, 3)
            assert mine["emotion"] == event.measurement.emotion
            assert mine["scores"] == pytest.approx(event.measurement.scores, abs=2e-3)
            assert mine["latency_ms"] >= 0


def test_bad_frames_are_told_and_the_session_goes_on(service: services.Service) -> None:
    with session(service) as connection:
        heard(connection)
        connection.send(SECOND[:1001])
        assert (error := heard(connection))["code"] == "bad_frame"
        assert not error["fatal"]
        connection.send(SECOND * 9)
        assert heard(connection)["code"] == "too_large"
        connection.send("not json")
        assert heard(connection)["code"] == "bad_message"
        connection.send(b"\xff{}", text=True)  # no UTF-8
        assert heard(connection)["code"] == "bad_message"
        connection.send('{"type": "session.update", "model": "none"}')
        assert heard(connection)["code"] == "bad_message"
        connection.send(SECOND)
        connection.send('{"type": "session.update", "rate": 8000}')
        assert heard(connection)["code"] == "locked"
        connection.send('{"type": "session.close"}')
        (closed,), code = rest(connection)
    assert code == 1000
    assert closed == {
        "type": "session.closed",
        "audio_s": 1.0,
        "measurements": 0,
        "utterances": 0,
        "skipped": 0,
        "bad_frames": 2,
        "reason": "client",
    }


def test_what_comes_far_too_fast_is_sent_away(service: services.Service) -> None:
    with session(service) as connection:
        heard(connection)
        with contextlib.suppress(ConnectionClosed):
            for _ in range(40):
                connection.send(SECOND)
        told, code = rest(connection)
    assert [each["code"] for each in told if each["type"] == "error"] == ["too_fast", "too_fast"]
    assert told[-1]["reason"] == "too_fast"
    assert told[-1]["audio_s"] > 25  # what came before was heard
    assert code == 1008


def test_there_are_only_so_many_sessions(service: services.Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            assert heard(stack.enter_context(session(service)))["type"] == "session.created"
        told, code = rest(stack.enter_context(session(service)))
        assert [each.get("code", each["type"]) for each in told] == [
            "too_many_sessions",
            "session.closed",
        ]
        assert code == 1013
    deadline = time.monotonic() + 60
    while True:  # and their places are free again
        with session(service) as connection:
            if heard(connection)["type"] == "session.created":
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_other_site_can_open_one(service: services.Service) -> None:
    with pytest.raises(InvalidStatus) as refused:
        session(service, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403
    with session(service, origin=service.url) as connection:
        assert heard(connection)["type"] == "session.created"


def test_stopping_ends_sessions_with_a_word(tmp_path: Path) -> None:
    with services.service(tmp_path) as running:
        with session(running) as connection:
            heard(connection)
            connection.send(SPEECH[: 6 * RATE])
            assert heard(connection)["type"] == "utterance.start"  # so some of it was heard
            stopping = threading.Thread(target=running.stop)
            stopping.start()
            told, code = rest(connection)
        stopping.join()
    ends = [each for each in told if each["type"] in ("error", "session.closed")]
    assert [each.get("code", each["type"]) for each in ends] == ["shutting_down", "session.closed"]
    assert ends[-1] == told[-1]
    assert 0 < told[-1]["audio_s"] <= 3.0
    assert code == 1013
    assert not any("Traceback" in line for line in running.said)


def test_who_reads_nothing_is_left(service: services.Service) -> None:
    """Sound is taken from a client that never reads; others are heard meanwhile."""
    with raw(service) as stalled:
        for _ in range(3):
            stalled.sendall(frame(2, SPEECH[:65_534]))
        with session(service) as connection:
            heard(connection)
            connection.send(SPEECH[:64_000])
            connection.send('{"type": "session.close"}')
            assert rest(connection)[1] == 1000


# -- keys


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("guarded") / "service"
    keys = {
        "writer": new_key(folder, "writer", "--scopes", "write"),
        "reader": new_key(folder, "reader", "--scopes", "read"),
    }
    with attacked(folder) as target:
        yield target, keys


def opened(target: Target, key: str | None = None) -> ClientConnection:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return session(f"ws://127.0.0.1:{target.port}", additional_headers=headers)


def test_a_key_gets_in_by_header_or_first_message(
    guarded: tuple[Target, dict[str, str]],
) -> None:
    target, keys = guarded
    with opened(target, keys["writer"]) as connection:
        assert heard(connection)["authorised"] is True
    with opened(target) as connection:
        assert heard(connection)["authorised"] is False
        connection.send(json.dumps({"type": "session.update", "key": keys["writer"]}))
        assert heard(connection)["type"] == "session.updated"
        connection.send(SECOND)
        connection.send('{"type": "session.close"}')
        assert rest(connection)[0][-1]["audio_s"] == 1.0
    assert not any(key in target.log for key in keys.values())


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("no key", "unauthorised"),
        ("wrong header", "unauthorised"),
        ("wrong message", "unauthorised"),
        ("reader's header", "forbidden"),
        ("reader's message", "forbidden"),
        ("not even a token", "unauthorised"),
    ],
)
def test_without_one_nothing_is_heard(
    guarded: tuple[Target, dict[str, str]], how: str, code: str
) -> None:
    target, keys = guarded
    key = keys["reader"] if "reader" in how else "emotone_nonsense"
    if how == "not even a token":
        url = f"ws://127.0.0.1:{target.port}"
        connection = session(url, additional_headers={"Authorization": "Basic eDp5"})
    else:
        connection = opened(target, key if "header" in how else None)
    with connection:
        if "message" in how:
            heard(connection)
            connection.send(json.dumps({"type": "session.update", "key": key}))
        elif how == "no key":
            heard(connection)
            connection.send(SECOND)
        told, close_code = rest(connection)
    assert [each.get("code", each["type"]) for each in told] == [code, "session.closed"]
    assert told[0]["fatal"]
    assert close_code == 1008


def test_a_session_ends_with_its_key(guarded: tuple[Target, dict[str, str]]) -> None:
    target, keys = guarded
    key = new_key(target.folder, "short-lived")
    with opened(target, key) as connection, opened(target, keys["writer"]) as other:
        assert heard(connection)["authorised"] is True
        heard(other)
        connection.send(SECOND)
        other.send(SECOND)
        command = [sys.executable, "-m", "emotone", "server", "keys", "revoke", key.split("_")[1]]
        command += ["--folder", str(target.folder)]
        subprocess.run(command, check=True, capture_output=True)
        told, close_code = rest(connection)
        assert [each["code"] for each in told if each["type"] == "error"] == ["unauthorised"]
        assert close_code == 1008
        other.send('{"type": "session.close"}')
        assert rest(other)[0][-1]["reason"] == "client"


def test_the_first_key_ends_the_sessions_without_one(tmp_path: Path) -> None:
    with services.service(tmp_path / "data") as running, session(running) as connection:
        assert heard(connection)["authorised"] is True
        connection.send(SECOND)
        new_key(tmp_path / "data", "first")
        told, close_code = rest(connection)
        assert [each["code"] for each in told if each["type"] == "error"] == ["unauthorised"]
        assert close_code == 1008


# -- frames that no client would send


def frame(opcode: int, payload: bytes, *, fin: int = 1, masked: bool = True, rsv: int = 0) -> bytes:
    head = bytes([fin << 7 | rsv << 4 | opcode])
    mark = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mark | len(payload)])
    elif len(payload) < 2**16:
        head += bytes([mark | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mark | 127]) + struct.pack("!Q", len(payload))
    return head + (bytes(4) if masked else b"") + payload  # a mask of zeros changes nothing


@contextlib.contextmanager
def raw(service: services.Service) -> Iterator[socket.socket]:
    """A connection that has shaken hands."""
    host, _, port = service.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        nonce = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET /v1/realtime HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {nonce}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: emotone.v1\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        assert b" 101 " in head.partition(b"\r\n")[0]
        yield connection


def answers(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """The frames that come back until the service hangs up."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            data += piece
    while len(data) >= 2:
        size, at = data[1] & 0x7F, 2
        if size == 126:
            size, at = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack("!Q", data[2:10])[0], 10
        yield data[0] & 0x0F, data[at : at + size]
        data = data[at + size :]


def something(dice: random.Random) -> bytes:
    """A frame, mostly none that should be."""
    texts = [
        b'{"type":"session.update"}',
        b'{"type":"session.update","rate":8000}',
        b'{"type":"session.update","rate":1e400,"step_s":-1}',
        b'{"type":"session.update","key":"\\ud800"}',
        b'{"type":["session.close"]}',
        b'{"type":' * 500,
        b"\xff\xfe",
        b"null",
        dice.randbytes(dice.randrange(40)),
    ]
    kind = dice.randrange(12)
    if kind < 4:
        return frame(2, dice.randbytes(dice.choice([0, 1, 2, 640, 1280, 1281, 70_000])))
    if kind < 7:
        return frame(1, dice.choice(texts))
    if kind == 7:  # in fragments
        return frame(2, dice.randbytes(6), fin=0) + frame(0, dice.randbytes(7))
    if kind == 8:  # a ping, sometimes longer than it may be
        return frame(9, dice.randbytes(dice.choice([0, 5, 125, 126])))
    if kind == 9:
        return frame(dice.randrange(16), dice.randbytes(5), rsv=dice.randrange(8))
    if kind == 10:
        return frame(2, dice.randbytes(5), masked=dice.random() < 0.7, fin=dice.randrange(2))
    return dice.randbytes(dice.randrange(1, 30))


@pytest.mark.parametrize("seed", range(40))
def test_no_frames_whatever_bring_it_down(service: services.Service, seed: int) -> None:
    dice = random.Random(seed)
    with raw(service) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(dice.randrange(1, 40)):
                connection.sendall(something(dice))
            connection.sendall(frame(1, b'{"type":"session.close"}'))
            connection.sendall(frame(8, struct.pack("!H", 1000)))
            connection.shutdown(socket.SHUT_WR)
        for opcode, payload in answers(connection):
            if opcode == 8 and payload:
                assert struct.unpack("!H", payload[:2])[0] in (1000, 1002, 1008, 1009)
            elif opcode == 1:
                told = json.loads(payload)
                assert told.get("code") in (None, *CODES)
                assert told.get("code") != "internal"
                assert told.get("reason") != "internal"


def test_it_is_still_well_after_all_that(service: services.Service) -> None:
    assert service.ask("GET", "/readyz").status == 200
    deadline = time.monotonic() + 60
    while b"\nemotone_live_sessions 0.0\n" not in (body := service.ask("GET", "/metrics").body):
        assert time.monotonic() < deadline, body
        time.sleep(0.1)
    assert b'emotone_live_sessions_ended_total{reason="internal"}' not in body
    with session(service) as connection:
        heard(connection)
        connection.send(SECOND)
        connection.send('{"type": "session.close"}')
        assert rest(connection)[1] == 1000
    service.stop()
    assert not any("Traceback" in line for line in service.said), "".join(service.said)
