"""Who asks: the dependency by which every route learns its caller and what that caller may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request

from emotone.server.errors import RequestError

Scope = Literal["read", "write", "admin"]
"""What a key may be for: to see results, to make and change them, to watch over the service."""

SCOPES: tuple[Scope, ...] = ("read", "write", "admin")

LOCAL_OWNER = "local"
"""Who owns what is made without a key, on a service that asks for none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    owner
        Whose analyses the caller sees and makes.
    scopes
        What the caller may do.
    key_id
        The public part of the key that was shown; None without one.
    """

    owner: str
    scopes: frozenset[Scope]
    key_id: str | None = None


LOCAL = Caller(LOCAL_OWNER, frozenset(SCOPES))
"""Everyone, where no key is asked for: on this machine alone, or with ``--insecure``."""


class Keyring(Protocol):
    """What knows the keys: `app.state.keyring`."""

    def admit(self, token: str | None) -> Caller:
        """Who shows this token, counted against the rate of its key.

        Raises
        ------
        RequestError
            If it is no valid key, if there must be one, or if its rate is used up.
        """

    def holds(self, key_id: str | None) -> bool:
        """Whether the key of that id is still valid; for None whether nobody needs one still."""


_bearer = HTTPBearer(
    bearerFormat="emotone_…",
    description="A key made by `emotone server keys create`. A service on loopback without keys "
    "asks for none.",
    auto_error=False,
)


def bearer(connection: HTTPConnection) -> str | None:
    """The token of the ``Authorization: Bearer`` header; None without one.

    Raises
    ------
    RequestError
        If the header is there and is no bearer token: who shows something wrong is told so, and
        never taken for nobody.
    """
    header = connection.headers.get("authorization")
    if header is None:
        return None
    kind, _, token = header.strip().partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise unauthorised("the Authorization header holds no bearer token")
    return token.strip()


def unauthorised(cause: str) -> RequestError:
    """The refusal of who shows no valid key."""
    return RequestError(
        cause,
        status=401,
        code="unauthorised",
        remedy="Send a key that 'emotone server keys create' made as 'Authorization: Bearer KEY'.",
        headers={"WWW-Authenticate": 'Bearer realm="emotone"'},
    )


async def admit(connection: HTTPConnection, token: str | None) -> Caller:
    """Who asks over a WebSocket with this token: that of its header, or of its first message.

    Raises
    ------
    RequestError
        As `Keyring.admit`.
    """
    keyring: Keyring = connection.app.state.keyring
    return await run_in_threadpool(keyring.admit, token)  # it asks the store


async def still_holds(connection: HTTPConnection, caller: Caller) -> bool:
    """Whether who was admitted some time ago would be admitted now; a request takes less long."""
    keyring: Keyring = connection.app.state.keyring
    return await run_in_threadpool(keyring.holds, caller.key_id)  # it asks the store


def allow(caller: Caller, scope: Scope) -> Caller:
    """The caller, if it has the scope.

    Raises
    ------
    RequestError
        If not: ``forbidden``.
    """
    if scope not in caller.scopes:
        raise RequestError(
            f"this key has no scope {scope!r}",
            status=403,
            code="forbidden",
            remedy=f"Make one with: emotone server keys create NAME --scopes {scope}",
        )
    return caller


async def asker(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller | None:
    """Who asks, as a dependency; None for who shows no key where there must be one.

    `emotone.server.security.admission` has found it out before the body came in.
    """
    found: Caller | None = getattr(request.state, "caller", None)
    return found


def caller(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that gives the `Caller` of a request, or refuses one without the scope."""

    async def dependency(asking: Annotated[Caller | None, Depends(asker)]) -> Caller:
        if asking is None:
            raise unauthorised("this service asks for a key")
        return allow(asking, scope)

    return dependency


reads = caller("read")
writes = caller("write")
administers = caller("admin")
