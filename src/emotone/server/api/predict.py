"""One clip, answered at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from emotone.server.api import schemas
from emotone.server.api.uploads import form_schema, received
from emotone.server.caller import Caller, writes

router = APIRouter(tags=["clips"])


@router.post(
    "/predict",
    summary="The emotion of one clip",
    response_model=schemas.Prediction,
    responses=schemas.refusals(413, 415, 422, 503, 507),
    openapi_extra=form_schema(schemas.PredictForm.model_json_schema()),
)
async def predict(request: Request, caller: Annotated[Caller, Depends(writes)]) -> JSONResponse:
    """Hear a clip of up to some minutes; nothing of it is kept.

    `curl -F file=@clip.wav http://127.0.0.1:8000/v1/predict`
    """
    state = request.app.state
    async with received(
        request,
        state.folder,
        max_bytes=state.settings.max_clip_bytes,
        fields=schemas.PredictForm.model_fields,
    ) as upload:
        asked = schemas.checked(schemas.PredictForm, upload.fields)
        model = state.models.check(asked.model)
        answer = await state.clips.predict(
            upload.path, name=upload.name, model=model, threshold=asked.threshold
        )
    return JSONResponse(answer)
