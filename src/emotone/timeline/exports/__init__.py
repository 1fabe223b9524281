"""A timeline as a file for other programs, and as text or bytes for a service.

>>> from emotone.timeline import exports
>>> exports.write(timeline, "talk.TextGrid")                       # doctest: +SKIP
>>> exports.text(timeline, "srt")                                  # doctest: +SKIP
'1\\n00:00:01,000 --> 00:00:04,000\\nangry 81 %\\n'

Every form has times to the millisecond. What each carries and loses is with its function:
`tables`, `subtitles`, `praat`, `elan`, `audacity`, `rttm`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

from emotone.errors import UsageError
from emotone.pipes import refuse_pipe
from emotone.timeline.exports import audacity, elan, praat, rttm, subtitles, tables
from emotone.timeline.exports.forms import FORMS, Form, form_of
from emotone.timeline.segments import Timeline

__all__ = ["FORMS", "Form", "content", "form_of", "read", "text", "write"]

_TEXTS: dict[str, Callable[[Timeline], str]] = {
    "csv": tables.csv_text,
    "json": tables.json_text,
    "jsonl": tables.jsonl_text,
    "srt": subtitles.srt_text,
    "vtt": subtitles.vtt_text,
    "textgrid": praat.text,
    "eaf": elan.text,
    "audacity": audacity.text,
    "rttm": rttm.text,
    "rttm-emotion": lambda timeline: rttm.text(timeline, "emotion"),
}


def write(timeline: Timeline, path: str | os.PathLike[str], form: str | None = None) -> None:
    """Write a timeline; its form goes by the path's ending.

    Parameters
    ----------
    timeline
        The timeline.
    path
        Ending with ``.csv``, ``.json``, ``.jsonl``, ``.parquet`` (needs the extra ``train``),
        ``.srt``, ``.vtt``, ``.TextGrid``, ``.eaf``, ``.txt`` (labels of Audacity) or ``.rttm``.
        What is at the path is replaced when the new file is complete.
    form
        A name from `FORMS`, where the ending does not say it.

    Raises
    ------
    UsageError
        If there is no such form; `form_of` tells it before the work is done.
    MissingExtraError
        For Parquet without its package.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> write(timeline, "talk.eaf")                                # doctest: +SKIP
    """
    from emotone.exports import replacing

    path = Path(path)
    found = form_of(path, form)
    if found.name == "eaf":
        written = elan.text(timeline, path.absolute().parent).encode()
    else:
        written = content(timeline, found.name)
    with replacing(path) as unfinished:
        unfinished.write_bytes(written)


def text(timeline: Timeline, form: str) -> str:
    """A timeline as the text that its file would hold.

    Parameters
    ----------
    timeline
        The timeline.
    form
        A name from `FORMS`.

    Raises
    ------
    UsageError
        If there is no such form, or it is Parquet, which is no text.
    """
    found = form_of(None, form)
    if found.name not in _TEXTS:
        raise UsageError(
            f"{found.name} is no text", remedy="Write it to a file, or take its `content`."
        )
    return _TEXTS[found.name](timeline)


def content(timeline: Timeline, form: str) -> bytes:
    """A timeline as the bytes that its file would hold; text is in UTF-8.

    Parameters
    ----------
    timeline
        The timeline.
    form
        A name from `FORMS`.

    Raises
    ------
    UsageError
        If there is no such form.
    MissingExtraError
        For Parquet without its package.
    """
    found = form_of(None, form)
    if found.name == "parquet":
        return tables.parquet_bytes(timeline)
    # What was read from elsewhere may have halves of characters in its names.
    return text(timeline, found.name).encode(errors="replace")


def read(path: str | os.PathLike[str]) -> Timeline:
    """The timeline in a JSON file that `write` wrote.

    Parameters
    ----------
    path
        The file, of any ending.

    Raises
    ------
    UsageError
        If it cannot be read, is no timeline, damaged, or of a later version.
    """
    again = "Write it again with `emotone analyze FILE -o OUT.json`."
    try:
        refuse_pipe(path)
        values = json.loads(Path(path).read_bytes(), parse_constant=_refused)
        timeline = Timeline.from_dict(values)
    except OSError as error:
        raise UsageError(
            f"cannot be read ({error.strerror})", source=path, remedy="Check the path."
        ) from None
    except UsageError as error:
        raise UsageError(error.cause, source=path, remedy=error.remedy) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is no JSON ({error})", source=path, remedy=again) from None
    # Not `start > end`, which nothing that is no number answers.
    ordered = all(0 <= s.start <= s.end < math.inf for s in timeline.segments)
    if not (ordered and 0 <= timeline.duration_s < math.inf):
        raise UsageError("has segments that end before they start", source=path, remedy=again)
    return timeline


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
