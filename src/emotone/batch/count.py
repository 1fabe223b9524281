"""How far a batch is, wherever it runs."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from emotone.batch import parquet
from emotone.batch.plan import Plan

_READERS = 16
"""Parts whose notes are read at once: a store takes its time for each."""

_PARTS = 1000
"""Parts that are named in memory at once."""


@dataclass
class Count:
    """How far a batch is.

    Attributes
    ----------
    recordings
        How many there are in all; None while they are looked for.
    done
        How many have their rows, or will have when the block is complete.
    earlier
        How many of these were done by an earlier run.
    failures
        How many could not be heard, by the code of the error.
    audio_s
        Seconds of sound in this run.
    elapsed_s
        Seconds on the clock that this run has heard for.
    """

    recordings: int | None = None
    done: int = 0
    earlier: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    audio_s: float = 0.0
    elapsed_s: float = 0.0

    @property
    def failed(self) -> int:
        """How many could not be heard."""
        return sum(self.failures.values())

    @property
    def speed(self) -> float:
        """Seconds of sound in one second, "times real time"; 0 before anything is known."""
        return self.audio_s / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, if the rest is like what was heard; None before that is known."""
        done = self.done - self.earlier
        if self.recordings is None or done <= 0:
            return None
        return self.elapsed_s / done * (self.recordings - self.done)

    def add(self, heard: Heard, elapsed_s: float) -> None:
        """Count what was heard by now."""
        self.done += heard.done
        self.audio_s += heard.audio_s
        self.failures.update(heard.failures)
        self.elapsed_s = elapsed_s

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "recordings": self.recordings,
            "done": self.done,
            "earlier": self.earlier,
            "failed": self.failed,
            "failures": dict(self.failures),
            "audio_s": round(self.audio_s, 3),
            "elapsed_s": round(self.elapsed_s, 3),
            "speed": round(self.speed, 1),
        }


@dataclass(frozen=True, slots=True)
class Heard:
    """What a process did since it last told.

    Attributes
    ----------
    done
        Recordings; below 0 where they are heard anew, since their process ended.
    audio_s
        Seconds of sound.
    failures
        Recordings that could not be heard, by the code of the error.
    """

    done: int = 0
    audio_s: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)

    def __neg__(self) -> Heard:
        return Heard(-self.done, -self.audio_s, {code: -n for code, n in self.failures.items()})

    def __add__(self, other: Heard) -> Heard:
        failures = Counter(self.failures)
        failures.update(other.failures)
        return Heard(self.done + other.done, self.audio_s + other.audio_s, dict(failures))


Progress = Callable[[Count], None]
"""Called whenever something is known anew."""


RETRIED = {"crashed", "missing_file", "permission_denied", "store_failed"}
"""Errors of a recording that may not come another time."""


def left(plan: Plan, *, again: bool = False) -> tuple[Count, Sequence[int]]:
    """What is done of a batch already, and the blocks that are left.

    Parameters
    ----------
    plan
        Of the batch.
    again
        Whether blocks in which a recording failed by one of `RETRIED` are to be heard again.

    Raises
    ------
    EmotoneError
        If a part cannot be read, or is of another plan.
    """
    count, waiting = Count(plan.recordings), bytearray(b"\1" * len(plan.sizes))
    found = plan.done()
    with ThreadPoolExecutor(_READERS) as threads:
        while some := list(itertools.islice(found, _PARTS)):
            abouts = threads.map(parquet.about, [place for _, place in some])
            for (number, place), about in zip(some, abouts, strict=True):
                plan.check(number, about, place)
                if again and RETRIED & about["failures"].keys():
                    continue
                count.earlier += about["recordings"]
                count.failures.update(about["failures"])
                waiting[number] = False
    count.done = count.earlier
    return count, array("I", itertools.compress(range(len(waiting)), waiting))


def counted(count: Count, heard: Iterator[tuple[Heard, float]], progress: Progress | None) -> Count:
    """The count with all that is heard, and how long after the beginning; told as it comes."""
    for each, elapsed_s in heard:
        count.add(each, elapsed_s)
        if progress is not None:
            progress(count)
    return count
