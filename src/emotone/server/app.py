"""The application: what it holds, and where its routes are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

import emotone
from emotone.audio.limits import Limits
from emotone.server import errors
from emotone.server.api import service
from emotone.server.caller import LOCAL
from emotone.server.folder import Folder
from emotone.server.models import Models
from emotone.server.settings import ServerSettings
from emotone.server.store import Store


def create_app(settings: ServerSettings) -> FastAPI:
    """The service as an ASGI application.

    Everything is opened here, so that what is wrong is said at once, and closed when it shuts down.
    Its `state` has ``settings``, ``folder``, ``store``, ``models``, and ``closing``,
    an `asyncio.Event` that is set when it is asked to stop: whatever streams, ends then.

    Parameters
    ----------
    settings
        How it runs.

    Raises
    ------
    UsageError
        If the folder or the database cannot be used.
    BundleError
        If a model is refused.
    """
    app = FastAPI(
        title="emotone",
        version=emotone.__version__,
        summary="Hear the emotion in a voice: which one, when it changes, and how sure.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.models = Models.open(settings.models, Limits(max_duration_s=settings.max_clip_s))
    app.state.folder = Folder(settings.folder)
    app.state.store = Store(settings.database_url)
    app.state.closing = asyncio.Event()
    errors.install(app)
    app.add_middleware(_Everyone)
    app.include_router(service.router, prefix="/v1")
    return app


class _Everyone:
    """Takes everyone for who sits at this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] == "http":
            HTTPConnection(scope).state.caller = LOCAL
        await self.app(scope, receive, send)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    try:
        yield
    finally:
        app.state.closing.set()
        app.state.store.close()
        app.state.folder.close()
