"""Messages of ``WS /v1/realtime`` as text, and the codes of errors and ends.

Text frames are JSON objects with a ``type``; binary frames are sound.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, cast, get_args

from emotone.errors import EmotoneError
from emotone.server.realtime.messages import (
    ENCODING,
    Behind,
    ClientMessage,
    Close,
    Closed,
    Created,
    Error,
    Measurement,
    ServerMessage,
    Settings,
    Update,
    Updated,
    UtteranceEnd,
    UtteranceStart,
)

SUBPROTOCOL = "emotone.v1"
"""What a client asks for in the handshake."""

Code = Literal[
    "bad_frame",
    "bad_message",
    "locked",
    "too_large",
    "too_fast",
    "idle",
    "unauthorised",
    "forbidden",
    "too_many_requests",
    "too_many_sessions",
    "server_busy",
    "not_reading",
    "shutting_down",
    "internal",
]
"""Of an error; see ``docs/realtime.md`` for what each means."""

CODES: tuple[Code, ...] = get_args(Code)

NORMAL, VIOLATION, TOO_BIG, BROKEN, LATER = 1000, 1008, 1009, 1011, 1013
"""How a WebSocket is closed (RFC 6455, section 7.4.1, and IANA's registry)."""

CLOSE_CODES: Mapping[str, int] = {
    "client": NORMAL,
    "internal": BROKEN,
    "server_busy": LATER,
    "shutting_down": LATER,
    "too_many_requests": LATER,
    "too_many_sessions": LATER,
}
"""By the reason of the end; for every other one it is 1008."""


class ProtocolError(EmotoneError):
    """A message that is none of the protocol's. Its code is one of `CODES`."""

    code = "bad_message"


def client_message(text: str) -> ClientMessage:
    """What a client said.

    Raises
    ------
    ProtocolError
        If it is no message of the protocol, or one with fields that it does not have or of another
        type or value.
    """
    found = _object(text)
    kind = found.pop("type", None)
    if kind == Close.type:
        _nothing_but(found, ())
        return Close()
    if kind != Update.type:
        raise ProtocolError(
            f"{_shown(kind)} is no type of message" if kind is not None else "it has no type",
            remedy=f"Send {Update.type} or {Close.type}.",
        )
    _nothing_but(found, tuple(each.name for each in fields(Update)))
    return Update(
        rate=_whole(found, "rate"),
        model=_word(found, "model", 200),
        encoding=_one_of(found, "encoding", ENCODING),
        channels=_one_of(found, "channels", 1),
        window_s=_number(found, "window_s"),
        step_s=_number(found, "step_s"),
        threshold=_number(found, "threshold", 0.0, 1.0),
        key=_word(found, "key", 500),
    )


_KINDS: Mapping[str, type[ServerMessage]] = {
    kind.type: kind
    for kind in (
        Created,
        Updated,
        UtteranceStart,
        Measurement,
        UtteranceEnd,
        Behind,
        Error,
        Closed,
    )
}


def server_message(text: str) -> ServerMessage | None:
    """What the service said, for a client.

    Returns
    -------
    ServerMessage or None
        None where its type is unknown, as that of a later service may be; fields that are unknown
        are left out.

    Raises
    ------
    ProtocolError
        If it is no message, or one that lacks a field.
    """
    found = _object(text)
    kind = _KINDS.get(str(found.pop("type", None)))
    if kind is None:
        return None
    try:
        for name in ("emotions", "segments"):
            if name in found:
                found[name] = tuple(found[name])
        if "settings" in found:
            found["settings"] = _made(Settings, found["settings"])
        return _made(kind, found)
    except TypeError as error:
        raise ProtocolError(f"a {kind.type} of the service is not whole ({error})") from error


def encoded(message: ClientMessage | ServerMessage) -> str:
    """A message as the text of a frame."""
    return json.dumps(message.to_dict(), separators=(",", ":"), allow_nan=False)


# -- within

_M = TypeVar("_M")


def _made(kind: type[_M], values: Mapping[str, Any]) -> _M:
    known = {each.name for each in fields(cast(Any, kind))}
    return kind(**{name: value for name, value in values.items() if name in known})


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("it is not JSON", remedy="Send an object with a type.") from error
    if not isinstance(found, dict):
        raise ProtocolError("it is no JSON object", remedy="Send an object with a type.")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _nothing_but(found: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        has = f"It has {', '.join(known)}." if known else "It has none."
        raise ProtocolError(f"there is no field {_shown(unknown[0])}", remedy=has)


def _whole(found: Mapping[str, Any], name: str) -> int | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProtocolError(f"{name} is {_shown(value)}", remedy="Give a whole number.")
    return value


def _number(
    found: Mapping[str, Any], name: str, low: float = -math.inf, high: float = math.inf
) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e9:
        raise ProtocolError(f"{name} is {_shown(value)}", remedy="Give a number.")
    if not low <= value <= high:
        raise ProtocolError(
            f"{name} is {_shown(value)}", remedy=f"Give a number from {low:g} to {high:g}."
        )
    return float(value)


def _word(found: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = found.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        # Not shown: it may be a key.
        raise ProtocolError(
            f"{name} is no text of 1 to {longest} characters", remedy="Give it as a string."
        )
    return value


def _one_of(found: Mapping[str, Any], name: str, only: Any) -> Any:
    value = found.get(name)
    if value is not None and (value != only or isinstance(value, bool)):
        raise ProtocolError(
            f"{name} is {_shown(value)}", remedy=f"Convert the sound: it can only be {only}."
        )
    return value


def _shown(value: Any) -> str:
    """A value that somebody sent, short enough to be sent back."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
