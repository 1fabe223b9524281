"""How fast `emotone batch` hears the corpora on all cores, beside the two usual ways, in one run.

    python benchmarks/batch.py [--clips 3000] [--others 300] [--rounds 3] [--minutes 10]
                               [--long 8] [--corpora DIR]

The ways take turns at the same clips, drawn from all corpora and shuffled. emotone's is the whole
command: finding the clips, starting its processes, and writing Parquet. The others are the tutorial
features of librosa with a multi-layer perceptron, and openSMILE's eGeMAPS with a linear support
vector machine, each in a process for each core that is warm already, on the first of the clips, for
they would take all day for all. The models of these are fitted to labels that mean nothing, since
only their speed is asked for. Seconds of sound per second are compared, on the clock and of the
processor: other people's load disturbs the second less. Of the rounds the median counts.

Then emotone's runs again with one process, with two and so on up to all cores, on the clips and, as
``--segments``, on recordings of some minutes that are joined from them, so many for each process;
what went in and came out is counted in bytes. A process reads and prepares beside its model, so one
alone keeps more than one core busy, with segments nearly two: the rate per core says so, and on two
cores two processes can gain little then. `scaling.py` reckons with these rates.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import _main
import _records
from emotone.audio.files import find_audio
from emotone.errors import CorpusError
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


@dataclass(frozen=True)
class Run:
    """What `emotone batch` took, in seconds, MiB and bytes, and for how many recordings in vain."""

    took: float
    spent: float
    memory_mib: float
    written: int
    failed: int


def ours(recordings: list[str], jobs: int, *more: str) -> Run:
    """The whole command, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "recordings.csv")
        with listed.open("w", newline="") as file:
            csv.writer(file).writerows([["path"], *([path] for path in recordings)])
        out = Path(folder, "out")
        words = ["batch", str(listed), str(out), "--jobs", str(jobs), "--json", *more]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "emotone", *words], stdout=subprocess.PIPE
        )
        most = [0.0]
        threading.Thread(target=watch, args=(process.pid, most), daemon=True).start()
        said, _ = process.communicate()
        if process.returncode not in (0, 1):
            raise SystemExit("the batch failed; its message is above")
        took = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        written = sum(part.stat().st_size for part in out.rglob("part-*.parquet"))
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(took, spent, most[0], written, json.loads(said)["failed"])


def watch(pid: int, most: list[float]) -> None:
    """Keep the most memory that a process and its children hold together, in MiB, until it ends.

    Pages that several of them have in common, libraries for one, count once: the sum is of
    proportional set sizes (PSS), which Linux gives; elsewhere of what each has for itself (USS).
    Resident set sizes would count such pages for each of them.
    """
    try:
        command = psutil.Process(pid)
        while True:
            held = 0
            for each in (command, *command.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    memory = each.memory_full_info()
                    held += getattr(memory, "pss", memory.uss)
            if not command.is_running() or command.status() == psutil.STATUS_ZOMBIE:
                return
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
    heard: dict[str, list[tuple[float, float]]] = {EMOTONE: []}
    memory = 0.0
    context = multiprocessing.get_context("spawn")
    pools = {
        way: context.Pool(jobs, initializer=begin, initargs=(way, clips[-24:])) for way in WAYS
    }
    try:
        for way, pool in pools.items():
            sound[way], heard[way] = sum(lengths[path] for path in others), []
            theirs(pool, others[:8])
        for _ in range(rounds):
            run = ours(clips, jobs)
            memory = max(memory, run.memory_mib)
            heard[EMOTONE].append((run.took, run.spent))
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
            "memory_mib": round(memory) if way == EMOTONE else None,
            "rounds": rounds,
            "cores": jobs,
            "load_before": round(load, 1),
            "seconds": round(sum(taken[0] for taken in heard[way]), 1),
            **about(),
        }
        for way in heard
    ]


def about() -> dict[str, Any]:
    """What every record says."""
    return {"commit": _records.commit(), "seed": 0, "machine": _records.machine()}


def by_jobs(task: str, recordings: list[str], rounds: int, most: int) -> list[dict[str, Any]]:
    """A record for each number of processes."""
    import soundfile

    audio_s = sum(soundfile.info(path).duration for path in recordings)
    read = sum(Path(path).stat().st_size for path in recordings)
    more = ["--segments"] if task == "segments" else []
    runs: dict[int, list[Run]] = {jobs: [] for jobs in range(1, most + 1)}
    load = os.getloadavg()[0]
    for _ in range(rounds):
        for jobs in runs:
            runs[jobs].append(ours(recordings, jobs, *more))
    return [
        {
            "benchmark": "batch-jobs",
            "task": task,
            "jobs": jobs,
            "recordings": len(recordings),
            "audio_s": round(audio_s, 1),
            "times_real_time": round(statistics.median(audio_s / run.took for run in found), 1),
            "per_core_second": round(statistics.median(audio_s / run.spent for run in found), 1),
            "memory_mib": round(max(run.memory_mib for run in found)),
            "read_bytes": read,
            "written_bytes": found[-1].written,
            "failed": found[-1].failed,
            "rounds": rounds,
            "load_before": round(load, 1),
            "seconds": round(sum(run.took for run in found), 1),
            **about(),
        }
        for jobs, found in runs.items()
    ]


def joined(clips: list[str], folder: Path, count: int, minutes: float) -> list[str]:
    """Recordings of so many minutes each: clips one after the other, with pauses."""
    import soundfile

    from emotone import audio

    rate, following = 16_000, itertools.cycle(clips)
    pause = np.zeros(rate // 2, np.float32)
    made = []
    for number in range(count):
        path = folder / f"{number}.flac"
        with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
            written = 0
            while written < minutes * 60 * rate:
                for samples in (audio.read(next(following), rate=rate).samples, pause):
                    file.write(samples)
                    written += len(samples)
        made.append(str(path))
    return made


def main() -> None:
    """Measure, print a table, write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--others", type=int, default=300, help="clips for the other ways")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10, help="of each recording for segments")
    parser.add_argument("--long", type=int, default=8, help="such recordings for each process")
    parser.add_argument("--jobs", type=int, default=cores(), help="default: all cores")
    parser.add_argument("--corpora", type=Path, default=_records.corpora_folder())
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "batch.json")
    options = parser.parse_args()
    os.environ.update(SINGLE)
    folders = [options.corpora / name for name in CORPORA if (options.corpora / name).is_dir()]
    if not folders:
        raise CorpusError(
            "holds no corpus",
            source=options.corpora,
            remedy="Name the folder of the corpora with --corpora or EMOTONE_CORPORA.",
        )
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
    records += by_jobs("clips", clips, options.rounds, options.jobs)
    with tempfile.TemporaryDirectory() as folder:
        long = joined(clips, Path(folder), options.long * options.jobs, options.minutes)
        records += by_jobs("segments", long, options.rounds, options.jobs)
    for record in records:
        if record["benchmark"] == "batch-jobs":
            print(
                f"{record['task']}, {record['jobs']} processes: {record['times_real_time']:,.0f} × "
                f"real time, {record['per_core_second']:,.0f} × per core"
            )
    _records.write(options.json, records)


if __name__ == "__main__":
    _main.run(main)
