"""Timelines counted anew, with what people said in place of the model's answers.

The rule: what is shown and counted follows people. What the model said is kept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from emotone.server.packing import lines
from emotone.server.store.tables import analyses, corrections, heard, pieces, results
from emotone.timeline import Segment
from emotone.timeline.summary import Tally


@dataclass(frozen=True, slots=True)
class Count:
    """What a timeline comes to.

    Attributes
    ----------
    summary
        As `Summary.to_dict` gives it.
    speakers
        The same of each.
    corrected
        Segments that people called something else than the model did.
    """

    summary: Mapping[str, Any]
    speakers: Mapping[str, Any]
    corrected: int


def count(connection: Connection, number: int, labels: Mapping[int, str | None]) -> Count:
    """Count a timeline, with labels in place of the model's answers.

    Parameters
    ----------
    connection
        To read by.
    number
        Of the analysis, which is done.
    labels
        What people said, by the place of the segment.
    """
    whole, each = Tally(), dict[str, Tally]()
    duration_s: float = connection.execute(
        select(analyses.c.duration_s).where(analyses.c.number == number)
    ).scalar_one()
    corrected = 0
    for place, line in enumerate(_segments(connection, number)):
        heard = Segment.from_dict(json.loads(line))
        segment = relabelled(heard, labels.get(place))
        corrected += segment.emotion != heard.emotion
        whole.add(segment)
        if segment.speaker is not None:
            each.setdefault(segment.speaker, Tally()).add(segment)
    return Count(
        whole.summary(duration_s).to_dict(),
        {name: tally.summary(duration_s).to_dict() for name, tally in each.items()},
        corrected,
    )


def relabelled(segment: Segment, label: str | None) -> Segment:
    """A segment with what a person said in place of the model's answer, where it differs.

    The scores stay the model's, and the confidence is its score for the label; none where it does
    not know the label.
    """
    if label is None or label == segment.emotion:
        return segment
    return replace(segment, emotion=label, confidence=segment.scores.get(label))


def keep(connection: Connection, number: int, found: Count) -> None:
    """Let lists, filters and answers say what was counted."""
    mine = analyses.c.number == number
    summary, changed = found.summary, {"summary": found.summary}
    if found.speakers:
        changed["speakers"] = found.speakers
    if not found.corrected:  # the model's own, which was counted before times were rounded
        summary = connection.execute(select(analyses.c.model_summary).where(mine)).scalar_one()
        changed = {}
    connection.execute(
        analyses.update().where(mine).values(summary=summary, corrected=found.corrected)
    )
    connection.execute(
        results.update().where(results.c.analysis == number).values(changed=changed or None)
    )
    connection.execute(heard.delete().where(heard.c.analysis == number))
    if summary["shares"]:
        rows = [{"analysis": number, "emotion": name} for name in summary["shares"]]
        connection.execute(heard.insert(), rows)


def recount(connection: Connection, number: int) -> None:
    """Count a timeline anew, if people corrected anything in it."""
    rows = connection.execute(
        select(corrections.c.segment, corrections.c.label).where(corrections.c.analysis == number)
    )
    labels = {row.segment: row.label for row in rows}
    if labels:
        keep(connection, number, count(connection, number, labels))


def _segments(connection: Connection, number: int) -> Iterator[str]:
    """The lines of all segments, in order; one piece of them at a time is in memory."""
    numbers = connection.execute(
        select(pieces.c.number)
        .where(pieces.c.analysis == number, pieces.c.part == "segments")
        .order_by(pieces.c.number)
    ).scalars()
    for piece in numbers.all():
        data = connection.execute(
            select(pieces.c.data).where(
                pieces.c.analysis == number,
                pieces.c.part == "segments",
                pieces.c.number == piece,
            )
        ).scalar_one()
        yield from lines(data)
