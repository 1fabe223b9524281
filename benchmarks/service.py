"""How soon a service answers: live sessions at real-time pace, and clips posted by many at once.

    python benchmarks/service.py [--sessions 10 100] [--seconds 20] [--frame-ms 40]
                                 [--clips 1000] [--clients 32] [--json OUT]

Both go to a real server process (`emotone serve`) on this machine, over loopback; this process is
the load, and shares the cores with it.

*Live*: each session is somebody who speaks almost without a pause (the clips in examples/, over and
over, with a pause at the end, everyone begun at another place and moment), sent frame by frame as
it is spoken, with a measurement for every quarter of a second of speech. What should be told of
each frame is worked out beforehand, so latency is from the moment when the last sample that an
event needed is sent to the moment when the event is here, and every session is checked: not a
sample of its sound is missing, its utterances begin and end where they should, and each of its
windows was either told of or counted as skipped.

*Clips*: the examples are posted to /v1/predict until so many are answered. Latency is from the
request to the whole answer; clips that are not answered with 200 and an emotion are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

import _main
import _records
import emotone
import live
from emotone.stream import Measured, SpeechEnded, SpeechStarted, Stream

RATE = 16_000
VOICES = 10
PAUSE_S = 1.0
SEED = 0
STARTS_S = 60.0
"""Seconds that the server may take to start."""


@dataclass(frozen=True)
class Voice:
    """What one speaker says, and what should be told of it.

    Attributes
    ----------
    frames
        The sound, in frames.
    measured
        By the end of a window in milliseconds, the number of the frame that it is told with.
    utterances
        Beginnings and ends in milliseconds.
    """

    frames: list[bytes]
    measured: dict[int, int]
    utterances: list[tuple[str, int]]


@dataclass
class Heard:
    """What came of one session."""

    latencies_ms: list[float] = field(default_factory=list)
    service_ms: list[float] = field(default_factory=list)
    utterances: list[tuple[str, int]] = field(default_factory=list)
    closed: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    unknown: int = 0
    late_sending_ms: float = 0.0


@contextlib.contextmanager
def server(model: str | None) -> Iterator[tuple[str, int]]:
    """A server process of its own, with its data in a folder that is removed: address and id."""
    with tempfile.TemporaryDirectory(prefix="emotone-benchmark-") as folder:
        command = [sys.executable, "-m", "emotone", "serve", "--no-browser", "--port", "0"]
        command += ["--folder", folder]
        if model is not None:
            command += ["--model", f"default={model}"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            assert process.stderr is not None
            found = re.search(rb"http://[\d.:]+", process.stderr.readline())
            if found is None:
                raise SystemExit("the server did not start")
            address = found.group().decode()
            until = time.monotonic() + STARTS_S
            while httpx2.get(f"{address}/readyz").status_code != 200:
                if time.monotonic() > until:
                    raise SystemExit("the server is not ready")
                time.sleep(0.2)
            yield address, process.pid
        finally:
            process.terminate()
            process.communicate(timeout=30)


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process and its threads have taken; 0 where that is not known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def voices(seconds: float, frame_s: float, model: str | None) -> list[Voice]:
    """Speakers, each begun at another place, and what a stream tells of each by itself."""
    recognizer = emotone.load(model)
    size = round(frame_s * RATE)
    found = []
    for sound in live.voices(VOICES, seconds - PAUSE_S):
        spoken = np.concatenate([sound, np.zeros(round(PAUSE_S * RATE), np.float32)])
        pcm: npt.NDArray[np.int16] = np.round(spoken * 32767).astype("<i2")
        pcm = pcm[: len(pcm) // size * size]
        stream = Stream(recognizer, RATE)
        measured: dict[int, int] = {}
        utterances: list[tuple[str, int]] = []
        pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
        for number, piece in enumerate([*pieces, None]):
            told = stream.finish() if piece is None else stream.feed(piece / np.float32(32768))
            for event in told:
                if isinstance(event, Measured):
                    measured[round(1000 * event.measurement.end)] = min(number, len(pieces) - 1)
                elif isinstance(event, SpeechStarted):
                    utterances.append(("utterance.start", round(1000 * event.time)))
                elif isinstance(event, SpeechEnded):
                    utterances.append(("utterance.end", round(1000 * event.time)))
        found.append(Voice([piece.tobytes() for piece in pieces], measured, utterances))
    return found


async def session(url: str, voice: Voice, frame_s: float, begin: float) -> Heard:
    """One live session; its first frame was spoken at `begin`, by `time.perf_counter`."""
    heard = Heard()
    async with connect(
        url,
        subprotocols=[Subprotocol("emotone.v1")],
        compression=None,
        max_queue=None,
        open_timeout=30,
    ) as websocket:
        created = json.loads(await websocket.recv())
        assert created["type"] == "session.created", created

        async def listen() -> None:
            async for text in websocket:
                now = time.perf_counter()
                told = json.loads(text)
                kind = told["type"]
                if kind == "measurement":
                    number = voice.measured.get(round(1000 * told["end"]))
                    if number is None:
                        heard.unknown += 1
                        continue
                    due = begin + (number + 1) * frame_s
                    heard.latencies_ms.append(1000 * (now - due))
                    heard.service_ms.append(told["latency_ms"])
                elif kind in ("utterance.start", "utterance.end"):
                    heard.utterances.append((kind, round(1000 * told["time"])))
                elif kind == "error":
                    heard.errors.append(told["code"])
                elif kind == "session.closed":
                    heard.closed = told

        listening = asyncio.create_task(listen())
        for number, frame in enumerate(voice.frames):
            due = begin + (number + 1) * frame_s
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            heard.late_sending_ms = max(heard.late_sending_ms, 1000 * (time.perf_counter() - due))
            await websocket.send(frame)
        await websocket.send('{"type":"session.close"}')
        await asyncio.wait_for(listening, 60)
    return heard


async def sessions(
    address: str, count: int, speakers: list[Voice], frame_s: float
) -> list[tuple[Voice, Heard]]:
    """So many at once, none of them begun at the same moment as another."""
    url = address.replace("http", "ws", 1) + "/v1/realtime"
    # All connect first; a tenth of a second for each.
    begin = time.perf_counter() + 1.0 + 0.01 * count
    chosen = [speakers[number % len(speakers)] for number in range(count)]
    offsets = [number * 0.618034 % 1 * 0.25 for number in range(count)]
    done = await asyncio.gather(
        *(
            session(url, voice, frame_s, begin + offset)
            for voice, offset in zip(chosen, offsets, strict=True)
        )
    )
    return list(zip(chosen, done, strict=True))


def percentiles(values_ms: list[float]) -> dict[str, float]:
    """Of latencies, in ms."""
    p50, p95, p99 = np.percentile(values_ms, [50, 95, 99])
    return {
        "p50": round(float(p50), 1),
        "p95": round(float(p95), 1),
        "p99": round(float(p99), 1),
        "max": round(max(values_ms), 1),
    }


def wrong(voice: Voice, heard: Heard, frame_s: float) -> str | None:
    """What is not as it should be with a session."""
    sent_s = len(voice.frames) * frame_s
    if abs(heard.closed.get("audio_s", 0.0) - sent_s) > 1e-3:
        return f"{sent_s} s were sent and {heard.closed.get('audio_s')} heard"
    if heard.errors or heard.closed["bad_frames"] or heard.closed["reason"] != "client":
        return f"errors {heard.errors}, closed {heard.closed}"
    if heard.utterances != voice.utterances:
        return f"utterances {heard.utterances} in place of {voice.utterances}"
    told = len(heard.latencies_ms) + heard.closed["skipped"]
    if heard.unknown or told != len(voice.measured):
        return f"{len(voice.measured)} windows, {told} told or skipped, {heard.unknown} others"
    return None


def measure_live(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """One record of so many live sessions."""
    frame_s = options.frame_ms / 1000
    speakers = voices(options.seconds, frame_s, options.model)
    with server(options.model) as (address, pid):
        asyncio.run(sessions(address, 1, [Voice(speakers[0].frames[:50], {}, [])], frame_s))
        cpu, began = cpu_s(pid), time.perf_counter()
        done = asyncio.run(sessions(address, count, speakers, frame_s))
        cpu, took = cpu_s(pid) - cpu, time.perf_counter() - began
    faults = [fault for voice, heard in done if (fault := wrong(voice, heard, frame_s))]
    for fault in faults[:5]:
        print(f"  wrong: {fault}", file=sys.stderr)
    windows = sum(len(voice.measured) for voice, _ in done)
    skipped = [heard.closed.get("skipped", 0) / len(voice.measured) for voice, heard in done]
    return {
        "benchmark": "service",
        "part": "live",
        "sessions": count,
        "seconds": options.seconds,
        "frame_ms": options.frame_ms,
        "frames": sum(len(voice.frames) for voice, _ in done),
        "sessions_wrong": len(faults),
        "windows": windows,
        "skipped": round(sum(heard.closed.get("skipped", 0) for _, heard in done) / windows, 4),
        "skipped_each": [round(min(skipped), 4), round(max(skipped), 4)],
        "latency_ms": percentiles([ms for _, heard in done for ms in heard.latencies_ms]),
        "service_ms": percentiles([ms for _, heard in done for ms in heard.service_ms]),
        "late_sending_ms": round(max(heard.late_sending_ms for _, heard in done), 1),
        "server_cores": round(cpu / took, 2),
    }


async def post(address: str, clips: int, clients: int) -> tuple[list[float], list[str], float]:
    """Latencies in ms, what was wrong with answers, and seconds for all of them."""
    paths = sorted((_records.BENCHMARKS.parent / "examples").glob("*.flac"))
    files = [(path.name, path.read_bytes()) for path in paths]
    left = iter(itertools.islice(itertools.cycle(files), clips))
    took: list[float] = []
    faults: list[str] = []

    async def client() -> None:
        async with httpx2.AsyncClient(base_url=address, timeout=120, trust_env=False) as http:
            for name, content in left:
                began = time.perf_counter()
                response = await http.post("/v1/predict", files={"file": (name, content)})
                took.append(1000 * (time.perf_counter() - began))
                if response.status_code != 200 or not response.json().get("emotion"):
                    faults.append(f"{response.status_code} {response.text[:200]}")

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return took, faults, time.perf_counter() - began


def measure_clips(options: argparse.Namespace) -> dict[str, Any]:
    """One record of clips posted by many clients."""
    with server(options.model) as (address, _):
        asyncio.run(post(address, 8, 2))
        took, faults, seconds = asyncio.run(post(address, options.clips, options.clients))
    for fault in faults[:5]:
        print(f"  wrong: {fault}", file=sys.stderr)
    return {
        "benchmark": "service",
        "part": "clips",
        "clips": options.clips,
        "clients": options.clients,
        "answered": len(took) - len(faults),
        "clips_per_s": round(len(took) / seconds, 1),
        "latency_ms": percentiles(took),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Measure, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--frame-ms", type=int, default=40)
    parser.add_argument("--clips", type=int, default=1000, help="0 for none")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--model", default=None, help="default: the bundled one")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "service.json")
    options = parser.parse_args()
    model = emotone.load(options.model).model
    about = {"model": model, "seed": SEED, "commit": _records.commit()}
    about["machine"] = _records.machine()
    records = []
    for count in options.sessions:
        record = measure_live(count, options)
        latency = record["latency_ms"]
        print(
            f"{count} live sessions: latency p50 {latency['p50']} ms, p95 {latency['p95']} ms, "
            f"p99 {latency['p99']} ms; {record['skipped']:.1%} of the windows skipped "
            f"(each session {record['skipped_each'][0]:.1%} to {record['skipped_each'][1]:.1%}); "
            f"{record['sessions_wrong']} sessions wrong; "
            f"the server took {record['server_cores']} cores",
            flush=True,
        )
        records.append({**record, **about})
    if options.clips:
        record = measure_clips(options)
        latency = record["latency_ms"]
        print(
            f"{record['answered']} of {options.clips} clips answered to {options.clients} clients, "
            f"{record['clips_per_s']} a second; p50 {latency['p50']} ms, p95 {latency['p95']} ms, "
            f"p99 {latency['p99']} ms"
        )
        records.append({**record, **about})
    _records.write(options.json, records)
    print(f"\nwritten: {options.json}")
    if any(record.get("sessions_wrong") for record in records) or any(
        record["answered"] < record["clips"] for record in records if record["part"] == "clips"
    ):
        raise SystemExit(1)


if __name__ == "__main__":
    _main.run(main)
