"""Whether a service that is in use for long stays as it is: memory, file handles, threads.

    python benchmarks/soak.py [--minutes 20] [--sessions 8] [--session-s 30] [--every-s 5]
                              [--json OUT]

A real server process (`emotone serve`) on this machine gets three kinds of load at once, over
loopback, for so many minutes: live sessions at real-time pace, each of half a minute and followed
by a new one; clips posted to /v1/predict, two a second; and recordings of a minute posted to
/v1/analyses one after the other, waited for, read and deleted. All answers are checked.

Every few seconds the memory (RSS), open file handles and threads of the service's processes are
added up. The first fifth of the time is for warming up: caches fill, workers load their model. What
comes after is summed up by the slope of a straight line through it, and by a verdict: it *grows*
where its median in the last third is clearly above that in the first third (memory by 3 % and
16 MiB, handles and threads by 3 % and 4), else it is *flat*. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import soundfile

import _main
import _records
import emotone
import live
import service
from _markdown import Record, table

FRAME_S = 0.04
CLIPS_PER_S = 2.0
RECORDING_S = 60.0
WARM_UP = 0.2
"""Of the time, which is not summed up."""

_POINTS = 120
"""Samples that are written, at most."""

_GROWS = {"memory_mib": 16.0, "handles": 4.0, "threads": 4.0}
"""What a median has to be above an earlier one to be called growth, beside 3 %."""

SEED = 0


@dataclass
class Load:
    """What was asked of the service, and what was wrong with its answers."""

    sessions: int = 0
    clips: int = 0
    recordings: int = 0
    faults: list[str] = field(default_factory=list)


def family(pid: int) -> list[int]:
    """A process and all that it started, and those of theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, new = [], [pid]
    while new:
        found += new
        new = [child for parent in new for child in parents.get(parent, [])]
    return found


def sample(pid: int) -> dict[str, float]:
    """Memory in MiB, handles, threads and processes of the service, all of them together."""
    memory = handles = threads = processes = 0
    for each in family(pid):
        with contextlib.suppress(OSError, IndexError):  # it has ended meanwhile
            place = Path(f"/proc/{each}")
            fields = dict(
                line.split(":", 1) for line in (place / "status").read_text().splitlines()
            )
            opened = len(os.listdir(place / "fd"))  # noqa: PTH208
            memory += int(fields.get("VmRSS", "0 kB").split()[0])
            threads += int(fields["Threads"])
            handles += opened
            processes += 1
    return {
        "memory_mib": round(memory / 1024, 1),
        "handles": handles,
        "threads": threads,
        "processes": processes,
    }


async def speak(address: str, voice: service.Voice, until: float, load: Load) -> None:
    """One live session after the other."""
    url = address.replace("http", "ws", 1) + "/v1/realtime"
    while time.monotonic() < until:
        try:
            heard = await service.session(url, voice, FRAME_S, time.perf_counter())
        except Exception as error:
            load.faults.append(f"session: {type(error).__name__}: {error}")
            await asyncio.sleep(1.0)
            continue
        load.sessions += 1
        if fault := service.wrong(voice, heard, FRAME_S):
            load.faults.append(f"session: {fault}")


