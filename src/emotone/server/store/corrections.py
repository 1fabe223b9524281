"""What people say of segments, beside what the model says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, func, select

from emotone.server.errors import RequestError
from emotone.server.packing import lines
from emotone.server.store.counting import Count, count, keep
from emotone.server.store.database import Database
from emotone.server.store.records import Correction, Page
from emotone.server.store.tables import analyses, corrections, pieces, results

_TRIES = 4
"""Of a correction, while others correct the same timeline; the last keeps them from it."""

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

        What is counted of the timeline follows: its summary, and the emotions it is found by.

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
        for left in reversed(range(_TRIES)):
            # To count a long timeline anew takes a while, so nobody is kept from writing meanwhile;
            # but where others correct the same one again and again, they are in the end.
            patient = left > 0
            with self._database.reading() if patient else self._database.writing() as connection:
                change = _change(connection, owner, id, segment, label, note, lock=not patient)
                if change is None:
                    return None
                if not patient:
                    _keep(connection, change)
                    return change.shown
            with self._database.writing() as connection:
                if _keep(connection, change):
                    return change.shown
        raise AssertionError("the last try holds the analysis")

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


@dataclass(frozen=True, slots=True)
class _Change:
    """What a correction changes, worked out from one state of the store."""

    number: int
    revision: int
    segment: int
    row: Mapping[str, Any] | None
    count: Count | None
    shown: dict[str, Any]


def _change(
    connection: Connection,
    owner: str,
    id: str,
    segment: int,
    label: str | None,
    note: str | None,
    *,
    lock: bool,
) -> _Change | None:
    wanted = select(analyses.c.number, analyses.c.revision).where(
        analyses.c.owner == owner, analyses.c.id == id
    )
    mine = connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if mine is None:
        return None
    found = _segment(connection, mine.number, segment)
    rows = connection.execute(
        select(corrections.c.segment, corrections.c.label, corrections.c.note).where(
            corrections.c.analysis == mine.number
        )
    ).all()
    labels = {row.segment: row.label for row in rows}
    before = next((row.note for row in rows if row.segment == segment), "")
    kept = before if note is None else note
    counted = None
    if (label or found["emotion"]) != (labels.get(segment) or found["emotion"]):
        counted = count(connection, mine.number, labels | {segment: label})
    row = None
    when = datetime.now(timezone.utc) if label is not None or kept else None
    if when is not None:
        copied = {name: found.get(name) for name in ("channel", "speaker", "emotion", "confidence")}
        row = {
            "label": label,
            "note": kept,
            "labelled_at": when,
            "start_s": found["start"],
            "end_s": found["end"],
            **copied,
        }
    shown = labelled(found, segment, label, kept, when)
    return _Change(mine.number, mine.revision, segment, row, counted, shown)


def _keep(connection: Connection, change: _Change) -> bool:
    """Make a change, if nobody else corrected anything meanwhile; whether it was made."""
    still = connection.execute(
        analyses.update()
        .where(analyses.c.number == change.number, analyses.c.revision == change.revision)
        .values(revision=change.revision + 1)
    ).rowcount
    if not still:
        return False
    mine = (corrections.c.analysis == change.number, corrections.c.segment == change.segment)
    connection.execute(corrections.delete().where(*mine))
    if change.row is not None:
        connection.execute(
            corrections.insert().values(
                analysis=change.number, segment=change.segment, **change.row
            )
        )
    if change.count is not None:
        keep(connection, change.number, change.count)
    return True


def _segment(connection: Connection, number: int, segment: int) -> dict[str, Any]:
    kept = connection.execute(
        select(results.c.segment_count).where(results.c.analysis == number)
    ).scalar()
    if kept is None:
        raise RequestError(
            "this recording has no timeline yet",
            status=409,
            code="not_done",
            remedy="Wait until its state is 'done'.",
        )
    if not 0 <= segment < kept:
        raise RequestError("there is no such segment", status=404, code="not_found")
    piece = connection.execute(
        select(pieces.c.first, pieces.c.data)
        .where(pieces.c.analysis == number, pieces.c.part == "segments", pieces.c.first <= segment)
        .order_by(pieces.c.number.desc())
        .limit(1)
    ).one()
    line = lines(piece.data)[segment - piece.first]
    found: dict[str, Any] = json.loads(line)
    if found["kind"] != "speech":
        raise RequestError(
            "nobody speaks in this segment",
            status=409,
            code="not_speech",
            remedy="Correct segments of speech.",
        )
    return found
