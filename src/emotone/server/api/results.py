"""What came of a recording: its audio, pictures, exports, and the labels of its segments."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from emotone import emotions
from emotone.server import tracks
from emotone.server.api import schemas
from emotone.server.api.analyses import Id, Reads, Writes
from emotone.server.api.formats import FORMATS
from emotone.server.errors import RequestError, not_found
from emotone.server.folder import Folder, remove
from emotone.server.packing import NONE, exported
from emotone.server.store.records import Analysis, Result
from emotone.timeline import Timeline, exports

router = APIRouter(prefix="/analyses/{id}", tags=["results"])

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
    response_class=Response,
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
) -> Response:  # fmt: skip
    """A table, subtitles, tiers for Praat or ELAN, a picture, or a page that stands by itself."""
    state = request.app.state
    found = await run_in_threadpool(state.store.analyses.result, caller.owner, str(id))
    if found is None:
        raise not_found()
    if found.head is None:
        raise not_done()
    form, name = FORMATS[format], found.analysis.name
    if form.form is None:
        content = await _drawn(state, found, labels, format)
    else:
        content = await run_in_threadpool(_written, found, labels, form.form)
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name) or name
    return Response(
        content,
        media_type=form.media_type,
        headers={
            "Content-Disposition": disposition(f"{stem}.{format}", "attachment"),
            "Cache-Control": "private, no-store",
        },
    )


def _written(found: Result, labels: str, form: str) -> bytes:
    timeline = _timeline(found, labels)
    if form == "json":
        return exported(timeline, found.measurements or NONE).encode()
    return exports.content(timeline, form)


async def _drawn(state: Any, found: Result, labels: str, form: str) -> bytes:
    """A picture or a page, made by a worker: that takes a while, and other requests go on."""
    folder: Folder = state.folder
    analysis = found.analysis
    place = folder.incoming / secrets.token_hex(16)

    def put() -> None:
        place.mkdir(mode=0o700)
        head = _timeline(found, labels).to_dict()
        del head["measurements"]
        tracks_of = state.store.analyses.tracks(analysis.owner, analysis.id)
        (place / "head").write_text(json.dumps(head), encoding="utf-8")
        (place / "measurements").write_bytes(found.measurements or NONE)
        (place / "tracks").write_bytes(tracks_of or b"")

    async with state.drawings.turn(analysis.owner):
        try:
            await run_in_threadpool(put)
            out = await state.drawings.draw(place, form, analysis.name)
            return await run_in_threadpool(out.read_bytes)
        finally:
            await run_in_threadpool(remove, place)


def _timeline(found: Result, labels: str) -> Timeline:
    """The timeline without measurements, under the name that it has now."""
    timeline = replace(Timeline.from_dict(found.head or {}), file=found.analysis.name)
    if labels == "model":
        return timeline
    made = {index: said.label for index, said in found.corrections.items()}
    return corrected(timeline, made)


def corrected(timeline: Timeline, labels: Mapping[int, str | None]) -> Timeline:
    """A timeline with what people said in place of the model's answers.

    The scores stay the model's, and the confidence of a segment is its score for the label; none
    where it does not know the label.
    """
    segments = tuple(
        segment
        if (label := labels.get(index)) is None
        else replace(segment, emotion=label, confidence=segment.scores.get(label))
        for index, segment in enumerate(timeline.segments)
    )
    return replace(timeline, segments=segments)


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
