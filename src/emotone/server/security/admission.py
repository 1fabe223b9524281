"""Who asks is found out before anything of a request is read."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from emotone.server.caller import Caller, Keyring, bearer
from emotone.server.errors import RequestError, described
from emotone.server.security.rates import Slots

_OPEN = frozenset({"/v1/service"})
"""What anyone may ask; the page learns from it that it must ask for a key."""

_NOBODY = ""
_RETRY_S = 2


class Admission:
    """Finds out who asks, and refuses who may not, before the body of a request comes in.

    FastAPI reads a body, and puts a large one on the disk, before it asks any dependency. So this
    cannot be one: whoever has no key would fill the disk all the same. The routes' dependencies
    (`emotone.server.caller`) find the caller in ``request.state.caller`` and look for its scopes.

    The page, whether it is healthy, and the handshake of a WebSocket (whose key may come in its
    first message) need nobody, so nobody is looked for.

    Parameters
    ----------
    app
        What it guards.
    keyring
        What knows the keys.
    slots
        How many requests may be open at once, each owner's and all.
    """

    def __init__(self, app: ASGIApp, *, keyring: Keyring, slots: Slots) -> None:
        self.app, self.keyring, self.slots = app, keyring, slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller, or answer 401 or 429."""
        if scope["type"] != "http" or not scope["path"].startswith(("/v1", "/metrics")):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            caller = await self._caller(connection)
            connection.state.caller = caller
            with self.slots.held(caller.owner if caller else _NOBODY) as got:
                if not got:
                    raise _too_many()
                await self.app(scope, receive, send)
        except RequestError as error:
            headers = {**error.headers, "Connection": "close"}
            refusal = JSONResponse({"error": described(error)}, error.status, headers=headers)
            await refusal(scope, receive, send)

    async def _caller(self, connection: HTTPConnection) -> Caller | None:
        token = bearer(connection)
        try:
            # On a thread: it asks the store.
            return await run_in_threadpool(self.keyring.admit, token)
        except RequestError:
            # A token that is shown must be a key, so that no page takes a wrong one for right.
            if token is None and connection.scope["path"] in _OPEN:
                return None
            raise


def _too_many() -> RequestError:
    return RequestError(
        "too many requests are open at once",
        status=429,
        code="too_many_at_once",
        remedy="Ask again when another has been answered.",
        headers={"Retry-After": str(_RETRY_S)},
    )
