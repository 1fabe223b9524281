"""How forms for people call things: names on one line, and what is heard in a few words."""

from __future__ import annotations

import re
from collections.abc import Collection

from emotone.timeline.segments import Segment

# Line ends and other controls, halves of characters, and what XML has no place for.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def writable(text: str, instead: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """A text without what an encoding or XML cannot hold, something else in its place."""
    return _UNWRITABLE.sub(instead, text)


def plain(text: str) -> str:
    """A text on one line, without controls and without blanks at its ends or two in a row."""
    return " ".join(writable(text, " ").split())


def speaker(segment: Segment) -> str | None:
    """The speaker on one line; None where nothing is left of the name."""
    return None if segment.speaker is None else plain(segment.speaker) or None


def place(channel: int | None, who: str | None) -> str:
    """``channel 0, A``, or as much of it as there is. Channels count from 0 as everywhere."""
    known = [] if channel is None else [f"channel {channel}"]
    return ", ".join([*known, who] if who else known)


def label(segment: Segment) -> str:
    """The emotion on one line, or what there is in place of speech; never empty."""
    return plain(segment.label) or segment.kind


def heard(segment: Segment) -> str:
    """``angry 81 %``, or what there is in place of speech."""
    sure = segment.confidence
    return label(segment) if sure is None else f"{label(segment)} {100 * sure:.0f} %"


def unlike(name: str, taken: Collection[str]) -> str:
    """The name, with a number behind it where it is taken."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
