"""Live sessions: any texts and frames in any order, and what a client is told."""

from __future__ import annotations

import json
from dataclasses import dataclass

import refusals

from emotone.errors import UsageError
from emotone.server.realtime import messages, protocol
from emotone.server.realtime.effects import Admit, Effect, End, Finish, Hear, Listen, Send, Told
from emotone.server.realtime.limits import Limits
from emotone.server.realtime.session import Session

LIMITS = Limits(max_frame_bytes=2_000, max_message_bytes=500, max_ahead_s=3.0, idle_s=20.0)


@dataclass(frozen=True)
class _Model:
    model: str = "toy@1"
    emotions: tuple[str, ...] = ("neutral", "angry")


class _Models:
    def check(self, name: str | None) -> str:
        if name not in (None, "default"):
            raise UsageError(f"there is no model {name}")
        return "default"

    def get(self, name: str | None = None) -> _Model:
        self.check(name)
        return _Model()


def _frames(*frames: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([kind, len(data)]) + data for kind, data in frames)


def seeds() -> list[bytes]:
    """Each frame is a byte for its kind, one for its length, and so many bytes."""
    update = json.dumps({"type": "session.update", "rate": 8000, "threshold": 0.5}).encode()
    wide = json.dumps({"type": "session.update", "window_s": 2.0, "step_s": 0.5}).encode()
    key = json.dumps({"type": "session.update", "key": "k", "model": "default"}).encode()
    close = json.dumps({"type": "session.close"}).encode()
    told = [
        messages.Error("bad_frame", "x"),
        messages.UtteranceEnd(1.0, ({"start": 0.0},)),
        messages.Closed(1.0, 1, 1, 0, 0, "client"),
    ]
    return [
        _frames((0, update), (1, bytes(200)), (2, b"\5"), (0, close), (3, b"")),
        _frames((4, b""), (0, key), (5, b""), (1, bytes(200)), (1, b"\1"), (3, b"")),
        _frames((4, b""), (0, update), (0, wide), (6, b"")),
        *(_frames((7, protocol.encoded(message).encode()[:255])) for message in told),
    ]


def one_input(data: bytes) -> None:
    """Every answer is a message of the protocol, and after the end there is none."""
    now = [100.0]
    session = Session(_Models(), LIMITS, lambda: now[0])
    ended = False
    done = list(session.open(authorised=not data.startswith(b"\4")))
    _checked(done)
    at = 0
    while at + 2 <= len(data):
        kind, length = data[at], data[at + 1]
        body = data[at + 2 : at + 2 + length]
        at += 2 + length
        if kind % 8 == 7:
            _as_server(body)
            continue
        now[0] += 0.01
        effects = _step(session, kind % 8, body, now)
        assert not (ended and effects), "nothing follows the end"
        _checked(effects)
        ended |= any(isinstance(effect, End) for effect in effects)
        assert ended == (session.state == "closed")


def _step(session: Session, kind: int, body: bytes, now: list[float]) -> list[Effect]:
    if kind == 0:
        return session.text(body.decode("utf-8", "replace"))
    if kind == 1:
        return session.binary(body)
    if kind == 2:
        now[0] += sum(body[:2])
        return session.tick(float(sum(body[2:4])))
    if kind == 3:
        return session.heard(Told((), (), 1.0, 0.0, 0, done=True))
    if kind == 4:
        return session.refused("forbidden", "no")
    if kind == 5:
        return session.admitted()
    return session.shut()


def _checked(effects: list[Effect]) -> None:
    for effect in effects:
        assert isinstance(effect, (Admit, End, Finish, Hear, Listen, Send))
        if isinstance(effect, Send):
            text = protocol.encoded(effect.message)
            text.encode()
            assert protocol.server_message(text) is not None
        if isinstance(effect, Listen):
            assert 8_000 <= effect.rate <= 192_000


def _as_server(body: bytes) -> None:
    try:
        protocol.server_message(body.decode("utf-8", "replace"))
    except protocol.ProtocolError as error:
        refusals.check(error)
