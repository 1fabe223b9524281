"""What the service tells of itself: logs, figures, health."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from emotone.errors import AudioError, EmotoneError, FeatureError, MissingExtraError, UsageError
from emotone.server import errors, health, logs, processes, worker
from emotone.server.app import create_app
from emotone.server.caller import Caller
from emotone.server.errors import RequestError, status_of
from emotone.server.jobs import Jobs
from emotone.server.metrics import Metrics
from emotone.server.observing import Observing
from emotone.server.settings import ServerSettings


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What is logged, one object a line."""
    names = (logs.LOGGER, "uvicorn")
    before = [(vars(logging.getLogger(name)).copy()) for name in names]
    stream = io.StringIO()
    logs.start("json", stream=stream)
    yield stream
    for name, state in zip(names, before, strict=True):
        logging.getLogger(name).__dict__.update(state)
        logging.getLogger(name).manager._clear_cache()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def figures(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = metrics.exposition().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(metrics: Metrics, name: str, **labels: str) -> float | None:
    return figures(metrics).get((name, frozenset(labels.items())))


def counting() -> Metrics:
    return Metrics(states=lambda: {"queued": 3, "done": 9})


def asked(observing: Observing, **scope: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    whole = {"type": "http", "method": "GET", "path": "/v1/analyses/7", "headers": [], **scope}
    asyncio.run(observing(whole, None, send))
    return sent


async def fine(scope: dict[str, Any], receive: Any, send: Any) -> None:
    scope["route"] = SimpleNamespace(path="/analyses/{id}")
    scope["state"] = {"caller": Caller("hers", frozenset(), "abc")}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    logging.getLogger(logs.LOGGER).info("inside")
    await send({"type": "http.response.body", "body": b""})


def test_a_request_is_counted_timed_and_logged(said: io.StringIO):
    metrics = counting()
    sent = asked(Observing(fine, metrics=metrics), client=("192.0.2.7", 1))
    id = dict(sent[0]["headers"])[b"x-request-id"].decode()
    inside, line = lines(said)
    assert inside["request_id"] == line["request_id"] == id
    assert re.fullmatch(r"[0-9a-f]{16}", id)
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/analyses/{id}", 200)
    assert line["key"] == "abc"
    assert 0 <= line["ms"] <= line["whole_ms"]
    assert "192.0.2.7" not in said.getvalue()
    assert "/v1/analyses/7" not in said.getvalue()
    about = {"method": "GET", "route": "/v1/analyses/{id}"}
    assert figure(metrics, "emotone_requests_total", **about, status="200") == 1
    assert figure(metrics, "emotone_request_seconds_count", **about) == 1
    assert figure(metrics, "emotone_requests_open") == 0
    asked(Observing(fine, metrics=metrics))
    assert figure(metrics, "emotone_requests_total", **about, status="200") == 2
    assert lines(said)[-1]["request_id"] != id


def test_paths_and_addresses_only_where_they_are_asked_for(said: io.StringIO):
    asked(Observing(fine, metrics=counting(), details=True), client=("192.0.2.7", 1))
    line = lines(said)[-1]
    assert (line["path"], line["client"]) == ("/v1/analyses/7", "192.0.2.7")


def test_no_client_makes_up_labels(said: io.StringIO):
    async def none(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})

    metrics = counting()
    for number in range(20):
        asked(Observing(none, metrics=metrics), method=f"M{number}", path=f"/{number}")
    about = {"method": "other", "route": "none", "status": "404"}
    assert figure(metrics, "emotone_requests_total", **about) == 20


def test_a_fault_after_the_answer_began_is_told_once(said: io.StringIO):
    async def breaks(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        raise ZeroDivisionError

    async def breaks_at_once(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    asked(Observing(breaks, metrics=counting()))
    with pytest.raises(ZeroDivisionError):
        asked(Observing(breaks_at_once, metrics=counting()))
    assert [line["status"] for line in lines(said)] == [500, 0]


def test_figures_are_such_that_prometheus_reads_them():
    metrics = counting()
    metrics.factor.labels("recording").observe(0.03)
    metrics.live_s.observe(0.04)
    assert figure(metrics, "emotone_queue_analyses", state="queued") == 3
    assert figure(metrics, "emotone_queue_analyses", state="running") == 0
    assert figure(metrics, "emotone_real_time_factor_sum", kind="recording") == 0.03
    assert figure(metrics, "emotone_live_latency_seconds_count") == 1
    assert any(name == "process_resident_memory_bytes" for name, _ in figures(metrics))
    assert not any(name.endswith("_created") for name, _ in figures(metrics))
    assert figures(counting()) != figures(metrics)  # each has a registry of its own


def test_lines_of_text_cannot_be_forged():
    record = logging.makeLogRecord(
        {"msg": "request", "levelname": "INFO", "path": "/a b\n2026 error\x1b[31m", "n": 1}
    )
    line = logs.TextLines().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z info request ", line)
    assert line.endswith("n=1")


def test_an_error_has_its_traceback(said: io.StringIO):
    try:
        raise ZeroDivisionError("no")
    except ZeroDivisionError as error:
        logging.getLogger(logs.LOGGER).error("broken", exc_info=error)
    line = lines(said)[-1]
    assert (line["level"], line["event"]) == ("error", "broken")
    assert line["traceback"].endswith("\nZeroDivisionError")
    assert "test_server_observing.py" in line["traceback"]


NAME = "Visit of Ms Sand.wav"


def name_of_a_recording() -> None:
    try:
        raise ValueError(f"/data/{NAME}")
    except ValueError as error:
        raise FeatureError("went wrong", source=NAME) from error


async def _fails() -> None:
    name_of_a_recording()


@pytest.mark.parametrize("form", ["text", "json"])
def test_names_of_recordings_are_logged_only_where_details_are_asked_for(
    said: io.StringIO, form: str
):
    app = FastAPI()
    errors.install(app)
    app.add_api_route("/", _fails)
    for details in (False, True):
        stream = io.StringIO()
        logs.start(logs.check(form), stream=stream, details=details)
        with TestClient(app, raise_server_exceptions=False) as client:
            assert client.get("/").json()["error"]["code"] == "internal"
        text = stream.getvalue()
        assert "FeatureError" in text
        assert "ValueError" in text
        assert "name_of_a_recording" in text
        assert (NAME in text) is details
        assert ("[bad_feature_set]" in text) is not details


def test_what_a_worker_did_not_foresee_is_logged_without_names(
    said: io.StringIO, monkeypatch: pytest.MonkeyPatch
):
    broken = SimpleNamespace(do=lambda task, tell: {}[NAME])
    task = {"do": "predict", "path": "/data/x", "name": NAME}
    answer = worker._done(broken, task, lambda told: None, [])
    process = processes.Process({})

    async def nothing(told: Any) -> None:
        return None

    async def hears() -> Any:
        return json.loads(json.dumps(answer))

    monkeypatch.setattr(process, "_say", nothing)
    monkeypatch.setattr(process, "_hear", hears)
    for details in (False, True):
        stream = io.StringIO()
        logs.start("json", stream=stream, details=details)
        with pytest.raises(EmotoneError, match="unforeseen"):
            asyncio.run(process.ask(task, time_s=1.0))
        (line,) = lines(stream)
        assert line["event"] == "unforeseen in a worker"
        assert line["traceback"].endswith("\nKeyError")
        assert (NAME in stream.getvalue()) is details


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"do": "predict", "path": "/data/x"}, "to read it"),
        ({"do": "export", "format": "png"}, "to write it as png"),
    ],
)
def test_a_worker_without_memory_says_so(task: dict[str, Any], words: str):
    def greedy(task: Any, tell: Any) -> None:
        raise MemoryError

    broken = SimpleNamespace(do=greedy)
    answer = worker._done(broken, {**task, "name": NAME}, lambda told: None, [])
    assert answer["spent"]
    error = processes.revived(answer["error"])
    assert (error.code, error.source) == ("too_large", NAME)
    assert error.cause == f"{words} takes more memory than is allowed"
    assert ("csv" in str(error)) is (task["do"] == "export")


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (UsageError("there is no such"), UsageError, 400),
        (AudioError("it is silent", code="silent"), AudioError, 422),
        (FeatureError("it cannot be computed"), FeatureError, 500),
        (MissingExtraError("Parquet", "report"), RequestError, 501),
    ],
)
def test_a_workers_error_stays_what_it_is(error: EmotoneError, kind: type, status: int):
    def failing(task: Any, tell: Any) -> None:
        raise error

    broken, task = SimpleNamespace(do=failing), {"do": "analyze", "path": "/x", "name": NAME}
    told = json.loads(json.dumps(worker._done(broken, task, lambda told: None, [])["error"]))
    found = processes.revived(told)
    assert type(found) is kind
    assert (found.code, found.cause, status_of(found)) == (error.code, error.cause, status)


