"""The client by itself: what it sends, when it tries again, what it makes of answers."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("httpx2", reason="needs the extra client")

from emotone.client import Analysis, AsyncClient, Client, ServiceError
from emotone.client.calls import TRIES, wait_s
from emotone.client.errors import refused
from emotone.client.sound import Pace, blocks, pcm, upload
from emotone.client.waiting import Wait
from emotone.errors import AudioError, UsageError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ANALYSIS: dict[str, Any] = {
    "id": "1",
    "name": "talk",
    "notes": "",
    "state": "running",
    "progress": 0.5,
    "heard_s": 2.0,
    "duration_s": 4.0,
    "created_at": "2026-11-21T20:00:00.000Z",
    "started_at": "2026-11-21T20:00:01Z",
    "finished_at": None,
    "expires_at": None,
    "model": "toy@1",
    "options": {},
    "has_audio": False,
    "error": None,
    "warnings": [],
    "summary": None,
    "model_summary": None,
    "corrected": 0,
}


class Script:
    """A server that gives these answers one after the other, and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, Any, dict[str, str]]) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        left = list(answers)
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                script.asked.append((self.command, self.path, headers, body))
                status, document, more = left.pop(0)
                if status == 0:
                    self.close_connection = True
                    return
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        for method in ("GET", "POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def no(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "it is not to be", "remedy": "Go home."}}


BUSY = (503, no("unavailable"), {"Retry-After": "0"})


def test_a_busy_service_is_asked_again_with_the_same_key_and_the_whole_file() -> None:
    answers = [BUSY, (429, no("too_many_requests"), {"Retry-After": "0"}), (202, ANALYSIS, {})]
    with Script(*answers) as script, Client(script.url, "secret") as client:
        found = client.submit(b"RIFF of some kind", name="talk", keep_audio=True, speakers=None)
    assert found == Analysis.from_dict(ANALYSIS)
    assert found.created_at.isoformat() == "2026-11-21T20:00:00+00:00"
    assert len({headers["idempotency-key"] for _, _, headers, _ in script.asked}) == 1
    assert {headers["authorization"] for _, _, headers, _ in script.asked} == {"Bearer secret"}
    for _, _, _, body in script.asked:
        assert b"RIFF of some kind" in body
        assert b'name="keep_audio"\r\n\r\ntrue' in body
        assert b"speakers" not in body


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_proxy_that_finds_nobody_for_a_moment_does_not_end_the_wait(status: int) -> None:
    away = (status, b"<html>Bad Gateway</html>", {"Retry-After": "0"})
    done = (200, {**ANALYSIS, "state": "done"}, {})
    with Script(away, (200, ANALYSIS, {}), away, away, done) as script:
        with Client(script.url) as client:
            assert client.wait("1").state == "done"
        assert len(script.asked) == 5


LOST = (0, b"", {})
"""Closes the connection in place of an answer."""

GONE = (404, no("not_found"), {})


@pytest.mark.parametrize("lost", [LOST, (502, b"<html>Bad Gateway</html>", {}), BUSY])
def test_a_deletion_whose_answer_was_lost_is_one(lost: tuple[int, Any, dict[str, str]]) -> None:
    async def awaited() -> None:
        async with AsyncClient(script.url) as client:
            await client.delete("1")

    with Script(lost, GONE, lost, GONE) as script:
        with Client(script.url) as client:
            client.delete("1")
        asyncio.run(awaited())
    assert [method for method, _, _, _ in script.asked] == ["DELETE"] * 4


def test_what_was_not_there_to_begin_with_is_told_of() -> None:
    elsewhere = (404, b"<html>Not Found</html>", {})
    answers = [GONE, LOST, elsewhere, LOST, GONE]
    with Script(*answers) as script, Client(script.url) as client:
        for _ in range(2):
            with pytest.raises(ServiceError) as error:
                client.delete("1")
            assert error.value.status == 404
        with pytest.raises(ServiceError) as error:
            client.analysis("1")
        assert error.value.code == "not_found"


def test_one_that_stays_busy_is_given_up() -> None:
    with Script(*[BUSY] * (TRIES + 1)) as script, Client(script.url) as client:
        with pytest.raises(ServiceError, match="not to be") as error:
            client.models()
        assert len(script.asked) == TRIES + 1
    assert (error.value.code, error.value.status) == ("unavailable", 503)
    assert error.value.remedy == "Go home."


def test_how_long_is_waited() -> None:
    busy = ServiceError("", code="unavailable", status=503)
    assert [wait_s(busy, tried) for tried in range(3)] == [0.25, 0.5, 1.0]
    assert wait_s(busy, TRIES) is None
    asks = ServiceError("", code="too_many_requests", status=429, retry_after_s=7.0)
    assert wait_s(asks, 0) == 7.0
    asks.retry_after_s = 600.0  # rather told of than waited for
    assert wait_s(asks, 0) is None
    assert wait_s(ServiceError("", code="not_found", status=404), 0) is None
    assert wait_s(ServiceError("", code="internal", status=500), 0) is None
    assert wait_s(ServiceError("", code="unreachable"), 0) is not None
    assert wait_s(ServiceError("", code="unreachable"), 2) is None
    assert wait_s(ServiceError("", code="timeout"), 0) is None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "no"}', b'{"error": {}}'])
def test_an_answer_of_another_service_is_known(body: bytes) -> None:
    answers = [(404, body, {}), (200, b"hello", {})]
    with Script(*answers) as script, Client(script.url) as client:
        for _ in answers:
            with pytest.raises(ServiceError, match="no service's") as error:
                client.service()
            assert error.value.code == "bad_answer"


