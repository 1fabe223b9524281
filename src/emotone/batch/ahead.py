"""Work that is done ahead by threads, never further than there is room for its results."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ahead(Generic[Item, Result]):
    """Results of items, in the order in which they are ready; the threads run while it is entered.

    Parameters
    ----------
    items
        What is worked on, taken one after the other.
    work
        Makes the result of an item. It should not raise; what it raises ends the iteration.
    weigh
        Bytes of memory that a result holds.
    threads
        How many work at once.
    most, weight
        Results, and bytes of them, that may wait for the reader. One that is heavier than that
        waits alone.
    """

    def __init__(
        self,
        items: Iterable[Item],
        work: Callable[[Item], Result],
        *,
        weigh: Callable[[Result], int],
        threads: int,
        most: int,
        weight: int,
    ) -> None:
        self._items, self._work, self._weigh = iter(items), work, weigh
        self._most, self._weight = most, weight
        self._changed = threading.Condition()
        self._ready: deque[tuple[Result, int]] = deque()
        self._held = 0
        self._working = threads
        self._ended = False
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"emotone-reader-{number}", daemon=True)
            for number in range(threads)
        ]

    def __enter__(self) -> Ahead[Item, Result]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[Result]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or not self._working or self._error)
                if self._error is not None:
                    raise self._error
                if not self._ready:
                    return
                result, weight = self._ready.popleft()
                self._held -= weight
                self._changed.notify_all()
            yield result

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    if self._ended:
                        return
                    try:
                        item = next(self._items)
                    except StopIteration:
                        return
                self._give(self._work(item))
        except BaseException as error:
            with self._changed:
                self._error = error
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _give(self, result: Result) -> None:
        weight = self._weigh(result)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._has_room(weight))
            self._ready.append((result, weight))
            self._held += weight
            self._changed.notify_all()

    def _has_room(self, weight: int) -> bool:
        fits = self._held + weight <= self._weight and len(self._ready) < self._most
        return fits or not self._ready
