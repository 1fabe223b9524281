"""What memory `emotone batch` takes at most, for a thousand files, ten thousand and fifty thousand.

    python benchmarks/batch_memory.py [--files 1000,10000,50000] [--jobs N] [--json OUT]

The files are links to a few hundred clips of noise of half a second to three seconds, each under a
name of its own, in folders of a thousand, as calls of a day might lie. The memory is the most that
all processes of the command held at once, looked at ten times a second. It is the sum of their
proportional set sizes (PSS), in which a page that several processes have in common counts once;
resident set sizes would count the libraries again for each process. On systems without PSS it is
what each has for itself. Where memory is flat it is about the same in all rows but those of fewer
than 2,048 files for each process: there blocks are smaller than the 512 clips that otherwise wait
for others of their length, so that all processes end about together.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

import _main
import _records
from batch import watch
from emotone.features.job import cores

_RATE = 16_000
_CLIPS = 300


def clips(folder: Path) -> list[Path]:
    """Noise, a few hundred times."""
    folder.mkdir()
    made, chance = [], np.random.default_rng(0)
    for number in range(_CLIPS):
        path = folder / f"{number}.wav"
        noise = chance.standard_normal(round(chance.uniform(0.5, 3.0) * _RATE))
        soundfile.write(path, 0.1 * noise, _RATE)
        made.append(path)
    return made


def links(folder: Path, made: list[Path], count: int) -> None:
    """So many files that are these clips."""
    for number in range(count):
        path = folder / f"{number // 1000:04}" / f"{number:07}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(made[number % len(made)], path)


def main() -> None:
    """Measure, print a line for each, write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", default="1000,10000,50000", help="how many, with commas")
    parser.add_argument("--jobs", type=int, default=cores(), help="default: all cores")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "batch-memory.json")
    options = parser.parse_args()
    records = []
    with tempfile.TemporaryDirectory() as name:
        made = clips(Path(name, "clips"))
        for count in map(int, options.files.split(",")):
            source, out = Path(name, f"in{count}"), Path(name, f"out{count}")
            links(source, made, count)
            words = ["batch", str(source), str(out), "--jobs", str(options.jobs), "--json"]
            began, most = time.perf_counter(), [0.0]
            process = subprocess.Popen(
                [sys.executable, "-m", "emotone", *words], stdout=subprocess.PIPE
            )
            threading.Thread(target=watch, args=(process.pid, most), daemon=True).start()
            said, _ = process.communicate()
            if process.returncode:
                raise SystemExit("the batch failed; its message is above")
            took, told = time.perf_counter() - began, json.loads(said)
            print(f"{count:>9,} files: {most[0]:,.0f} MiB at most, {took:,.0f} s", flush=True)
            records.append(
                {
                    "benchmark": "batch-memory",
                    "files": count,
                    "memory_mib": round(most[0]),
                    "audio_s": told["audio_s"],
                    "jobs": options.jobs,
                    "seconds": round(took, 1),
                    "commit": _records.commit(),
                    "seed": 0,
                    "machine": _records.machine(),
                }
            )
    _records.write(options.json, records)


if __name__ == "__main__":
    _main.run(main)
