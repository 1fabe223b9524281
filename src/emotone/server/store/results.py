"""What came of recordings, a piece at a time, however long they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import select

from emotone.server import packing
from emotone.server.packing import Part
from emotone.server.store.analyses import one
from emotone.server.store.database import Database
from emotone.server.store.records import Result, Said
from emotone.server.store.tables import corrections, pieces, results


class DeletedError(Exception):
    """An analysis was deleted while it was read."""


class Results:
    """The timelines of all owners; each question is about one of them.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, owner: str, id: str) -> Result | None:
        """The analysis of that id, if it is the owner's, and what its timeline begins with."""
        with self._database.reading() as connection:
            found = one(connection, owner, id)
            if found is None:
                return None
            kept = connection.execute(
                select(
                    results.c.head,
                    results.c.changed,
                    results.c.segment_count,
                    results.c.measurement_count,
                ).where(results.c.analysis == found.number)
            ).one_or_none()
        if kept is None:
            return Result(found)
        return Result(
            found,
            packing.unpacked(kept.head),
            kept.changed or {},
            kept.segment_count,
            kept.measurement_count,
        )

    def lines(self, result: Result, part: Part) -> Iterator[Sequence[str]]:
        """Segments or measurements as JSON, some at a time.

        No more than a piece is in memory, and nothing is held open from one to the next: who takes
        them may be slow.

        Raises
        ------
        DeletedError
            If the analysis is deleted meanwhile.
        """
        for _, lines in self._pieces(result, part):
            yield lines

    def segments(self, result: Result) -> Iterator[tuple[int, Sequence[str], Mapping[int, Said]]]:
        """Segments as `lines` gives them.

        With them the place of the first, and what people say of any, by place.

        Raises
        ------
        DeletedError
            As `lines`.
        """
        for first, lines in self._pieces(result, "segments"):
            with self._database.reading() as connection:
                rows = connection.execute(
                    select(
                        corrections.c.segment,
                        corrections.c.label,
                        corrections.c.note,
                        corrections.c.labelled_at,
                    ).where(
                        corrections.c.analysis == result.analysis.number,
                        corrections.c.segment >= first,
                        corrections.c.segment < first + len(lines),
                    )
                ).all()
            said = {row.segment: Said(row.label, row.note, row.labelled_at) for row in rows}
            yield first, lines, said

    def _pieces(self, result: Result, part: Part) -> Iterator[tuple[int, list[str]]]:
        """Each with the place of its first line."""
        wanted = result.segments if part == "segments" else result.measurements
        found = number = 0
        while found < wanted:
            with self._database.reading() as connection:
                data = connection.execute(
                    select(pieces.c.data).where(
                        pieces.c.analysis == result.analysis.number,
                        pieces.c.part == part,
                        pieces.c.number == number,
                    )
                ).scalar()
            if data is None:
                raise DeletedError(result.analysis.id)
            lines = packing.lines(data)
            yield found, lines
            found, number = found + len(lines), number + 1
