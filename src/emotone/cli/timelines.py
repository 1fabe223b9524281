"""Timelines as the command line writes and shows them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from emotone import emotions
from emotone.cli import output
from emotone.errors import EmotoneError, MissingExtraError, UsageError
from emotone.folders import check_writable
from emotone.timeline.clock import clock

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from emotone.features.overview import Overview
    from emotone.timeline import Segment, Timeline
    from emotone.timeline.settings import TimelineSettings

_PAGE = ".html"
_PICTURES = (".png", ".svg", ".pdf")

_ROWS = 40
"""Segments in the table; the files hold them all."""

_STRIP = 72
"""Columns of the strip at most."""


def settings(window: float, step: float, switch: float, pause: float) -> TimelineSettings:
    """What the options of these names ask for."""
    from emotone.speech import UtteranceSettings
    from emotone.timeline.settings import TimelineSettings

    try:
        return TimelineSettings(
            window_s=window,
            step_s=step,
            switch=switch,
            utterances=UtteranceSettings(pause_s=pause, margin_s=min(0.1, pause)),
        )
    except UsageError as error:  # which calls them what Python does
        for name in ("window", "step", "switch", "pause"):
            if error.cause.startswith((f"{name} ", f"{name}_s ")):
                value = error.cause.partition(" ")[2]
                raise UsageError(f"--{name} {value}", remedy=error.remedy) from error
        raise


def draws() -> bool:
    """Whether pages and pictures can be written: their packages are an extra."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in ("jinja2", "matplotlib"))


def check(path: Path) -> None:
    """Refuse an output that cannot be written: an unknown ending, a missing package."""
    from emotone.timeline import exports

    ending = path.suffix.lower()
    if ending == _PAGE:
        try:
            import jinja2  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("a page of HTML", "report") from error
    elif ending in _PICTURES:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("pictures", "report") from error
    elif ending not in {form.ending.lower() for form in exports.FORMS}:
        endings = ", ".join(dict.fromkeys(form.ending for form in exports.FORMS))
        raise UsageError(
            f"no timeline can be written as {ending or 'a file without an ending'}",
            source=path,
            remedy=f"End its name with one of {endings}, {_PAGE}, {', '.join(_PICTURES)}.",
        )
    else:
        exports.form_of(path)


def check_place(path: Path) -> None:
    """Refuse a place that no file can be written to, which would be noticed after the work."""
    try:
        check_writable(path.absolute().parent)
    except OSError as error:
        from emotone.exports import FULL

        cause = f"nothing can be written in {path.absolute().parent} ({error.strerror})"
        if error.errno in FULL:
            remedy = "Free some space, or write it to another disk."
            raise EmotoneError(cause, source=path, remedy=remedy, code="storage_full") from error
        raise UsageError(cause, source=path, remedy="Give another place.") from error
    if path.is_dir():
        raise UsageError("there is a folder of this name", source=path, remedy="Give another name.")


def write(timeline: Timeline, path: Path, source: str) -> None:
    """One output; a page and pictures show the sound, unless it came by standard input."""
    ending = path.suffix.lower()
    again = None if source == "-" else source
    if ending == _PAGE:
        from emotone.report import recording

        # A long recording is not put into the page, which then plays the file where it lies.
        recording.write(timeline, path, source=again, link=_link(again, path))
    elif ending in _PICTURES:
        from emotone import plots

        path.parent.mkdir(parents=True, exist_ok=True)  # as for the other forms
        plots.save(plots.timeline(timeline, overview(timeline, again)), path)
    else:
        from emotone.timeline import exports

        exports.write(timeline, path)


def overview(timeline: Timeline, source: str | Path | None) -> Overview | None:
    """The sound of a timeline seen from afar: of the channel that it is of, if it is of one."""
    from emotone.features.overview import Overview

    return None if source is None else Overview.of(source, channel=_only(timeline))


