"""The service killed by force, again and again: nothing is lost, and nothing done twice."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import time
import urllib.error
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

import emotone
from emotone import audio
from services import Service, service

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000
KILLS = 50
GONE = (OSError, urllib.error.URLError, HTTPException)
SETTINGS = {"checkpoint_s": 0.1, "clip_workers": 1, "job_threads": 1}


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Ten minutes of speech with pauses."""
    names = ("low-voice", "raised-voice")
    voices = [audio.read(EXAMPLES / f"{name}.flac", rate=RATE).samples for name in names]
    one = np.concatenate([voices[0], np.zeros(RATE, np.float32), voices[1], voices[0]])
    return np.resize(one, 600 * RATE)


def cut(talk: np.ndarray, path: Path, start_s: float, length_s: float) -> bytes:
    samples = talk[round(start_s * RATE) : round((start_s + length_s) * RATE)]
    soundfile.write(path, samples, RATE)
    return path.read_bytes()


def heard(path: Path, name: str) -> dict[str, Any]:
    """What a run that nothing stops says of a recording."""
    timeline = emotone.load().timeline(path, jobs=1).to_dict()
    return {**timeline, "file": name}


def without_labels(timeline: dict[str, Any]) -> dict[str, Any]:
    added = ("index", "label", "label_note", "labelled_at")
    segments = [
        {name: value for name, value in segment.items() if name not in added}
        for segment in timeline["segments"]
    ]
    return {**timeline, "segments": segments}


def test_50_kills_at_random_moments(tmp_path: Path, talk: np.ndarray) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown where the test fails
    chance = random.Random(seed)
    lengths = [chance.uniform(3, 50) for _ in range(8)]
    recordings = {
        f"talk {number}": cut(talk, tmp_path / f"{number}.flac", 40 * number, length)
        for number, length in enumerate(lengths)
    }
    recordings["no audio"] = b"hello " * 1000
    to_send = list(recordings)
    ids: dict[str, str] = {}
    over: dict[str, Any] = {}
    folder = tmp_path / "service"

    def look(running: Service) -> None:
        """Take note of what is over, which must stay as it is."""
        for each in running.analyses():
            if each["id"] in over:
                assert each == over[each["id"]]
            elif each["state"] in ("done", "failed"):
                over[each["id"]] = each

    for kill in range(KILLS):
        running = Service(folder, **SETTINGS)
        try:
            if chance.random() < 0.1:  # before it is up, or just then
                time.sleep(chance.uniform(0, 1))
                continue
            with contextlib.suppress(*GONE):
                look(running)
                if to_send and kill % 5 == 0:
                    # Killed while this is sent, too: the same request is made again later.
                    with killed_after(running, chance.uniform(0.0, 0.1), chance.random() < 0.4):
                        name = to_send[0]
                        answer = running.ask(
                            "POST",
                            "/v1/analyses",
                            form={
                                "file": (f"{name}.flac", recordings[name]),
                                "name": name,
                                "keep_audio": name.endswith("1"),
                            },
                            headers={"Idempotency-Key": name.replace(" ", "-")},
                        )
                        assert answer.status == 202, answer.body
                        ids[to_send.pop(0)] = answer.json["id"]
                time.sleep(chance.uniform(0, 0.8))
        finally:
            running.kill()

    with service(folder, **SETTINGS) as running:
        for name in to_send:
            ids[name] = running.send(recordings[name], name=name)["id"]
        for name, id in ids.items():
            found = running.finished(id)
            assert (found["name"], found["id"]) == (name, id)
            if name == "no audio":
                assert (found["state"], found["error"]["code"]) == ("failed", "unreadable_audio")
                continue
            assert found["state"] == "done", found
            number = int(name.split()[1])
            assert without_labels(found["timeline"]) == heard(tmp_path / f"{number}.flac", name)
            assert found["has_audio"] == (number == 1)
        look(running)
        listed = running.analyses()
        assert sorted(each["id"] for each in listed) == sorted(ids.values())
        assert len(over) == len(recordings)

        # What is there is what has to be.
        kept = ids["talk 1"]
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        files = [file for file in files if not file.startswith("emotone.db")]
        assert files == ["lock", "node", f"recordings/{kept}/recording"]
        assert running.ask("GET", f"/v1/analyses/{kept}/audio").body == recordings["talk 1"]
        with contextlib.closing(sqlite3.connect(folder / "emotone.db")) as rows:
            (count,) = rows.execute("SELECT count(*) FROM results").fetchone()
            assert count == len(recordings) - 1
            assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@contextlib.contextmanager
def killed_after(running: Service, seconds: float, wanted: bool):  # type: ignore[no-untyped-def]
    """Kill a service in the middle of the block, or not."""
    import threading

    timer = threading.Timer(seconds, running.process.kill)
    if wanted:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join() if wanted else None


def test_a_killed_analysis_goes_on_where_it_was(tmp_path: Path, talk: np.ndarray) -> None:
    recording = cut(talk, tmp_path / "talk.flac", 0, 600)
    folder = tmp_path / "service"
    running = Service(folder, **{**SETTINGS, "checkpoint_s": 1e-6})  # whenever it could go on
    id = running.send(recording)["id"]
    reached = running.reached(id, 150)
    workers = psutil.Process(running.process.pid).children(recursive=True)
    assert workers
    running.kill()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "a worker outlived its service"

    with service(folder, **SETTINGS) as running:
        (found,) = running.analyses()
        lowest = found["heard_s"]
        while found["state"] in ("queued", "running"):
            lowest = min(lowest, found["heard_s"])
            found = running.ask("GET", f"/v1/analyses/{id}").json
            time.sleep(0.02)
        # Sound is read 20 s at a time, and up to 72 windows, 36 s, wait for their scores.
        assert lowest >= reached - 100
        assert found["state"] == "done"
        assert without_labels(found["timeline"]) == heard(tmp_path / "talk.flac", "talk.flac")


def test_a_second_service_leaves_the_first_alone(tmp_path: Path) -> None:
    with service(tmp_path / "service") as first:
        assert first.url
        second = Service(tmp_path / "service")
        assert second.stop(0) == 2
        assert "another service uses this folder" in "".join(second.said)
    shutil.rmtree(tmp_path / "service")
