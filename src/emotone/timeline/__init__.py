"""A long recording as segments of speech, each with its emotion, and of silence between them."""

from __future__ import annotations

from emotone.timeline.segments import Measurement, Peak, Segment, Summary, Timeline
from emotone.timeline.settings import TimelineSettings

__all__ = ["Measurement", "Peak", "Segment", "Summary", "Timeline", "TimelineSettings"]