def show(timeline: Timeline, *, kept: bool = False) -> None:
    """A strip of colours, the shares of the emotions, and the segments.

    Parameters
    ----------
    timeline
        What was heard.
    kept
        Whether a file has it all.
    """
    from rich.text import Text

    screen = output.console()
    plain = screen.options.ascii_only
    summary = timeline.summary()
    if screen.is_terminal and not plain:  # its cells are told apart by their colours alone
        for channel in timeline.channels:
            output.show(_strip(timeline, channel))
    several = len(timeline.channels) > 1
    columns = ["Emotion", "Share of speech", "", "Surest at", *(["Channel"] if several else [])]
    shares = output.table(*columns, numbers=("Surest at", "Channel"))
    peaks = {peak.emotion: peak for peak in summary.peaks}
    for name, share in summary.shares.items():
        shares.add_row(
            output.painted(name),
            output.bar(share, name, plain=plain),
            f"{output.percent(share)} %",
            clock(peaks[name].time),
            *([str(peaks[name].channel)] if several else []),
        )
    if summary.shares:
        output.show(shares)
    if timeline.speakers:
        output.show(_voices(timeline))
    # What the channels say is added up, and so may be longer than the recording.
    each = f"{len(timeline.channels)} channels of " if several else ""
    said = [
        f"{clock(summary.speech_s)} of speech in {each}{clock(timeline.duration_s)}",
        f"{summary.changes_per_minute:.1f} changes of emotion per minute of speech",
    ]
    output.show(Text("; ".join(said) + f"; {timeline.model}", style="dim"))
    told = bool(timeline.speakers)
    heads = ["From", "To", *(["Channel"] if several else []), *(["Speaker"] if told else [])]
    heads += ["Emotion", "Confidence"]
    rows = output.table(*heads, numbers=("From", "To", "Channel"))
    for segment in timeline.speech[:_ROWS]:
        where = [str(segment.channel)] if several else []
        where += [segment.speaker or ""] if told else []
        rows.add_row(
            clock(segment.start), clock(segment.end), *where, output.painted(segment.label),
            _sure(segment, plain),
        )  # fmt: skip
    if timeline.speech:
        output.show(rows)
    more = len(timeline.speech) - _ROWS
    if more > 0:
        remedy = "" if kept else "; -o OUT keeps them all"
        output.show(Text(f"… and {output.counted(more, 'segment')} more{remedy}"))


def _link(source: str | None, page: Path) -> str | None:
    """The way from a page to a recording; None where there is none."""
    if source is None:
        return None
    try:
        return os.path.relpath(source, page.parent)
    except ValueError:  # on another drive
        return None


def _only(timeline: Timeline) -> int | None:
    """The channel of a timeline of one."""
    return timeline.channels[0] if len(timeline.channels) == 1 else None


def _voices(timeline: Timeline) -> Table:
    """What each speaker says of all, and the emotions of it."""
    from rich.text import Text

    table = output.table("Speaker", "Speech", "Of all", "Emotions", numbers=("Speech", "Of all"))
    spoken = timeline.summary().speech_s
    for name in timeline.speakers:
        mine = timeline.summary(name)
        said = [
            Text.assemble(output.painted(emotion), f" {output.percent(share)} %")
            for emotion, share in mine.shares.items()
        ]
        share = output.percent(mine.speech_s / spoken)
        table.add_row(name, clock(mine.speech_s), f"{share} %", Text(", ").join(said))
    return table


def _sure(segment: Segment, plain: bool) -> Text:
    from rich.text import Text

    confidence = segment.confidence or 0.0
    return Text(f"{output.percent(confidence)} % ") + output.bar(
        confidence, segment.label, plain=plain
    )


def _strip(timeline: Timeline, channel: int | None) -> Text:
    """The recording in one line: a coloured cell for each stretch of time."""
    from rich.text import Text

    mine = [segment for segment in timeline.segments if segment.channel == channel]
    line = Text("" if channel is None else f"{channel} ")
    for cell in range(_STRIP):
        low, high = (timeline.duration_s * edge / _STRIP for edge in (cell, cell + 1))
        inside = [(min(s.end, high) - max(s.start, low), s) for s in mine]
        overlap, longest = max(inside, key=lambda pair: pair[0])
        if overlap <= 0 or longest.kind == "silence":
            line.append("·", "dim")
        elif longest.kind == "non-speech":
            line.append("~", "dim")
        else:
            line.append("█", emotions.colour(longest.label))
    return line
