"""How far the answers of one period are from those of another, and how far chance alone is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from emotone.errors import UsageError

_BINS = 10


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a distribution in one period is from that in another.

    Attributes
    ----------
    what
        ``"emotions"`` for their shares, ``"confidence"``, or an emotion, for its scores.
    psi
        Population stability index. Below 0.1 counts as the same, from 0.25 on as another.
    chance
        What the index of two draws from one distribution stays below in 99 of 100 cases, with so
        many answers.
    """

    what: str
    psi: float
    chance: float

    @property
    def verdict(self) -> str:
        """``"stable"``, ``"shifting"`` or ``"shifted"``, by the usual bounds.

        Where chance alone may be what is seen: ``"too few to say"``.
        """
        if 0.1 <= self.psi <= self.chance:
            return "too few to say"
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


def drift(
    database: Any,
    heard: str,
    weight: str,
    compare: tuple[Period, Period],
    names: Sequence[str],
    *,
    weighted: bool,
) -> tuple[tuple[int, int], tuple[Drift, ...]]:
    """How far the answers of two periods are apart.

    Parameters
    ----------
    database
        Of DuckDB, with the table ``rows``.
    heard, weight
        Which rows are answers, and what each counts, as SQL.
    compare
        The periods.
    names
        Of the emotions.
    weighted
        Whether weights differ.

    Returns
    -------
    (int, int), tuple of Drift
        How many answers each period has; and the indices, the largest first.

    Raises
    ------
    UsageError
        If nothing was heard in one of them.
    """
    where = [f"{heard} AND {period.condition()}" for period in compare]
    found, sizes = [], []
    for period, condition in zip(compare, where, strict=True):
        count, total, squares = database.execute(
            f"SELECT count(*), sum({weight}), sum(({weight}) * ({weight})) FROM rows "
            f"WHERE {condition}"
        ).fetchone()
        if not count or not total:
            raise UsageError(f"nothing was heard {period}", remedy="Choose other periods.")
        # As many answers of one weight would tell as much (Kish, Survey Sampling, 1965).
        sizes.append((count, total, total * total / squares))

    def compared(what: str, expression: str, values: Sequence[Any]) -> Drift:
        counts = [
            _counts(database, expression, condition, weight, values, size / total)
            for condition, (_, total, size) in zip(where, sizes, strict=True)
        ]
        return between(what, counts, [size for *_, size in sizes])

    found.append(compared("emotions", "emotion", names))
    for name in ("confidence", *names):
        column = _quoted(name)
        edges = _deciles(database, column, where[0], weight if weighted else None)
        place = " + ".join(f"CAST({column} > {edge!r} AS INTEGER)" for edge in edges)
        found.append(compared(name, place, range(len(edges) + 1)))
    (before, *_), (after, *_) = sizes
    return (before, after), tuple(sorted(found, key=lambda each: -each.psi))


def between(what: str, counts: Sequence[Sequence[float]], sizes: Sequence[float]) -> Drift:
    """The index of two distributions, of the values that occur in either.

    One that never does is no bin: chance cannot move it, and half a count would, where one period
    has more answers than the other.

    Parameters
    ----------
    what
        As of `Drift`.
    counts
        Of each value, before and after.
    sizes
        How many answers there are before and after, more than 0.
    """
    seen = [pair for pair in zip(*counts, strict=True) if any(pair)]
    before, after = ([pair[period] for pair in seen] for period in (0, 1))
    return Drift(what, psi(before, after), by_chance(len(seen), *sizes))


def _deciles(database: Any, column: str, condition: str, weight: str | None) -> list[float]:
    """The nine, by weight where there is one; fewer where some are the same."""
    steps = [number / _BINS for number in range(1, _BINS)]
    if weight is None:
        (edges,) = database.execute(
            f"SELECT quantile_cont({column}, {steps}) FROM rows WHERE {condition}"
        ).fetchone()
        return sorted(set(edges))
    least = ", ".join(f"min(value) FILTER (WHERE below >= {step} * total)" for step in steps)
    edges = database.execute(
        f"SELECT {least} FROM (SELECT {column} AS value, sum({weight}) OVER (ORDER BY {column}) AS "
        f"below, sum({weight}) OVER () AS total FROM rows WHERE {condition})"
    ).fetchone()
    return sorted({edge for edge in edges if edge is not None})


def _counts(
    database: Any,
    what: str,
    condition: str,
    weight: str,
    values: Sequence[Any],
    scale: float,
) -> list[float]:
    rows = database.execute(f"SELECT {what}, sum({weight}) FROM rows WHERE {condition} GROUP BY 1")
    found = dict(rows.fetchall())
    return [scale * float(found.get(value) or 0) for value in values]


def by_chance(bins: int, before: float, after: float) -> float:
    """What the index of two samples of one distribution stays below in 99 of 100 cases.

    The index over ``1/n + 1/m`` is distributed about as chi-square with ``bins - 1`` degrees of
    freedom (Yurdakul, Statistical Properties of Population Stability Index, 2018), of which this
    takes the quantile.

    Parameters
    ----------
    bins
        Of the distribution.
    before, after
        How many each sample has, more than 0.

    Examples
    --------
    >>> round(by_chance(10, 300, 300), 3)
    0.144
    """
    from scipy.stats import chi2

    return float(chi2.ppf(0.99, max(1, bins - 1))) * (1 / before + 1 / after)


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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
