"""Progress that is watched, by who may watch it."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from emotone.server.api import analyses as api
from emotone.server.caller import LOCAL, Caller
from emotone.server.security import keys
from emotone.server.security.keyring import StoredKeyring
from emotone.server.settings import ServerSettings
from emotone.server.store import Store
from emotone.server.store.keys import StoredKeys
from emotone.server.store.records import NewAnalysis


def recording(owner: str) -> NewAnalysis:
    return NewAnalysis(
        id=str(uuid.uuid4()), owner=owner, name="talk.wav", notes="", model="m@1",
        options={}, keep_audio=False, node=str(uuid.uuid4()),
        created_at=datetime.now(timezone.utc),
    )  # fmt: skip


@pytest.mark.parametrize("by_key", [False, True])
def test_who_may_not_watch_any_longer_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_key: bool
) -> None:
    monkeypatch.setattr(api, "_LOOK_S", 0.01)
    monkeypatch.setattr(api, "_HEARTBEAT_S", 0.02)
    monkeypatch.setattr(api, "_KEY_S", 0.03)
    store = Store(f"sqlite:///{tmp_path / 'emotone.sqlite'}")
    kept = StoredKeys(store.database)
    key, _ = keys.make("laptop", owner="local")
    caller: Caller = LOCAL
    if by_key:
        kept.add(key)
        caller = key.caller
    waits, _ = store.analyses.add(recording(caller.owner), most_waiting=9)

    async def watch() -> None:
        state = SimpleNamespace(
            store=store,
            settings=ServerSettings(tmp_path),
            keyring=StoredKeyring(kept),
            closing=asyncio.Event(),
        )
        request: Any = SimpleNamespace(app=SimpleNamespace(state=state))
        told = api._events(request, caller, waits)
        assert (await anext(told)).startswith("event: progress")
        for _ in range(3):  # more than one look at whether it may
            assert (await anext(told)).startswith(": ")
        if by_key:
            kept.revoke(key.id)
        else:
            kept.add(key)
        left = [each async for each in told]
        assert all(each.startswith(": ") for each in left)

    try:
        asyncio.run(asyncio.wait_for(watch(), 10))
    finally:
        store.close()


def test_what_is_deleted_is_told_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_LOOK_S", 0.01)
    store = Store(f"sqlite:///{tmp_path / 'emotone.sqlite'}")
    waits, _ = store.analyses.add(recording(LOCAL.owner), most_waiting=9)

    async def watch() -> None:
        state = SimpleNamespace(
            store=store, settings=ServerSettings(tmp_path), closing=asyncio.Event()
        )
        request: Any = SimpleNamespace(app=SimpleNamespace(state=state))
        told = api._events(request, LOCAL, waits)
        assert (await anext(told)).startswith("event: progress")
        assert store.analyses.delete(LOCAL.owner, waits.id)
        last = f'event: deleted\ndata: {{"id": "{waits.id}"}}\n\n'
        assert [each async for each in told] == [last]

    try:
        asyncio.run(asyncio.wait_for(watch(), 10))
    finally:
        store.close()
