"""The service from a program: clips, recordings and live speech, sync and async.

>>> from emotone.client import Client
>>> with Client("http://127.0.0.1:8000") as client:                    # doctest: +SKIP
...     client.predict("clip.wav").emotion
...     client.analyze("meeting.mp3").timeline.summary().shares
...     with client.realtime(rate=16000) as session:
...         for told in session.hear("clip.wav"):
...             print(told)

`AsyncClient` has the same methods, to be awaited. Both need the extra ``client``.
"""

from __future__ import annotations

from emotone.client.asynchronous import AsyncClient
from emotone.client.errors import ServiceError
from emotone.client.live import Session
from emotone.client.live_async import AsyncSession
from emotone.client.results import Analysis, Page
from emotone.client.synchronous import Client
from emotone.server.realtime.messages import (
    Behind,
    Closed,
    Created,
    Error,
    Measurement,
    ServerMessage,
    Updated,
    UtteranceEnd,
    UtteranceStart,
)

__all__ = [
    "Analysis",
    "AsyncClient",
    "AsyncSession",
    "Behind",
    "Client",
    "Closed",
    "Created",
    "Error",
    "Measurement",
    "Page",
    "ServerMessage",
    "ServiceError",
    "Session",
    "Updated",
    "UtteranceEnd",
    "UtteranceStart",
]
