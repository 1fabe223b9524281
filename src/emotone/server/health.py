"""Whether the service is alive, and whether it is ready for work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State

from emotone.server.api import schemas
from emotone.server.caller import Caller, administers
from emotone.server.errors import NotReadyError
from emotone.server.logs import LOGGER
from emotone.server.metrics import CONTENT_TYPE, Metrics

router = APIRouter(tags=["operation"])

_LOG = logging.getLogger(LOGGER)
_FRESH_S = 1.0


class Readiness(BaseModel):
    """Whether it can take work, and what stands in the way."""

    ready: bool
    checks: dict[str, Literal["ok", "failed"]]


@router.get("/healthz", summary="Whether the process is alive")
async def healthz() -> dict[str, str]:
    """Always ``ok``: who gets no answer should start it again."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Whether it can take work",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "It cannot."}},
)
async def readyz(request: Request) -> JSONResponse:
    """200 where the store and the worker processes answer and it is not shutting down; else 503.

    Each check tells ``ok`` or ``failed``; the log says why.
    """
    state = request.app.state
    checks = {"running": "failed" if state.closing.is_set() else "ok"}
    checks |= await _checked(state)
    ready = all(result == "ok" for result in checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


async def _checked(state: State) -> dict[str, str]:
    """What the checks gave, at most a second ago: anyone may ask, and asking costs the store."""
    known: tuple[float, asyncio.Future[dict[str, str]]] | None = getattr(state, "readiness", None)
    now = time.monotonic()
    if known is None or now - known[0] > _FRESH_S:
        known = state.readiness = now, asyncio.ensure_future(_check(dict(state.checks)))
    return await asyncio.shield(known[1])


async def _check(checks: Mapping[str, Callable[[], Any]]) -> dict[str, str]:
    return {name: await run_in_threadpool(_passed, name, check) for name, check in checks.items()}


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "In Prometheus' own format.", "content": {"text/plain": {}}},
        **schemas.refusals(),
    },
)
def metrics(request: Request, _: Annotated[Caller, Depends(administers)]) -> Response:
    """Requests, latency, the queue, live sessions, the real-time factor. Needs the scope admin."""
    counted: Metrics = request.app.state.metrics
    return Response(counted.exposition(), media_type=CONTENT_TYPE)


def _passed(name: str, check: Callable[[], Any]) -> str:
    try:
        check()
    except NotReadyError as error:
        _LOG.warning("not ready", extra={"check": name, "reason": str(error)})
        return "failed"
    except Exception as error:  # whatever it is, it is not ready
        _LOG.warning("not ready", extra={"check": name}, exc_info=error)
        return "failed"
    return "ok"
