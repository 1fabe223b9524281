"""The models that a request may choose from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from emotone.bundle.registry import DEFAULT
from emotone.server.api import schemas
from emotone.server.caller import Caller, reads
from emotone.server.models import Models

router = APIRouter(tags=["service"])


@router.get(
    "/models",
    summary="The models to choose from",
    response_model=schemas.Models,
    responses=schemas.refusals(),
)
def models(request: Request, caller: Annotated[Caller, Depends(reads)]) -> dict[str, Any]:
    """Each model with its emotions and the figures of its card."""
    known: Models = request.app.state.models
    found = []
    for name in known.names:
        recognizer = known.get(name)
        found.append(
            {
                "name": name,
                "model": recognizer.model,
                "emotions": list(recognizer.emotions),
                "default": name == DEFAULT,
                "uncertain_below": recognizer.uncertain_below,
                "figures": recognizer.card.metrics,
            }
        )
    return {"items": found}
