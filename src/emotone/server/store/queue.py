"""Analyses as a queue: whose turn it is, who works on what, and what came of it.

Each recording is worked on by one run at a time, and what a run says counts only while it is the
one. So nothing is done twice: a run that was given up, stopped or overtaken by a deletion finds its
analysis another's, or gone. A service that was killed finds its own runs again when it starts
(`Queue.recover`), so nothing is lost.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from emotone.server.store.analyses import SELECTED
from emotone.server.store.database import Database
from emotone.server.store.records import Analysis, Outcome, analysis_of
from emotone.server.store.tables import analyses, heard, pieces, results


class Queue:
    """What is to be analysed from the folder of one service.

    Parameters
    ----------
    database
        Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def recover(self, node: str) -> int:
        """Put what a service worked on when it was killed back into the queue; says how many."""
        with self._database.writing() as connection:
            return connection.execute(
                analyses.update()
                .where(analyses.c.node == node, analyses.c.state == "running")
                .values(state="queued", run=None)
            ).rowcount

    def claim(self, node: str) -> Analysis | None:
        """Begin a run on the next recording; None where none waits.

        Owners take turns, so that nobody waits for all of another's; each one's own go in order.
        """
        with self._database.writing() as connection:
            while (number := connection.execute(_next(node)).scalar()) is not None:
                # On PostgreSQL another may have taken it just now; then the next is asked for.
                taken = connection.execute(
                    analyses.update()
                    .where(analyses.c.number == number, analyses.c.state == "queued")
                    .values(
                        state="running",
                        run=str(uuid.uuid4()),
                        started_at=func.coalesce(analyses.c.started_at, _now()),
                    )
                )
                if taken.rowcount:
                    mine = select(*SELECTED).where(analyses.c.number == number)
                    return analysis_of(connection.execute(mine).one())
        return None

    def progress(
        self, job: Analysis, heard_s: float, progress: float | None, duration_s: float | None
    ) -> bool:
        """Keep how far a run is; whether it is still the one."""
        values = {"heard_s": heard_s, "progress": progress, "duration_s": duration_s}
        return self._settle(job, values)

    def finish(self, job: Analysis, outcome: Outcome) -> bool:
        """Keep what came of a run; whether it was still the one, else nothing is kept."""
        about = outcome.timeline.about
        values = {
            "state": "done",
            "run": None,
            "finished_at": _now(),
            "progress": 1.0,
            "duration_s": about["duration_s"],
            "heard_s": about["duration_s"] * about["channels"],
            "model": about["model"],
            "summary": about["summary"],
            "model_summary": about["summary"],
            "warnings": list(outcome.warnings),
            "media_type": outcome.media_type,
            "has_audio": analyses.c.keep_audio,
        }
        with self._database.writing() as connection:
            if not _still(connection, job, values):
                return False
            connection.execute(
                results.insert().values(
                    analysis=job.number,
                    head=outcome.timeline.head,
                    segment_count=about["segments"],
                    measurement_count=about["measurements"],
                    tracks=outcome.tracks,
                )
            )
            for each in outcome.timeline.pieces:
                connection.execute(
                    pieces.insert().values(
                        analysis=job.number,
                        part=each.part,
                        number=each.number,
                        first=each.first,
                        data=each.data,
                    )
                )
            rows = [{"analysis": job.number, "emotion": name} for name in about["emotions"]]
            if rows:
                connection.execute(heard.insert(), rows)
        return True

    def fail(self, job: Analysis, error: Mapping[str, Any]) -> bool:
        """Give an analysis up, with the reason; whether the run was still the one."""
        ended = {"state": "failed", "run": None, "finished_at": _now()}
        return self._settle(job, {**ended, "error": dict(error)})

    def park(self, job: Analysis) -> bool:
        """Put a run that was stopped back, to go on later; whether it was still the one."""
        return self._settle(job, {"state": "queued", "run": None})

    def crashed(self, job: Analysis) -> bool:
        """Put a run whose process died back, and count it; whether it was still the one."""
        return self._settle(
            job, {"state": "queued", "run": None, "crashes": analyses.c.crashes + 1}
        )

    def cancel(self, owner: str, id: str) -> bool:
        """Give up what waits or is worked on, on request; whether there was such a one."""
        with self._database.writing() as connection:
            return bool(
                connection.execute(
                    analyses.update()
                    .where(
                        analyses.c.owner == owner,
                        analyses.c.id == id,
                        analyses.c.state.in_(("queued", "running")),
                    )
                    .values(state="cancelled", run=None, finished_at=_now())
                ).rowcount
            )

    def _settle(self, job: Analysis, values: Mapping[str, Any]) -> bool:
        with self._database.writing() as connection:
            return _still(connection, job, values)


def _next(node: str) -> Select[Any]:
    """The number of the recording whose turn it is."""
    waiting = (
        select(analyses.c.owner, func.min(analyses.c.number).label("number"))
        .where(analyses.c.node == node, analyses.c.state == "queued")
        .group_by(analyses.c.owner)
        .subquery()
    )
    turn = (
        select(func.max(analyses.c.started_at))
        .where(analyses.c.owner == waiting.c.owner, analyses.c.number != waiting.c.number)
        .scalar_subquery()
    )
    return select(waiting.c.number).order_by(turn.nulls_first(), waiting.c.number).limit(1)


def _still(connection: Connection, job: Analysis, values: Mapping[str, Any]) -> bool:
    """Change an analysis if a run is still the one that works on it; whether it is."""
    mine: list[ColumnElement[bool]] = [analyses.c.number == job.number, analyses.c.run == job.run]
    return bool(connection.execute(analyses.update().where(*mine).values(values)).rowcount)


def _now() -> datetime:
    return datetime.now(timezone.utc)
