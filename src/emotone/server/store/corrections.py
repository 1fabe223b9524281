"""What people say of segments, beside what the model says."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, func, select

from emotone.server.errors import RequestError
from emotone.server.packing import unpacked
from emotone.server.store.database import Database
from emotone.server.store.records import Correction, Page
from emotone.server.store.tables import analyses, corrections, results

_LISTED = [
    analyses.c.id.label("analysis"),
    analyses.c.name,
    analyses.c.number,
    analyses.c.has_audio,
    *(column for column in corrections.c if column.name != "analysis"),
]


class Corrections:
    """The corrections of all owners; each question is about one of them.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(
        self, owner: str, id: str, segment: int, *, label: str | None, note: str | None = None
    ) -> dict[str, Any] | None:
        """Keep a label for a segment; one of None takes the correction back.

        Parameters
        ----------
        owner, id
            Of the analysis.
        segment
            Its place in the timeline, from 0.
        label
            What it is; None takes the label away, and with no note the whole correction.
        note
            None leaves what there is.

        Returns
        -------
        dict
            The segment as the timeline has it, with ``label``, ``label_note``, ``labelled_at``;
            None where there is no such analysis.

        Raises
        ------
        RequestError
            If it has no timeline yet, no such segment, or nobody speaks in it.
        """
        with self._database.writing() as connection:
            number = connection.execute(
                select(analyses.c.number)
                .where(analyses.c.owner == owner, analyses.c.id == id)
                .with_for_update()
            ).scalar()
            if number is None:
                return None
            found = _segment(connection, number, segment)
            mine = (corrections.c.analysis == number, corrections.c.segment == segment)
            before = connection.execute(select(corrections.c.note).where(*mine)).scalar()
            kept = (before or "") if note is None else note
            connection.execute(corrections.delete().where(*mine))
            now = datetime.now(timezone.utc)
            if label is not None or kept:
                connection.execute(
                    corrections.insert().values(
                        analysis=number,
                        segment=segment,
                        label=label,
                        note=kept,
                        labelled_at=now,
                        start_s=found["start"],
                        end_s=found["end"],
                        **{
                            name: found.get(name)
                            for name in ("channel", "speaker", "emotion", "confidence")
                        },
                    )
                )
        made = label is not None or bool(kept)
        return labelled(found, segment, label, kept, now if made else None)

    def page(self, owner: str, *, limit: int = 50, cursor: str | None = None) -> Page:
        """A part of the owner's corrections, in the order of analyses and segments.

        Raises
        ------
        RequestError
            If the cursor is none that a page gave.
        """
        start = 0
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
                raise RequestError(
                    "this is no cursor of a page",
                    status=400,
                    code="bad_cursor",
                    remedy="Give what the page before has as 'next', or none.",
                )
            start = int(cursor)
        mine = analyses.c.owner == owner
        joined = corrections.join(analyses, analyses.c.number == corrections.c.analysis)
        wanted = (
            select(*_LISTED)
            .select_from(joined)
            .where(mine)
            .order_by(corrections.c.analysis, corrections.c.segment)
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted.offset(start).limit(limit + 1)).all()
            total = connection.execute(
                select(func.count()).select_from(joined).where(mine)
            ).scalar_one()
        items = [Correction(**row._mapping) for row in rows[:limit]]
        return Page(items, str(start + limit) if len(rows) > limit else None, total)

    def labels(self, owner: str) -> list[Correction]:
        """All of the owner's corrections that have a label, in the same order."""
        wanted = (
            select(*_LISTED)
            .join(analyses, analyses.c.number == corrections.c.analysis)
            .where(analyses.c.owner == owner, corrections.c.label.is_not(None))
            .order_by(corrections.c.analysis, corrections.c.segment)
        )
        with self._database.reading() as connection:
            return [Correction(**row._mapping) for row in connection.execute(wanted)]


def labelled(
    segment: dict[str, Any],
    index: int,
    label: str | None,
    note: str,
    when: datetime | None,
) -> dict[str, Any]:
    """A segment of a timeline with its place and what a person says of it."""
    return {
        "index": index,
        **segment,
        "label": label,
        "label_note": note,
        "labelled_at": None if when is None else when.isoformat(),
    }


def _segment(connection: Connection, number: int, segment: int) -> dict[str, Any]:
    kept = connection.execute(select(results.c.head).where(results.c.analysis == number)).scalar()
    if kept is None:
        raise RequestError(
            "this recording has no timeline yet",
            status=409,
            code="not_done",
            remedy="Wait until its state is 'done'.",
        )
    segments = unpacked(kept)["segments"]
    if not 0 <= segment < len(segments):
        raise RequestError("there is no such segment", status=404, code="not_found")
    found: dict[str, Any] = segments[segment]
    if found["kind"] != "speech":
        raise RequestError(
            "nobody speaks in this segment",
            status=409,
            code="not_speech",
            remedy="Correct segments of speech.",
        )
    return found
