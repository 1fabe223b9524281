"""The application: what it holds, and where its routes are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI

import emotone
from emotone.audio.limits import Limits
from emotone.server import errors, health, site
from emotone.server.api import analyses, corrections, models, predict, results, service
from emotone.server.api.queries import refuse_unknown
from emotone.server.clips import Clips
from emotone.server.description import describe
from emotone.server.drawing import Drawings
from emotone.server.folder import Folder
from emotone.server.jobs import Jobs
from emotone.server.metrics import Metrics
from emotone.server.models import Models
from emotone.server.realtime import endpoint
from emotone.server.realtime.connections import Realtime
from emotone.server.security.guard import guard
from emotone.server.security.keyring import StoredKeyring
from emotone.server.settings import ServerSettings
from emotone.server.store import Store
from emotone.server.store.keys import StoredKeys


def create_app(settings: ServerSettings) -> FastAPI:
    """The service as an ASGI application.

    Everything is opened here, so that what is wrong is said at once, and closed when it shuts down.
    Its `state` has ``settings``, ``folder``, ``store``, ``models``, ``keyring``, ``metrics``,
    ``clips``, ``drawings``, ``jobs``, ``realtime``, ``checks`` (by name, what raises where it is
    not ready), and ``closing``, an `asyncio.Event` that is set when it is asked to stop: whatever
    streams, ends then.

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
    app.state.store = store = Store(settings.database_url)
    app.state.keyring = StoredKeyring(
        StoredKeys(store.database),
        demanded=not settings.loopback,
        open=settings.insecure,
        per_minute=settings.requests_per_minute,
    )
    app.state.metrics = metrics = Metrics(states=store.analyses.counts)
    app.state.clips = clips = Clips(settings, app.state.models, metrics)
    app.state.drawings = Drawings(settings)
    app.state.jobs = jobs = Jobs(settings, store, app.state.folder, app.state.models, metrics)
    app.state.realtime = Realtime(settings, app.state.models, metrics)
    app.state.checks = {"store": store.check, "clips": clips.check, "jobs": jobs.check}
    app.state.closing = asyncio.Event()
    errors.install(app)
    app.include_router(health.router)
    for each in (service, models, predict, analyses, results, corrections):
        app.include_router(each.router, prefix="/v1", dependencies=[Depends(refuse_unknown)])
    app.include_router(endpoint.router, prefix="/v1")
    site.install(app)
    describe(app)
    guard(app, settings, metrics)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    try:
        await state.jobs.start()
        state.clips.start()
        await state.realtime.start()
        yield
    finally:
        state.closing.set()
        await asyncio.gather(
            state.jobs.close(state.settings.shutdown_s),
            state.clips.close(),
            state.drawings.close(),
            state.realtime.close(),
        )
        state.store.close()
        state.folder.close()
