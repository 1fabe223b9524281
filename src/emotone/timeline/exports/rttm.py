"""A timeline as RTTM, what tools that find and score speakers' turns exchange."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from emotone.timeline.exports import names
from emotone.timeline.exports.spans import Span, in_turn, joined
from emotone.timeline.segments import Timeline

Naming = Literal["speaker", "emotion"]

_UNKNOWN = "unknown"
_NONE = "<NA>"
# Fields end at blanks, and readers built on CSV take quotes and hashes for more than signs.
_NO_FIELD = re.compile(r"[^\w.+@-]+")


def text(timeline: Timeline, naming: Naming | None = None) -> str:
    """A ``SPEAKER`` line of ten fields for each turn; silence and other sound have none.

    RTTM knows no emotions. What reads it (pyannote, dscore, md-eval, NeMo) compares the times of
    ``SPEAKER`` lines by their name field, so that is where either of two things is given.

    Parameters
    ----------
    timeline
        The timeline.
    naming
        ``"speaker"``: who speaks. Segments of one speaker that touch are one turn, whatever their
        emotions, for that is what is scored; speech of nobody known is by ``unknown``. The emotions
        are lost.
        ``"emotion"``: the emotion, each segment a line, its confidence in the confidence field, as
        one compares emotions in time (speech emotion diarization). The speakers are lost.
        None: the speaker where any is known, else the emotion.

    Returns
    -------
    Times in seconds to the millisecond. Channels count from 1, as the format has them, and all
    heard together are channel 1. The name of the recording is its file's without the ending; in it
    and in names ``_`` stands for what a field cannot hold, and two names never become one.

    The format is in NIST's evaluation plan RT-09, appendix A.
    """
    if naming is None:
        known = any(names.speaker(segment) for segment in timeline.speech)
        naming = "speaker" if known else "emotion"
    fields: dict[str, str] = {}
    lines: list[tuple[int, int, str]] = []
    for channel in timeline.channels:
        number = 1 if channel is None else channel + 1
        mine = in_turn(segment for segment in timeline.speech if segment.channel == channel)
        for start, end, name, sure in _turns(mine) if naming == "speaker" else _emotions(mine):
            if name not in fields:
                fields[name] = names.unlike(_field(name) or _UNKNOWN, fields.values())
            line = (
                f"SPEAKER {_recording(timeline)} {number} {start / 1000:.3f} "
                f"{(end - start) / 1000:.3f} <NA> <NA> {fields[name]} {sure} <NA>\n"
            )
            lines.append((start, number, line))
    return "".join(line for _, _, line in sorted(lines))


def _turns(spans: list[Span]) -> list[tuple[int, int, str, str]]:
    named = ((s.start_ms, s.end_ms, names.speaker(s.segment) or _UNKNOWN) for s in spans)
    return [(*turn, _NONE) for turn in joined(named)]


def _emotions(spans: list[Span]) -> list[tuple[int, int, str, str]]:
    found = []
    for span in spans:
        sure = span.segment.confidence
        written = _NONE if sure is None else f"{sure:.4f}"
        found.append((span.start_ms, span.end_ms, names.label(span.segment), written))
    return found


def _recording(timeline: Timeline) -> str:
    known = timeline.file not in (None, "-")
    return (_field(Path(timeline.file or "").stem) if known else "") or "recording"


def _field(name: str) -> str:
    return _NO_FIELD.sub("_", names.plain(name)).strip("_")
