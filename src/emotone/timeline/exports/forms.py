"""The forms that a timeline can be written in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from emotone.errors import MissingExtraError, UsageError


@dataclass(frozen=True, slots=True)
class Form:
    """One form.

    Attributes
    ----------
    name
        What to ask for it by.
    ending
        Of its files.
    media_type
        For a service that answers with it.
    description
        In one line, for a person who chooses.
    """

    name: str
    ending: str
    media_type: str
    description: str


FORMS: tuple[Form, ...] = (
    Form("csv", ".csv", "text/csv", "Table: a row per segment, a column per score"),
    Form("json", ".json", "application/json", "Everything, with summary and measurements"),
    Form("jsonl", ".jsonl", "application/x-ndjson", "A JSON object per segment, one a line"),
    Form(
        "parquet", ".parquet", "application/vnd.apache.parquet", "Table with types, for data frames"
    ),
    Form("srt", ".srt", "application/x-subrip", "Subtitles for video players and editors"),
    Form("vtt", ".vtt", "text/vtt", "WebVTT subtitles for web pages"),
    Form("textgrid", ".TextGrid", "text/praat-textgrid", "Praat TextGrid with interval tiers"),
    Form("eaf", ".eaf", "text/x-eaf+xml", "ELAN annotation with tiers, linked to the recording"),
    Form("audacity", ".txt", "text/plain", "Label track for Audacity"),
    Form("rttm", ".rttm", "text/plain", "RTTM with speakers' turns, or emotions without speakers"),
    Form("rttm-emotion", ".rttm", "text/plain", "RTTM with the emotion in the place of the name"),
)
"""Every form. Of two with one ending, a path means the first."""


def form_of(path: str | os.PathLike[str] | None, form: str | None = None) -> Form:
    """The form asked for by name, else the one that a path's ending says.

    Parameters
    ----------
    path
        Where the timeline is to be written; its ending is taken in any case of letters.
    form
        A name from `FORMS`.

    Raises
    ------
    UsageError
        If there is no such form.
    MissingExtraError
        For Parquet without its package.

    Examples
    --------
    >>> form_of("talk.textgrid").description
    'Praat TextGrid with interval tiers'
    """
    if form is not None:
        found = next((known for known in FORMS if known.name == form.lower()), None)
        if found is None:
            raise UsageError(
                f"no timeline can be written as {form!r}",
                remedy=f"Choose one of {', '.join(known.name for known in FORMS)}.",
            )
    else:
        ending = "" if path is None else Path(path).suffix
        found = next((known for known in FORMS if known.ending.lower() == ending.lower()), None)
        if found is None:
            endings = ", ".join(dict.fromkeys(known.ending for known in FORMS))
            raise UsageError(
                f"no timeline can be written as {ending or 'a file without an ending'}",
                source=path,
                remedy=f"End its name with one of {endings}.",
            )
    if found.name == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise MissingExtraError("writing Parquet", "report") from None
    return found
