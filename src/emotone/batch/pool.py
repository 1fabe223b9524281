"""Processes of this machine that hear blocks side by side."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence

from emotone import interrupts
from emotone.batch.count import Heard
from emotone.batch.hearing import PROGRAM, Hearer, Setup
from emotone.children import Children


class Pool:
    """Processes that hear blocks; they run while it is entered.

    Parameters
    ----------
    setup
        What each process is told first.
    blocks
        What there is to hear.
    processes
        How many.
    """

    def __init__(self, setup: Setup, blocks: Sequence[int], processes: int) -> None:
        self._setup = setup
        self._blocks = iter(blocks)
        self._taking = threading.Lock()
        self._children = Children(PROGRAM)
        # Bounded, so that a slow reader of the progress holds everything up rather than memory.
        self._told: queue.Queue[Heard | BaseException | None] = queue.Queue(1000)
        self._threads = [
            threading.Thread(target=self._serve, name=f"emotone-batch-{number}", daemon=True)
            for number in range(processes)
        ]

    def __enter__(self) -> Pool:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._children.close()  # what they are in the middle of is heard again by the next run
        while any(thread.is_alive() for thread in self._threads):
            with contextlib.suppress(queue.Empty):
                self._told.get(timeout=0.05)

    def heard(self) -> Iterator[Heard]:
        """What was done, as it is told.

        Raises
        ------
        EmotoneError
            If the model fails, or a part cannot be written.
        """
        ended = 0
        while ended < len(self._threads):
            try:
                # Ctrl-C in the middle of it may leave the queue locked for ever; and on Windows it
                # does not get through an endless wait.
                with interrupts.deferred():
                    told = self._told.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(told, BaseException):
                raise told
            if told is None:
                ended += 1
            else:
                yield told

    def _serve(self) -> None:
        """One thread for each process."""
        hearer = Hearer(self._children, self._setup, self._told.put)
        try:
            while not self._children.closed:
                with self._taking:
                    number = next(self._blocks, None)
                if number is None:
                    break
                hearer.hear(number)
            self._told.put(None)
        except BaseException as error:
            self._told.put(error)
        finally:
            hearer.close()
