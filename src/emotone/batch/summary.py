"""What a data team asks of a batch first: how much of what, how sure, and whether it drifts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, get_args

from emotone.batch import parquet
from emotone.batch.places import Place
from emotone.batch.plan import Plan, parts
from emotone.batch.work import Task
from emotone.errors import MissingExtraError, UsageError

By = Literal["all", "day", "speaker", "channel"]
"""What the rows of a summary stand for."""

LOW = 0.5
"""Confidence below which an answer counts as unsure."""

_BINS = 10
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
class Drift:
    """How far a distribution in one period is from that in another.

    Attributes
    ----------
    what
        ``"emotions"`` for their shares, ``"confidence"``, or an emotion, for its scores.
    psi
        Population stability index. Below 0.1 counts as the same, from 0.25 on as another.
    """

    what: str
    psi: float

    @property
    def verdict(self) -> str:
        """``"stable"``, ``"shifting"`` or ``"shifted"``, by the usual bounds."""
        return "stable" if self.psi < 0.1 else "shifting" if self.psi < 0.25 else "shifted"


@dataclass(frozen=True, slots=True)
class Period:
    """Days from the first to the last, both included; None for no bound."""

    first: date | None
    last: date | None

    def __str__(self) -> str:
        if self.first is None:
            return f"until {self.last}"
        return f"since {self.first}" if self.last is None else f"{self.first} to {self.last}"

    def condition(self) -> str:
        """In SQL, about the column ``recorded``."""
        day = "CAST(recorded AS DATE)"
        bounds = []
        if self.first is not None:
            bounds.append(f"{day} >= DATE '{self.first}'")
        if self.last is not None:
            bounds.append(f"{day} <= DATE '{self.last}'")
        return " AND ".join(bounds)


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
    drift
        Between them, the largest first.
    complete
        Whether the batch is.
    """

    model: str
    by: By
    segments: bool
    low: float
    emotions: tuple[str, ...]
    groups: tuple[Group, ...]
    periods: tuple[Period, Period] | None
    drift: tuple[Drift, ...]
    complete: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
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
            "drift": [
                {"what": each.what, "psi": round(each.psi, 4), "verdict": each.verdict}
                for each in self.drift
            ],
        }


def periods(text: str) -> tuple[Period, Period]:
    """The two periods that a text names.

    Parameters
    ----------
    text
        ``2026-11-01`` for what was before that day and what since; or
        ``2026-10-01..2026-10-31,2026-11-01..2026-11-30``.

    Raises
    ------
    UsageError
        If it is neither.

    Examples
    --------
    >>> [str(period) for period in periods("2026-11-01")]
    ['until 2026-10-31', 'since 2026-11-01']
    """
    try:
        if re.fullmatch(r"[\d-]+", text):
            day = date.fromisoformat(text)
            return Period(None, day - timedelta(days=1)), Period(day, None)
        named = [part.split("..") for part in text.split(",")]
        before, after = (Period(*map(date.fromisoformat, days)) for days in named)
    except (ValueError, TypeError, OverflowError):
        raise UsageError(
            f"{text!r} names no two periods",
            remedy="Write 2026-11-01, or 2026-10-01..2026-10-31,2026-11-01..2026-11-30.",
        ) from None
    return before, after


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
    try:
        import duckdb
        import pyarrow.dataset
    except ImportError as error:
        raise MissingExtraError("a summary", "batch") from error
    place = Place(out)
    plan = Plan.load(place)
    found = dict(parts(place))
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
            if compare is not None:
                drift = _drift(database, heard, weight, compare, names)
    except (OSError, pyarrow.ArrowException, duckdb.Error) as error:
        raise parquet.damaged(out, error) from error
    return Summary(
        model=plan.task.name,
        by=by,
        segments=plan.task.segments,
        low=low,
        emotions=names,
        groups=groups,
        periods=compare,
        drift=drift,
        complete=len(found) >= len(plan.sizes),
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _groups(
    database: Any, key: str, heard: str, weight: str, low: float, names: Sequence[str]
) -> tuple[Group, ...]:
    total = f"nullif(sum({weight}) FILTER (WHERE {heard}), 0)"
    sums = [f"sum({weight}) FILTER (WHERE emotion = {_text(name)})" for name in names]
    shares = [f"coalesce({each}, 0) / {total}" for each in sums]
    unsure = f"sum({weight}) FILTER (WHERE {heard} AND confidence < {float(low)})"
    rows = database.execute(
        f"SELECT coalesce({key}, 'unknown'), count(DISTINCT file), "
        f"count(DISTINCT file) FILTER (WHERE error IS NOT NULL), "
        f'coalesce(sum("end" - start) FILTER (WHERE {heard}), 0), '
        f"coalesce({unsure}, 0) / {total}, {', '.join(shares)} FROM rows GROUP BY 1 ORDER BY 1"
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


def _drift(
    database: Any,
    heard: str,
    weight: str,
    compare: tuple[Period, Period],
    names: Sequence[str],
) -> tuple[Drift, ...]:
    where = [f"{heard} AND {period.condition()}" for period in compare]
    for period, condition in zip(compare, where, strict=True):
        (count,) = database.execute(f"SELECT count(*) FROM rows WHERE {condition}").fetchone()
        if not count:
            raise UsageError(f"nothing was heard {period}", remedy="Choose other periods.")
    found = [
        Drift(
            "emotions",
            psi(*(_counts(database, "emotion", condition, weight, names) for condition in where)),
        )
    ]
    for name in ("confidence", *names):
        column = _quoted(name)
        steps = [number / _BINS for number in range(1, _BINS)]
        (edges,) = database.execute(
            f"SELECT quantile_cont({column}, {steps}) FROM rows WHERE {where[0]}"
        ).fetchone()
        # Deciles of the first period; where some are the same there are fewer.
        place = " + ".join(f"CAST({column} > {edge!r} AS INTEGER)" for edge in sorted(set(edges)))
        bins = range(len(set(edges)) + 1)
        found.append(
            Drift(name, psi(*(_counts(database, place, part, weight, bins) for part in where)))
        )
    return tuple(sorted(found, key=lambda each: -each.psi))


def _counts(
    database: Any, what: str, condition: str, weight: str, values: Sequence[Any]
) -> list[float]:
    rows = database.execute(f"SELECT {what}, sum({weight}) FROM rows WHERE {condition} GROUP BY 1")
    found = dict(rows.fetchall())
    return [float(found.get(value) or 0) for value in values]


def psi(before: Sequence[float], after: Sequence[float]) -> float:
    """Population stability index of two distributions over the same bins.

    The sum of ``(q - p) ln(q / p)`` over the shares p and q of each bin (Siddiqi, Credit Risk
    Scorecards, 2006), half a count being added to each bin so that none is empty.

    Parameters
    ----------
    before, after
        Counts or weights of each bin, 0 or more.

    Returns
    -------
    float
        From 0, where they are the same.

    Examples
    --------
    >>> psi([10, 10], [10, 10])
    0.0
    >>> round(psi([900, 100], [500, 500]), 2)
    0.88
    """
    totals = [sum(counts) + 0.5 * len(counts) for counts in (before, after)]
    shares = [
        [(count + 0.5) / total for count in counts]
        for counts, total in zip((before, after), totals, strict=True)
    ]
    return math.fsum((q - p) * math.log(q / p) for p, q in zip(*shares, strict=True))
