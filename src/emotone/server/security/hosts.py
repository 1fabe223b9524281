"""Which addresses the service answers under, and whose pages may ask it.

A page of another site runs in the browser of whoever opens it, and that browser reaches loopback.
Two things keep such pages out. The ``Host`` header must be a name that the service goes by, so that
a name of the attacker's that is made to point here (DNS rebinding) is refused. And a request that
says it comes from another site, by ``Origin`` or ``Sec-Fetch-Site``, is refused whatever it asks;
only links to the page are followed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emotone.server.errors import answer

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_POLICY_VIOLATION = 1008
_OWN = frozenset({"same-origin", "none"})


class Gate:
    """Lets in requests under the service's own names that come from its own pages or from none.

    Parameters
    ----------
    app
        What it guards.
    names
        Names besides ``localhost`` and addresses, such as that of a reverse proxy.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self.app = app
        self.names = frozenset(name.lower().rstrip(".") for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            if not self._is_ours(headers.getlist("host")):
                refusal = answer(
                    421,
                    "unknown_host",
                    "the service does not go by the name in the Host header.",
                    "Use its address or localhost, or start it with --allow-host NAME.",
                    {"Connection": "close"},
                )
                await _refuse(refusal, scope, receive, send)
                return
            if not _from_own_page(scope, headers):
                refusal = answer(
                    403,
                    "cross_site",
                    "the request comes from a page of another site.",
                    "Only the service's own page may ask it from a browser.",
                    {"Connection": "close"},
                )
                await _refuse(refusal, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_ours(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        parsed = _split(f"//{hosts[0]}")
        if parsed is None:
            return False
        name = parsed[0].rstrip(".")
        if name == "localhost" or name.endswith(".localhost") or name in self.names:
            return True
        # An address is no name that anyone could point elsewhere.
        return _is_address(name)


async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})  # told as a 403
    else:
        await refusal(scope, receive, send)


def _from_own_page(scope: Scope, headers: Headers) -> bool:
    origins = headers.getlist("origin")
    if origins:
        return len(origins) == 1 and _same_place(origins[0], headers["host"], scope["scheme"])
    site = headers.get("sec-fetch-site")
    if site is None or site in _OWN:
        return True
    # Another site may link to the page; what it may not is put it, or an answer, into itself.
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _same_place(origin: str, host: str, scheme: str) -> bool:
    """Whether an origin has the host and port that the request was sent to.

    Its scheme may differ: a proxy may speak TLS with the browser and none with the service.
    """
    theirs, ours = _split(origin), _split(f"//{host}")
    if theirs is None or ours is None or theirs[0] != ours[0]:
        return False
    origin_scheme = urlsplit(origin).scheme
    if origin_scheme not in ("http", "https"):
        return False
    default = _DEFAULT_PORTS[origin_scheme]
    # A Host without a port means that of the scheme the browser spoke.
    return (theirs[1] or default) == (ours[1] or default)


def _split(url: str) -> tuple[str, int | None] | None:
    """Host and port of a URL that has these alone; None where it is none."""
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError:
        return None
    if not parsed.hostname or parsed.username is not None or parsed.path or parsed.query:
        return None
    return parsed.hostname.lower(), port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
