"""How long a loaded model takes for one clip, and how long it takes to load.

    python benchmarks/speed_answer.py [--model M ...] [--seconds 3.7] [--runs 50] [--json OUT]

A clip of noise and tone as long as a RAVDESS clip, at 16 kHz, through `Recognizer.predict`:
trimming and scaling, the front end and the network, on one core. Beside it, by turns, what the
tutorials do before their model is even asked: the 180 features of the same samples by librosa.
Loading is a fresh process each time: from `emotone.load()` to the session that the first answer
needs, once its libraries are imported. The medians are told.

Needs the extra ``train`` and librosa.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import _main
import _records
import emotone
import librosa_way
from emotone.bundle.registry import find

_LOAD = """
import sys, time
import numpy as np, onnxruntime, emotone
from emotone import recognizer
samples = np.random.default_rng(0).normal(scale=0.1, size=4800).astype(np.float32)
started = time.perf_counter()
model = emotone.load(sys.argv[1])
model._runtime.load()
print(1000 * (time.perf_counter() - started))
"""


def sound(seconds: float, rate: int = 16_000) -> np.ndarray:
    """A buzz in noise."""
    time_s = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 180 * k * time_s) / k for k in range(1, 12))
    noise = np.random.default_rng(0).normal(size=len(time_s))
    return (0.1 * buzz + 0.02 * noise).astype(np.float32)


def milliseconds(work: Callable[[], Any]) -> float:
    """Of one call."""
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def loading(path: Path) -> float:
    """Of one fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(path)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Time, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=[None], help="default: the bundled one")
    parser.add_argument("--seconds", type=float, default=3.7)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "speed-answer.json")
    options = parser.parse_args()

    samples = sound(options.seconds)
    records = []
    for model in options.model:
        path = Path(find(model))
        recognizer = emotone.load(path)

        def ours(recognizer: Any = recognizer) -> Any:
            return recognizer.predict((samples, 16_000))

        def theirs() -> Any:
            return librosa_way.tutorial_180_of(samples, 16_000)

        for work in (ours, theirs, ours, theirs):  # what is done but once: imports, caches
            work()
        pairs = [(milliseconds(ours), milliseconds(theirs)) for _ in range(options.runs)]
        answer, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
        load = statistics.median(loading(path) for _ in range(max(3, options.runs // 10)))
        family = recognizer.card.training.get("family")
        records.append(
            {
                "benchmark": "latency",
                "model": recognizer.model,
                "family": family,
                "clip_s": options.seconds,
                "answer_ms": round(answer, 2),
                "librosa_ms": round(peer, 2),
                "ratio": round(peer / answer, 2),
                "load_ms": round(load, 1),
                "bytes": path.stat().st_size,
                "cores": 1,
                "commit": _records.commit(),
                "machine": _records.machine(),
            }
        )
        print(
            f"{recognizer.model} ({family}): {answer:.1f} ms for {options.seconds} s, "
            f"{peer / answer:.1f} times as fast as the tutorials' features ({peer:.1f} ms); loaded "
            f"in {load:.0f} ms; {path.stat().st_size / 1e6:.1f} MB"
        )
    _records.write(options.json, records)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
