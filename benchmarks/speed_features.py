"""How much faster than librosa the tutorials' features are, one core each, in one run.

    python benchmarks/speed_features.py [--corpora DIR] [--repeats 15] [--json FILE]

Two processes, one with emotone and one with librosa, each held to one thread and (on Linux) both to
the same core, take turns going through the same clips at 48 kHz: the originals of RAVDESS where the
corpora are there, and synthesised ones. Both read the file and compute the features, warm. Per clip
the fastest of the repeats counts (the rest is other people's load); the last line compares the
sums. Beside the time on the clock stands the ratio of processor time, which load disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import _main
import _records

SETS = ("tutorial-180", "tutorial-193")
SIDES = ("librosa", "emotone")
RATE = 48_000
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def synthesise(folder: Path, count: int = 3, seconds: float = 3.7) -> list[Path]:
    """Write voice-like clips: gliding harmonics in a syllable rhythm, breath, a noise floor."""
    import numpy as np
    import soundfile

    paths = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        t = np.arange(int(RATE * seconds)) / RATE
        glide = np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * t + rng.uniform(0, 6))
        phase = 2 * np.pi * np.cumsum(rng.uniform(110, 220) * (1 + 0.15 * glide)) / RATE
        voice = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 30))
        rhythm = np.clip(np.sin(2 * np.pi * 3 * t), 0, None) * (t > 0.8) * (t < seconds - 0.8)
        samples = rhythm * (0.1 * voice + 0.02 * rng.standard_normal(len(t)))
        samples += 1e-4 * rng.standard_normal(len(t))
        paths.append(folder / f"synthetic-{seed}.wav")
        soundfile.write(paths[-1], samples.astype(np.float32), RATE, subtype="PCM_16")
    return paths


def originals(corpora: Path) -> list[Path]:
    """The clips at 48 kHz among the corpora's originals."""
    import soundfile

    found = sorted((corpora / "originals").glob("*.wav"))
    return [path for path in found if soundfile.info(path).samplerate == RATE]


def work(side: str) -> None:
    """Answer each ``set<TAB>path`` on standard input with seconds by the clock and of processor."""
    if side == "emotone":
        from emotone import features

        def compute(name: str, path: str) -> object:
            return features.extract(path, name)

    else:
        from librosa_way import RECIPES

        def compute(name: str, path: str) -> object:
            return RECIPES[name](Path(path))

    for line in sys.stdin:
        name, _, path = line.rstrip("\n").partition("\t")
        start, start_cpu = time.perf_counter(), time.process_time()
        compute(name, path)
        print(time.perf_counter() - start, time.process_time() - start_cpu, flush=True)


class Worker:
    """One side, in a process of its own that is held to one core."""

    def __init__(self, side: str, script: str = __file__, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, script, "--work", side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(THREADS, "1"), **environment},
            text=True,
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, {max(os.sched_getaffinity(0))})

    def seconds(self, name: str, path: Path) -> tuple[float, float]:
        """How long the set took on the clip, by the clock and of the processor."""
        return self.ask(f"{name}\t{path}")

    def ask(self, line: str) -> tuple[float, float]:
        """How long what a line asks for took, by the clock and of the processor."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("a side of the benchmark ended early; its message is above")
        clock, processor = answer.split()
        return float(clock), float(processor)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def _sums(taken: Iterable[tuple[float, float]]) -> tuple[float, float]:
    clock, processor = zip(*taken, strict=True)
    return sum(clock), sum(processor)


def measure(clips: list[Path], repeats: int) -> list[dict[str, object]]:
    """One record per feature set, and per set and clip."""
    workers = {side: Worker(side) for side in SIDES}
    records: list[dict[str, object]] = []
    try:
        for name in SETS:
            never = (float("inf"), float("inf"))
            best = {side: dict.fromkeys(clips, never) for side in SIDES}
            for round_ in range(repeats + 1):
                for side, worker in workers.items():
                    worker.seconds(name, clips[-1])  # its code and tables are in the cache again
                    for clip in clips:
                        taken = worker.seconds(name, clip)
                        if round_:  # the first round warms up
                            before = best[side][clip]
                            best[side][clip] = min(taken[0], before[0]), min(taken[1], before[1])
            rows = [(clip.name, best["librosa"][clip], best["emotone"][clip]) for clip in clips]
            rows.append(("all", _sums(best["librosa"].values()), _sums(best["emotone"].values())))
            records += [
                {
                    "benchmark": "speed",
                    "features": name,
                    "clip": clip,
                    "librosa_ms": round(theirs[0] * 1e3, 3),
                    "emotone_ms": round(ours[0] * 1e3, 3),
                    "ratio": round(theirs[0] / ours[0], 2),
                    "cpu_ratio": round(theirs[1] / ours[1], 2),
                    "repeats": repeats,
                    "machine": f"{platform.machine()}, {os.cpu_count()} cores, one used",
                }
                for clip, theirs, ours in rows
            ]
    finally:
        for worker in workers.values():
            worker.close()
    return records


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument(
        "--corpora", type=Path, default=Path(os.environ.get("EMOTONE_CORPORA", default))
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the records to this file")
    parser.add_argument("--work", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        clips = originals(options.corpora) + synthesise(Path(folder))
        records = measure(clips, options.repeats)
    print(f"{'features':14}{'clip':28}{'librosa':>12}{'emotone':>12}{'ratio':>9}{'of CPU':>9}")
    for row in records:
        print(
            f"{row['features']:14}{row['clip']:28}"
            f"{row['librosa_ms']:>9} ms{row['emotone_ms']:>9} ms{row['ratio']:>8}x"
            f"{row['cpu_ratio']:>8}x"
        )
    if options.json:
        _records.put(options.json, json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    _main.run(main)
