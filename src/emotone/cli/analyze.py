"""`emotone analyze`: a long recording as a timeline."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emotone import emotions
from emotone.cli import messages, output
from emotone.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from emotone.timeline import Segment, Timeline
    from emotone.timeline.analysis import Channels
    from emotone.timeline.checkpoints import Checkpoint
    from emotone.timeline.speakers import Speakers

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `emotone predict`

app = typer.Typer(add_completion=False)

_PAGE = ".html"
_PICTURES = (".png", ".svg", ".pdf")

_ROWS = 40
"""Segments in the table; the files hold them all."""

_STRIP = 72
"""Columns of the strip at most."""


@app.command()
def analyze(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A recording, or - for standard input.")
    ],
    outputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Write the timeline there; its form goes by the ending. May be repeated.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="MODEL", help="A bundle, or the name of an installed model."
        ),
    ] = None,
    channels: Annotated[
        str,
        typer.Option(metavar="mix|split|N", help="All together, each by itself, or one, from 0."),
    ] = "mix",
    speakers: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Tell so many speakers apart; auto is far less sure."),
    ] = None,
    window: Annotated[
        float, typer.Option(metavar="S", help="Length of the windows that are heard, in seconds.")
    ] = 3.0,
    step: Annotated[
        float, typer.Option(metavar="S", help="From one window to the next, in seconds.")
    ] = 0.5,
    switch: Annotated[
        float,
        typer.Option(metavar="X", help="Inertia: 0 lets each step have its own emotion."),
    ] = 2.0,
    pause: Annotated[
        float, typer.Option(metavar="S", help="A pause of this length ends an utterance.")
    ] = 0.5,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Cores to use. Else all.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over in spite of an earlier run's progress.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the timeline as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a row per segment.")] = False,
) -> None:
    """Say which emotion is heard when in a recording of any length.

    Speech is found, cut at pauses, heard in windows, and joined into
    segments of one emotion; silence and other sound lie between. With
    --channels split each channel of a call has a timeline of its own; with
    --speakers those of one channel are told apart by their voices. When it
    is stopped, by Ctrl-C say, the same command goes on from there.

    Examples:
      emotone analyze meeting.mp3
      emotone analyze call.wav --channels split -o call.csv
      emotone analyze interview.wav --speakers 2 -o interview.TextGrid
      emotone analyze podcast.mp3 -o podcast.srt -o podcast.html -o podcast.png
      ffmpeg -i film.mkv -f wav - | emotone analyze - --json
    """
    output.only_one(json=as_json, csv=as_csv)
    from emotone.cli import progress
    from emotone.recognizer import load
    from emotone.speech import UtteranceSettings
    from emotone.timeline import exports
    from emotone.timeline.settings import TimelineSettings

    wanted = outputs or []
    for path in wanted:
        _check(path)  # before the work, not after it
    who = None if speakers is None else _speakers(speakers, file)
    settings = TimelineSettings(
        window_s=window,
        step_s=step,
        switch=switch,
        utterances=UtteranceSettings(pause_s=pause, margin_s=min(0.1, pause)),
    )
    recognizer = load(model)
    keep = _kept(file, fresh=fresh)
    begun = False

    def tell(done: float, total: float | None) -> None:
        nonlocal begun
        if not begun and done > 0:
            messages.note(
                f"Going on at {clock(done)}, where an earlier run stopped; --fresh starts over"
            )
        begun = True
        report(round(done), None if total is None else max(round(done), round(total)))

    try:
        with progress.bar("Hearing", "s of audio", resumed=True) as report:
            timeline = recognizer.timeline(
                file,
                channels=_channels(channels),
                settings=settings,
                jobs=jobs,
                progress=tell,
                checkpoint=keep,
            )
    except KeyboardInterrupt:
        if keep is not None and keep.saved_s is not None:
            messages.note(
                f"Stopped at {clock(keep.saved_s)} of the audio. The same command goes on from "
                "there; with --fresh it starts over"
            )
        raise
    if who is not None:
        from emotone.timeline.speakers import tell_apart

        with progress.bar("Telling speakers apart", "s of audio") as report:
            timeline = tell_apart(
                timeline, file, who, progress=lambda done, total: report(round(done), round(total))
            )
    for path in wanted:
        _write(timeline, path, file)
        messages.note(f"Written: {path}")
    if keep is not None:
        keep.remove()
    if not timeline.speech:
        kinds = " and ".join(sorted({segment.kind for segment in timeline.segments}))
        messages.warning(f"{file}: nobody speaks in it, there is {kinds} only.")
    if as_json:
        sys.stdout.write(exports.text(timeline, "json"))
    elif as_csv:
        sys.stdout.write(exports.text(timeline, "csv"))
    else:
        _show(timeline)
        if not wanted:
            name = "meeting" if file == "-" else Path(file).stem
            messages.note(
                f"Keep it: emotone analyze … -o {name}.csv (or .html, .png, .srt, .TextGrid)"
            )


def _kept(file: str, *, fresh: bool) -> Checkpoint | None:
    """Where the progress with a recording is kept: in the cache, by its path; None for a pipe."""
    from emotone.features.cache import default_folder
    from emotone.timeline.checkpoints import Checkpoint

    if not Path(file).is_file():
        return None
    name = hashlib.blake2b(os.fsencode(os.path.realpath(file)), digest_size=16).hexdigest()
    keep = Checkpoint(default_folder() / "timelines" / f"{name}.progress")
    if fresh:
        keep.remove()
    return keep


def _check(path: Path) -> None:
    """Refuse an output that cannot be written: an unknown ending, a missing package."""
    from emotone.timeline import exports

    ending = path.suffix.lower()
    if ending == _PAGE:
        try:
            import jinja2  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("a page of HTML", "train") from error
    elif ending in _PICTURES:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("pictures", "train") from error
    elif ending not in {form.ending.lower() for form in exports.FORMS}:
        endings = ", ".join(dict.fromkeys(form.ending for form in exports.FORMS))
        raise UsageError(
            f"no timeline can be written as {ending or 'a file without an ending'}",
            source=path,
            remedy=f"End its name with one of {endings}, {_PAGE}, {', '.join(_PICTURES)}.",
        )
    else:
        exports.form_of(path)


def _write(timeline: Timeline, path: Path, source: str) -> None:
    """One output; a page and pictures show the sound, unless it came by standard input."""
    ending = path.suffix.lower()
    again = None if source == "-" else source
    if ending == _PAGE:
        from emotone.report import recording

        # A long recording is not put into the page, which then plays the file where it lies.
        recording.write(timeline, path, source=again, link=_link(again, path))
    elif ending in _PICTURES:
        from emotone import plots
        from emotone.features.overview import Overview

        sound = None if again is None else Overview.of(again, channel=_only(timeline))
        plots.save(plots.timeline(timeline, sound), path)
    else:
        from emotone.timeline import exports

        exports.write(timeline, path)


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


def _channels(text: str) -> Channels:
    if text in ("mix", "split"):
        return text  # type: ignore[return-value]
    if text.isdecimal():
        return int(text)
    raise UsageError(f"--channels is {text!r}", remedy="Give mix, split, or a number from 0.")


def _speakers(text: str, source: str) -> Speakers:
    from emotone.timeline.speakers import check

    found: Any = int(text) if text.isdecimal() else text
    check(found, source)
    return cast("Speakers", found)


def _show(timeline: Timeline) -> None:
    """A strip of colours, the shares of the emotions, and the segments."""
    from rich.text import Text

    plain = not output.console().is_terminal
    summary = timeline.summary()
    if not plain:
        for channel in timeline.channels:
            output.show(_strip(timeline, channel))
    shares = output.table("Emotion", "Share of speech", "", "Surest at", numbers=("Surest at",))
    peaks = {peak.emotion: peak for peak in summary.peaks}
    for name, share in summary.shares.items():
        shares.add_row(
            output.painted(name),
            output.bar(share, name, plain=plain),
            f"{output.percent(share)} %",
            clock(peaks[name].time),
        )
    if summary.shares:
        output.show(shares)
    if timeline.speakers:
        output.show(_voices(timeline))
    spoken = f"{clock(summary.speech_s)} of speech in {clock(timeline.duration_s)}"
    said = [spoken, f"{summary.changes_per_minute:.1f} changes of emotion per minute"]
    output.show(Text("; ".join(said) + f"; {timeline.model}", style="dim"))
    several = len(timeline.channels) > 1
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
        output.show(Text(f"… and {output.counted(more, 'segment')} more; -o OUT keeps them all"))


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


def clock(seconds: float) -> str:
    """A time as ``0:07.3``, or ``1:02:03.4`` from an hour on."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
