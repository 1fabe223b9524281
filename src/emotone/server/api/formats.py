"""What a timeline can be exported as, by the names that requests choose."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """One form of an export.

    Attributes
    ----------
    name
        In requests, and the ending of the file.
    form
        What `emotone.timeline.exports` calls it; None for pictures and pages.
    media_type
        Of the answer.
    needs
        A module that it takes; None for none.
    """

    name: str
    form: str | None
    media_type: str
    needs: str | None = None


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("csv", "csv", "text/csv; charset=utf-8"),
        Format("json", "json", "application/json"),
        Format("jsonl", "jsonl", "application/x-ndjson"),
        Format("parquet", "parquet", "application/vnd.apache.parquet", "pyarrow"),
        Format("srt", "srt", "application/x-subrip; charset=utf-8"),
        Format("vtt", "vtt", "text/vtt; charset=utf-8"),
        Format("TextGrid", "textgrid", "text/praat-textgrid; charset=utf-8"),
        Format("eaf", "eaf", "text/x-eaf+xml; charset=utf-8"),
        Format("txt", "audacity", "text/plain; charset=utf-8"),
        Format("rttm", "rttm", "text/plain; charset=utf-8"),
        Format("png", None, "image/png", "matplotlib"),
        Format("svg", None, "image/svg+xml", "matplotlib"),
        Format("html", None, "text/html; charset=utf-8", "jinja2"),
    )
}


def available() -> list[str]:
    """Names of those whose packages are installed."""
    return [
        name
        for name, each in FORMATS.items()
        if each.needs is None or importlib.util.find_spec(each.needs) is not None
    ]
