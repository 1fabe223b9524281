"""What the service says of itself while it runs, line by line.

A line holds what an operator needs and nothing about anybody's voice: no audio, no results, and
no names of recordings, paths or addresses of clients unless they are asked for.
"""

from __future__ import annotations

import contextvars
import json
import logging
import sys
from datetime import datetime, timezone
from typing import Any, Literal, TextIO, cast, get_args

from emotone.errors import UsageError

Form = Literal["quiet", "text", "json"]
"""How much is said, and how: warnings alone, or every request too, as text or as JSON."""

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
"""Of the request that is being answered: in all that is logged meanwhile, and in its answer."""

LOGGER = "emotone.server"

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


def start(form: Form, *, stream: TextIO | None = None) -> None:
    """Let the service and uvicorn write their lines.

    Parameters
    ----------
    form
        How much, and how.
    stream
        Where to; standard error when None.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    for name, level in ((LOGGER, logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING if form == "quiet" else level)


class JsonLines(logging.Formatter):
    """An object a line: ``time``, ``level``, ``event``, ``request_id``, and what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return json.dumps(_fields(self, record), ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """For a person: the time, the level, the event, and ``name=value`` for the rest."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and below it the traceback of an error."""
        fields = _fields(self, record)
        trace = fields.pop("traceback", None)
        begin = f"{fields.pop('time')} {fields.pop('level')} {_safe(fields.pop('event'))}"
        rest = (f"{name}={_safe(value)}" for name, value in fields.items())
        line = " ".join((begin, *rest))
        return line if trace is None else f"{line}\n{trace}"


def _fields(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, Any]:
    time = datetime.fromtimestamp(record.created, timezone.utc)
    fields: dict[str, Any] = {
        "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
    }
    if (id := request_id.get()) is not None:
        fields["request_id"] = id
    fields |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
    if record.exc_info:
        fields["traceback"] = formatter.formatException(record.exc_info)
    return fields


def _safe(value: object) -> str:
    """A value that cannot pass for a line of its own, nor for commands to a terminal."""
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
