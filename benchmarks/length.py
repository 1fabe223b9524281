"""How fast and in how much memory a recording of many hours becomes a timeline.

    python benchmarks/length.py [--hours 10] [--channels mix|split] [--model M] [--data CORPORA]
                                [--jobs N] [--seed S] [--json OUT]

Conversations joined from RAVDESS clips, as in `timeline.py`, are repeated up to the length asked
for, in a FLAC file of 16 kHz in a temporary folder; with ``--channels split`` two of them side by
side. Without the corpus the two clips in examples/ are repeated with pauses. Then `emotone analyze`
runs on it as a process of its own, on all cores, and writes the timeline as JSON, CSV and TextGrid.
The seconds on the clock are those from its start to its end. The memory is the most that the
process held at any time, files that it maps included; of processes that it starts the most of each
is added, though they need not have held it at once, so with those it is an upper bound.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import _main
import _records
import emotone
from emotone import audio
from emotone.features.job import cores
from emotone.speech import RATE
from emotone.timeline import exports

MINUTES = 10.0
"""Of a conversation."""

CONVERSATIONS = 3
FORMS = ("json", "csv", "TextGrid")
_EVERY_S = 0.1
_EXAMPLES = _records.BENCHMARKS.parent / "examples"

Samples = npt.NDArray[np.float32]


def conversations(data: Path, seed: int) -> list[Samples]:
    """What is repeated, mono at `RATE`."""
    if not ((data / "ravdess").is_dir() and (data / "emobox" / "ravdess.csv").is_file()):
        return [_examples()]
    import _joint
    import timeline

    material = _joint.material(data, ["ravdess"])
    rows = material.test("ravdess", 1)
    assert rows is not None
    return [
        timeline.conversation(material, rows, MINUTES, seed + number).samples
        for number in range(CONVERSATIONS)
    ]


def _examples() -> Samples:
    clips = [
        audio.read(_EXAMPLES / f"{name}.flac", rate=RATE).samples
        for name in ("low-voice", "raised-voice")
    ]
    pause = np.zeros(RATE, np.float32)
    return np.concatenate([clips[0], pause, clips[1], clips[0], pause])


def write(path: Path, talks: list[Samples], hours: float, channels: int) -> None:
    """A FLAC file of that length, the talks one after the other; each channel begins elsewhere."""
    left = round(hours * 3600 * RATE)
    columns = [_endless(talks[k % len(talks) :] + talks[: k % len(talks)]) for k in range(channels)]
    with soundfile.SoundFile(path, "w", RATE, channels, "PCM_16") as file:
        while left > 0:
            block = np.stack([next(column)[: min(RATE, left)] for column in columns], axis=1)
            file.write(block)
            left -= len(block)


def _endless(talks: list[Samples]) -> Iterator[Samples]:
    """The talks again and again, a second at a time, whatever their lengths."""
    if not any(map(len, talks)):
        raise SystemExit("there is nothing to repeat: all talks are empty")
    left = np.empty(0, np.float32)
    for talk in itertools.cycle(talks):
        joined = np.concatenate([left, talk])
        whole = len(joined) - len(joined) % RATE
        for start in range(0, whole, RATE):
            yield joined[start : start + RATE]
        left = joined[whole:]


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Wall and CPU seconds of a process, and MiB: the most it held, and the most each child did."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    peak = 0.0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, _memory_mib(process.pid))
        time.sleep(_EVERY_S)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    if not peak:
        peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return wall, usage.ru_utime + usage.ru_stime, peak


def _memory_mib(pid: int) -> float:
    """The most that a process took so far, and that of each below it added; 0 without /proc.

    Not what the system tells of a process that has ended: Linux counts the memory of its parent at
    the fork towards that.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    most = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    own = int(most[1]) / 2**10 if most else 0.0
    return own + sum(_memory_mib(int(child)) for child in children)


def main() -> None:
    """Build, run, and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--channels", choices=["mix", "split"], default="mix")
    parser.add_argument("--model", default=None, help="default: the bundled one")
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--jobs", type=int, default=cores(), help="default: all cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "length.json")
    options = parser.parse_args()

    talks = conversations(options.data, options.seed)
    channels = 2 if options.channels == "split" else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = folder / "talk.flac"
        write(recording, talks, options.hours, channels)
        del talks
        outputs = [folder / f"talk.{form}" for form in FORMS]
        command = [sys.executable, "-m", "emotone", "analyze", str(recording)]
        command += ["--jobs", str(options.jobs), "--channels", options.channels, "--fresh"]
        command += [] if options.model is None else ["--model", options.model]
        command += [part for out in outputs for part in ("-o", str(out))]
        # Imported from where this process has it, wherever it runs.
        path = str(Path(emotone.__file__).parents[1])
        environment = {**os.environ, "EMOTONE_CACHE": str(folder / "cache"), "PYTHONPATH": path}
        wall, cpu, peak = measure(command, environment)
        found = exports.read(outputs[0])
        summary = found.summary()
        size = recording.stat().st_size
    heard = options.hours * 3600 * channels
    record = {
        "benchmark": "length",
        "hours": options.hours,
        "channels": channels,
        "file": f"FLAC, 16 kHz, {size / 2**20:.0f} MiB",
        "model": found.model,
        "speech_share": round(summary.speech_s / heard, 4),
        "measurements": len(found.measurements),
        "segments": len(found.segments),
        "outputs": list(FORMS),
        "jobs": options.jobs,
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "times_real_time": round(heard / wall, 1),
        "peak_mib": round(peak, 1),
        "commit": _records.commit(),
        "seed": options.seed,
        "machine": _records.machine(),
    }
    kept = [
        other
        for other in _records.read(options.json)
        if any(other.get(key) != record[key] for key in ("hours", "channels", "model"))
    ]
    _records.write(options.json, [*kept, record])
    print(json.dumps(record, indent=2))
    print(
        f"\n{options.hours:g} h in {wall:.1f} s: {heard / wall:.0f} times real time "
        f"({cpu:.0f} s of CPU), {peak:.0f} MiB at most; written: {options.json}"
    )


if __name__ == "__main__":
    _main.run(main)
