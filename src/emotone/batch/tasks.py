"""What a batch does to each recording, as far as plan, workers and parts need to know it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from emotone.batch import sources
from emotone.batch.sources import Recording

if TYPE_CHECKING:
    from emotone.batch.reading import Reader
    from emotone.errors import EmotoneError


class AnyTask(ABC):
    """A task: all that a worker needs to know, and what its rows look like.

    Attributes
    ----------
    segments
        Whether a recording may have many rows, and be long.
    """

    segments: bool

    def find(self, inputs: Sequence[str]) -> Iterable[Recording]:
        """The recordings that the inputs of a batch stand for; see `emotone.batch.sources.find`."""
        sources.check(inputs)
        return sources.find(inputs)

    def settled(self, files: Iterator[str]) -> AnyTask:
        """The task once it is known what there is, by some of the files, spread over all."""
        return self

    def asked(self) -> dict[str, Any]:
        """As `to_dict`, without what `settled` adds."""
        return self.to_dict()

    def bundle(self) -> str | None:
        """The path of the model that it takes, if it takes one."""
        return None

    def moved(self, bundle: str) -> AnyTask:
        """The task with its model, the same one, under another path."""
        return self

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The task as plain types, ready for JSON."""

    @abstractmethod
    def schema(self) -> Any:
        """The columns of its rows, a `pyarrow.Schema`; they begin with ``file``."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What is written into each part beside its rows, as plain types."""

    @abstractmethod
    def reader(self, root: str | None = None, *, jobs: int = 1) -> Reader:
        """Makes rows of blocks of recordings.

        Parameters
        ----------
        root
            The folder that relative paths begin at; the working directory when None.
        jobs
            Cores that one recording may use.
        """

    @abstractmethod
    def failed(self, recording: Recording, error: EmotoneError) -> dict[str, Any]:
        """The row of a recording of which nothing can be made."""


def from_dict(values: dict[str, Any]) -> AnyTask:
    """The task that `AnyTask.to_dict` wrote."""
    if values.get("kind") == "features":
        from emotone.batch.vectors import FeatureTask

        return FeatureTask.from_dict(values)
    from emotone.batch.work import Task

    return Task.from_dict(values)
