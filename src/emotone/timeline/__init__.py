"""A long recording as segments of speech, each with its emotion, and of silence between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotone.timeline.segments import Measurement, Segment, Timeline
from emotone.timeline.summary import Peak, Summary

if TYPE_CHECKING:
    from emotone.timeline.settings import TimelineSettings

__all__ = ["Measurement", "Peak", "Segment", "Summary", "Timeline", "TimelineSettings"]


def __getattr__(name: str) -> Any:
    # With it comes what finds speech; who turns a timeline into another form needs none of that.
    if name == "TimelineSettings":
        from emotone.timeline.settings import TimelineSettings

        return TimelineSettings
    raise AttributeError(f"module 'emotone.timeline' has no attribute {name!r}")
