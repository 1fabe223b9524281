"""A timeline as subtitles: SRT and WebVTT."""

from __future__ import annotations

from emotone.timeline.exports import names
from emotone.timeline.exports.spans import spans
from emotone.timeline.segments import Segment, Timeline

# SRT has no escapes: what players take for mark-up is written with signs that look like it.
_SRT_SAFE = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})


def srt_text(timeline: Timeline) -> str:
    """A cue for each segment of speech: ``channel 0, A: angry 81 %``, as much as is known of it.

    Cues of different channels may overlap. Times are to the millisecond. Silence, other sound and
    all scores but the first are left out.
    """
    cues = [
        f"{number}\n{_clock(span.start_ms, ',')} --> {_clock(span.end_ms, ',')}\n"
        f"{_line(span.segment, names.speaker(span.segment)).translate(_SRT_SAFE)}\n"
        for number, span in enumerate(spans(timeline.speech), start=1)
    ]
    return "\n".join(cues)


def vtt_text(timeline: Timeline) -> str:
    """As SRT, with the speaker in a voice tag: ``<v A>channel 0: angry 81 %``.

    A player shows the voice only where its page says how; programs that read transcripts do.
    """
    cues = [
        f"{_clock(span.start_ms, '.')} --> {_clock(span.end_ms, '.')}\n{_voiced(span.segment)}\n"
        for span in spans(timeline.speech)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _line(segment: Segment, who: str | None) -> str:
    where = names.place(segment.channel, who)
    return f"{where}: {names.heard(segment)}" if where else names.heard(segment)


def _voiced(segment: Segment) -> str:
    who = names.speaker(segment)
    voice = f"<v {_escaped(who)}>" if who else ""
    return voice + _escaped(_line(segment, None))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, mark: str) -> str:
    """``00:01:02,345`` with the decimal mark of the form."""
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms:03}"
