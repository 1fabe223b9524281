"""Waiting for an analysis: how long, and what its end means."""

from __future__ import annotations

import time
from collections.abc import Callable

from emotone.client.errors import ServiceError
from emotone.client.results import Analysis

Progress = Callable[[Analysis], None]
"""Called with the analysis whenever it was asked for."""

_FIRST_S, _LAST_S = 0.1, 2.0


class Wait:
    """Says how long to wait until an analysis is asked for again.

    Parameters
    ----------
    timeout_s
        Seconds after which waiting is given up; None for never.
    progress
        Called with each answer.
    clock
        Seconds, from anywhere.
    """

    def __init__(
        self,
        timeout_s: float | None,
        progress: Progress | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._clock = progress, clock
        self._until = None if timeout_s is None else clock() + timeout_s
        self._next_s = _FIRST_S

    def after(self, analysis: Analysis) -> float | None:
        """Seconds to wait; None where it is done.

        Raises
        ------
        ServiceError
            If it failed or was cancelled, or there is no time left (``timeout``).
        """
        if self._progress is not None:
            self._progress(analysis)
        if analysis.state == "done":
            return None
        if analysis.state == "cancelled":
            raise ServiceError("the analysis was cancelled", code="cancelled", source=analysis.name)
        if analysis.state == "failed":
            error = analysis.error or {}
            raise ServiceError(
                str(error.get("message", "the analysis failed")),
                code=str(error.get("code", "failed")),
                remedy=error.get("remedy"),
            )
        if self._until is not None and self._clock() >= self._until:
            raise ServiceError(
                "the analysis is not done yet",
                code="timeout",
                source=analysis.name,
                remedy="It goes on; wait for it again.",
            )
        wait, self._next_s = self._next_s, min(_LAST_S, self._next_s * 1.5)
        return wait
