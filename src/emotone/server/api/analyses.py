"""Recordings: sent, listed, watched, changed, deleted."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from emotone.server.api import schemas, timelines
from emotone.server.api.uploads import Upload, form_schema, received
from emotone.server.caller import Caller, reads, still_holds, writes
from emotone.server.errors import RequestError, not_found
from emotone.server.folder import Folder
from emotone.server.options import settings_of
from emotone.server.settings import ServerSettings
from emotone.server.store.records import Analysis, Filters, NewAnalysis, Result
from emotone.server.store.results import DeletedError

router = APIRouter(prefix="/analyses", tags=["analyses"])

_MOST_DAYS = 36_500
_NO_OPTIONS = {"name", "notes", "keep_audio", "keep_days"}
"""Fields that say nothing of how a recording is heard."""

_SHOWN = tuple(schemas.Analysis.model_fields)
_HEARTBEAT_S = 15.0
_LOOK_S = 0.25

_KEY_S = 5.0
"""Between one look at whether who watches is still allowed to and the next."""

Id = Annotated[uuid.UUID, "The id of an analysis."]
Reads = Annotated[Caller, Depends(reads)]
Writes = Annotated[Caller, Depends(writes)]


@router.post(
    "",
    summary="Analyse a recording of any length",
    status_code=202,
    response_model=schemas.Analysis,
    responses=schemas.refusals(409, 413, 415, 422, 507),
    openapi_extra=form_schema(schemas.AnalysisForm.model_json_schema()),
)
async def create(
    request: Request,
    caller: Writes,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern="^[!-~]+$",
            description="A word of yours for this request. Sent again with the same word, it gives "
            "the same analysis and not another one.",
        ),
    ] = None,
) -> JSONResponse:
    """Take a recording in, and analyse it as soon as its turn comes.

    The answer says where it can be watched. The recording is deleted when it is analysed, unless
    `keep_audio` is given.
    """
    state = request.app.state
    settings: ServerSettings = state.settings
    folder: Folder = state.folder
    async with received(
        request,
        folder,
        max_bytes=settings.max_upload_bytes,
        fields=schemas.AnalysisForm.model_fields,
    ) as upload:
        asked: schemas.AnalysisForm = schemas.checked(schemas.AnalysisForm, upload.fields)
        settings_of(asked.model_dump())  # refuses what makes no sense together
        if isinstance(asked.channels, int):
            _check_channel(
                asked.channels, await state.clips.channels(upload.path, name=upload.name)
            )
        new = _new(asked, upload, caller, request, idempotency_key)
        found, is_new = await run_in_threadpool(_accept, request, upload.path, new)
    if is_new:
        state.jobs.wake()
    where = request.url_for("get_analysis", id=found.id).path
    return JSONResponse(document(found, settings), 202, headers={"Location": where})


def _check_channel(channel: int, count: int) -> None:
    """Refuse a channel that a recording does not have, before it waits for its turn."""
    if channel >= count:
        raise RequestError(
            f"channels: there is no channel {channel}; the recording has {count}, counted from 0",
            status=422,
            code="no_channels",
            remedy="Ask for one that it has, for 'mix' or for 'split'.",
        )


def _new(
    asked: schemas.AnalysisForm,
    upload: Upload,
    caller: Caller,
    request: Request,
    request_key: str | None,
) -> NewAnalysis:
    state = request.app.state
    model = state.models.check(asked.model)
    options = asked.model_dump(exclude=_NO_OPTIONS) | {"model": model}
    now = datetime.now(timezone.utc)
    return NewAnalysis(
        id=str(uuid.uuid4()),
        owner=caller.owner,
        name=asked.name or upload.name,
        notes=asked.notes,
        model=state.models.get(model).model,
        options=options,
        keep_audio=asked.keep_audio,
        node=state.folder.node,
        created_at=now,
        expires_at=_expiry(state.settings, now, now, asked.keep_days),
        request_key=request_key,
        request_digest=None if request_key is None else _digest(asked, upload),
    )


def _expiry(
    settings: ServerSettings, created: datetime, now: datetime, keep_days: float | None
) -> datetime | None:
    """When an analysis is deleted: so many days from now, and no later than the service has it."""
    asked = None if keep_days is None else now + timedelta(days=keep_days)
    return _sooner(settings, created, asked)


def _sooner(settings: ServerSettings, created: datetime, asked: datetime | None) -> datetime | None:
    """When an analysis is deleted: as was asked for, and no later than the service has it."""
    if settings.results_days is None:
        return asked
    ends = created + timedelta(days=min(settings.results_days, _MOST_DAYS))
    return ends if asked is None else min(ends, asked)


def _accept(request: Request, path: Path, new: NewAnalysis) -> tuple[Analysis, bool]:
    """Put a recording where its job finds it, and then say that there is a job."""
    state = request.app.state
    folder: Folder = state.folder
    folder.take_in(path, new.id)
    kept = False
    try:
        found, kept = state.store.analyses.add(new, most_waiting=state.settings.jobs_waiting)
    finally:
        if not kept:
            folder.forget(new.id)
    return found, kept


@router.get(
    "",
    summary="List analyses, the latest first",
    response_model=schemas.Analyses,
    responses=schemas.refusals(),
)
def list_analyses(
    request: Request,
    caller: Reads,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[schemas.Word | None, Query(description="`next` of the part before.")] = None,
    since: Annotated[datetime | None, Query(description="Sent at this time or later.")] = None,
    until: Annotated[datetime | None, Query(description="Sent before this time.")] = None,
    emotion: Annotated[
        schemas.Word | None,
        Query(description="A segment has it: said by a person, or else heard by the model."),
    ] = None,
    label: Annotated[
        schemas.Word | None, Query(description="A person said so of some segment.")
    ] = None,
    state: Annotated[schemas.State | None, Query()] = None,
    name: Annotated[schemas.Word | None, Query(description="A part of the name.")] = None,
    q: Annotated[
        schemas.Word | None,
        Query(description="Words, or beginnings of words, of names and notes; all of them."),
    ] = None,
) -> JSONResponse:
    """A part of the list, with what the next one is asked for by, and how many there are in all."""
    filters = Filters(_utc(since), _utc(until), emotion, label, state, name, q)
    here = request.app.state
    page = here.store.analyses.page(caller.owner, filters, limit=limit, cursor=cursor)
    items = [document(each, here.settings) for each in page.items]
    return JSONResponse({"items": items, "next": page.next, "total": page.total})


@router.get(
    "/{id}",
    name="get_analysis",
    summary="An analysis with its timeline",
    response_model=schemas.FullAnalysis,
    responses=schemas.refusals(404),
)
def get_analysis(
    request: Request,
    caller: Reads,
    id: Id,
    measurements: Annotated[
        bool, Query(description="With every window that was heard: in hours of sound, many.")
    ] = True,
    timeline: Annotated[bool, Query(description="With its timeline; else `null`.")] = True,
) -> Response:
    """How far it is and, once it is done, what was heard when, with the labels people gave.

    Summaries have these in place of the model's answers; `model_summary` does not. A segment has
    both: `emotion` is the model's, `label` the person's.
    """
    results = request.app.state.store.results
    found: Result | None = results.get(caller.owner, str(id))
    if found is None:
        raise not_found()
    told = document(found.analysis, request.app.state.settings)
    if found.head is None or not timeline:
        return JSONResponse(told | {"timeline": None})
    text = timelines.document(told, found, results, measurements=measurements)
    try:
        content = timelines.begun(timelines.gathered(text))
    except DeletedError:
        raise not_found() from None
    return StreamingResponse(content, media_type="application/json")


@router.patch(
    "/{id}",
    summary="Rename it, note something, delete its audio, or say how long it is kept",
    response_model=schemas.Analysis,
    responses=schemas.refusals(404, 409),
)
def change(
    request: Request, caller: Writes, id: Id, changes: schemas.AnalysisPatch
) -> JSONResponse:
    """What is not given stays. `keep_audio: false` deletes the recording once it is analysed."""
    state = request.app.state
    analyses = state.store.analyses
    found = analyses.change(caller.owner, str(id), name=changes.name, notes=changes.notes)
    if found is not None and "keep_days" in changes.model_fields_set:
        now = datetime.now(timezone.utc)
        expires = _expiry(state.settings, found.created_at, now, changes.keep_days)
        found = analyses.keep_until(caller.owner, str(id), expires)
    if found is not None and changes.keep_audio is False:
        found = analyses.forget_audio(caller.owner, str(id))
        if found is not None and found.over:
            state.folder.forget(found.id)
    if found is None:
        raise not_found()
    return JSONResponse(document(found, state.settings))


@router.delete(
    "/{id}",
    summary="Delete it and all that belongs to it",
    status_code=204,
    responses=schemas.refusals(404),
)
async def delete(request: Request, caller: Writes, id: Id) -> Response:
    """Whatever its state: a running job is stopped, and recording, result and search are gone."""
    state = request.app.state
    if not await run_in_threadpool(state.store.analyses.delete, caller.owner, str(id)):
        raise not_found()
    await state.jobs.stop(str(id))
    await run_in_threadpool(state.folder.forget, str(id))
    return Response(status_code=204)


@router.post(
    "/{id}/cancel",
    summary="Give it up",
    response_model=schemas.Analysis,
    responses=schemas.refusals(404, 409),
)
async def cancel(request: Request, caller: Writes, id: Id) -> JSONResponse:
    """Stop what waits or runs, and delete the recording; name and notes stay."""
    state = request.app.state
    cancelled = await run_in_threadpool(state.store.queue.cancel, caller.owner, str(id))
    if cancelled:
        await state.jobs.stop(str(id))
        await run_in_threadpool(state.folder.forget, str(id))
    found = await run_in_threadpool(state.store.analyses.get, caller.owner, str(id))
    if found is None:
        raise not_found()
    if not cancelled and found.state != "cancelled":
        raise RequestError(
            f"it is {found.state} already", status=409, code="over", remedy="Delete it instead."
        )
    return JSONResponse(document(found, state.settings))


@router.get(
    "/{id}/events",
    summary="Watch its progress",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `progress` with an analysis as data, and at last "
            "`done`, `failed` or `cancelled`; or `deleted`, with its `id` alone.",
            "content": {
                "text/event-stream": {
                    "example": 'event: progress\ndata: {"state": "running", "progress": 0.4}\n\n',
                }
            },
        },
        **schemas.refusals(404),
    },
)
async def events(request: Request, caller: Reads, id: Id) -> StreamingResponse:
    """Each change as it happens, until it is over."""
    found = await run_in_threadpool(request.app.state.store.analyses.get, caller.owner, str(id))
    if found is None:
        raise not_found()
    return StreamingResponse(
        _events(request, caller, found),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request, caller: Caller, first: Analysis) -> AsyncIterator[str]:
    state = request.app.state
    closing: asyncio.Event = state.closing
    found: Analysis | None = first
    told: Analysis | None = None
    quiet_s = unasked_s = 0.0
    while found is not None:
        if found != told:
            kind = found.state if found.over else "progress"
            yield f"event: {kind}\ndata: {json.dumps(document(found, state.settings))}\n\n"
            told, quiet_s = found, 0.0
        if found.over:
            return
        if quiet_s >= _HEARTBEAT_S:
            yield ": still here\n\n"
            quiet_s = 0.0
        try:
            await asyncio.wait_for(closing.wait(), _LOOK_S)
            return
        except asyncio.TimeoutError:
            quiet_s += _LOOK_S
            unasked_s += _LOOK_S
        if unasked_s >= _KEY_S:
            if not await still_holds(request, caller):
                return  # whoever asks again is told why
            unasked_s = 0.0
        found = await run_in_threadpool(state.store.analyses.get, caller.owner, first.id)
    yield f"event: deleted\ndata: {json.dumps({'id': first.id})}\n\n"


def document(analysis: Analysis, settings: ServerSettings) -> dict[str, Any]:
    """An analysis as an answer has it, with the end that the service has for it now."""
    expires = _sooner(settings, analysis.created_at, analysis.expires_at)
    values: Mapping[str, Any] = asdict(analysis) | {"expires_at": expires}
    return {
        name: value.isoformat() if isinstance(value := values[name], datetime) else value
        for name in _SHOWN
    }


def _digest(asked: schemas.AnalysisForm, upload: Upload) -> str:
    import hashlib

    told = f"{upload.digest} {upload.name}\n{asked.model_dump_json()}"
    return hashlib.sha256(told.encode()).hexdigest()


def _utc(moment: datetime | None) -> datetime | None:
    """A time in UTC; one without a zone is such a one."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:  # before the year 1, or after 9999
        raise RequestError(
            "there is no such time in UTC", status=400, code="bad_request"
        ) from error
