"""What came of a recording: its audio, pictures, exports, and the labels of its segments."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from emotone import emotions
from emotone.server import tracks
from emotone.server.api import schemas, timelines
from emotone.server.api.analyses import Id, Reads, Writes
from emotone.server.api.formats import FORMATS
from emotone.server.api.sending import nameless, sent
from emotone.server.errors import RequestError, not_found
from emotone.server.folder import Folder, remove
from emotone.server.store.records import Analysis, Result
from emotone.server.store.results import DeletedError, Results
from emotone.timeline import Timeline, exports

router = APIRouter(prefix="/analyses/{id}", tags=["results"])

_AT_HAND = 4_000
"""Segments of a timeline that is written here, some hours of talk; longer ones are written by a
worker, whose memory has a bound. As a table they are sent piece by piece."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@router.patch(
    "/segments/{index}",
    summary="Say what a segment is",
    response_model=schemas.Segment,
    responses=schemas.refusals(404, 409),
)
def label_segment(
    request: Request, caller: Writes, id: Id, index: int, said: schemas.SegmentPatch
) -> JSONResponse:
    """A person's label is kept beside the model's answer, which stays as it is."""
    label = None if said.label is None else emotions.canonical(said.label)
    if not 0 <= index < 2**31:
        raise RequestError("there is no such segment", status=404, code="not_found")
    found = request.app.state.store.corrections.set(
        caller.owner, str(id), index, label=label, note=said.note
    )
    if found is None:
        raise not_found()
    return JSONResponse(found)


@router.get(
    "/tracks",
    summary="Pictures of the sound",
    response_model=schemas.Tracks,
    responses=schemas.refusals(404, 409),
)
def get_tracks(request: Request, caller: Reads, id: Id) -> JSONResponse:
    """Loudness and mel spectrogram, small, and there even where the recording is not."""
    store = request.app.state.store
    packed = store.analyses.tracks(caller.owner, str(id))
    if packed is None:
        if store.analyses.get(caller.owner, str(id)) is None:
            raise not_found()
        raise not_done()
    return JSONResponse(tracks.document(packed))


@router.get(
    "/audio",
    summary="The recording, where it is kept",
    response_class=FileResponse,
    responses={
        200: {"description": "All of it.", "content": {"audio/*": {}}},
        206: {"description": "The range asked for.", "content": {"audio/*": {}}},
        **schemas.refusals(404, 416),
    },
)
def get_audio(request: Request, caller: Reads, id: Id) -> FileResponse:
    """As it was sent; a `Range` of bytes gives a part of it."""
    state = request.app.state
    found: Analysis | None = state.store.analyses.get(caller.owner, str(id))
    if found is None:
        raise not_found()
    path = state.folder.recording(found.id)
    if not found.has_audio or not path.is_file():
        raise RequestError(
            "its audio is not kept here",
            status=404,
            code="audio_not_kept",
            remedy="Send the recording with keep_audio to listen to it later.",
        )
    _check_range(request, path.stat().st_size)
    return FileResponse(
        path,
        media_type=found.media_type,
        headers={
            "Content-Disposition": disposition(found.name, "inline"),
            "Cache-Control": "private, no-store",
        },
    )


