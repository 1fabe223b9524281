"""`emotone listen`: live, from a microphone or a pipe."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone import interrupts
from emotone.cli import messages, options, output, timelines
from emotone.cli.liveevents import shown
from emotone.cli.livefiles import keep, wanted_files
from emotone.cli.microphones import show_microphones
from emotone.errors import EmotoneError, UsageError

if TYPE_CHECKING:
    from emotone.cli.printer import Printer
    from emotone.live import Recording, Session, Source

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `emotone predict`

app = typer.Typer(add_completion=False)

_SOURCE = "Where the sound comes from"
_KEEP = "What is kept"

_MUTE_S = 3.0
_MUTE = (
    "the microphone gives nothing but zeros. Is it muted? May this terminal use it? (macOS: System "
    "Settings, Privacy & Security, Microphone; Windows: Settings, Privacy, Microphone.)"
)


@app.command()
def listen(
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|N",
            help="The microphone; else the system's default.",
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    list_devices: Annotated[
        bool,
        typer.Option(
            "--list-devices", help="Show the microphones and end.", rich_help_panel=_SOURCE
        ),
    ] = False,
    stdin: Annotated[
        bool,
        typer.Option(
            "--stdin", help="Hear standard input: WAV, or raw PCM.", rich_help_panel=_SOURCE
        ),
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(metavar="HZ", help="Of raw PCM or the device.", rich_help_panel=_SOURCE),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Of raw PCM or the device; else 1.", rich_help_panel=_SOURCE
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="s16le|f32le",
            help="Of raw PCM; else s16le.",
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Hear this channel only, from 0. Else the mean.",
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime",
            help="Standard input does not wait: leave out windows rather than lag.",
            rich_help_panel=_SOURCE,
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.wav|.flac",
            help="Keep the audio, and the timeline beside it.",
            rich_help_panel=_KEEP,
        ),
    ] = None,
    outputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Write the timeline there, as 'emotone analyze' does. May be repeated.",
            rich_help_panel=_KEEP,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files that are there.", rich_help_panel=_KEEP),
    ] = False,
    model: options.Model = None,
    emotions: options.Possible = None,
    window: options.Window = 3.0,
    step: options.Step = 0.25,
    switch: options.Switch = 2.0,
    pause: options.Pause = 0.5,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as it happens, one a line.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a row per segment, once it is over.")
    ] = False,
) -> None:
    """Hear the emotion in a voice while someone speaks.

    Ctrl-C ends it: what was heard is summed up and written. Where the
    machine is too slow, windows are left out and the lag is shown; the
    times stay right. The recording grows as the sound comes in.

    Examples:
      emotone listen
      emotone listen --list-devices
      emotone listen --device USB --record talk.wav -o talk.html
      ffmpeg -i film.mkv -f wav - | emotone listen --stdin --json
      ffmpeg -i URL -f s16le -ar 16000 -ac 1 - | \\
        emotone listen --stdin --rate 16000 --realtime
    """
    output.only_one(json=as_json, csv=as_csv)
    if list_devices:
        show_microphones(as_json=as_json, as_csv=as_csv)
        return
    _check(device, encoding, stdin=stdin, realtime=realtime)
    wanted = wanted_files(record, outputs or [], overwrite=overwrite)
    from emotone.cli.printer import Printer
    from emotone.live import Recording, Session
    from emotone.live.session import warm_up
    from emotone.recognizer import load

    settings = timelines.settings(window, step, switch, pause)
    recognizer = load(model, emotions=options.names(emotions))
    if not stdin or realtime:
        warm_up(recognizer)  # sound would wait
    least = 1 if channel is None else channel + 1
    source = _source(device, rate, channels, least, encoding, stdin=stdin, realtime=realtime)
    recording: Recording | None = None
    try:
        if record is not None:
            recording = Recording(
                record, source.rate, source.channels, source.bits, replace=overwrite
            )
        session = Session(
            recognizer, source, settings=settings, channel=channel, recording=recording
        )
    except BaseException:
        source.close()
        if recording is not None:
            recording.discard()
        raise
    printer = Printer(drops=source.is_live, enough=lambda: session.stopped)
    with interrupts.asked(session.stop):
        failure = _hear(session, recognizer.emotions, printer, as_json=as_json, as_csv=as_csv)
        if not session.arrived_s:
            if recording is not None:
                recording.discard()
            if failure is not None:
                raise failure
            messages.warning("nothing came in, so nothing is written.")
            wanted, record = [], None
        timeline = session.timeline(None if record is None else str(record))
        # Before anything is printed, for which a reader may have to be waited for.
        told, failed = keep(timeline, wanted, record)
        try:
            printer.finish()
        except OSError as error:
            failure = failure or error
    if not isinstance(failure, OSError) or failure.filename is not None:  # else of the output
        try:
            if as_json:
                output.write_json_line(session.summary())
            elif not as_csv:
                timelines.show(timeline, kept=bool(wanted))
            sys.stdout.flush()
        except OSError as error:
            failure = failure or error
    with contextlib.suppress(OSError):  # of a terminal that was closed
        for tell, text in told:
            tell(text)
        _tell(session, record, printer.dropped)
    if isinstance(failure, OSError) and failure.filename is None and failure.errno == errno.EIO:
        raise BrokenPipeError from failure  # of a closed terminal, where nobody reads either
    if failure is not None:
        raise failure
    if failed:
        raise typer.Exit(1)


def _hear(
    session: Session,
    emotions: tuple[str, ...],
    printer: Printer,
    *,
    as_json: bool,
    as_csv: bool,
) -> Exception | None:
    """Hear all there is, or until Ctrl-C; what it failed with, since what was heard is kept."""
    failure: Exception | None = None
    silent = False
    try:
        with (
            contextlib.redirect_stdout(printer),
            shown(session, emotions, printer, as_json, as_csv) as show,
        ):
            for told in session:
                if not silent and _is_mute(session):
                    silent = True
                    messages.warning(_MUTE)
                if failure is not None:
                    continue
                try:
                    show(told)
                except OSError as error:  # nobody reads any more, or the disk is full
                    failure = error
                    session.stop()
    except (EmotoneError, OSError) as error:
        failure = failure or error
    finally:
        session.close()
    return failure


def _is_mute(session: Session) -> bool:
    """Whether a microphone gives nothing but zeros, which no room is as silent as."""
    from emotone.live import Microphone

    is_microphone = isinstance(session.source, Microphone)
    return is_microphone and session.zeros and session.arrived_s >= _MUTE_S


def _check(device: str | None, encoding: str | None, *, stdin: bool, realtime: bool) -> None:
    """Refuse options that do not go together."""
    if stdin and device is not None:
        raise UsageError("--stdin and --device exclude each other", remedy="Give one of them.")
    for option, given in (("--format", encoding is not None), ("--realtime", realtime)):
        if given and not stdin:
            raise UsageError(
                f"{option} is about standard input", remedy=f"Give it with --stdin, or no {option}."
            )
    if stdin and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError(
            "standard input is the keyboard" if sys.stdin else "standard input is closed",
            remedy="Pipe sound in: ffmpeg -i FILE -f wav - | emotone listen --stdin",
        )


def _source(
    device: str | None,
    rate: int | None,
    channels: int | None,
    least_channels: int,
    encoding: str | None,
    *,
    stdin: bool,
    realtime: bool,
) -> Source:
    from emotone.live import Microphone, Pipe

    if stdin:
        # Without a buffer: a read gives what is there, and no lock is held while it waits.
        stream = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
        return Pipe(stream, rate=rate, channels=channels, encoding=encoding, realtime=realtime)
    wanted = int(device) if device is not None and device.isdecimal() else device
    return Microphone(wanted, rate=rate, channels=channels, least_channels=least_channels)


def _tell(session: Session, record: Path | None, dropped: int) -> None:
    """On stderr: what is kept where, and what was not as it should be."""
    if record is not None and session.recording is not None:
        length = output.length(session.recording.frames / session.recording.rate)
        messages.note(f"Recorded: {record}, {length}")
    if _is_mute(session):
        messages.warning(_MUTE)
    elif session.arrived_s and not session.timeline().speech:
        kinds = " and ".join(sorted({segment.kind for segment in session.segments}))
        messages.warning(f"{session.source.name}: nobody speaks in it, there is {kinds} only.")
    if dropped:
        messages.warning(
            f"{output.counted(dropped, 'line')} not printed, since nobody read standard output; "
            "the timeline has them."
        )
    if session.skipped:
        messages.warning(
            f"{output.counted(session.skipped, 'window')} left out, since hearing was up to "
            f"{session.worst_lag_s:.1f} s behind. Longer steps help: --step 0.5"
        )
    if session.overflows:
        messages.warning(
            f"the sound system dropped sound {output.counted(session.overflows, 'time')}; "
            "times after that are early by what is missing."
        )
    if session.broken:
        messages.warning(
            f"{output.counted(session.broken, 'sample')} were not finite or far beyond full scale, "
            "and count as silence. Check --format."
        )
    if session.clipped > session.source.rate // 100:
        messages.warning("the sound is clipped in places: turn the microphone down.")
