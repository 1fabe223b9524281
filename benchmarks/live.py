"""How many live streams one core carries, and how soon their events come.

    python benchmarks/live.py [--streams 1 10 50 100] [--seconds 20] [--model M] [--json OUT]

Each stream is somebody who speaks without a pause (the clips in examples/, over and over, begun at
another place), 16 kHz, and gets a measurement for every quarter of a second. Two things are
measured, each with the frames of overlapping windows described once and the windows of all
streams heard together, as `emotone.stream.feed_together` does, and beside it in the plain way, each
window by itself from its waveform.

*Carried*: seconds of sound that one core hears in a second, of so many streams at once, without
waiting for the clock, 100 ms of each at a time. Both ways by turns.

*Latency*: by the clock. Sound arrives every 20 ms, and all streams get what arrived since the last
time, which is more where the core is busy. As calls do, they begin at different moments: neither
what is said nor the frames of their speech detectors, of 32 ms, are in step. *In step* is the same
with streams that all begin at the same sample: their detectors are due at once, and so are more of
their windows. From the arrival of the first block that was fed
together with an event's last sample to the event out: median, 99th percentile, longest. Where the
core cannot keep up it grows with every second.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import _main
import _records
import emotone
from emotone import audio
from emotone.recognizer import Recognizer
from emotone.stream import Event, Measured, Stream, feed_together

RATE = 16_000
BLOCK_S = 0.02
_CARRIED_BLOCK_S = 0.1
ROUNDS = 3
_CARRIED_S = 4.0
COLUMNS = (("median", 23), ("p99", 8), ("max", 8))
_DETECTED = 512
"""Samples of a frame of the speech detector."""

Sound = npt.NDArray[np.float32]
Feed = Callable[[Sequence[Stream], Sequence[Sound]], list[list[Event]]]


class _Plain(Recognizer):
    """A recognizer whose streams hear each window from its waveform."""

    @property
    def takes_frames(self) -> bool:
        return False


def one_by_one(streams: Sequence[Stream], blocks: Sequence[Sound]) -> list[list[Event]]:
    """Each stream by itself."""
    return [stream.feed(block) for stream, block in zip(streams, blocks, strict=True)]


def speech(seconds: float) -> Sound:
    """The examples, over and over, without what is silent at their ends."""
    folder = Path(__file__).resolve().parents[1] / "examples"
    clips = []
    for path in sorted(folder.glob("*.flac")):
        samples = audio.read(path, rate=RATE).samples
        loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
        clips.append(samples[loud[0] : loud[-1]])
    one = np.concatenate(clips)
    return np.resize(one, round(seconds * RATE)).astype(np.float32)


def voices(count: int, seconds: float) -> list[Sound]:
    """So many who speak, each from another place on."""
    sound = speech(seconds)
    return [np.roll(sound, -number * len(sound) // count) for number in range(count)]


def carried(recognizer: Recognizer, feed: Feed, count: int) -> tuple[float, float]:
    """Seconds of sound heard per second of a core, and measurements per second of sound."""
    sounds = voices(count, _CARRIED_S + 3.5)
    streams = [Stream(recognizer, RATE) for _ in sounds]
    head = round(3.5 * RATE)  # until windows have their full length
    feed(streams, [sound[:head] for sound in sounds])
    size, measured = round(_CARRIED_BLOCK_S * RATE), 0
    started = time.process_time()
    for at in range(head, len(sounds[0]) - size + 1, size):
        for events in feed(streams, [sound[at : at + size] for sound in sounds]):
            measured += sum(isinstance(event, Measured) for event in events)
    took = time.process_time() - started
    return count * _CARRIED_S / took, measured / (count * _CARRIED_S)


def latencies(
    recognizer: Recognizer, feed: Feed, count: int, seconds: float, *, in_step: bool
) -> list[float]:
    """From the last sample in to the event out, in ms, of every measurement."""
    sounds = voices(count, seconds)
    # Nobody begins to speak at the same moment: windows end at other blocks.
    sounds = [np.pad(sound, (number * 320 % 4000, 0)) for number, sound in enumerate(sounds)]
    streams = [Stream(recognizer, RATE) for _ in sounds]
    if not in_step:  # they have heard some silence, of another length each
        feed(streams, [np.zeros(number * 997 % _DETECTED, np.float32) for number in range(count)])
    found: list[float] = []
    began, fed, total = time.perf_counter(), 0, round(seconds / BLOCK_S)
    while fed < total:
        due = began + (fed + 1) * BLOCK_S
        time.sleep(max(0.0, due - time.perf_counter()))
        arrived = min(total, int((time.perf_counter() - began) / BLOCK_S))
        some = slice(round(fed * BLOCK_S * RATE), round(max(arrived, fed + 1) * BLOCK_S * RATE))
        told = feed(streams, [sound[some] for sound in sounds])
        late = 1000 * (time.perf_counter() - due)
        found += [late for events in told for event in events if isinstance(event, Measured)]
        fed = max(arrived, fed + 1)
    return found


def told(late: Sequence[float]) -> dict[str, float]:
    """What is told of some latencies, in ms."""
    middle, high = np.percentile(late, [50, 99])
    return {
        "median": round(float(middle), 1),
        "p99": round(float(high), 1),
        "max": round(max(late), 1),
    }


def main() -> None:
    """Measure, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 10, 50, 100])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--model", default=None, help="default: the bundled one")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "live.json")
    options = parser.parse_args()
    together = emotone.load(options.model)
    together.hear([speech(1.0)], RATE)
    plain = _Plain.__new__(_Plain)
    plain.__dict__.update(together.__dict__)
    ways: list[tuple[str, Recognizer, Feed]] = [
        ("together", together, feed_together),
        ("plain", plain, one_by_one),
    ]
    records: list[dict[str, Any]] = []
    print(
        "streams  way        carried by a core   measurements/s   latency ms: median   p99   max"
        "   in step: p99"
    )
    for count in options.streams:
        rounds = [
            [carried(recognizer, feed, count) for _, recognizer, feed in ways]
            for _ in range(ROUNDS)
        ]
        for place, (way, recognizer, feed) in enumerate(ways):
            speed = statistics.median(turn[place][0] for turn in rounds)
            each_s = rounds[0][place][1]
            late, late_in_step = (
                latencies(recognizer, feed, count, options.seconds, in_step=in_step)
                for in_step in (False, True)
            )
            records.append(
                {
                    "benchmark": "live",
                    "model": together.model,
                    "way": way,
                    "streams": count,
                    "carried": round(speed, 1),
                    "measurements_per_s": round(each_s, 2),
                    "latency_ms": told(late),
                    "latency_in_step_ms": told(late_in_step),
                    "seconds": options.seconds,
                    "cores": 1,
                    "commit": _records.commit(),
                    "machine": _records.machine(),
                }
            )
            print(
                f"{count:7}  {way:9}{speed:15.0f}{each_s:17.1f}"
                + "".join(f"{records[-1]['latency_ms'][key]:{width}.1f}" for key, width in COLUMNS)
                + f"{records[-1]['latency_in_step_ms']['p99']:14.1f}",
                flush=True,
            )
    _records.write(options.json, records)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
