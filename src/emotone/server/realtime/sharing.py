"""How many of the windows of all streams a machine can hear, found out while it hears them."""

from __future__ import annotations

from collections.abc import Sequence

BUSY = 0.9
"""Share of the threads' time that is planned for; the rest is for what comes in bursts."""

WEIGH_S = 0.25
"""How often the share is weighed anew, in seconds."""

STRAINED = 0.7
"""Of the time that sound may wait: where it waits less in the mean, nothing need be left out."""

LEAST = 0.05
"""The least share: an utterance is judged by one window at least anyway."""

_LATE = 0.25
"""Share of the streams' sound that is late where there is far too much."""

_UP, _DOWN = 1.5, 0.7
"""The largest steps of the share from one weighing to the next."""


class Share:
    """The share of windows that can be heard, from `LEAST` to 1.

    It follows how busy the threads are and how long sound waits: what it costs to hear a window
    need not be known, and may change with what else the machine does.

    Parameters
    ----------
    threads
        That hear.
    late_s
        Seconds that sound may wait.
    now
        Seconds, from anywhere.

    Attributes
    ----------
    use
        Of the threads' time, of late, from 0 to 1.
    """

    def __init__(self, threads: int, late_s: float, now: float) -> None:
        self._threads, self._late_s, self._since = threads, late_s, now
        self.use = 0.0
        self._value, self._busy_s = 1.0, 0.0
        self._waited_s: list[float] = []

    def spent(self, busy_s: float, waited_s: Sequence[float]) -> None:
        """A thread was busy for so long with streams whose sound had waited for so long each."""
        self._busy_s += busy_s
        self._waited_s += waited_s

    def at(self, now: float) -> float:
        """The share at this time."""
        elapsed = now - self._since
        if elapsed < WEIGH_S:
            return self._value
        use = self._busy_s / (elapsed * self._threads)
        self.use = min(1.0, use)
        factor = min(_UP ** min(100.0, elapsed / WEIGH_S), BUSY / max(use, 1e-3))
        if self._waited_s:
            late = sum(waited > self._late_s for waited in self._waited_s) / len(self._waited_s)
            strained = sum(self._waited_s) / len(self._waited_s) > self._late_s * STRAINED
            if late > _LATE and use > BUSY:
                factor = _DOWN
            elif strained:
                factor = min(1.0, factor)  # it may not be our own work that it waits for
            else:
                factor = max(1.0, factor)
        self._value = min(1.0, max(LEAST, self._value * max(_DOWN, factor)))
        self._since, self._busy_s, self._waited_s = now, 0.0, []
        return self._value