async def post_clips(address: str, until: float, load: Load) -> None:
    """Clips, at an even pace."""
    paths = sorted((_records.BENCHMARKS.parent / "examples").glob("*.flac"))
    clips = [(path.name, path.read_bytes()) for path in paths]
    async with httpx2.AsyncClient(base_url=address, timeout=120, trust_env=False) as http:
        due = time.monotonic()
        while time.monotonic() < until:
            name, content = clips[load.clips % len(clips)]
            response = await http.post("/v1/predict", files={"file": (name, content)})
            load.clips += 1
            if response.status_code != 200 or not response.json().get("emotion"):
                load.faults.append(f"clip: {response.status_code} {response.text[:200]}")
            due = max(due + 1 / CLIPS_PER_S, time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def post_recordings(address: str, until: float, load: Load) -> None:
    """Recordings: sent, waited for, read as a table, deleted."""
    out = io.BytesIO()
    soundfile.write(out, live.speech(RECORDING_S), live.RATE, format="FLAC")
    async with httpx2.AsyncClient(base_url=address, timeout=120, trust_env=False) as http:
        while time.monotonic() < until:
            files = {"file": ("talk.flac", out.getvalue())}
            sent = await http.post("/v1/analyses", files=files)
            if sent.status_code != 202:
                load.faults.append(f"recording: {sent.status_code} {sent.text[:200]}")
                await asyncio.sleep(1.0)
                continue
            place = f"/v1/analyses/{sent.json()['id']}"
            while (found := (await http.get(place)).json())["state"] in ("queued", "running"):
                await asyncio.sleep(0.25)
            exported = await http.get(f"{place}/export", params={"format": "csv"})
            deleted = await http.delete(place)
            load.recordings += 1
            answered = [found["state"], exported.status_code, deleted.status_code]
            if answered != ["done", 200, 204]:
                load.faults.append(f"recording: {answered} {found.get('error')}")


async def watch(pid: int, began: float, until: float, every_s: float) -> list[dict[str, float]]:
    """A sample every so often."""
    found = []
    while (now := time.monotonic()) < until:
        found.append({"minute": round((now - began) / 60, 3), **sample(pid)})
        await asyncio.sleep(every_s)
    return found


async def use(
    address: str, pid: int, options: argparse.Namespace
) -> tuple[list[dict[str, float]], Load]:
    """All of the load at once, and what was seen meanwhile."""
    load = Load()
    voices = service.voices(options.session_s, FRAME_S, options.model)
    began = time.monotonic()
    until = began + 60 * options.minutes
    # The last sessions may end after the time is over, and the last recordings.
    talking = [
        asyncio.create_task(speak(address, voices[number % len(voices)], until, load))
        for number in range(options.sessions)
    ]
    talking.append(asyncio.create_task(post_clips(address, until, load)))
    talking.append(asyncio.create_task(post_recordings(address, until, load)))
    seen = await watch(pid, began, until, options.every_s)
    await asyncio.gather(*talking)
    return seen, load


def summed_up(seen: Sequence[dict[str, float]], name: str) -> dict[str, Any]:
    """Begin and end of one quantity after the warm-up, its slope in an hour, and the verdict."""
    after = [each for each in seen if each["minute"] >= WARM_UP * seen[-1]["minute"]]
    minutes = np.array([each["minute"] for each in after])
    values = np.array([each[name] for each in after], dtype=float)
    third = max(1, len(values) // 3)
    first, last = statistics.median(values[:third]), statistics.median(values[-third:])
    slope = float(np.polyfit(minutes / 60, values, 1)[0]) if len(values) > 2 else 0.0
    return {
        "first": round(float(first), 1),
        "last": round(float(last), 1),
        "most": round(float(values.max()), 1),
        "per_hour": round(slope, 1),
        "verdict": "grows" if last - first > max(0.03 * first, _GROWS[name]) else "flat",
    }


def thinned(seen: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Not more than `_POINTS` of them, the first and the last among these."""
    places = np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _POINTS)).round().astype(int))
    return [seen[place] for place in places]


def section(records: list[Record]) -> str:
    """A table for the documents."""
    found = [each for each in records if each["benchmark"] == "soak" and each["part"] == "whole"]
    names = {"memory_mib": "memory, MiB", "handles": "file handles", "threads": "threads"}
    rows = []
    for record in found:
        for name, words in names.items():
            row = record[name]
            rows.append(
                [words, *(f"{row[key]:,.0f}" for key in ("first", "last", "most")),
                 f"{row['per_hour']:+,.1f}", row["verdict"]]
            )  # fmt: skip
    head = ["all processes together", "first third", "last third", "most", "an hour", "verdict"]
    text = table(head, rows or [["not measured yet", "", "", "", "", ""]])
    for record in found:
        text += (
            f"\n\n{record['minutes']:g} minutes: {record['live_sessions']:,} live sessions of "
            f"{record['session_s']:g} s, {record['at_once']} at a time; {record['clips']:,} clips; "
            f"{record['recordings']:,} recordings of a minute. {record['wrong']:,} of all answers "
            f"were wrong. The service had {record['processes']} processes."
        )
    return text


def main() -> None:
    """Soak, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--sessions", type=int, default=8, help="live ones, at any time")
    parser.add_argument("--session-s", type=float, default=30.0, help="of each")
    parser.add_argument("--every-s", type=float, default=5.0, help="between two samples")
    parser.add_argument("--model", default=None, help="default: the bundled one")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "soak.json")
    options = parser.parse_args()
    if not Path("/proc/self/status").exists():
        raise SystemExit("this looks into /proc, which is there on Linux alone")
    about = {"model": emotone.load(options.model).model, "seed": SEED}
    about |= {"commit": _records.commit(), "machine": _records.machine()}
    with service.server(options.model) as (address, pid):
        seen, load = asyncio.run(use(address, pid, options))
    for fault in load.faults[:5]:
        print(f"  wrong: {fault}")
    whole: dict[str, Any] = {
        "benchmark": "soak",
        "part": "whole",
        "minutes": options.minutes,
        "at_once": options.sessions,
        "session_s": options.session_s,
        "live_sessions": load.sessions,
        "clips": load.clips,
        "recordings": load.recordings,
        "wrong": len(load.faults),
        "processes": int(max(each["processes"] for each in seen)),
    }
    print(
        f"{options.minutes:g} min: {load.sessions} live sessions, {load.clips} clips, "
        f"{load.recordings} recordings, {len(load.faults)} wrong"
    )
    for name in _GROWS:
        whole[name] = found = summed_up(seen, name)
        print(
            f"{name:11} {found['first']:9,.1f} to {found['last']:9,.1f}, at most "
            f"{found['most']:9,.1f}, {found['per_hour']:+9,.1f} an hour: {found['verdict']}"
        )
    samples = [{"benchmark": "soak", "part": "sample", **each} for each in thinned(seen)]
    _records.write(options.json, [{**whole, **about}, *samples])
    print(f"\nwritten: {options.json}")
    if load.faults or any(whole[name]["verdict"] == "grows" for name in _GROWS):
        raise SystemExit(1)


if __name__ == "__main__":
    _main.run(main)