@router.get(
    "/export",
    summary="The timeline for other programs",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file.",
            "content": {each.media_type: {} for each in FORMATS.values()},
        },
        **schemas.refusals(404, 409, 413, 422, 501, 503),
    },
)
async def export(
    request: Request,
    caller: Reads,
    id: Id,
    format: Annotated[
        Literal[
            "csv", "json", "jsonl", "parquet", "srt", "vtt", "TextGrid", "eaf", "txt", "rttm",
            "png", "svg", "html",
        ],
        Query(description="`txt` is a label track of Audacity."),
    ],
    labels: Annotated[
        Literal["corrected", "model"],
        Query(description="With what people said in place of the model's answers, or without."),
    ] = "corrected",
) -> StreamingResponse:  # fmt: skip
    """A table, subtitles, tiers for Praat or ELAN, a picture, or a page that stands by itself."""
    state = request.app.state
    results = state.store.results
    found: Result | None = await run_in_threadpool(results.get, caller.owner, str(id))
    if found is None:
        raise not_found()
    if found.head is None:
        raise not_done()
    form, name = FORMATS[format], found.analysis.name
    content: Iterator[bytes]
    try:
        if format in ("json", "csv", "jsonl"):
            pieces = (
                timelines.json_file(found, results, labels)
                if format == "json"
                else timelines.rows(found, results, labels, format)
            )
            content = await run_in_threadpool(timelines.begun, timelines.gathered(pieces))
        elif form.form is not None and found.segments <= _AT_HAND:
            content = iter([await run_in_threadpool(_written, found, results, labels, form.form)])
        else:
            content = sent(await _drawn(state, found, labels, format))
    except DeletedError:
        raise not_found() from None
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name) or name
    return StreamingResponse(
        content,
        media_type=form.media_type,
        headers={
            "Content-Disposition": disposition(f"{stem}.{format}", "attachment"),
            "Cache-Control": "private, no-store",
        },
    )


def _written(found: Result, results: Results, labels: timelines.Labels, form: str) -> bytes:
    """A short timeline as a file of another program."""
    segments = [each for some in timelines.segments(found, results, labels) for each in some]
    whole = Timeline.from_dict({**timelines.about(found, labels), "segments": []})
    return exports.content(replace(whole, segments=tuple(segments)), form)


async def _drawn(state: Any, found: Result, labels: timelines.Labels, form: str) -> IO[bytes]:
    """A picture, a page, or a long file, made by a worker: other requests go on meanwhile."""
    folder: Folder = state.folder
    analysis, results = found.analysis, state.store.results
    place = folder.incoming / secrets.token_hex(16)

    def put() -> None:
        place.mkdir(mode=0o700)
        tracks_of = state.store.analyses.tracks(analysis.owner, analysis.id)
        head = json.dumps(timelines.about(found, labels))
        (place / "head").write_text(head, encoding="utf-8")
        (place / "tracks").write_bytes(tracks_of or b"")
        _put_lines(place / "segments", timelines.segment_lines(found, results, labels))
        _put_lines(place / "measurements", timelines.measurement_lines(found, results))

    async with state.drawings.turn(analysis.owner):
        try:
            await run_in_threadpool(put)
            out = await state.drawings.draw(place, form, analysis.name)
            return await run_in_threadpool(nameless, out, folder.incoming)
        finally:
            await run_in_threadpool(remove, place)


def _put_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def disposition(name: str, kind: Literal["inline", "attachment"]) -> str:
    """The header that names a file, whatever is in the name (RFC 6266).

    Examples
    --------
    >>> disposition('a "b"; ü.csv', "attachment")
    "attachment; filename=\\"a _b__ _.csv\\"; filename*=UTF-8''a%20%22b%22%3B%20%C3%BC.csv"
    """
    safe = re.sub(r"[/\\]", "_", name)
    plain = re.sub(r"[^A-Za-z0-9 ._()\[\]-]", "_", safe)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def not_done() -> RequestError:
    """What comes of an analysis is not there yet, or never will be."""
    return RequestError(
        "this recording has no timeline yet",
        status=409,
        code="not_done",
        remedy="Wait until its state is 'done'.",
    )


def _check_range(request: Request, size: int) -> None:
    """Refuse a range that the file does not have; what is no range of bytes is not heeded."""
    given = request.headers.get("range")
    found = None if given is None else _RANGE.fullmatch(given.strip())
    first, last = (None, None) if found is None else (number or None for number in found.groups())
    if (first is None and last is None) or (first and last and int(first) > int(last)):
        headers = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
        request.scope["headers"] = headers
    elif (first and int(first) >= size) or (not first and int(last or 0) == 0):
        raise RequestError(
            "the file has no such bytes",
            status=416,
            code="bad_range",
            headers={"Content-Range": f"bytes */{size}"},
        )
