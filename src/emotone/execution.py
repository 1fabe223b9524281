"""Where the pieces of a training are worked on: here, one after the other, or on a cluster.

Folds and the trials of a search do not depend on each other. Who has such pieces gives them to an
`Executor` and takes the results as they come; what comes out is the same wherever that is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from emotone.errors import EmotoneError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    Attributes
    ----------
    stage
        ``"features"``, ``"search"``, ``"fold"``, ``"epochs"``, ``"curve"`` or ``"model"``, in about
        this order.
    done, total
        Steps of the stage: clips, trials, folds, batches, ...
    message
        What is being done, for people.
    """

    stage: str
    done: int
    total: int
    message: str


Callback = Callable[[Progress], None]
"""Who is told how far it is."""


@dataclass(frozen=True, slots=True)
class Finished(Generic[Result]):
    """What became of one piece of work.

    Attributes
    ----------
    index
        Which it was, from 0.
    result
        What it gave.
    error
        Why there is none.
    """

    index: int
    result: Result | None = None
    error: EmotoneError | None = None

    def get(self) -> Result:
        """The result.

        Raises
        ------
        EmotoneError
            If there is none.
        """
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


class Executor(ABC):
    """Works on pieces that do not depend on each other."""

    @abstractmethod
    def run(
        self,
        work: Callable[[Any, Any, Callback], Result],
        shared: Any,
        items: Iterable[Any],
        tell: Callback,
        *,
        accelerated: bool = False,
    ) -> Iterator[Finished[Result]]:
        """What became of each piece, as they are finished.

        Parameters
        ----------
        work
            A function of a module, called with `shared`, an item, and a callback for progress. An
            `EmotoneError` that it raises ends that piece alone.
        shared
            What all pieces need; it is not changed. The same object again costs nothing.
        items
            One for each piece; the next is taken when there is somebody to work on it.
        tell
            Told of the progress of all. An exception it raises ends everything.
        accelerated
            Whether the work is better done by a graphics card.

        Raises
        ------
        EmotoneError
            If the place of work comes to its end.
        """


class Serial(Executor):
    """Here, one piece after the other."""

    def run(
        self,
        work: Callable[[Any, Any, Callback], Result],
        shared: Any,
        items: Iterable[Any],
        tell: Callback,
        *,
        accelerated: bool = False,
    ) -> Iterator[Finished[Result]]:
        """See `Executor.run`."""
        for index, item in enumerate(items):
            try:
                finished = Finished(index, work(shared, item, tell))
            except EmotoneError as error:
                finished = Finished(index, error=error)
            yield finished


SERIAL = Serial()
