"""How long one answer takes, as a whole process, beside the tutorials' way.

    python benchmarks/speed_predict.py [CLIP ...] [--runs 15] [--model M] [--json OUT]

The peer is what a RAVDESS tutorial does: a scikit-learn MLP in a pickle, and its 180 features (the
means of 40 MFCC, chroma and 128 mel bands) computed by librosa. Its model is trained here on the
features of synthetic clips, since what it answers does not matter for how long it takes. Both
processes are started fresh, by turns, on the same clip: time from start to exit (wall and CPU), and
the peak of memory. The first run of each is left out, so files are in the page cache and compiled
to bytecode for both, as those of an installed package are.

Needs the extra ``train`` and librosa.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import _main
import _records
import emotone
from emotone import audio

REPO = Path(__file__).resolve().parent.parent

_FEATURES = """
import librosa
import numpy as np

def features(samples, rate):
    stft = np.abs(librosa.stft(samples))
    mfcc = np.mean(librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=40).T, axis=0)
    chroma = np.mean(librosa.feature.chroma_stft(S=stft, sr=rate).T, axis=0)
    mel = np.mean(librosa.feature.melspectrogram(y=samples, sr=rate).T, axis=0)
    return np.hstack([mfcc, chroma, mel])
"""

_TRAIN = (
    _FEATURES
    + """
import pickle, sys
from sklearn.neural_network import MLPClassifier

rng = np.random.default_rng(0)
emotions = ["calm", "happy", "fearful", "disgust"]
clips = [rng.normal(scale=0.1, size=22050).astype(np.float32) for _ in range(16)]
model = MLPClassifier(alpha=0.01, batch_size=16, hidden_layer_sizes=(300,), max_iter=20)
model.fit([features(clip, 22050) for clip in clips], emotions * 4)
with open(sys.argv[1], "wb") as file:
    pickle.dump(model, file)
"""
)

_PEER = (
    _FEATURES
    + """
import pickle, sys
import soundfile

with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)  # this very script wrote it
samples, rate = soundfile.read(sys.argv[2], dtype="float32")
print(model.predict([features(samples, rate)])[0])
"""
)

# Linux counts the memory of the parent at the fork towards the child's peak, so every measured
# process is started by a small one.
_MEASURE = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
unit = 2**20 if sys.platform == "darwin" else 2**10
print(json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit]))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Figures:
    """Medians over the runs of one way."""

    way: str
    wall_s: float
    fastest_s: float
    cpu_s: float
    peak_mib: float
    runs: int


def measure(command: list[str], bytecode: str) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak MiB of one fresh process."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURE, *command],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    wall, cpu, peak = json.loads(done.stdout)
    return wall, cpu, peak


def run(commands: dict[str, list[str]], runs: int, bytecode: str) -> list[Figures]:
    """Run the commands by turns."""
    seen: dict[str, list[tuple[float, float, float]]] = {way: [] for way in commands}
    for turn in range(runs + 1):
        for way, command in commands.items():
            result = measure(command, bytecode)
            if turn:
                seen[way].append(result)
    return [
        Figures(
            way,
            wall_s=statistics.median(wall for wall, _, _ in results),
            fastest_s=min(wall for wall, _, _ in results),
            cpu_s=statistics.median(cpu for _, cpu, _ in results),
            peak_mib=max(peak for _, _, peak in results),
            runs=runs,
        )
        for way, results in seen.items()
    ]


def machine() -> str:
    """The processor and how many of its cores may be used."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def commands(clip: Path, model: str | None, folder: Path) -> tuple[list[str], list[str]]:
    """What answers for one clip: emotone's command, and the peer, whose model is trained first."""
    pickled, script = folder / "model.pickle", folder / "peer.py"
    if not pickled.exists():
        script.write_text(_PEER)
        subprocess.run([sys.executable, "-c", _TRAIN, str(pickled)], check=True)
    chosen = ["--model", model] if model else []
    ours = [sys.executable, "-m", "emotone", "predict", str(clip), *chosen]
    return ours, [sys.executable, str(script), str(pickled), str(clip)]


def side_by_side(clip: Path, model: str | None, runs: int) -> list[dict[str, object]]:
    """Time every way on one clip, print a table, and give a record per way."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = commands(clip, model, Path(folder))
        load = f"import emotone; emotone.load({model!r}).predict({str(clip)!r})"
        figures = run(
            {
                "emotone predict": ours,
                "emotone.load().predict": [sys.executable, "-c", load],
                "pickle + librosa": theirs,
                "python -c pass": [sys.executable, "-c", "pass"],
            },
            runs,
            str(Path(folder, "bytecode")),
        )
    peer = next(figure for figure in figures if figure.way == "pickle + librosa")
    seconds = audio.probe(clip).duration_s
    print(f"{clip.name}, {seconds:.1f} s: whole process, {runs} runs by turns, {machine()}\n")
    print(
        f"{'way':24} {'wall s':>8} {'fastest':>8} {'CPU s':>8} {'peak MiB':>9} "
        f"{'by wall':>8} {'by CPU':>8}"
    )
    asked = emotone.load(model).model
    records: list[dict[str, object]] = []
    for figure in figures:
        by_wall, by_cpu = peer.wall_s / figure.wall_s, peer.cpu_s / figure.cpu_s
        print(
            f"{figure.way:24} {figure.wall_s:8.3f} {figure.fastest_s:8.3f} {figure.cpu_s:8.3f} "
            f"{figure.peak_mib:9.1f} {by_wall:7.1f}x {by_cpu:7.1f}x"
        )
        records.append(
            {
                "benchmark": "speed-predict",
                **asdict(figure),
                "speed_up_wall": by_wall,
                "speed_up_cpu": by_cpu,
                "clip": clip.name,
                "clip_s": seconds,
                "model": asked,
                "commit": _records.commit(),
                "machine": machine(),
            }
        )
    print()
    return records


def main() -> None:
    """Measure, print, and write the records."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "clips", nargs="*", type=Path, help="default: a RAVDESS recording and an example"
    )
    parser.add_argument("--runs", type=int, default=15, help="measured runs of each way")
    parser.add_argument("--model", help="another bundle than the default")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    # Two lengths, since features take longer on a longer clip: one as the tutorials have them
    # (RAVDESS at 48 kHz, 3.8 s), where there is one, and an example of 6.7 s.
    originals = sorted((_records.corpora_folder() / "originals").glob("03-*.wav"))[:1]
    examples = sorted((REPO / "examples").glob("*.flac"))[:1]
    records = []
    for clip in options.clips or [*originals, *examples]:
        records += side_by_side(clip, options.model, options.runs)
    if options.json:
        _records.write(options.json, records)


if __name__ == "__main__":
    _main.run(main)
