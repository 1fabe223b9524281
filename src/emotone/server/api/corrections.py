"""What people said of segments: listed, and as a corpus to train on."""

from __future__ import annotations

import csv
import io
import secrets
import tempfile
import zipfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from emotone.errors import EmotoneError
from emotone.server.api import schemas
from emotone.server.api.analyses import Reads
from emotone.server.api.sending import sent
from emotone.server.cuts import Cut
from emotone.server.folder import Folder, remove
from emotone.server.store.records import Correction

router = APIRouter(prefix="/corrections", tags=["corrections"])

_MANIFEST = (
    "path", "emotion", "speaker", "corpus", "recording", "segment", "start", "end", "channel",
    "heard", "confidence", "note",
)  # fmt: skip
_LEFT_OUT = ("recording", "name", "segment", "start", "end", "emotion", "reason")


@router.get(
    "",
    summary="List corrections",
    response_model=schemas.Corrections,
    responses=schemas.refusals(),
)
def list_corrections(
    request: Request,
    caller: Reads,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[schemas.Word | None, Query(description="`next` of the part before.")] = None,
) -> JSONResponse:
    """By recording, then by segment, with what the model had said."""
    page = request.app.state.store.corrections.page(caller.owner, limit=limit, cursor=cursor)
    items = [_document(each) for each in page.items]
    return JSONResponse({"items": items, "next": page.next, "total": page.total})


@router.get(
    "/export",
    summary="Corrected segments as a corpus to train on",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The archive.", "content": {"application/zip": {}}},
        **schemas.refusals(503),
    },
)
async def export(request: Request, caller: Reads) -> StreamingResponse:
    """A zip with `manifest.csv`, which `emotone train` takes, and a clip for each labelled segment.

    Clips are cut from recordings that are kept; `left_out.csv` names the segments of others.
    Recordings stand for speakers, so that a split by speaker keeps the clips of each together.
    """
    state = request.app.state
    found = await run_in_threadpool(state.store.corrections.labels, caller.owner)
    folder: Folder = state.folder
    place = folder.incoming / secrets.token_hex(16)
    try:
        await run_in_threadpool(place.mkdir, 0o700)
        left_out = await _cut(state, found, place)
        archive = await run_in_threadpool(_archive, found, left_out, place, folder.incoming)
    finally:
        await run_in_threadpool(remove, place)
    return StreamingResponse(
        sent(archive),
        media_type="application/zip",
        headers={
            "Content-Disposition": 'attachment; filename="corrections.zip"',
            "Cache-Control": "private, no-store",
        },
    )


async def _cut(state: Any, found: Sequence[Correction], place: Path) -> dict[tuple[str, int], str]:
    """Put a clip of each segment into a folder; gives why there is none, by its place."""
    left_out: dict[tuple[str, int], str] = {}
    for id, group in groupby(found, key=lambda each: each.analysis):
        made = list(group)
        reason = None
        if not made[0].has_audio or not state.folder.recording(id).is_file():
            reason = "the recording is not kept here"
        else:
            cuts = [Cut(each.start_s, each.end_s, each.channel, _clip(each)) for each in made]
            try:
                await state.jobs.cut(id, made[0].name, cuts, place)
            except EmotoneError as error:
                reason = str(error)
        for each in made:
            if reason is not None or not (place / _clip(each)).is_file():
                left_out[id, each.segment] = reason or "it holds no sound"
    return left_out


def _archive(
    found: Sequence[Correction],
    left_out: dict[tuple[str, int], str],
    place: Path,
    folder: Path,
) -> IO[bytes]:
    """The archive as a file without a name, at its beginning."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is closed when it is sent
    with zipfile.ZipFile(file, "w") as archive:
        kept = [each for each in found if (each.analysis, each.segment) not in left_out]
        archive.writestr("manifest.csv", _table(_MANIFEST, [_row(each) for each in kept]))
        rest = [
            (each.analysis, each.name, each.segment, each.start_s, each.end_s, each.label, reason)
            for each in found
            if (reason := left_out.get((each.analysis, each.segment))) is not None
        ]
        archive.writestr("left_out.csv", _table(_LEFT_OUT, rest))
        for each in kept:
            archive.write(place / _clip(each), f"clips/{_clip(each)}")
    file.seek(0)
    return file


def _clip(each: Correction) -> str:
    return f"{each.analysis}-{each.segment}.wav"


def _row(each: Correction) -> tuple[object, ...]:
    # A voice of one recording cannot be told from those of another, so the recording stands for it.
    return (
        f"clips/{_clip(each)}", each.label, each.analysis, "corrections", each.name, each.segment,
        each.start_s, each.end_s, each.channel, each.emotion, each.confidence, each.note,
    )  # fmt: skip


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _document(each: Correction) -> dict[str, Any]:
    return {
        "analysis": each.analysis,
        "name": each.name,
        "segment": each.segment,
        "start": each.start_s,
        "end": each.end_s,
        "channel": each.channel,
        "speaker": each.speaker,
        "emotion": each.emotion,
        "confidence": each.confidence,
        "label": each.label,
        "note": each.note,
        "labelled_at": each.labelled_at.isoformat(),
        "has_audio": each.has_audio,
    }
