"""A timeline as CSV, JSON, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from emotone.timeline.exports import names
from emotone.timeline.segments import Measurement, Segment, Timeline

_PLACES = 4
"""Decimals of a probability, as in JSON."""


def csv_text(timeline: Timeline, *, header: bool = True) -> str:
    """A header, then a row per segment, silence included; what a segment does not have is empty.

    The columns are ``start``, ``end`` (seconds), ``channel`` (from 0), ``speaker``, ``emotion``
    (or ``silence``, ``non-speech``), ``confidence``, and a score for each emotion of the model.
    Without the header the rows go on where those of an earlier part of a timeline end.
    """
    columns = ["start", "end", "channel", "speaker", "emotion", "confidence", *timeline.emotions]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for row in timeline.rows():
        cells = (row[name] for name in columns)
        writer.writerow([_cell(cell) for cell in cells])
    return stream.getvalue()


def json_text(timeline: Timeline) -> str:
    """`Timeline.to_dict`, a line for each of its entries and for each segment and measurement."""
    # Hours of measurements as plain types are many times the size of their text, so one at a time;
    # and their text is put together once.
    segments = (json_line(each) for each in timeline.segments)
    measurements = (json_line(each) for each in timeline.measurements)
    return "".join(json_pieces(timeline.about(), segments, measurements))


def json_pieces(
    about: Mapping[str, Any], segments: Iterable[str], measurements: Iterable[str]
) -> Iterator[str]:
    """What `json_text` gives, piece by piece, for timelines that are never whole in memory.

    Parameters
    ----------
    about
        As `Timeline.about` gives it.
    segments, measurements
        As `json_line` gives each.
    """
    yield "{\n"
    for name, value in about.items():
        yield f"  {_json(name)}: {_json(value)},\n"
    for name, lines, end in (("segments", segments, ",\n"), ("measurements", measurements, "\n")):
        yield f"  {_json(name)}: ["
        before = "\n"
        for line in lines:
            yield f"{before}    {line}"
            before = ",\n"
        yield ("]" if before == "\n" else "\n  ]") + end
    yield "}\n"


def json_line(item: Segment | Measurement) -> str:
    """A segment or measurement as a line of JSON, without its end."""
    return _json(item.to_dict())


def jsonl_text(timeline: Timeline) -> str:
    """A JSON object for each segment: the file, the model, and what `Segment.to_dict` gives."""
    about = {"file": timeline.file, "model": timeline.model}
    return "".join(f"{_json(about | segment.to_dict())}\n" for segment in timeline.segments)


def parquet_bytes(timeline: Timeline) -> bytes:
    """The columns of the CSV between ``file`` and ``model``, typed, null where there is nothing.

    Times, confidence and scores are float64 and not rounded further than in the timeline, the
    channel is int32, the rest text.
    """
    import pyarrow
    import pyarrow.parquet

    number, text = pyarrow.float64(), pyarrow.string()
    schema = pyarrow.schema(
        [
            ("file", text),
            ("start", number),
            ("end", number),
            ("channel", pyarrow.int32()),
            ("speaker", text),
            ("emotion", text),
            ("confidence", number),
            *((name, number) for name in timeline.emotions),
            ("model", text),
        ]
    )
    about = {"file": timeline.file and _whole(timeline.file), "model": _whole(timeline.model)}
    rows = [row | about | _texts(row) for row in timeline.rows()]
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), sink)
    return sink.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return round(value, _PLACES)
    # Not every reader of CSV takes a line end inside quotes.
    return names.plain(value) if isinstance(value, str) else value


def _json(value: Any) -> str:
    return _whole(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _whole(text: str) -> str:
    r"""Text with ``\udcff`` written out where Python holds a byte of a file name so.

    No encoding has such halves of characters. In JSON the escape means the very same name.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _texts(row: dict[str, Any]) -> dict[str, str]:
    return {name: _whole(value) for name, value in row.items() if isinstance(value, str)}
