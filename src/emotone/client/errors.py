"""What a service refuses, and what goes wrong on the way to it."""

from __future__ import annotations

from typing import Any

from emotone.errors import EmotoneError


class ServiceError(EmotoneError):
    """A request that was not answered as asked.

    The code is the service's own, such as ``unreadable_audio``, ``not_found``, ``unauthorised`` or
    ``too_many_requests``; of a live session one of `emotone.server.realtime.protocol.CODES`. Those
    of the client: ``unreachable`` (nobody answers), ``connection_lost`` (a live session ended
    without a word), ``bad_answer`` (it is no emotone service), ``timeout`` (waiting for an analysis
    was given up).

    Attributes
    ----------
    status
        The HTTP status; None where there was none.
    retry_after_s
        How long the service asks to wait, in seconds; None where it does not say.
    """

    code = "unreachable"

    def __init__(
        self,
        cause: str,
        *,
        code: str | None = None,
        status: int | None = None,
        remedy: str | None = None,
        retry_after_s: float | None = None,
        source: object | None = None,
    ) -> None:
        super().__init__(cause, remedy=remedy, code=code, source=source)
        self.status, self.retry_after_s = status, retry_after_s


def refused(status: int, body: Any, retry_after: str | None = None) -> ServiceError:
    """The error that an answer tells of.

    Parameters
    ----------
    status
        Of HTTP, 400 or more.
    body
        The answer's JSON; anything else where it had none.
    retry_after
        The header ``Retry-After``.
    """
    asked = retry_after if retry_after is not None and retry_after.isdecimal() else None
    retry_after_s = None if asked is None else float(asked)
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return ServiceError(
            f"the answer is no service's of emotone (HTTP {status})",
            code="bad_answer",
            status=status,
            remedy="Check the address.",
            retry_after_s=retry_after_s,
        )
    return ServiceError(
        error["message"],
        code=str(error.get("code", "error")),
        status=status,
        remedy=error.get("remedy"),
        retry_after_s=retry_after_s,
    )
