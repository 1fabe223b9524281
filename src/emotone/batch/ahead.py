"""Work that is done ahead by threads, never further than there is room for its results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ahead(Generic[Item, Result]):
    """Results of items, in their order; the threads run while it is entered.

    In their order, since what is heard together is then the same in every run, to the last bit.

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
        Results, and bytes of them, that may wait for the reader; the one that is next may always.
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
        self._items, self._work, self._weigh = enumerate(items), work, weigh
        self._most, self._weight = most, weight
        self._changed = threading.Condition()
        self._ready: dict[int, tuple[Result, int]] = {}
        self._next = 0
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
                self._changed.wait_for(
                    lambda: self._next in self._ready or not self._working or self._error
                )
                if self._error is not None:
                    raise self._error
                if self._next not in self._ready:
                    return
                result, weight = self._ready.pop(self._next)
                self._next += 1
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
                        place, item = next(self._items)
                    except StopIteration:
                        return
                self._give(place, self._work(item))
        except BaseException as error:
            with self._changed:
                self._error = error
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _give(self, place: int, result: Result) -> None:
        weight = self._weigh(result)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._has_room(place, weight))
            self._ready[place] = (result, weight)
            self._held += weight
            self._changed.notify_all()

    def _has_room(self, place: int, weight: int) -> bool:
        fits = self._held + weight <= self._weight and len(self._ready) < self._most
        return fits or place == self._next
