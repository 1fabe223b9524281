"""Segments in whole milliseconds, as the forms with tiers and cues need them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emotone.timeline.segments import Segment

Interval = tuple[int, int, str]
"""From one millisecond to another, with a label."""


@dataclass(frozen=True, slots=True)
class Span:
    """A segment between two milliseconds, the second after the first."""

    start_ms: int
    end_ms: int
    segment: Segment


def milliseconds(seconds: float) -> int:
    """The millisecond that the tables round to as well."""
    return round(1000 * round(seconds, 3))


def spans(segments: Iterable[Segment]) -> list[Span]:
    """Segments in order of time; what is before 0 or lasts no millisecond is left out."""
    every = [Span(max(0, milliseconds(s.start)), milliseconds(s.end), s) for s in segments]
    kept = [span for span in every if span.start_ms < span.end_ms]
    return sorted(kept, key=lambda span: (span.start_ms, span.end_ms))


def in_turn(segments: Iterable[Segment]) -> list[Span]:
    """Segments for a tier, where none may overlap the next.

    Those of one channel never do in a timeline that emotone made. In another one, the later starts
    where the one before ends.
    """
    tier: list[Span] = []
    end_ms = 0
    for span in spans(segments):
        start_ms = max(span.start_ms, end_ms)
        if start_ms < span.end_ms:
            end_ms = span.end_ms
            tier.append(Span(start_ms, end_ms, span.segment))
    return tier


def joined(intervals: Iterable[Interval]) -> list[Interval]:
    """Intervals in order of time, those of one label that touch as one."""
    found: list[Interval] = []
    for start, end, label in intervals:
        if found and found[-1][1:] == (start, label):
            start = found.pop()[0]
        found.append((start, end, label))
    return found
