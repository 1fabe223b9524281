"""How fast `emotone batch` hears the corpora on all cores, beside the two usual ways, in one run.

    python benchmarks/batch.py [--clips 3000] [--others 300] [--rounds 3] [--corpora DIR]

The ways take turns at the same clips, drawn from all corpora and shuffled. emotone's is the whole
command: finding the clips, starting its processes, and writing Parquet. The others are the tutorial
features of librosa with a multi-layer perceptron, and openSMILE's eGeMAPS with a linear support
vector machine, each in a process for each core that is warm already, on the first of the clips, for
they would take all day for all. The models of these are fitted to labels that mean nothing, since
only their speed is asked for. Seconds of sound per second are compared, on the clock and of the
processor: other people's load disturbs the second less. Of the rounds the median counts.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import _records
from emotone.audio.files import find_audio
from emotone.features.job import cores

SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
CORPORA = ("ravdess", "tess", "emodb", "urdu", "ased", "turev", "casia", "emovo", "nemo")
EMOTONE = "emotone batch, its default model"

_describe: Callable[[str], np.ndarray]
_model: Any


def librosa_way() -> Callable[[str], np.ndarray]:
    """Features as the tutorials compute them."""
    from librosa_way import tutorial_180

    return lambda path: tutorial_180(Path(path))


def opensmile_way() -> Callable[[str], np.ndarray]:
    """The extended Geneva set, of a whole clip."""
    import opensmile

    from librosa_way import samples_of

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    return lambda path: smile.process_signal(*samples_of(Path(path))).to_numpy()[0]


def classifier(way: str) -> Any:
    """The model that goes with the features."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    if way.startswith("librosa"):
        return MLPClassifier((300,), max_iter=20)
    return make_pipeline(StandardScaler(), SVC(kernel="linear", probability=True))


WAYS = {
    "librosa (tutorial-180) + scikit-learn MLP": librosa_way,
    "openSMILE (eGeMAPS) + linear SVM": opensmile_way,
}


def begin(way: str, examples: list[str]) -> None:
    """In a process of the other ways: make everything ready and warm."""
    import warnings

    global _describe, _model
    warnings.simplefilter("ignore")
    _describe = WAYS[way]()
    rows = np.stack([_describe(path) for path in examples])
    _model = classifier(way).fit(rows, np.arange(len(rows)) % 8)


def answer(path: str) -> float:
    """Hear a clip; seconds of the processor."""
    began = time.process_time()
    _model.predict_proba(_describe(path)[None])
    return time.process_time() - began


def theirs(pool: Any, clips: list[str]) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""
    began = time.perf_counter()
    spent = sum(pool.imap_unordered(answer, clips, chunksize=4))
    return time.perf_counter() - began, spent


def ours(clips: list[str], jobs: int) -> tuple[float, float, float]:
    """The same, and the most memory of all processes together, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "clips.csv")
        with listed.open("w", newline="") as file:
            csv.writer(file).writerows([["path"], *([path] for path in clips)])
        words = ["batch", str(listed), str(Path(folder, "out")), "--jobs", str(jobs)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "emotone", *words])
        most = [0.0]
        threading.Thread(target=watch, args=(process.pid, most), daemon=True).start()
        if process.wait():
            raise SystemExit("the batch failed; its message is above")
        took = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, spent, most[0]


def watch(pid: int, most: list[float]) -> None:
    """Keep the most memory that a process and its children hold for themselves, until it ends."""
    try:
        command = psutil.Process(pid)
        while True:
            held = 0
            for each in (command, *command.children(recursive=True)):
                held += each.memory_info().rss
            most[0] = max(most[0], held / 2**20)
            time.sleep(0.1)
    except psutil.Error:
        return


def measure(clips: list[str], others: list[str], rounds: int, jobs: int) -> list[dict[str, Any]]:
    """A record for each way."""
    import soundfile

    load = os.getloadavg()[0]
    lengths = {path: soundfile.info(path).duration for path in clips}
    sound = {EMOTONE: sum(lengths.values())}
    heard: dict[str, list[tuple[float, ...]]] = {EMOTONE: []}
    context = multiprocessing.get_context("spawn")
    pools = {
        way: context.Pool(jobs, initializer=begin, initargs=(way, clips[-24:])) for way in WAYS
    }
    try:
        for way, pool in pools.items():
            sound[way], heard[way] = sum(lengths[path] for path in others), []
            theirs(pool, others[:8])
        for _ in range(rounds):
            heard[EMOTONE].append(ours(clips, jobs))
            for way, pool in pools.items():
                heard[way].append(theirs(pool, others))
    finally:
        for pool in pools.values():
            pool.terminate()
    speeds = {
        way: [
            statistics.median(sound[way] / taken[place] for taken in heard[way])
            for place in range(2)
        ]
        for way in heard
    }
    return [
        {
            "benchmark": "batch",
            "model": way,
            "clips": len(clips if way == EMOTONE else others),
            "audio_s": round(sound[way], 1),
            "times_real_time": round(speeds[way][0], 1),
            "per_core_second": round(speeds[way][1], 1),
            "ratio": round(speeds[EMOTONE][0] / speeds[way][0], 2),
            "cpu_ratio": round(speeds[EMOTONE][1] / speeds[way][1], 2),
            "memory_mib": round(max(t[2] for t in heard[way])) if way == EMOTONE else None,
            "rounds": rounds,
            "cores": jobs,
            "load_before": round(load, 1),
            "seconds": round(sum(taken[0] for taken in heard[way]), 1),
            "commit": _records.commit(),
            "seed": 0,
            "machine": _records.machine(),
        }
        for way in heard
    ]


def main() -> None:
    """Measure, print a table, write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--others", type=int, default=300, help="clips for the other ways")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=cores(), help="default: all cores")
    parser.add_argument("--corpora", type=Path, default=_records.corpora_folder())
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "batch.json")
    options = parser.parse_args()
    os.environ.update(SINGLE)
    folders = [options.corpora / name for name in CORPORA if (options.corpora / name).is_dir()]
    if not folders:
        raise SystemExit(f"there is no corpus in {options.corpora}")
    found = [str(path) for path in find_audio(folders)]
    random.Random(0).shuffle(found)
    clips = found[: options.clips]
    records = measure(clips, clips[: options.others], options.rounds, options.jobs)
    print(f"{'':44}{'× real time':>12}{'per core':>10}{'emotone is':>13}{'of CPU':>9}")
    for record in records:
        print(
            f"{record['model']:44}{record['times_real_time']:>12,.0f}"
            f"{record['per_core_second']:>10,.0f}{record['ratio']:>11.1f} ×"
            f"{record['cpu_ratio']:>7.1f} ×"
        )
    _records.write(options.json, records)


if __name__ == "__main__":
    main()
