"""How often one may ask, and how much at once."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_MOST_REMEMBERED = 10_000


class Rates:
    """A bucket for each name: it holds a minute's worth of requests, and fills up steadily.

    So a pause may be followed by a burst, and over time nobody has more than their share.

    Parameters
    ----------
    clock
        Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, when

    def take(self, name: str, per_minute: int) -> float:
        """Take one request out of a bucket.

        Parameters
        ----------
        name
            Whose bucket.
        per_minute
            How many requests it holds, and how many come back in a minute.

        Returns
        -------
        wait_s
            0 where there was one; else the seconds until there is one, and none is taken.
        """
        with self._lock:
            now = self._clock()
            left, since = self._buckets.pop(name, (float(per_minute), now))
            left = min(float(per_minute), left + (now - since) * per_minute / 60.0)
            wait_s = 0.0 if left >= 1.0 else (1.0 - left) * 60.0 / per_minute
            self._buckets[name] = (left - 1.0 if wait_s == 0.0 else left, now)
            if len(self._buckets) > _MOST_REMEMBERED:
                self._buckets.popitem(last=False)  # the one not seen for the longest
            return wait_s


class Slots:
    """How many of something each name, and all together, may have at once.

    Parameters
    ----------
    each
        For one name.
    all
        For all names together.
    """

    def __init__(self, each: int, all: int) -> None:
        self.each, self.all = each, all
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, name: str) -> bool:
        """Take a slot; False where there is none left."""
        with self._lock:
            if self._taken[name] >= self.each or self._taken.total() >= self.all:
                return False
            self._taken[name] += 1
            return True

    def give_back(self, name: str) -> None:
        """Free a slot that was taken."""
        with self._lock:
            self._taken[name] -= 1
            if self._taken[name] <= 0:
                del self._taken[name]

    @contextmanager
    def held(self, name: str) -> Iterator[bool]:
        """Hold a slot for a block of code, told whether there was one."""
        got = self.take(name)
        try:
            yield got
        finally:
            if got:
                self.give_back(name)

    def __len__(self) -> int:
        with self._lock:
            return self._taken.total()
