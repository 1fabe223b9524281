"""Recordings of days: whatever is made of their timelines takes little memory, however long."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from emotone.server.app import create_app
from emotone.server.folder import Folder
from emotone.server.packing import Packed, cut, packed
from emotone.server.settings import ServerSettings
from emotone.server.store import Store
from emotone.server.store.backup import back_up, restore
from emotone.server.store.records import NewAnalysis, Outcome, Result
from emotone.server.store.results import DeletedError, Results

SEGMENTS, MEASUREMENTS = 20_000, 100_000
"""As of eight days of talk heard every seven seconds, or of half a day heard every half second."""

MOST_BYTES = 12 * 2**20
"""That an answer may take; the timeline is 20 MB of text, and ten times that as objects."""

NAMES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ID = str(uuid.uuid4())


def scores(place: int) -> dict[str, float]:
    # Without much of a pattern, as they are: what repeats would be packed to next to nothing.
    digest = hashlib.blake2b(str(place).encode(), digest_size=16).digest()
    parts = [int.from_bytes(digest[2 * at : 2 * at + 2], "big") for at in range(8)]
    total = sum(parts)
    return {name: round(part / total, 4) for name, part in zip(NAMES, parts, strict=True)}


def segment_lines() -> Iterator[str]:
    for place in range(SEGMENTS):
        of_it = scores(place)
        emotion = NAMES[place % 2]
        yield json.dumps(
            {
                "start": 2.0 * place,
                "end": 2.0 * (place + 1),
                "kind": "speech",
                "emotion": emotion,
                "confidence": of_it[emotion],
                "valence": 0.1,
                "arousal": -0.1,
                "scores": of_it,
            }
        )


def measurement_lines() -> Iterator[str]:
    for place in range(MEASUREMENTS):
        yield json.dumps({"start": 0.4 * place, "end": 0.4 * place + 3, "scores": scores(place)})


def long_one() -> Packed:
    """The timeline, made piece by piece too."""
    summary = {
        "duration_s": 2.0 * SEGMENTS,
        "speech_s": 2.0 * SEGMENTS,
        "shares": {"neutral": 0.5, "calm": 0.5},
        "changes_per_minute": 30.0,
        "valence": 0.1,
        "arousal": -0.1,
        "peaks": [],
    }
    head = {
        "format": 1,
        "file": "long.wav",
        "duration_s": 2.0 * SEGMENTS,
        "model": "m@1",
        "emotions": list(NAMES),
        "settings": {},
        "summary": summary,
    }
    about = {
        "duration_s": head["duration_s"],
        "model": "m@1",
        "summary": summary,
        "emotions": ["calm", "neutral"],
        "channels": 1,
        "segments": SEGMENTS,
        "measurements": MEASUREMENTS,
    }
    pieces = [
        *cut("segments", segment_lines()),
        *cut("measurements", measurement_lines()),
    ]
    return Packed(about, packed(head), pieces)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service that has such a recording."""
    settings = ServerSettings(folder=tmp_path_factory.mktemp("long"))
    made = create_app(settings)
    store: Store = made.state.store
    new = NewAnalysis(
        id=ID,
        owner="local",
        name="long.wav",
        notes="",
        model="m@1",
        options={},
        keep_audio=False,
        node=made.state.folder.node,
        created_at=datetime.now(timezone.utc),
    )
    store.analyses.add(new, most_waiting=9)
    job = store.queue.claim(new.node)
    assert job is not None
    assert store.queue.finish(job, Outcome(long_one(), b"tracks"))
    yield made
    store.close()
    made.state.folder.close()


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MOST_BYTES, f"{most / 2**20:.1f} MiB"


def answered(
    app: Any, path: str, query: str, heard: Callable[[bytes], object], status: int = 200
) -> int:
    """Ask the application as a server does; says how many bytes came."""
    sizes: list[int] = []

    async def receive() -> Any:
        await asyncio.sleep(3600)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == status, message
        else:
            sizes.append(len(message["body"]))
            heard(message["body"])

    async def ask() -> None:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": [(b"host", b"localhost")], "scheme": "http", "root_path": "",
            "client": ("127.0.0.1", 9), "server": ("127.0.0.1", 8000), "state": {},
        }  # fmt: skip
        await app(scope, receive, send)

    asyncio.run(ask())
    return sum(sizes)


@pytest.mark.parametrize(
    ("path", "query", "least"),
    [
        ("", "", 20_000_000),
        ("", "measurements=false", 5_000_000),
        ("/export", "format=json", 20_000_000),
        ("/export", "format=csv", 1_000_000),
        ("/export", "format=jsonl&labels=model", 5_000_000),
    ],
)
def test_an_answer(app: Any, path: str, query: str, least: int) -> None:
    answered(app, "/v1/service", "", len)  # what is loaded by the first request
    with little_memory():
        size = answered(app, f"/v1/analyses/{ID}{path}", query, len)
    assert size > least


def test_it_is_all_there(app: Any) -> None:
    pieces: list[bytes] = []
    answered(app, f"/v1/analyses/{ID}", "", pieces.append)
    timeline = json.loads(b"".join(pieces))["timeline"]
    assert [each["index"] for each in timeline["segments"]] == list(range(SEGMENTS))
    assert timeline["measurements"][-1] == json.loads([*measurement_lines()][-1])
    assert len(timeline["measurements"]) == MEASUREMENTS


@pytest.mark.parametrize(
    ("path", "query"),
    [("", ""), *(("/export", f"format={form}") for form in ("json", "csv", "jsonl", "srt", "png"))],
)
def test_what_is_deleted_before_anything_is_sent_is_not_found(
    app: Any, path: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The analysis is found, then its pieces are gone."""

    def gone(self: Results, result: Result, part: str) -> Iterator[Any]:
        raise DeletedError(result.analysis.id)
        yield

    monkeypatch.setattr(Results, "_pieces", gone)
    told: list[bytes] = []
    answered(app, f"/v1/analyses/{ID}{path}", query, told.append, status=404)
    assert json.loads(b"".join(told))["error"]["code"] == "not_found"


def test_a_correction(app: Any) -> None:
    store: Store = app.state.store
    with little_memory():
        store.corrections.set("local", ID, SEGMENTS - 1, label="happy")
    found = store.analyses.get("local", ID)
    assert found is not None
    assert found.summary is not None
    assert set(found.summary["shares"]) == {"neutral", "calm", "happy"}
    store.corrections.set("local", ID, SEGMENTS - 1, label=None)


def test_a_backup_and_back(app: Any, tmp_path: Path) -> None:
    store: Store = app.state.store
    out = tmp_path / "backup.tar"
    with little_memory():
        back_up(store.database, app.state.settings.folder, out)
    settings = ServerSettings(folder=tmp_path / "new")
    folder = Folder(settings.folder)
    other = Store(settings.database_url)
    with little_memory():
        restore(out, other.database, folder)
    old, new = (each.results.get("local", ID) for each in (store, other))
    assert new is not None
    assert old is not None
    assert new == old
    for there, here in zip(
        store.results.lines(old, "measurements"),
        other.results.lines(new, "measurements"),
        strict=True,
    ):
        assert there == here
    other.close()
    folder.close()
