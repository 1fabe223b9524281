"""A timeline as a label track of Audacity."""

from __future__ import annotations

from emotone.timeline.exports import names
from emotone.timeline.exports.spans import spans
from emotone.timeline.segments import Timeline


def text(timeline: Timeline) -> str:
    """A line for each segment: start and end in seconds, and the label, with tabs between.

    A label says ``channel 0, A: angry 81 %``, as much as is known of it, ``silence`` or
    ``non-speech``. Read it with File, Import, Labels; labels of channels that overlap are shown
    above each other. Scores but the first are left out.

    The format is the one in Audacity's manual, "Importing and Exporting Labels".
    """
    lines = []
    for span in spans(timeline.segments):
        where = names.place(span.segment.channel, names.speaker(span.segment))
        label = names.heard(span.segment)
        lines.append(
            f"{span.start_ms / 1000:.6f}\t{span.end_ms / 1000:.6f}\t"
            f"{f'{where}: {label}' if where else label}\n"
        )
    return "".join(lines)
