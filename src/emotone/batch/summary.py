"""What a data team asks of a batch first: how much of what, how sure, and whether it drifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from emotone.batch import parquet
from emotone.batch.count import left
from emotone.batch.drift import Drift, Period
from emotone.batch.drift import drift as drift_of
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.work import Task
from emotone.errors import MissingExtraError, UsageError

By = Literal["all", "day", "speaker", "channel"]
"""What the rows of a summary stand for."""

LOW = 0.5
"""Confidence below which an answer counts as unsure."""

_NOT_SPEECH = "('silence', 'non-speech')"

_KEYS = {
    "all": "'all'",
    "day": "strftime(recorded, '%Y-%m-%d')",
    "speaker": "speaker",
    "channel": "CAST(channel AS VARCHAR)",
}


@dataclass(frozen=True, slots=True)
class Group:
    """One row of a summary.

    Attributes
    ----------
    name
        The day, speaker or channel; ``"unknown"`` where there is none.
    recordings
        How many, those that could not be heard included.
    failed
        How many could not be heard.
    speech_s
        Seconds of what was given an emotion.
    shares
        Of each emotion, from 0 to 1: of the clips, or of the time in a batch of segments. Empty
        where nothing was given an emotion.
    low
        The share whose confidence is low; None where nothing was given an emotion.
    """

    name: str
    recordings: int
    failed: int
    speech_s: float
    shares: dict[str, float]
    low: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a batch comes to.

    Attributes
    ----------
    model
        Name and version.
    by
        What the groups are.
    segments
        Whether shares are of time rather than of clips.
    low
        The confidence below which an answer counts as unsure.
    emotions
        Of the model.
    groups
        In order of their names.
    periods
        That are compared; None where none are.
    compared
        How many answers each of them has: clips, or segments.
    drift
        Between them, the largest first.
    complete
        Whether the batch is.
    out
        Where it is.
    """

    model: str
    by: By
    segments: bool
    low: float
    emotions: tuple[str, ...]
    groups: tuple[Group, ...]
    periods: tuple[Period, Period] | None
    compared: tuple[int, int] | None
    drift: tuple[Drift, ...]
    complete: bool
    out: str

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "batch": self.out,
            "model": self.model,
            "by": self.by,
            "shares_of": "time" if self.segments else "clips",
            "low_below": self.low,
            "complete": self.complete,
            "groups": [
                {
                    "name": group.name,
                    "recordings": group.recordings,
                    "failed": group.failed,
                    "speech_s": round(group.speech_s, 3),
                    "shares": {name: round(share, 4) for name, share in group.shares.items()},
                    "low": None if group.low is None else round(group.low, 4),
                }
                for group in self.groups
            ],
            "periods": None if self.periods is None else [str(period) for period in self.periods],
            "compared": None if self.compared is None else list(self.compared),
            "drift": [
                {
                    "what": each.what,
                    "psi": round(each.psi, 4),
                    "by_chance": round(each.chance, 4),
                    "verdict": each.verdict,
                }
                for each in self.drift
            ],
        }


def summarize(
    out: str, *, by: By = "day", low: float = LOW, compare: tuple[Period, Period] | None = None
) -> Summary:
    """Sum up what is there of a batch.

    Parameters
    ----------
    out
        Where it was written to.
    by
        What a row stands for.
    low
        Confidence below which an answer counts as unsure.
    compare
        Two periods whose scores are compared, see `periods`.

    Raises
    ------
    UsageError
        If there is no batch, or one of the periods has nothing in it.
    EmotoneError
        If a part cannot be read: ``damaged_part``.
    MissingExtraError
        If the extra ``batch`` is not installed.
    """
    if by not in get_args(By):
        raise UsageError(
            f"there is no summary by {by!r}", remedy=f"There is {', '.join(get_args(By))}."
        )
    if not 0 <= low <= 1:
        raise UsageError(
            f"a confidence of {low} is none", remedy="Give a number from 0 to 1 for --low."
        )
    try:
        import duckdb
        import pyarrow.dataset
    except ImportError as error:
        raise MissingExtraError("a summary", "batch") from error
    place = Place(out)
    plan = Plan.load(place)
    found = {} if plan is None else dict(plan.done())
    if plan is None or not found:
        raise UsageError(
            "there is no batch with results",
            source=out,
            remedy="Name the OUT of 'emotone batch IN OUT'.",
        )
    if not isinstance(plan.task, Task):
        raise UsageError(
            "the results there are features, not what was heard",
            source=out,
            remedy="Name the OUT of 'emotone batch IN OUT'.",
        )
    names = plan.task.emotions
    _, missing = left(plan)
    try:
        rows = pyarrow.dataset.dataset(
            [part.path for part in found.values()],
            filesystem=place.files,
            format="parquet",
            partitioning=None,
        )
        with duckdb.connect() as database:
            database.register("rows", rows)
            heard = f"emotion IS NOT NULL AND emotion NOT IN {_NOT_SPEECH}"
            weight = '("end" - start)' if plan.task.segments else "1"
            groups = _groups(database, _KEYS[by], heard, weight, low, names)
            drift: tuple[Drift, ...] = ()
            compared: tuple[int, int] | None = None
            if compare is not None:
                compared, drift = drift_of(
                    database, heard, weight, compare, names, weighted=plan.task.segments
                )
    # What pyarrow raises while DuckDB reads from it comes as one of these.
    except (
        OSError,
        pyarrow.ArrowException,
        duckdb.IOException,
        duckdb.InvalidInputException,
    ) as error:
        raise parquet.damaged(out, error) from error
    return Summary(
        model=plan.task.name,
        by=by,
        segments=plan.task.segments,
        low=low,
        emotions=names,
        groups=groups,
        periods=compare,
        compared=compared,
        drift=drift,
        complete=not missing,
        out=place.address,
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _groups(
    database: Any, key: str, heard: str, weight: str, low: float, names: Sequence[str]
) -> tuple[Group, ...]:
    total = f"nullif(sum({weight}) FILTER (WHERE {heard}), 0)"
    sums = [f"sum({weight}) FILTER (WHERE emotion = {_text(name)})" for name in names]
    shares = [f"coalesce({each}, 0) / {total}" for each in sums]
    unsure = f"sum({weight}) FILTER (WHERE {heard} AND confidence < ?)"
    rows = database.execute(
        f"SELECT coalesce({key}, 'unknown'), count(DISTINCT file), "
        f"count(DISTINCT file) FILTER (WHERE error IS NOT NULL), "
        f'coalesce(sum("end" - start) FILTER (WHERE {heard}), 0), '
        f"coalesce({unsure}, 0) / {total}, {', '.join(shares)} FROM rows GROUP BY 1 ORDER BY 1",
        [low],
    ).fetchall()
    return tuple(
        Group(
            name=row[0],
            recordings=row[1],
            failed=row[2],
            speech_s=row[3],
            shares={} if row[4] is None else dict(zip(names, row[5:], strict=True)),
            low=row[4],
        )
        for row in rows
    )
