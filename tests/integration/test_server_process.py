"""The service as a process: how it starts and stops, and what its workers may take."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

import emotone
from audio_files import encode
from emotone import audio
from emotone.bundle.registry import find
from services import ENVIRONMENT, Service, service, until

if TYPE_CHECKING:
    from databases import PostgreSQL

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RAISED = EXAMPLES / "raised-voice.flac"
RATE = 16_000


def predict(server: Service, content: bytes, name: str = "a.wav"):  # type: ignore[no-untyped-def]
    return server.ask("POST", "/v1/predict", form={"file": (name, content)})


def workers(server: Service) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children(recursive=True)


# -- starting


def test_it_says_where_it_is_and_opens_the_page(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "emotone", "serve", "--port", "0", "--folder",
               str(tmp_path / "data")]  # fmt: skip
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**ENVIRONMENT, "BROWSER": str(browser)}
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = said.split()[3]
        assert said == f"emotone runs at {address} and keeps its data in {tmp_path / 'data'}\n"
        assert process.stderr.readline() == "Ctrl-C stops it\n"
        until(lambda: opened.exists() and opened.read_text())
        assert opened.read_text() == address
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "Stopped\n"
    assert process.returncode == 0


def test_who_asks_whether_it_is_ready_while_it_starts_brings_no_tracebacks(tmp_path: Path) -> None:
    with service(tmp_path) as server:
        until(lambda: server.ask("GET", "/readyz").status == 200)
        server.stop()
        told = [line for line in server.said if "not ready" in line]
        assert told
        assert all('check=clips reason="no worker process runs"' in line for line in told), told
        assert not [line for line in server.said if "Traceback" in line or "Error" in line]


def serve(*options: str) -> tuple[int, str]:
    """A service that does not come to be."""
    command = [sys.executable, "-m", "emotone", "serve", "--no-browser", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_what_stands_in_the_way_of_a_start(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    with service(tmp_path / "first") as first:
        port = first.url.rsplit(":", 1)[1]
        status, said = serve("--port", port, "--folder", folder)
        assert (status, "cannot listen there" in said) == (2, True)
    status, said = serve("--port", "0", "--folder", folder, "--model", "mine=/no/such.emotone")
    assert (status, "no model of that name" in said) == (1, True)
    status, said = serve("--port", "0", "--folder", folder, "--model", "mine")
    assert (status, "is no pair" in said) == (2, True)
    status, said = serve("--port", "0", "--folder", folder, "--database", "mysql://x/y")
    assert (status, "cannot be a database of mysql" in said) == (2, True)
    (tmp_path / "file").write_text("x")
    status, said = serve("--port", "0", "--folder", str(tmp_path / "file" / "data"))
    assert (status, "cannot be used" in said) == (2, True)


@pytest.mark.skipif(os.name == "nt", reason="rights as POSIX has them")
def test_nobody_else_can_read_what_is_kept(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with service(tmp_path / "data") as server:
            server.finished(server.send(RAISED, keep_audio=True)["id"])
            for path in (tmp_path / "data").rglob("*"):
                if path.is_dir() or path.name == "recording":
                    assert path.stat().st_mode & 0o077 == 0, path
            assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    finally:
        os.umask(before)


# -- stopping


@pytest.fixture(scope="module")
def long() -> bytes:
    """A quarter of an hour of speech."""
    voice = audio.read(RAISED, rate=RATE).samples
    return encode(np.resize(voice, 900 * RATE), RATE, "FLAC")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_not_through_is_parked_and_goes_on(
    tmp_path: Path, long: bytes, number: int
) -> None:
    # A checkpoint far away: what is kept, is kept because it was asked to stop.
    settings = {"job_threads": 1, "shutdown_s": 0.2, "checkpoint_s": 3600.0}
    server = Service(tmp_path / "data", **settings)
    id = server.send(long)["id"]
    reached = server.reached(id, 150)
    watched: list[bytes] = []
    watches = threading.Event()

    def watch() -> None:
        with urllib.request.urlopen(f"{server.url}/v1/analyses/{id}/events", timeout=60) as told:
            for line in told:
                watched.append(line)
                watches.set()

    watching = threading.Thread(target=watch)
    watching.start()
    assert watches.wait(60)
    left = workers(server)
    assert server.stop(number) == 0  # not held up by who watches
    watching.join(60)
    assert not watching.is_alive()
    assert watched[0] == b"event: progress\n"
    assert not any(process.is_running() for process in left)
    assert (tmp_path / "data" / "recordings" / id / "progress").is_file()

    with service(tmp_path / "data", job_threads=1) as server:
        heard: list[float] = []

        def further() -> bool:
            heard.append(server.analysis(id)["heard_s"])
            return heard[-1] > reached + 60

        until(further)
        # Sound is read 20 s at a time, 36 s may wait for their scores, and it goes on at a pause.
        assert min(heard) > reached - 120
        assert server.ask("DELETE", f"/v1/analyses/{id}").status == 204


def test_one_that_is_stopped_at_once_begins_nothing(tmp_path: Path, long: bytes) -> None:
    server = Service(tmp_path / "data")
    id = server.send(long)["id"]
    server.kill()
    server = Service(tmp_path / "data", job_threads=1, shutdown_s=0.2)
    assert server.url  # it listens; what analyses is still being started
    assert server.stop() == 0
    with service(tmp_path / "data") as server:
        assert server.finished(id)["state"] == "done"


def test_what_is_soon_through_is_finished(tmp_path: Path) -> None:
    voice = encode(np.resize(audio.read(RAISED, rate=RATE).samples, 40 * RATE), RATE, "FLAC")
    server = Service(tmp_path / "data", job_threads=1, shutdown_s=30.0)
    id = server.send(voice)["id"]
    until(lambda: server.analysis(id)["state"] != "queued")
    assert server.stop() == 0
    with service(tmp_path / "data") as server:
        assert server.analysis(id)["state"] == "done"


# -- what is kept, and how long


def test_results_expire(tmp_path: Path) -> None:
    with service(tmp_path / "data", results_days=5e-5, sweep_s=0.2) as server:
        made = server.send(RAISED, keep_audio=True, name="transient")
        assert made["expires_at"] > made["created_at"]
        longer = server.send(RAISED, keep_days=30)  # than the service keeps anything
        kept = (datetime.fromisoformat(longer[at]) for at in ("created_at", "expires_at"))
        assert -next(kept).timestamp() + next(kept).timestamp() == pytest.approx(4.32, abs=0.01)
        until(lambda: server.ask("GET", f"/v1/analyses/{made['id']}").status == 404)
        until(lambda: not list((tmp_path / "data" / "recordings").iterdir()))
        assert server.ask("GET", "/v1/analyses?q=transient").json["total"] == 0
        # Also while it is worked on.
        assert server.ask("GET", "/readyz").json["checks"]["jobs"] == "ok"


def test_what_came_before_a_service_had_an_end_for_it_says_when_it_is_deleted(
    tmp_path: Path,
) -> None:
    def days(found: Any) -> float | None:
        if found["expires_at"] is None:
            return None
        first, last = (datetime.fromisoformat(found[at]) for at in ("created_at", "expires_at"))
        return round((last - first).total_seconds() / 86_400, 2)

    with service(tmp_path / "data") as server:
        made = [server.send(RAISED), server.send(RAISED, keep_days=2)]
        made.append(server.send(RAISED, keep_days=90))
        assert [days(each) for each in made] == [None, 2, 90]
        for each in made:
            server.finished(each["id"])
    with service(tmp_path / "data", results_days=30.0) as server:
        assert [days(each) for each in reversed(server.analyses())] == [30, 2, 30]
        assert [days(server.analysis(each["id"])) for each in made] == [30, 2, 30]
        at = f"/v1/analyses/{made[0]['id']}"
        assert days(server.ask("GET", f"{at}?timeline=false").json) == 30
        assert days(server.ask("PATCH", at, json={"notes": "so"}).json) == 30
        event = server.ask("GET", f"{at}/events").body.decode()
        assert days(json.loads(event.partition("data: ")[2])) == 30
    with service(tmp_path / "data") as server:  # what no end was given has none again
        assert [days(server.analysis(each["id"])) for each in made] == [None, 2, 90]


def test_files_that_belong_to_nothing_are_removed(tmp_path: Path) -> None:
    with service(tmp_path / "data") as server:
        kept = server.finished(server.send(RAISED, keep_audio=True)["id"])["id"]
    recordings = tmp_path / "data" / "recordings"
    (recordings / kept / "progress").write_bytes(b"of a service that was killed just then")
    (recordings / "0e8c9e2e-3b3c-4c0b-9a36-c6c7a9e8f8f1").mkdir()
    (recordings / "0e8c9e2e-3b3c-4c0b-9a36-c6c7a9e8f8f1" / "recording").write_bytes(b"x")
    (tmp_path / "data" / "incoming" / "half").write_bytes(b"x")
    with service(tmp_path / "data") as server:
        assert server.url
        files = [p for p in (tmp_path / "data").rglob("*") if p.is_file()]
        left = sorted(str(p.relative_to(tmp_path / "data")) for p in files)
        assert [name for name in left if not name.startswith("emotone.db")] == [
            "lock", "node", f"recordings/{kept}/recording"
        ]  # fmt: skip


# -- hostile files


def bomb(seconds: int, rate: int = 8000) -> bytes:
    """A FLAC of silence with a click a second: an hour of it is some kilobytes."""
    samples = np.zeros(seconds * rate, np.float32)
    samples[::rate] = 0.5
    return encode(samples, rate, "FLAC")


def test_a_bomb_takes_nothing_down(tmp_path: Path) -> None:
    with service(
        tmp_path / "data", max_recording_s=900.0, job_memory_bytes=400 << 20, clip_workers=1
    ) as server:
        content = bomb(1200)
        answer = predict(server, content)
        assert (answer.status, answer.error["code"]) == (413, "too_large")
        found = server.finished(server.send(content)["id"])
        assert (found["state"], found["error"]["code"]) == ("failed", "too_large")
        zipped = zlib.compress(b"\0" * (50 << 20))
        assert predict(server, zipped).error["code"] == "unreadable_audio"
        assert predict(server, RAISED.read_bytes()).status == 200


def test_a_worker_that_runs_out_of_memory_is_replaced(tmp_path: Path) -> None:
    # Read, it is 130 MB, and that twice when its pieces are put together.
    large = bomb(170, 192_000)
    with service(tmp_path / "data", clip_memory_bytes=220 << 20, clip_workers=1) as server:
        (before,) = (process.pid for process in settled(server, 1))
        answer = predict(server, large)
        assert (answer.status, answer.error["code"]) == (413, "too_large"), answer.body
        assert predict(server, RAISED.read_bytes()).status == 200
        assert before not in {p.pid for p in workers(server)}


def clip_workers(server: Service) -> list[psutil.Process]:
    """Those that answer at once; the others are nicer, once they run."""
    return [process for process in workers(server) if niceness(process) == os.nice(0)]


def job_workers(server: Service) -> list[psutil.Process]:
    """Those that analyse recordings."""
    return [process for process in workers(server) if niceness(process) not in (None, os.nice(0))]


def niceness(process: psutil.Process) -> int | None:
    """None of one that is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.nice())
    return None


