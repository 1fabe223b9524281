"""All that stands between a connection and the routes, in its order."""

from __future__ import annotations

from fastapi import FastAPI

from emotone.server.metrics import Metrics
from emotone.server.observing import Observing
from emotone.server.security.admission import Admission
from emotone.server.security.bodies import Bodies
from emotone.server.security.headers import SafeHeaders
from emotone.server.security.hosts import Gate
from emotone.server.security.rates import Slots
from emotone.server.settings import ServerSettings


def guard(app: FastAPI, settings: ServerSettings, metrics: Metrics) -> None:
    """Put the guards before an application that has all its routes.

    They stand before the handlers of errors too, so that an answer to a fault of the service has
    the same headers and is counted as well. `FastAPI.add_middleware` would put them behind.

    Parameters
    ----------
    app
        With ``state.keyring``.
    settings
        Names and limits.
    metrics
        Where requests are counted.
    """

    def upload_bytes(method: str, path: str) -> int | None:
        if method != "POST":
            return None
        return {
            "/v1/predict": settings.max_clip_bytes,
            "/v1/analyses": settings.max_upload_bytes,
        }.get(path.rstrip("/"))

    guarded = Bodies(
        app.build_middleware_stack(),
        upload_bytes=upload_bytes,
    )
    admitted = Admission(
        guarded,
        keyring=app.state.keyring,
        slots=Slots(settings.requests_each, settings.requests_all),
    )
    gated = Gate(admitted, names=(settings.host, *settings.names))
    app.middleware_stack = Observing(
        SafeHeaders(gated), metrics=metrics, details=settings.log_details
    )
