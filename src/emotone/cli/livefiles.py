"""What `emotone listen` writes when it ends, and whether it could."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from emotone.cli import messages, timelines
from emotone.debugging import debugging
from emotone.errors import EmotoneError, UsageError

if TYPE_CHECKING:
    from emotone.timeline import Timeline


def wanted_files(record: Path | None, outputs: list[Path], *, overwrite: bool) -> list[Path]:
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
        timelines.check_place(path)
        if path.exists() and not overwrite:
            raise UsageError(
                "there is such a file",
                source=path,
                remedy="Give another name, or replace it with --overwrite.",
            )
    return wanted


def keep(
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
            if debugging():
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
