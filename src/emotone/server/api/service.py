"""What the service is: its version, limits and vocabulary."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

import emotone
from emotone.emotions import EMOTIONS, colour, in_order
from emotone.report.recording import RESPONSIBLE_USE
from emotone.server.api import formats, schemas
from emotone.server.caller import SCOPES, Caller, asker

router = APIRouter(tags=["service"])

API_VERSION = "v1"


@router.get(
    "/service",
    summary="What this service is and allows",
    response_model=schemas.Service,
    responses=schemas.refusals(),
    openapi_extra={"security": [{}]},  # or none, as whoever has no key yet must be told of it
)
def service(request: Request, caller: Annotated[Caller | None, Depends(asker)]) -> dict[str, Any]:
    """Version, emotions with colours and places, limits, retention, and what the caller may do."""
    state = request.app.state
    settings = state.settings
    names = in_order(
        {name for each in state.models.names for name in state.models.get(each).emotions}
    )
    return {
        "version": emotone.__version__,
        "api": API_VERSION,
        "emotions": names,
        "colours": {name: colour(name) for name in names},
        "places": {
            name: {"valence": EMOTIONS[name].valence, "arousal": EMOTIONS[name].arousal}
            for name in names
            if name in EMOTIONS
        },
        "limits": {
            "max_clip_bytes": settings.max_clip_bytes,
            "max_clip_s": settings.max_clip_s,
            "max_upload_bytes": settings.max_upload_bytes,
            "max_recording_s": settings.max_recording_s,
        },
        "retention": {"results_days": settings.results_days, "keeps_audio_by_default": False},
        "auth": {
            "required": state.keyring.demanded,
            "scopes": [scope for scope in SCOPES if caller and scope in caller.scopes],
        },
        "export_formats": formats.available(),
        "responsible_use": RESPONSIBLE_USE,
    }
