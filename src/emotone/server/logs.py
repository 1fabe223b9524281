"""What the service says of itself while it runs, line by line.

A line holds what an operator needs and nothing about anybody's voice: no audio, no results, and
no names of recordings, paths or addresses of clients unless they are asked for. What an exception
says may hold any of them, so of an error it has the type, the code and the frames alone.
"""

from __future__ import annotations

import contextvars
import json
import logging
import sys
import traceback
from datetime import datetime, timezone
from typing import Any, Literal, TextIO, cast, get_args

from emotone.errors import UsageError

Form = Literal["quiet", "text", "json"]
"""How much is said, and how: warnings alone, or every request too, as text or as JSON."""

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
"""Of the request that is being answered: in all that is logged meanwhile, and in its answer."""

LOGGER = "emotone.server"

DETAILS = "details"
"""The field of a record that is said only where details are asked for."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def check(form: str) -> Form:
    """The form of that name.

    Raises
    ------
    UsageError
        If there is none.
    """
    if form not in get_args(Form):
        raise UsageError(
            f"there is no form of log {form!r}", remedy=f"Choose of: {', '.join(get_args(Form))}."
        )
    return cast("Form", form)


def start(form: Form, *, stream: TextIO | None = None, details: bool = False) -> None:
    """Let the service and uvicorn write their lines.

    Parameters
    ----------
    form
        How much, and how.
    stream
        Where to; standard error when None.
    details
        Whether exceptions are quoted, which may name recordings.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter((JsonLines if form == "json" else TextLines)(details=details))
    for name, level in ((LOGGER, logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING if form == "quiet" else level)


def frames(error: BaseException) -> str:
    """A traceback without what the exceptions say: types, codes and frames alone."""
    told: list[str] = []
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        code = getattr(step, "code", None)
        name = f"{type(step).__module__}.{type(step).__qualname__}".removeprefix("builtins.")
        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(step.__traceback__)]
        told.append("".join(lines) + (f"{name} [{code}]" if isinstance(code, str) else name))
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)
    return "\n\nFrom that came:\n\n".join(reversed(told))


class _Lines(logging.Formatter):
    """What both forms have in common.

    Parameters
    ----------
    details
        Whether exceptions are quoted.
    """

    def __init__(self, *, details: bool = False) -> None:
        super().__init__()
        self.details = details

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What is said of a record, by name."""
        time = datetime.fromtimestamp(record.created, timezone.utc)
        fields: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if (id := request_id.get()) is not None:
            fields["request_id"] = id
        fields |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if not self.details:
            fields.pop(DETAILS, None)
        if record.exc_info and record.exc_info[1] is not None:
            whole = self.details
            fields["traceback"] = (
                self.formatException(record.exc_info) if whole else frames(record.exc_info[1])
            )
        return fields


class JsonLines(_Lines):
    """An object a line: ``time``, ``level``, ``event``, ``request_id``, and what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return json.dumps(self.fields(record), ensure_ascii=False, default=str)


class TextLines(_Lines):
    """For a person: the time, the level, the event, and ``name=value`` for the rest."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and below it the traceback of an error."""
        fields = self.fields(record)
        trace = fields.pop("traceback", None)
        begin = f"{fields.pop('time')} {fields.pop('level')} {_safe(fields.pop('event'))}"
        rest = (f"{name}={_safe(value)}" for name, value in fields.items())
        line = " ".join((begin, *rest))
        return line if trace is None else f"{line}\n{trace}"


def _safe(value: object) -> str:
    """A value that cannot pass for a line of its own, nor for commands to a terminal."""
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
