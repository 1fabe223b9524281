"""Features that are never in memory all at once: rows are read in pieces, as often as is needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from emotone.audio.clips import Clips
from emotone.errors import TrainingError
from emotone.models.calibration import FloatMatrix

PIECE_BYTES = 8 * 1024**2
"""Of a piece in float32."""

_PART_BYTES = 2 * 1024**2
"""Of the rows of a piece that are worked on in double precision at once: that takes many times as
much, for numbers on the way."""

Features: TypeAlias = "npt.ArrayLike | Clips | Streamed"
"""What a classifier may be given; a neural family hears clips, the others learn from features."""

BYTES_PER_NUMBER = 36
"""What learning from all features at once takes at its peak: float32 as they were read and as the
training part, float64 before and after scaling, float32 and float64 on the way."""

Piece = tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]
"""Positions of some rows, shape ``(m,)``, and these rows, shape ``(m, d)``."""


class Streamed(ABC):
    """Rows of features that are read in pieces.

    Attributes
    ----------
    shape
        Rows and features, as of a matrix.
    """

    shape: tuple[int, int]

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: npt.ArrayLike) -> Streamed:
        """Some of the rows, by position or mask, in that order; one may come more than once."""

    @abstractmethod
    def pieces(self, generator: np.random.Generator | None = None) -> Iterator[Piece]:
        """All rows, each once, in some order.

        Parameters
        ----------
        generator
            Shuffles the order of the pieces, and of the rows in each; None keeps the order in which
            they are read fastest.
        """

    def map(
        self, work: Callable[[FloatMatrix], FloatMatrix], columns: int
    ) -> npt.NDArray[np.float64]:
        """What `work` makes of each row in double precision, shape ``(n, columns)``."""
        made = np.empty((len(self), columns))
        for positions, rows in self.parts():
            made[positions] = work(rows)
        return made

    def parts(self) -> Iterator[tuple[npt.NDArray[np.intp], FloatMatrix]]:
        """As `pieces`, in double precision, fewer rows at once."""
        for positions, rows in self.pieces():
            for some in _slices(rows):
                yield positions[some], rows[some].astype(np.float64)


class Prepared(Streamed):
    """Streamed features as `Preprocessing` leaves them.

    Parameters
    ----------
    features
        As they are read.
    transform
        Prepares some rows: ``(m, d)`` to ``(m, columns)``.
    columns
        How many features are left.
    """

    def __init__(
        self, features: Streamed, transform: Callable[[FloatMatrix], FloatMatrix], columns: int
    ) -> None:
        self._features, self._transform = features, transform
        self.shape = (len(features), columns)

    def __getitem__(self, rows: npt.ArrayLike) -> Prepared:
        return Prepared(self._features[rows], self._transform, self.shape[1])

    def pieces(self, generator: np.random.Generator | None = None) -> Iterator[Piece]:
        """As of the features themselves; prepared numbers are exact in float32."""
        for positions, rows in self._features.pieces(generator):
            prepared = np.empty((len(rows), self.shape[1]), dtype=np.float32)
            for some in _slices(rows):
                prepared[some] = self._transform(rows[some].astype(np.float64))
            yield positions, prepared


def _slices(rows: npt.NDArray[np.float32]) -> Iterator[slice]:
    """Parts of a piece."""
    step = max(1, _PART_BYTES // (4 * rows.shape[1]))
    for start in range(0, len(rows), step):
        yield slice(start, start + step)


def needed(shape: tuple[int, int]) -> int:
    """Bytes of memory that learning from all of so many rows and features at once takes."""
    return shape[0] * shape[1] * BYTES_PER_NUMBER


def too_large(family: str, shape: tuple[int, int], allowed: int | None = None) -> TrainingError:
    """The error of a family that cannot learn from features which are not in memory."""
    known = "" if allowed is None else f", and {_size(allowed)} may be used"
    return TrainingError(
        f"the family '{family}' learns from all clips at once: {shape[0]:,} clips with "
        f"{shape[1]:,} features take about {_size(needed(shape))} of memory{known}",
        remedy="Take logistic or mlp, which read them bit by bit; or fewer clips or features; or "
        "allow more by --memory, on a machine that has it.",
        code="too_large",
    )


@contextmanager
def memory_told(shape: tuple[int, int]) -> Iterator[None]:
    """Say what to do where the memory does not suffice for so many rows and features at once.

    Raises
    ------
    TrainingError
        In place of a MemoryError.
    """
    try:
        yield
    except MemoryError as error:
        raise TrainingError(
            f"there is not enough memory for {shape[0]:,} clips with {shape[1]:,} features at once "
            f"({error})",
            remedy="Name what there is by --memory: logistic and mlp read stored features bit by "
            "bit where they do not fit; or take fewer clips or features.",
            code="too_large",
        ) from error


def _size(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
