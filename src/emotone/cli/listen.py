"""`emotone listen`: live, from a microphone or a pipe."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone import interrupts
from emotone.cli import messages, options, output, timelines
from emotone.errors import EmotoneError, UsageError
from emotone.folders import check_writable
from emotone.timeline.clock import clock

if TYPE_CHECKING:
    from emotone.cli.printer import Printer
    from emotone.live import Recording, Session, Source
    from emotone.live.session import Told
    from emotone.timeline import Segment, Timeline

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `emotone predict`

app = typer.Typer(add_completion=False)

_SOURCE = "Where the sound comes from"
_KEEP = "What is kept"

_MUTE_S = 3.0
_MUTE = (
    "the microphone gives nothing but zeros. Is it muted? May this terminal use it? (macOS: System "
    "Settings, Privacy & Security, Microphone; Windows: Settings, Privacy, Microphone.)"
)

Show = Callable[["list[Told]"], None]


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
        _list_devices(as_json=as_json, as_csv=as_csv)
        return
    _check(device, encoding, stdin=stdin, realtime=realtime)
    wanted = _wanted(record, outputs or [], overwrite=overwrite)
    from emotone.cli.printer import Printer
    from emotone.live import Recording, Session
    from emotone.live.session import warm_up
    from emotone.recognizer import load

    settings = timelines.settings(window, step, switch, pause)
    recognizer = load(model)
    if not stdin or realtime:
        warm_up(recognizer)  # sound would wait
    source = _source(device, rate, channels, encoding, stdin=stdin, realtime=realtime)
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
        told, failed = _keep(timeline, wanted, record)
        try:
            printer.finish()
        except OSError as error:
            failure = failure or error
    if not isinstance(failure, OSError) or failure.filename is not None:  # else of the output
        try:
            if as_json:
                output.write_json_line(session.summary())
            elif not as_csv:
                timelines.show(timeline)
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
            _shown(session, emotions, printer, as_json, as_csv) as show,
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


@contextlib.contextmanager
def _shown(
    session: Session, emotions: tuple[str, ...], printer: Printer, as_json: bool, as_csv: bool
) -> Iterator[Show]:
    """What to tell events to: JSON or CSV for a program, a view in a terminal, lines elsewhere."""
    if as_json:
        yield _write_json
    elif as_csv:
        yield _rows(session)
    elif (screen := output.console()).is_terminal and not screen.is_dumb_terminal:
        from emotone.cli.liveview import LiveView

        with LiveView(session, emotions, lambda: printer.idle) as view:
            yield view.show
    else:
        yield _write_lines


def _write_json(told: list[Told]) -> None:
    for event in told:
        output.write_json_line(event.to_dict())


def _write_lines(told: list[Told]) -> None:
    """A line for each segment, once it is over."""
    from emotone.stream import SpeechEnded

    for event in told:
        if isinstance(event, SpeechEnded):
            for segment in event.segments:
                print(_line(segment), flush=True)


def _line(segment: Segment) -> str:
    times = f"{clock(segment.start):>9} {clock(segment.end):>9}"
    return f"{times}  {segment.label:<10} {output.percent(segment.confidence):>5} %"


def _rows(session: Session) -> Show:
    """Print the rows of `emotone analyze --csv`, each as soon as it is known."""
    from dataclasses import replace

    from emotone.timeline import exports

    bare = session.timeline()
    sys.stdout.write(exports.text(bare, "csv"))
    sys.stdout.flush()
    done = 0

    def show(_: list[Told]) -> None:
        nonlocal done
        fresh, done = tuple(session.segments[done:]), len(session.segments)
        if fresh:
            rows = exports.text(replace(bare, segments=fresh), "csv")
            sys.stdout.write(rows.split("\n", 1)[1])
            sys.stdout.flush()

    return show


def _list_devices(*, as_json: bool, as_csv: bool) -> None:
    from emotone.live.microphone import devices

    found = devices()
    if as_json:
        output.write_json([each.to_dict() for each in found])
        return
    if as_csv:
        names = ("device", "name", "system", "channels", "rate", "default")
        output.write_csv(names, (list(each.to_dict().values()) for each in found))
        return
    from rich.text import Text

    rows = output.table(
        "Device", "Name", "System", "Channels", "Rate", "", numbers=("Device", "Channels", "Rate")
    )
    for each in found:
        rows.add_row(
            str(each.number),
            Text(messages.printable(each.name)),
            Text(messages.printable(each.system)),
            str(each.channels),
            f"{each.rate} Hz",
            "default" if each.is_default else "",
        )
    if found:
        output.show(rows)
    else:
        messages.note("There is no microphone. Connect one and allow the terminal to use it.")


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
    return Microphone(wanted, rate=rate, channels=channels)


def _wanted(record: Path | None, outputs: list[Path], *, overwrite: bool) -> list[Path]:
    """Where the timeline goes; refused before the session what could only be refused after it."""
    from emotone.live.recording import check_ending

    wanted = list(outputs)
    if record is not None:
        check_ending(record)
        wanted = wanted or [record.with_suffix(".json")]
    for path in wanted:
        timelines.check(path)
    every = [*([record] if record else []), *wanted]
    if len({path.absolute() for path in every}) < len(every):
        raise UsageError("two outputs have the same name", remedy="Give each a name of its own.")
    for path in every:
        _check_folder(path)
        if path.is_dir() or (path.exists() and not overwrite):
            raise UsageError(
                "there is a folder of this name" if path.is_dir() else "there is such a file",
                source=path,
                remedy="Give another name"
                + ("." if path.is_dir() else ", or replace it with --overwrite."),
            )
    return wanted


def _check_folder(path: Path) -> None:
    """Refuse a place that no file can be written to, which would be noticed after the session."""
    try:
        check_writable(path.absolute().parent)
    except OSError as error:
        raise UsageError(
            f"nothing can be written in {path.absolute().parent} ({error.strerror})",
            source=path,
            remedy="Give another place.",
        ) from error


def _keep(
    timeline: Timeline, wanted: list[Path], record: Path | None
) -> tuple[list[tuple[Callable[[str], None], str]], bool]:
    """Write all that can be written; what to say of it, and whether something could not."""
    told: list[tuple[Callable[[str], None], str]] = []
    written = 0
    for path in wanted:
        try:
            timelines.write(timeline, path, "-" if record is None else str(record))
        except Exception as error:
            # Whatever it is, the others are still to be written: this session does not come again.
            if messages.debugging():
                traceback.print_exc()
            told.append((messages.error, _why(path, error)))
        else:
            written += 1
            told.append((messages.note, f"Written: {path}"))
    if wanted and not written:
        told.append(_elsewhere(timeline))
    return told, written < len(wanted)


def _elsewhere(timeline: Timeline) -> tuple[Callable[[str], None], str]:
    """The timeline where the system keeps temporary files, for want of a better place."""
    from emotone.timeline import exports

    try:
        path = Path(tempfile.mkdtemp(prefix="emotone-")) / "timeline.json"  # the owner's alone
        exports.write(timeline, path)
    except OSError as error:
        return messages.error, _why("the timeline", error)
    return messages.warning, f"the timeline is in {path} instead."


def _why(what: object, error: Exception) -> str:
    if isinstance(error, EmotoneError):
        return str(error)
    why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return f"{what}: {why}."


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
