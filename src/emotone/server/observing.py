"""Every request is counted, timed and logged, whoever answers it."""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone.server.logs import LOGGER, request_id
from emotone.server.metrics import Metrics

_LOG = logging.getLogger(LOGGER)
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
_ID_BYTES = 8
_PREFIX = "/v1"


class Observing:
    """Counts, times and logs requests, and gives each an id.

    Parameters
    ----------
    app
        What answers them.
    metrics
        Where they are counted.
    details
        Whether paths and addresses of clients are logged.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, details: bool = False) -> None:
        self.app, self.metrics, self.details = app, metrics, details

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note what became of it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        id = secrets.token_hex(_ID_BYTES)
        request_id.set(id)  # of this task alone, and of the threads that it waits for
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        since, status, begun_s = time.perf_counter(), 0, 0.0

        async def watched(message: Message) -> None:
            nonlocal status, begun_s
            if message["type"] == "http.response.start":
                status, begun_s = message["status"], time.perf_counter() - since
                MutableHeaders(scope=message)["x-request-id"] = id
            await send(message)

        with self.metrics.requests_open.track_inprogress():
            try:
                await self.app(scope, receive, watched)
            except Exception:
                if status == 0:
                    raise
                # It has been answered and logged. Raised further, uvicorn would log it once more.
            finally:
                self._note(scope, status, begun_s, time.perf_counter() - since)

    def _note(self, scope: Scope, status: int, begun_s: float, whole_s: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route(scope)
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.request_s.labels(method, route).observe(begun_s)
        fields = {"method": method, "route": route, "status": status}
        fields |= {"ms": round(1000 * begun_s, 1), "whole_ms": round(1000 * whole_s, 1)}
        caller = scope.get("state", {}).get("caller")
        if caller is not None and caller.key_id is not None:
            fields["key"] = caller.key_id
        if self.details:
            fields["path"] = scope["path"]
            fields["client"] = (scope.get("client") or ("",))[0]
        _LOG.info("request", extra=fields)


def _route(scope: Scope) -> str:
    """The route's own path, with the names of its parts in place of what they were."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "none"
    # The route of a router that was included knows its path without the prefix.
    prefix = _PREFIX if scope["path"].startswith(f"{_PREFIX}/") else ""
    return path if path.startswith(_PREFIX) else f"{prefix}{path}"
