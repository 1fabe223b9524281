"""`emotone analyze`: a long recording as a timeline."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emotone.cli import messages, options, output, timelines
from emotone.timeline.clock import clock

if TYPE_CHECKING:
    from emotone.timeline.analysis import Channels
    from emotone.timeline.checkpoints import Checkpoint
    from emotone.timeline.settings import TimelineSettings
    from emotone.timeline.speakers import Speakers

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `emotone predict`

app = typer.Typer(add_completion=False)


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
    model: options.Model = None,
    emotions: options.Possible = None,
    channels: options.Channels = "mix",
    speakers: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Tell so many voices apart (rough); auto guesses."),
    ] = None,
    window: options.Window = 3.0,
    step: options.Step = 0.5,
    switch: options.Switch = 2.0,
    pause: options.Pause = 0.5,
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
    from emotone.timeline import exports

    wanted = outputs or []
    for path in wanted:
        timelines.check(path)  # before the work, not after it
        timelines.check_place(path)
    heard = options.channels(channels)
    who = None if speakers is None else _speakers(speakers, file)
    settings = timelines.settings(window, step, switch, pause)
    recognizer = load(model, emotions=options.names(emotions))
    keep = _kept(file, recognizer.digest, heard, settings, fresh=fresh)
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
                channels=heard,
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
        timelines.write(timeline, path, file)
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
        timelines.show(timeline, kept=bool(wanted))
        if not wanted:
            name = "meeting" if file == "-" else Path(file).stem
            drawn = ".html, .png, " if timelines.draws() else ""
            messages.note(f"Keep it: emotone analyze … -o {name}.csv (or {drawn}.srt, .TextGrid)")


def _kept(
    file: str, model: str, channels: Channels, settings: TimelineSettings, *, fresh: bool
) -> Checkpoint | None:
    """Where the progress with a recording is kept; None for a pipe.

    In the cache, by its path and all that is asked of it, so that a run with other settings leaves
    the progress of the first alone.
    """
    from emotone.features.cache import default_folder
    from emotone.timeline.checkpoints import Checkpoint, remove_old

    if not os.path.isfile(file):  # noqa: PTH113 - which no name makes fail
        return None
    asked = json.dumps([os.path.realpath(file), model, channels, settings.to_dict()])
    name = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    keep = Checkpoint(default_folder() / "timelines" / f"{name}.progress")
    if fresh:
        keep.remove()
    if not keep.path.exists():
        remove_old(keep.path.parent)
    return keep


def _speakers(text: str, source: str) -> Speakers:
    from emotone.timeline.speakers import check

    found: Any = int(text) if text.isdecimal() else text
    check(found, source)
    return cast("Speakers", found)
