"""The features of some rows of a table, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emotone.feature_table.files import matrices, opened
from emotone.models.streamed import PIECE_BYTES, Piece, Streamed

if TYPE_CHECKING:
    from emotone.feature_table.table import FeatureTable


class StoredFeatures(Streamed):
    """The features of some rows of a table; a row that has none is one of NaN.

    Parameters
    ----------
    table
        Where they are.
    rows
        Which, in which order.
    """

    def __init__(self, table: FeatureTable, rows: npt.NDArray[np.intp]) -> None:
        self.table, self.rows = table, rows
        self.shape = (len(rows), table.description.dimension)

    def __getitem__(self, rows: npt.ArrayLike) -> StoredFeatures:
        return StoredFeatures(self.table, self.rows[np.asarray(rows)])

    def read(self) -> npt.NDArray[np.float32]:
        """All of them, float32, shape ``(n, d)``."""
        matrix = np.empty(self.shape, dtype=np.float32)
        for positions, rows in self.pieces():
            matrix[positions] = rows
        return matrix

    def pieces(self, generator: np.random.Generator | None = None) -> Iterator[Piece]:
        """See `Streamed.pieces`.

        Raises
        ------
        CorpusError
            If a file cannot be read.
        """
        order = np.argsort(self.rows, kind="stable")
        sorted_rows = self.rows[order]
        bounds = np.searchsorted(sorted_rows, self.table.starts)
        groups = np.flatnonzero(np.diff(bounds))
        if generator is not None:
            generator.shuffle(groups)
        pool: list[Piece] = []
        held = 0
        for group in groups.tolist():
            inside = slice(bounds[group], bounds[group + 1])
            for piece in self._group(group, sorted_rows[inside], order[inside]):
                if pool and held + piece[1].nbytes > PIECE_BYTES:
                    yield _joined(pool, generator)
                    pool, held = [], 0
                pool.append(piece)
                held += piece[1].nbytes
        if pool:
            yield _joined(pool, generator)

    def _group(
        self, group: int, rows: npt.NDArray[np.intp], positions: npt.NDArray[np.intp]
    ) -> Iterator[Piece]:
        """Pieces of one row group: `rows` of the table, sorted, and where each belongs."""
        table = self.table
        at, number = table.homes[group]
        first = int(table.starts[group])
        with opened(table.files[at]) as file:
            for matrix in matrices(file, number, table.description, table.files[at]):
                inside = slice(*np.searchsorted(rows, (first, first + len(matrix))))
                wanted = rows[inside] - first
                if len(wanted) == len(matrix) and (np.diff(wanted) == 1).all():
                    yield positions[inside], matrix  # all of them: nothing is copied
                elif len(wanted):
                    yield positions[inside], matrix[wanted]
                first += len(matrix)


def _joined(pool: Sequence[Piece], generator: np.random.Generator | None) -> Piece:
    positions = np.concatenate([piece[0] for piece in pool])
    rows = pool[0][1] if len(pool) == 1 else np.concatenate([piece[1] for piece in pool])
    if generator is not None:
        order = generator.permutation(len(positions))
        positions, rows = positions[order], rows[order]
    return positions, rows