def test_what_is_refused_may_say_when_to_come_again() -> None:
    assert refused(429, no("too_many_requests"), "12").retry_after_s == 12.0
    assert refused(429, no("too_many_requests"), "Fri, 31 Dec 1999").retry_after_s is None
    assert refused(502, None, "12").retry_after_s == 12.0


def test_ids_stay_within_their_place() -> None:
    with Script((200, ANALYSIS, {}), (204, b"", {})) as script, Client(script.url) as client:
        client.analysis("../../metrics?x=1")
        client.delete("a/b")
    assert [path for _, path, _, _ in script.asked] == [
        "/v1/analyses/..%2F..%2Fmetrics%3Fx%3D1",
        "/v1/analyses/a%2Fb",
    ]


def test_filters_and_changes_are_sent_as_the_service_takes_them() -> None:
    from datetime import date

    page = {"items": [ANALYSIS], "next": None, "total": 1}
    answers = [(200, page, {}), (200, ANALYSIS, {}), (200, {"index": 3}, {})]
    with Script(*answers) as script, Client(script.url) as client:
        assert len(list(client.analyses(since=date(2026, 1, 2), q="a b", emotion=None))) == 1
        client.change("1", notes="", keep_audio=False)
        client.label("1", 3, None)
    assert script.asked[0][1] == "/v1/analyses?limit=50&since=2026-01-02&q=a+b"
    assert json.loads(script.asked[1][3]) == {"notes": "", "keep_audio": False}
    assert (script.asked[2][0], json.loads(script.asked[2][3])) == ("PATCH", {"label": None})


def test_a_filter_that_there_is_not_is_no_request_for_everything() -> None:
    with Script() as script, Client(script.url) as client:
        with pytest.raises(UsageError, match="'emotoin'") as error:
            list(client.analyses(emotoin="Joy"))
        assert error.value.remedy == ("Known are since, until, emotion, label, state, name, q.")
        with pytest.raises(UsageError, match="'foo'"):
            client.page(limit=3, state="done", foo=None)

        async def page() -> None:
            async with AsyncClient(script.url) as other:
                await other.page(emotoin="Joy")

        with pytest.raises(UsageError, match="'emotoin'"):
            asyncio.run(page())
        assert script.asked == []


# -- sound


def test_samples_are_sent_as_integers_of_16_bits() -> None:
    assert np.frombuffer(pcm([0.0, 1.0, -1.0, 2.0, np.nan]), "<i2").tolist() == [
        0, 32767, -32767, 32767, 0,
    ]  # fmt: skip
    assert pcm(np.array([1, -2], dtype=">i2")) == b"\x01\x00\xfe\xff"
    assert pcm(bytearray(b"abc")) == b"abc"
    assert pcm([]) == b""
    for wrong in (np.zeros((2, 2)), np.zeros(4, dtype=np.int32), np.array(["a"])):
        with pytest.raises(UsageError):
            pcm(wrong)


def test_sources_come_in_blocks() -> None:
    clip = EXAMPLES / "raised-voice.flac"
    rate = soundfile.info(clip).samplerate
    whole = b"".join(blocks(clip, rate))
    assert len(whole) == 2 * soundfile.info(clip).frames
    assert max(len(block) for block in blocks(clip, rate)) == 2 * round(0.04 * rate)
    assert b"".join(blocks(io.BytesIO(clip.read_bytes()), rate)) == whole
    assert list(blocks(iter([b"ab", np.zeros(2)]), rate)) == [b"ab", bytes(4)]
    with pytest.raises(UsageError, match="int is no sound"):
        list(blocks(5, rate))
    with pytest.raises(AudioError):
        list(blocks("nowhere.wav", rate))


def test_a_file_can_be_sent_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"content")
    for source in (path, b"content", io.BytesIO(b"content")):
        found = upload(source)
        assert [found.open().read() for _ in range(2)] == [b"content"] * 2
    assert upload(path).name == "a.wav"
    made = upload((np.zeros(800), 8000))
    assert soundfile.info(made.open()).frames == 800
    with pytest.raises(UsageError):
        upload(5)  # type: ignore[arg-type]


def test_the_pace_is_that_of_speech() -> None:
    now = [10.0]
    pace = Pace(16_000, 0.5, lambda: now[0])
    second = bytes(32_000)
    assert pace.wait_s(second) == pytest.approx(0.5)
    now[0] += 0.5
    assert pace.wait_s(second) == pytest.approx(1.0)
    now[0] += 10.0  # a source that is live itself
    assert pace.wait_s(second) < 0
    with pytest.raises(UsageError):
        Pace(16_000, -1.0, lambda: 0.0)


def test_waiting_becomes_slower_and_ends() -> None:
    def states(*names: str) -> Iterator[Analysis]:
        for name in names:
            error = no("silent")["error"] if name == "failed" else None
            yield Analysis.from_dict({**ANALYSIS, "state": name, "error": error})

    wait = Wait(None, None)
    pauses = [wait.after(each) for each in states(*["queued", "running"] * 10, "done")]
    assert pauses[0] == 0.1
    assert pauses[-2] == 2.0
    assert pauses[-1] is None
    for name, code in (("failed", "silent"), ("cancelled", "cancelled")):
        (over,) = states(name)
        with pytest.raises(ServiceError) as error:
            wait.after(over)
        assert error.value.code == code
