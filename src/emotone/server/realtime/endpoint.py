"""``WS /v1/realtime``: where live sessions come in."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from emotone.server.realtime.connections import Realtime

router = APIRouter()


@router.websocket("/realtime")
async def realtime(websocket: WebSocket) -> None:
    """A live session, see ``docs/realtime.md``."""
    sessions: Realtime = websocket.app.state.realtime
    await sessions.serve(websocket)