def settled(server: Service, count: int) -> list[psutil.Process]:
    """So many workers for clips, once all others run and one of these answers."""
    content = RAISED.read_bytes()
    until(lambda: predict(server, content).status == 200 and len(clip_workers(server)) == count)
    return clip_workers(server)


def test_a_worker_that_dies_costs_one_answer(tmp_path: Path) -> None:
    content = RAISED.read_bytes()
    with service(tmp_path / "data", clip_workers=2, clip_time_s=120.0) as server:
        for process in settled(server, 2):
            process.kill()
        answers = [predict(server, content) for _ in range(6)]
        lost = [answer for answer in answers if answer.status != 200]
        assert len(lost) <= 2
        assert {answer.error["code"] for answer in lost} <= {"worker_died"}
        assert answers[-1].status == 200


def test_a_clip_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with service(tmp_path / "data", clip_workers=1, clip_time_s=4.0) as server:
        (process,) = settled(server, 1)
        process.suspend()
        answer = predict(server, RAISED.read_bytes())
        assert (answer.status, answer.error["code"]) == (422, "took_too_long")
        until(lambda: not process.is_running())


def test_a_recording_that_kills_its_worker_is_given_up(tmp_path: Path, long: bytes) -> None:
    with service(tmp_path / "data", job_threads=1, job_attempts=2, clip_workers=1) as server:
        id = server.send(long)["id"]
        killed: set[int] = set()

        def failed() -> bool:
            found = server.analysis(id)
            if found["state"] == "running":
                for process in job_workers(server):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                        killed.add(process.pid)
            return found["state"] == "failed"

        until(failed)
        found = server.analysis(id)
        assert found["error"]["code"] == "worker_died"
        assert len(killed) >= 2
        assert server.finished(server.send(RAISED)["id"])["state"] == "done"


