"""Timelines as text, a piece at a time: a day takes no more memory than a minute."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from emotone.server.store.corrections import labelled
from emotone.server.store.counting import relabelled
from emotone.server.store.records import Result, Said
from emotone.server.store.results import Results
from emotone.timeline import Segment, Timeline
from emotone.timeline.exports import tables

Labels = Literal["corrected", "model"]

_SENT = 1 << 16
"""Characters that are sent at once, or a few more."""


def document(
    told: Mapping[str, Any], result: Result, results: Results, *, measurements: bool
) -> Iterator[str]:
    """An analysis with its timeline, as an answer has it.

    Parameters
    ----------
    told
        The analysis, as JSON has it.
    result
        What its timeline begins with, which there is.
    results
        Where the rest is.
    measurements
        Whether those are wanted.
    """
    whole = about(result, "corrected")
    yield f'{json.dumps(told)[:-1]}, "timeline": {json.dumps(whole)[:-1]}, "segments": ['
    yield from _joined(
        [_labelled(line, first + at, said.get(first + at)) for at, line in enumerate(lines)]
        for first, lines, said in results.segments(result)
    )
    yield '], "measurements": ['
    if measurements:
        yield from _joined(results.lines(result, "measurements"))
    yield "]}}"


def about(result: Result, labels: Labels) -> dict[str, Any]:
    """A timeline but for its segments and measurements, under the name that it has now."""
    found = {**(result.head or {}), "file": result.analysis.name}
    return {**found, **result.changed} if labels == "corrected" else found


def segments(result: Result, results: Results, labels: Labels) -> Iterator[list[Segment]]:
    """Segments, some at a time, with what people said in place of the model's answers or not."""
    for first, lines, said in results.segments(result):
        yield [
            _relabelled(line, said.get(first + at) if labels == "corrected" else None)
            for at, line in enumerate(lines)
        ]


def segment_lines(result: Result, results: Results, labels: Labels) -> Iterator[str]:
    """The same as lines of JSON; those that nobody corrected as they were written."""
    for first, lines, said in results.segments(result):
        for place, line in enumerate(lines, first):
            made = said.get(place) if labels == "corrected" else None
            yield line if made is None else tables.json_line(_relabelled(line, made))


def measurement_lines(result: Result, results: Results) -> Iterator[str]:
    """Measurements as lines of JSON."""
    for lines in results.lines(result, "measurements"):
        yield from lines


def json_file(result: Result, results: Results, labels: Labels) -> Iterator[str]:
    """The timeline as `emotone analyze FILE -o OUT.json` writes it."""
    return tables.json_pieces(
        about(result, labels),
        segment_lines(result, results, labels),
        measurement_lines(result, results),
    )


def rows(result: Result, results: Results, labels: Labels, form: str) -> Iterator[str]:
    """The timeline as a table, ``csv`` or ``jsonl``."""
    empty = Timeline.from_dict({**about(result, labels), "segments": []})
    if form == "csv":
        yield tables.csv_text(empty)
    for some in segments(result, results, labels):
        part = replace(empty, segments=tuple(some))
        text = tables.csv_text(part, header=False) if form == "csv" else tables.jsonl_text(part)
        yield text


def gathered(pieces: Iterable[str]) -> Iterator[bytes]:
    """Text in UTF-8, in pieces of a size that is worth sending."""
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _SENT:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join(waiting).encode()


def begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the first of them made at once.

    Raises
    ------
    DeletedError
        If the analysis is deleted meanwhile: while nothing is sent, that can still be told.
    """
    first = next(pieces, b"")
    return itertools.chain([first], pieces)


def _joined(parts: Iterable[Sequence[str]]) -> Iterator[str]:
    before = ""
    for lines in parts:
        yield before + ",".join(lines)
        before = ","


def _labelled(line: str, place: int, said: Said | None) -> str:
    if said is None:  # the line as it is, with what `labelled` puts around it
        end = '"label": null, "label_note": "", "labelled_at": null}'
        return f'{{"index": {place}, {line[1:-1]}, {end}'
    made = labelled(json.loads(line), place, said.label, said.note, said.labelled_at)
    return json.dumps(made)


def _relabelled(line: str, said: Said | None) -> Segment:
    segment = Segment.from_dict(json.loads(line))
    return segment if said is None else relabelled(segment, said.label)
