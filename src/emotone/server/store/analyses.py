"""Analyses as their owners see them: accepted, listed, renamed, deleted."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select
from sqlalchemy.exc import IntegrityError

from emotone.emotions import canonical
from emotone.server.errors import RequestError
from emotone.server.store import search
from emotone.server.store.database import Database
from emotone.server.store.records import (
    ANALYSIS_COLUMNS,
    Analysis,
    Filters,
    NewAnalysis,
    Page,
    analysis_of,
)
from emotone.server.store.tables import analyses, corrections, heard, results

SELECTED = [analyses.c[name] for name in ANALYSIS_COLUMNS]


class Analyses:
    """The analyses of all owners; each question is about one of them.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewAnalysis, *, most_waiting: int) -> tuple[Analysis, bool]:
        """Accept a recording, to be analysed as soon as its turn comes.

        Parameters
        ----------
        new
            What is known of it.
        most_waiting
            How many of the owner's may wait.

        Returns
        -------
        tuple
            The analysis, and whether it is a new one: a request that is made again with the same
            key has the same analysis.

        Raises
        ------
        RequestError
            If too many wait, or the same key was used for another request.
        """
        try:
            with self._database.writing() as connection:
                return self._added(connection, new, most_waiting)
        except IntegrityError:
            # On PostgreSQL two requests with one key may come at the same time.
            with self._database.writing() as connection:
                return self._added(connection, new, most_waiting)

    def _added(
        self, connection: Connection, new: NewAnalysis, most_waiting: int
    ) -> tuple[Analysis, bool]:
        if new.request_key is not None:
            mine = (analyses.c.owner == new.owner, analyses.c.request_key == new.request_key)
            found = connection.execute(select(*SELECTED).where(*mine)).one_or_none()
            if found is not None:
                before = connection.execute(select(analyses.c.request_digest).where(*mine)).scalar()
                if before != new.request_digest:
                    raise RequestError(
                        "this Idempotency-Key was used for another request",
                        status=409,
                        code="key_reused",
                        remedy="Use a new one for each recording.",
                    )
                return analysis_of(found), False
        waiting = connection.execute(
            select(func.count()).where(
                analyses.c.owner == new.owner, analyses.c.state.in_(("queued", "running"))
            )
        ).scalar_one()
        if waiting >= most_waiting:
            raise RequestError(
                f"{waiting} recordings wait to be analysed already",
                status=429,
                code="too_many_waiting",
                remedy="Send this one when some of them are done.",
                headers={"Retry-After": "60"},
            )
        values = {
            **{field.name: getattr(new, field.name) for field in dataclasses.fields(new)},
            "options": dict(new.options),
            "words": search.words(new.name, new.notes),
            "folded": search.folded(new.name),
            "state": "queued",
            "heard_s": 0.0,
            "warnings": [],
            "has_audio": False,
            "crashes": 0,
            "corrected": 0,
            "revision": 0,
        }
        number = connection.execute(
            analyses.insert().values(values).returning(analyses.c.number)
        ).scalar_one()
        search.index(connection, number, values["words"])
        row = connection.execute(select(*SELECTED).where(analyses.c.number == number)).one()
        return analysis_of(row), True

    def get(self, owner: str, id: str) -> Analysis | None:
        """The analysis of that id, if it is the owner's."""
        with self._database.reading() as connection:
            return one(connection, owner, id)

    def tracks(self, owner: str, id: str) -> bytes | None:
        """The pictures of the sound, packed; None where there is no such analysis, or none yet."""
        with self._database.reading() as connection:
            return connection.execute(
                select(results.c.tracks)
                .join(analyses, analyses.c.number == results.c.analysis)
                .where(analyses.c.owner == owner, analyses.c.id == id)
            ).scalar()

    def page(
        self, owner: str, filters: Filters, *, limit: int = 50, cursor: str | None = None
    ) -> Page:
        """A part of the owner's analyses, the latest first.

        Raises
        ------
        RequestError
            If the cursor is none that a page gave.
        UsageError
            If an emotion or a label of the filters is blank.
        """
        chosen = [analyses.c.owner == owner, *self._conditions(filters)]
        wanted: Select[Any] = select(*SELECTED).where(*chosen)
        if cursor is not None:
            when, id = _place(cursor)
            wanted = wanted.where(
                or_(
                    analyses.c.created_at < when,
                    and_(analyses.c.created_at == when, analyses.c.id < id),
                )
            )
        wanted = wanted.order_by(analyses.c.created_at.desc(), analyses.c.id.desc())
        with self._database.reading() as connection:
            rows = connection.execute(wanted.limit(limit + 1)).all()
            total = connection.execute(
                select(func.count()).select_from(analyses).where(*chosen)
            ).scalar_one()
        items = [analysis_of(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, _cursor(items[-1].created_at, items[-1].id) if more else None, total)

    def change(
        self, owner: str, id: str, *, name: str | None = None, notes: str | None = None
    ) -> Analysis | None:
        """Give it another name, or other notes; None where there is no such analysis."""
        with self._database.writing() as connection:
            found = one(connection, owner, id)
            if found is None:
                return None
            changed = dataclasses.replace(
                found,
                name=found.name if name is None else name,
                notes=found.notes if notes is None else notes,
            )
            words = search.words(changed.name, changed.notes)
            connection.execute(
                analyses.update()
                .where(analyses.c.number == found.number)
                .values(
                    name=changed.name,
                    notes=changed.notes,
                    words=words,
                    folded=search.folded(changed.name),
                )
            )
            search.index(connection, found.number, words)
            return changed

    def keep_until(self, owner: str, id: str, moment: datetime | None) -> Analysis | None:
        """Delete it at another time, or never; None as for `change`."""
        with self._database.writing() as connection:
            connection.execute(
                analyses.update()
                .where(analyses.c.owner == owner, analyses.c.id == id)
                .values(expires_at=moment)
            )
            return one(connection, owner, id)

    def forget_audio(self, owner: str, id: str) -> Analysis | None:
        """Keep its audio no longer; the file is the caller's to remove. None as for `change`."""
        with self._database.writing() as connection:
            connection.execute(
                analyses.update()
                .where(analyses.c.owner == owner, analyses.c.id == id)
                .values(keep_audio=False, has_audio=False)
            )
            return one(connection, owner, id)

    def keeps_audio(self, number: int) -> bool:
        """Whether the recording stays."""
        with self._database.reading() as connection:
            wanted = select(analyses.c.keep_audio).where(analyses.c.number == number)
            return bool(connection.execute(wanted).scalar())

    def delete(self, owner: str, id: str) -> bool:
        """Delete it and all that belongs to it but files; whether there was one."""
        with self._database.writing() as connection:
            found = one(connection, owner, id)
            if found is not None:
                _remove(connection, found.number)
        if found is not None:
            self._database.scrub()
        return found is not None

    def expire(self, now: datetime | None = None, *, days: float | None = None) -> list[str]:
        """Delete what has expired, as `delete` does; gives the ids.

        Parameters
        ----------
        now
            The moment to judge by.
        days
            How long analyses are kept now: it holds for those too that came while they were kept
            for longer, or for good. What was promised to go sooner goes sooner.
        """
        moment = now or datetime.now(timezone.utc)
        over: ColumnElement[bool] = analyses.c.expires_at <= moment
        if days is not None:
            over = or_(over, analyses.c.created_at <= _before(moment, days))
        with self._database.writing() as connection:
            rows = connection.execute(select(analyses.c.number, analyses.c.id).where(over)).all()
            for row in rows:
                _remove(connection, row.number)
        if rows:
            self._database.scrub()
        return [row.id for row in rows]

    def with_files(self, node: str) -> Mapping[str, bool]:
        """Analyses whose recordings have to be in the folder of a service, by id.

        With each, whether it waits or runs.
        """
        open = analyses.c.state.in_(("queued", "running"))
        with self._database.reading() as connection:
            rows = connection.execute(
                select(analyses.c.id, open).where(
                    analyses.c.node == node, or_(analyses.c.has_audio, open)
                )
            )
            return {id: bool(waits) for id, waits in rows}

    def counts(self) -> Mapping[str, int]:
        """How many analyses there are in each state."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(analyses.c.state, func.count().label("number")).group_by(analyses.c.state)
            )
            return {row.state: row.number for row in rows}

    def _conditions(self, filters: Filters) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if filters.since is not None:
            found.append(analyses.c.created_at >= filters.since)
        if filters.until is not None:
            found.append(analyses.c.created_at < filters.until)
        if filters.state is not None:
            found.append(analyses.c.state == filters.state)
        if filters.name:
            part = search.folded(filters.name)
            found.append(analyses.c.folded.contains(part, autoescape=True))
        if filters.emotion is not None:
            of_it = heard.c.analysis == analyses.c.number
            # A model may spell its emotions as it likes; labels are canonical.
            spellings = {filters.emotion, canonical(filters.emotion)}
            found.append(exists().where(of_it, heard.c.emotion.in_(spellings)))
        if filters.label is not None:
            of_it = corrections.c.analysis == analyses.c.number
            found.append(exists().where(of_it, corrections.c.label == canonical(filters.label)))
        if filters.query:
            match = search.matches(self._database.dialect, filters.query)
            found += [] if match is None else [match]
        return found


def one(connection: Connection, owner: str, id: str) -> Analysis | None:
    """The analysis of that id, if it is the owner's."""
    row = connection.execute(
        select(*SELECTED).where(analyses.c.owner == owner, analyses.c.id == id)
    ).one_or_none()
    return None if row is None else analysis_of(row)


def _remove(connection: Connection, number: int) -> None:
    search.remove(connection, number)
    connection.execute(analyses.delete().where(analyses.c.number == number))


def _before(moment: datetime, days: float) -> datetime:
    """So many days earlier; the earliest time there is, if there are not so many."""
    try:
        return moment - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=timezone.utc)


def _cursor(when: datetime, id: str) -> str:
    return base64.urlsafe_b64encode(f"{when.isoformat()} {id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        when, _, id = base64.urlsafe_b64decode(padded).decode("ascii").partition(" ")
        moment = datetime.fromisoformat(when)
        if moment.tzinfo is None or not id.isprintable():
            raise ValueError(when)
        return moment, id
    except (ValueError, binascii.Error, OverflowError) as error:
        raise RequestError(
            "this is no cursor of a page",
            status=400,
            code="bad_cursor",
            remedy="Give what the page before has as 'next', or none.",
        ) from error
