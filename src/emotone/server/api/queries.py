"""What stands behind the ``?`` of an address: refused where it is none of the route's."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from emotone.server.errors import RequestError
from emotone.timeline.exports.names import plain

_LONGEST = 50


def refuse_unknown(request: Request) -> None:
    """A dependency of every route, which refuses parameters that the route does not have.

    FastAPI passes over them, so a filter that is mistyped would list everything.

    Raises
    ------
    RequestError
        If there is one, with those that the route has.
    """
    if not request.query_params:
        return
    known = list(dict.fromkeys(_names(request.scope["route"].dependant)))
    for name in request.query_params:
        if name not in known:
            raise RequestError(
                f"the query has a parameter {plain(name)[:_LONGEST]!r} that nothing is known of",
                status=400,
                code="bad_request",
                remedy=f"Known are {', '.join(known)}." if known else "It takes none.",
            )


def _names(dependant: Dependant) -> Iterator[str]:
    """The parameters of a route, as they are called in an address, and of what it depends on."""
    for field in dependant.query_params:
        yield field.alias
    for each in dependant.dependencies:
        yield from _names(each)