@pytest.mark.parametrize(
    "error", [processes.WorkerDiedError(-9), processes.WorkerTookTooLongError(NAME), OSError(NAME)]
)
def test_why_a_worker_was_lost_names_nothing(error: Exception):
    assert NAME not in processes.reason(error)


def test_forms_of_the_log(said: io.StringIO):
    with pytest.raises(UsageError, match="xml"):
        logs.check("xml")
    for form in ("quiet", "text", "json"):
        stream = io.StringIO()
        logs.start(logs.check(form), stream=stream)
        logging.getLogger(logs.LOGGER).info("request")
        logging.getLogger(logs.LOGGER).warning("odd")
        logging.getLogger("uvicorn.error").info("started")
        count = len(stream.getvalue().splitlines())
        assert count == (1 if form == "quiet" else 2)


def test_health_and_readiness(said: io.StringIO, monkeypatch: pytest.MonkeyPatch):
    app = FastAPI()
    app.include_router(health.router)
    down, checks = False, 0
    now = 0.0
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now))

    def check() -> None:
        nonlocal checks
        checks += 1
        if down:
            raise ConnectionError("the database at 192.0.2.7 is away")

    app.state.checks = {"store": check}
    app.state.closing = asyncio.Event()
    with TestClient(app) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {"ready": True, "checks": {"running": "ok", "store": "ok"}}
        for _ in range(20):  # who asks often is told what was found, and costs nothing
            client.get("/readyz")
        assert checks == 1
        down, now = True, 2.0
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "checks": {"running": "ok", "store": "failed"}}
        assert "192.0.2.7" not in ready.text  # that is for the log
        assert "192.0.2.7" in lines(said)[-1]["traceback"]
        assert client.get("/healthz").status_code == 200
        app.state.closing.set()
        assert client.get("/readyz").json()["checks"]["running"] == "failed"


