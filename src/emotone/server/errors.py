"""One shape for every error: ``{"error": {"code": ..., "message": ..., "remedy": ...}}``."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from emotone.errors import (
    AudioError,
    BundleError,
    EmotoneError,
    MissingExtraError,
    UsageError,
)

_LOG = logging.getLogger("emotone.server")

_CODES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "bad_media_type",
    416: "bad_range",
    429: "too_many_requests",
    503: "unavailable",
}

_IN_PATHS = {"id": "analysis", "index": "segment"}
"""What the parts of a path stand for."""


class RequestError(EmotoneError):
    """A request that is refused: for what is asked, or for who asks.

    Codes of the latter: ``unauthorised`` (no key, or none that is known; 401), ``forbidden`` (a key
    without the scope; 403), ``too_many_requests`` (the key's rate is used up; 429).

    Attributes
    ----------
    status
        The HTTP status that tells it.
    headers
        Headers of the answer, such as ``Retry-After``.
    """

    code = "bad_request"

    def __init__(
        self,
        cause: str,
        *,
        status: int,
        code: str,
        source: object | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(cause, source=source, remedy=remedy, code=code)
        self.status, self.headers = status, dict(headers or {})


class NotReadyError(Exception):
    """Something does not run yet, or not any more, as happens at a start and at an end."""


def not_found(what: str = "analysis") -> RequestError:
    """Nothing is there; or it is another's, which is not told apart."""
    return RequestError(f"there is no such {what}", status=404, code="not_found")


def described(error: EmotoneError) -> dict[str, str | None]:
    """An error's code, message and remedy, each by itself."""
    message = error.cause if error.source is None else f"{error.source}: {error.cause}"
    return {"code": error.code, "message": f"{message}.", "remedy": error.remedy}


def answer(
    status: int,
    code: str,
    message: str,
    remedy: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error as a response."""
    error = {"code": code, "message": message, "remedy": remedy}
    return JSONResponse({"error": error}, status, headers=dict(headers or {}))


def status_of(error: EmotoneError) -> int:
    """The HTTP status that tells of an error."""
    if isinstance(error, RequestError):
        return error.status
    if error.code == "too_large":
        return 413
    if error.code == "unforeseen":  # of a file, told by a worker that goes on
        return 422
    if isinstance(error, AudioError):
        return 422
    if isinstance(error, MissingExtraError):
        return 501
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, BundleError) and error.code == "missing_bundle":
        return 404
    return 500


def install(app: FastAPI) -> None:
    """Let the application answer every error in the one shape."""
    app.add_exception_handler(EmotoneError, _emotone)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _emotone(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, EmotoneError)
    status = status_of(error)
    if status == 500:
        return await _unexpected(request, error)
    headers = error.headers if isinstance(error, RequestError) else None
    told = described(error)
    if isinstance(error, UsageError) and error.code == UsageError.code:
        told["code"] = _CODES[400]  # as of any other request that makes no sense
    return JSONResponse({"error": told}, status, headers=headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    for problem in error.errors():
        if problem["loc"][0] == "path":  # what can be no id is none that anything has
            return await _emotone(request, not_found(_IN_PATHS[problem["loc"][1]]))
    return answer(400, "bad_request", invalid(error.errors()))


def invalid(problems: Any) -> str:
    """What pydantic found wrong, naming each field."""
    told = []
    for problem in problems:
        place = ".".join(str(part) for part in problem["loc"] if part not in ("body", "query"))
        said = str(problem["msg"]).removeprefix("Value error, ")
        told.append(f"{place}: {said}" if place else said)
    return "; ".join(told[:10]).rstrip(".") + "."


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "error")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed(request) or headers.get("Allow", "")
    return answer(error.status_code, code, f"{error.detail}.", headers=headers)


def _allowed(request: Request) -> str:
    """All methods of a path; the framework knows those of the first route that has it alone."""
    found: set[str] = set()
    for path, methods in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path):
            found |= {method.upper() for method in methods}
    return ", ".join(sorted(found))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("unexpected error", exc_info=error, extra={"method": request.method})
    return answer(
        500,
        "internal",
        "the service failed on this request.",
        "Try again; the log of the service says more.",
    )
