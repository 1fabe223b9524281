"""A timeline as a TextGrid of Praat."""

from __future__ import annotations

from collections.abc import Iterable

from emotone.timeline.exports import names
from emotone.timeline.exports.spans import Interval, in_turn, joined, milliseconds
from emotone.timeline.segments import Timeline


def text(timeline: Timeline) -> str:
    """Long text format: interval tiers that cover the recording without a gap.

    The tier ``emotion`` holds the emotions, ``silence`` and ``non-speech``; where speakers are
    known, the tier ``speaker`` holds who has the turn. With channels apart each has its own tiers,
    ``emotion, channel 0`` and so on. Confidence and scores have no place here.

    The format is the one in Praat's manual, "TextGrid file formats".
    """
    tiers: list[tuple[str, list[Interval]]] = []
    for channel in timeline.channels or (None,):
        mine = in_turn(segment for segment in timeline.segments if segment.channel == channel)
        where = names.place(channel, None)
        labels = [(span.start_ms, span.end_ms, names.label(span.segment)) for span in mine]
        turns = [(span.start_ms, span.end_ms, names.speaker(span.segment) or "") for span in mine]
        tiers.append((_tier("emotion", where), labels))
        if any(who for _, _, who in turns):
            tiers.append((_tier("speaker", where), joined(turns)))
    # Praat has no grid of no length.
    ends = [end for _, intervals in tiers for _, end, _ in intervals[-1:]]
    length_ms = max(milliseconds(timeline.duration_s), *ends, 1)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *_times(0, length_ms),
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers, start=1):
        whole = _covering(intervals, length_ms)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
            *_times(0, length_ms, 8),
            f"        intervals: size = {len(whole)}",
        ]
        for index, (start, end, label) in enumerate(whole, start=1):
            lines += [
                f"        intervals [{index}]:",
                *_times(start, end, 12),
                f"            text = {_quoted(label)}",
            ]
    return "\n".join(lines) + "\n"


def _tier(of: str, where: str) -> str:
    return f"{of}, {where}" if where else of


def _covering(intervals: Iterable[Interval], length_ms: int) -> list[Interval]:
    """Intervals from 0 to the end, with empty ones in the gaps."""
    whole: list[Interval] = []
    before = 0
    for start, end, label in intervals:
        if before < start:
            whole.append((before, start, ""))
        whole.append((start, end, label))
        before = end
    if before < length_ms:
        whole.append((before, length_ms, ""))
    return whole


def _times(start_ms: int, end_ms: int, indent: int = 0) -> list[str]:
    blanks = " " * indent
    return [f"{blanks}xmin = {start_ms / 1000:.3f}", f"{blanks}xmax = {end_ms / 1000:.3f}"]


def _quoted(label: str) -> str:
    doubled = label.replace('"', '""')
    return f'"{doubled}"'