def test_what_is_not_there_yet_at_a_start_is_told_without_a_traceback(
    said: io.StringIO, tmp_path: Path
):
    app = create_app(ServerSettings(folder=tmp_path))  # whose processes nobody starts
    try:
        told = asyncio.run(health._check(app.state.checks))
    finally:
        app.state.store.close()
        app.state.folder.close()
    assert told == {"store": "ok", "clips": "failed", "jobs": "failed"}
    assert [(each["event"], each["check"], each["reason"]) for each in lines(said)] == [
        ("not ready", "clips", "no worker process runs"),
        ("not ready", "jobs", "nobody works through the queue"),
    ]
    assert "traceback" not in said.getvalue().lower()


def test_a_queue_whose_worker_broke_is_told_with_its_traceback(
    said: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def broken(self: Jobs) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Jobs, "_runner", broken)

    async def checked() -> dict[str, str]:
        jobs = app.state.jobs
        await jobs.start()
        await asyncio.sleep(0)
        try:
            return await health._check({"jobs": jobs.check})
        finally:
            await jobs.close(0)

    app = create_app(ServerSettings(folder=tmp_path))
    try:
        assert asyncio.run(checked()) == {"jobs": "failed"}
    finally:
        app.state.store.close()
        app.state.folder.close()
    assert lines(said)[-1]["event"] == "not ready"
    assert "RuntimeError" in lines(said)[-1]["traceback"]