def test_a_recording_that_stalls_is_given_up(tmp_path: Path, long: bytes) -> None:
    with service(tmp_path / "data", job_threads=1, job_stall_s=8.0) as server:
        id = server.send(long)["id"]
        server.reached(id, 1)
        for process in job_workers(server):
            process.suspend()
        found = server.finished(id)
        assert (found["state"], found["error"]["code"]) == ("failed", "took_too_long")
        assert server.finished(server.send(RAISED)["id"])["state"] == "done"


def test_a_worker_gives_signs_of_life_while_it_draws(tmp_path: Path) -> None:
    path, out = tmp_path / "quiet.wav", tmp_path / "out"
    path.write_bytes(encode(np.zeros((70 * RATE, 3), np.float32), RATE, "WAV", "PCM_16"))
    setup = {
        "models": {"default": str(find(None))}, "memory_bytes": 2 << 30, "nice": 0,
        "max_duration_s": 3600, "warm": None,
    }  # fmt: skip
    options = {"window_s": 3.0, "step_s": 0.5, "switch": 2.0, "pause_s": 0.5, "speakers": None}
    task = {
        "do": "analyze", "path": str(path), "name": "quiet.wav", "out": str(out), "threads": 1,
        "checkpoint": str(tmp_path / "progress"), "checkpoint_s": 60,
        "options": {**options, "model": "default", "channels": "split"},
    }  # fmt: skip
    command = [sys.executable, "-m", "emotone.server.worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(setup)}\n{json.dumps(task)}\n")
        process.stdin.flush()
        kinds: list[str] = []
        while not kinds or kinds[-1] not in ("answer", "error"):
            kinds.append(next(iter(json.loads(process.stdout.readline()))))
        process.stdin.close()
    heard = len(kinds) - kinds[::-1].index("progress")
    # A channel is read in three blocks of half a minute and less.
    assert kinds[heard:] == ["alive"] * 9 + ["answer"]


def test_too_many_clips_at_once_are_told_to_come_again(tmp_path: Path) -> None:
    with service(tmp_path / "data", clip_workers=1, clips_waiting=2, clip_time_s=120.0) as server:
        content = RAISED.read_bytes()
        (process,) = settled(server, 1)
        process.suspend()
        with ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(predict, server, content) for _ in range(16)]
            until(lambda: sum(each.done() for each in asked) >= 13)  # one is heard, and two wait
            process.resume()
            answers = [each.result() for each in asked]
        counts = Counter(answer.status for answer in answers)
        assert counts.keys() == {200, 503}
        assert counts[200] <= 3
        for answer in answers:
            if answer.status == 503:
                assert answer.headers["Retry-After"]
                assert answer.error["code"] == "server_busy"
        assert predict(server, content).status == 200


def test_many_clips_at_once_are_all_answered(tmp_path: Path) -> None:
    content = RAISED.read_bytes()
    expected = emotone.load().predict(io.BytesIO(content)).to_dict()
    with service(tmp_path / "data") as server:
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda n: predict(server, content, f"{n}.flac"), range(200)))
        for number, answer in enumerate(answers):
            assert answer.json == {**expected, "file": f"{number}.flac"}


def test_a_worker_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "EMOTONE_SECRET", "geheim")
    with service(tmp_path / "data") as server:
        assert predict(server, RAISED.read_bytes()).status == 200
        assert "geheim" in psutil.Process(server.process.pid).environ().values()
        for process in workers(server):
            assert "geheim" not in process.environ().values()


def test_the_service_on_postgresql(tmp_path: Path, postgresql: PostgreSQL, long: bytes) -> None:
    database = postgresql.make()
    options = ("--database", database)
    with service(tmp_path / "one", *options) as one, service(tmp_path / "two", *options) as two:
        id = one.send(RAISED, name="Ärger", keep_audio=True)["id"]
        found = one.finished(id)
        assert found["state"] == "done"
        # Both know of it; its audio lies with the first.
        assert two.analysis(id) == found
        assert two.ask("GET", "/v1/analyses?q=arger").json["total"] == 1
        assert one.ask("GET", f"/v1/analyses/{id}/audio").status == 200
        assert two.ask("GET", f"/v1/analyses/{id}/audio").error["code"] == "audio_not_kept"
        other = two.finished(two.send(RAISED)["id"])
        assert other["summary"] == found["summary"]
        assert not (tmp_path / "two" / "emotone.db").exists()
        assert two.ask("DELETE", f"/v1/analyses/{id}").status == 204
        assert one.ask("GET", f"/v1/analyses/{id}").status == 404
        # Who works on it is told by the database alone.
        slow = one.send(long)["id"]
        one.reached(slow, 1)
        assert two.ask("POST", f"/v1/analyses/{slow}/cancel").json["state"] == "cancelled"
        assert one.finished(one.send(RAISED)["id"])["state"] == "done"
    with service(tmp_path / "one", *options) as one:
        assert one.url
        until(lambda: not list((tmp_path / "one" / "recordings").iterdir()))
