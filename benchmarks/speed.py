"""How fast emotone is beside its peers, one ratio for each thing that it does, in one run.

    python benchmarks/speed.py [--quick] [--only PART ...] [--json OUT]
    python benchmarks/speed.py --quick --check benchmarks/results/speed.json

Each measure has two sides that do the same work by turns: emotone, and what is done in its place
elsewhere. A ratio is the median of the peer's times over the median of emotone's: 3 is three times
as fast. Both sides of a measure stand in one run on one machine, so what else runs there disturbs
the ratio far less than the times; of the processor's time, which is what counts but for the batch,
less still.

- *cold start*: a process that names the emotion of a clip, from its start to its end. Peer: the
  tutorials' way, a scikit-learn MLP in a pickle on librosa's features.
- *features*: of a clip at 48 kHz, warm. Peers: librosa for the tutorials' sets; openSMILE's ComParE
  2016 for our own large set.
- *clip*: from samples to an answer, warm. Peers: the tutorials' features by librosa, and eGeMAPS by
  openSMILE, each before any model is asked.
- *timeline*: half a minute of speech. Peer: the tutorials' features of the same windows.
- *live*: ten seconds of a stream, four answers a second. Peer: as for the timeline.
- *batch*: `emotone batch` with all that it starts and writes, on all cores, by the clock. Peers:
  pools of processes, warm already, with librosa and an MLP, and with openSMILE (eGeMAPS) and an
  SVM.

With --check nothing is written. The ratios are compared with those of the file: the exit status is
1 where one has fallen by more than a quarter. A measure that seems to have fallen is repeated
before it is believed, with twice the rounds, up to --repeats times.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _main
import _records
import speed_features
import speed_predict

FALLEN = 0.75
"""Of the committed ratio: below it something has become slower."""

RATE = 16_000
CLIP_S = 3.7
TIMELINE_S = 30.0
LIVE_S = 10.0
BATCH_CLIPS, PEER_CLIPS = 240, 24
"""Of a batch, quick or not: what its start takes is shared by so many."""

WINDOW_S, STEP_S, LIVE_STEP_S = 3.0, 0.5, 0.25

Work = Callable[[], object]


# -- what a side does; each is made ready in the process of its side


def _clip_of_features(name: str) -> tuple[Work, Work]:
    def ours() -> object:
        from emotone import features

        return features.extract(_sounds()["48k"], name)

    def theirs() -> object:
        from librosa_way import RECIPES

        return RECIPES[name](Path(_sounds()["48k"]))

    return ours, theirs


def _rich() -> tuple[Work, Work]:
    def ours() -> object:
        from emotone import features

        return features.extract(_sounds()["48k"], "rich")

    return ours, lambda: _smile("ComParE_2016").process_file(_sounds()["48k"])


def _clip(peer: str) -> tuple[Work, Work]:
    def ours() -> object:
        return _recognizer().predict((_speech(CLIP_S), RATE))

    def librosa() -> object:
        from librosa_way import tutorial_180_of

        return tutorial_180_of(_speech(CLIP_S), RATE)

    def opensmile() -> object:
        return _smile("eGeMAPSv02").process_signal(_speech(CLIP_S), RATE)

    return ours, librosa if peer == "librosa" else opensmile


def _timeline() -> tuple[Work, Work]:
    def ours() -> object:
        return _recognizer().timeline((_speech(TIMELINE_S), RATE), jobs=1)

    return ours, lambda: _windows(TIMELINE_S, STEP_S)


def _live() -> tuple[Work, Work]:
    def ours() -> object:
        from emotone.stream import Stream

        stream, sound, block = Stream(_recognizer(), RATE), _speech(LIVE_S), RATE // 10
        told = [stream.feed(sound[at : at + block]) for at in range(0, len(sound), block)]
        return [*told, stream.finish()]

    return ours, lambda: _windows(LIVE_S, LIVE_STEP_S)


WARM: dict[tuple[str, str], Callable[[], tuple[Work, Work]]] = {
    ("features tutorial-180", "librosa"): lambda: _clip_of_features("tutorial-180"),
    ("features tutorial-193", "librosa"): lambda: _clip_of_features("tutorial-193"),
    ("features rich", "openSMILE ComParE 2016"): _rich,
    ("clip", "librosa tutorial-180"): lambda: _clip("librosa"),
    ("clip", "openSMILE eGeMAPS"): lambda: _clip("opensmile"),
    ("timeline", "librosa tutorial-180 by window"): _timeline,
    ("live", "librosa tutorial-180 by window"): _live,
}
"""What is measured in two processes that stay: measure and peer, and the work of each side."""

COLD = ("cold start", "pickle + librosa")
BATCH = (
    ("batch", "librosa (tutorial-180) + scikit-learn MLP"),
    ("batch", "openSMILE (eGeMAPS) + linear SVM"),
)
ALL = (COLD, *WARM, *BATCH)
PARTS = ("cold start", "features", "clip", "timeline", "live", "batch")

_made: dict[str, Any] = {}


def _once(name: str, make: Callable[[], Any]) -> Any:
    if name not in _made:
        _made[name] = make()
    return _made[name]


def _sounds() -> dict[str, str]:
    return {"48k": os.environ["SPEED_CLIP"]}


def _speech(seconds: float) -> Any:
    import live

    return _once(f"speech {seconds}", lambda: live.speech(seconds))


def _recognizer() -> Any:
    import emotone

    return _once("recognizer", emotone.load)


def _smile(name: str) -> Any:
    import opensmile

    return _once(
        name,
        lambda: opensmile.Smile(
            feature_set=opensmile.FeatureSet[name],
            feature_level=opensmile.FeatureLevel.Functionals,
        ),
    )


def _windows(seconds: float, step_s: float) -> list[object]:
    """The tutorials' features of every window of a recording."""
    from librosa_way import tutorial_180_of

    sound, size, step = _speech(seconds), round(WINDOW_S * RATE), round(step_s * RATE)
    return [tutorial_180_of(sound[at : at + size], RATE)
            for at in range(0, len(sound) - size + 1, step)]  # fmt: skip


def work(side: str) -> None:
    """Answer each measure on standard input with its seconds, by the clock and of the processor."""
    import warnings

    warnings.simplefilter("ignore")
    for line in sys.stdin:
        measure, peer = json.loads(line)
        task = WARM[measure, peer]()[SIDES.index(side)]
        started, started_cpu = time.perf_counter(), time.process_time()
        task()
        print(time.perf_counter() - started, time.process_time() - started_cpu, flush=True)


SIDES = ("ours", "theirs")


# -- a measure: the times of both sides, by turns


@dataclass(frozen=True)
class Pair:
    """Seconds of both sides of a measure, by the clock and of the processor, round by round."""

    ours: list[tuple[float, float]]
    theirs: list[tuple[float, float]]
    per: tuple[float, float] = (1.0, 1.0)
    """How much work each side does in that time."""

    def ratio(self, *, by_clock: bool) -> float:
        """How many times as fast emotone is."""
        place = 0 if by_clock else 1
        ours, theirs = (
            statistics.median(times[place] for times in side) / per
            for side, per in zip((self.ours, self.theirs), self.per, strict=True)
        )
        return theirs / ours

    def milliseconds(self) -> tuple[float, float]:
        """Medians by the clock, per unit of work."""
        ours, theirs = (
            1000 * statistics.median(clock for clock, _ in side) / per
            for side, per in zip((self.ours, self.theirs), self.per, strict=True)
        )
        return ours, theirs


class Bench:
    """Measures on demand, and keeps what is slow to make for the next one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clip = speed_features.synthesise(folder, count=1, seconds=CLIP_S)[0]
        self._workers: dict[str, speed_features.Worker] = {}

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers.values():
            worker.close()

    def measure(self, measure: tuple[str, str], rounds: int) -> Pair:
        """Both sides by turns, so many times after a first one that does not count."""
        if measure == COLD:
            return self._cold(max(2, rounds // 2))
        if measure in WARM:
            return self._warm(measure, rounds)
        return self._batch(measure[1], max(1, rounds // 3))

    def _warm(self, measure: tuple[str, str], rounds: int) -> Pair:
        if not self._workers:
            self._workers = {
                side: speed_features.Worker(side, __file__, SPEED_CLIP=str(self.clip))
                for side in SIDES
            }
        seen: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
        for turn in range(rounds + 1):
            for side, worker in self._workers.items():
                taken = worker.ask(json.dumps(measure))
                if turn:
                    seen[side].append(taken)
        return Pair(seen["ours"], seen["theirs"])

    def _cold(self, runs: int) -> Pair:
        clip = sorted((speed_predict.REPO / "examples").glob("*.flac"))[-1]
        bytecode = str(self.folder / "bytecode")
        ours, theirs = speed_predict.commands(clip, None, self.folder)
        seen: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
        for turn in range(runs + 1):
            for side, command in (("ours", ours), ("theirs", theirs)):
                clock, processor, _ = speed_predict.measure(command, bytecode)
                if turn:
                    seen[side].append((clock, processor))
        return Pair(seen["ours"], seen["theirs"])

    def _batch(self, way: str, rounds: int) -> Pair:
        import multiprocessing

        import batch
        from emotone.features.job import cores

        os.environ.update(batch.SINGLE)
        clips = [str(path) for path in _copies(self.folder, BATCH_CLIPS)]
        jobs = cores()
        context = multiprocessing.get_context("spawn")
        pool = context.Pool(jobs, initializer=batch.begin, initargs=(way, clips[:24]))
        ours, theirs = [], []
        try:
            batch.theirs(pool, clips[:8])
            for _ in range(rounds):
                run = batch.ours(clips, jobs)
                ours.append((run.took, run.spent))
                theirs.append(batch.theirs(pool, clips[:PEER_CLIPS]))
        finally:
            pool.terminate()
            pool.join()
        return Pair(ours, theirs, per=(BATCH_CLIPS, PEER_CLIPS))


def _copies(folder: Path, count: int) -> list[Path]:
    """Clips of one length and of different sound."""
    import numpy as np
    import soundfile

    made = folder / "clips"
    made.mkdir(exist_ok=True)
    paths = [made / f"{number}.wav" for number in range(count)]
    sound = _speech(CLIP_S + 2)
    for number, path in enumerate(paths):
        if not path.exists():
            clip = np.roll(sound, -number * 37)[: round(CLIP_S * RATE)]
            soundfile.write(path, clip, RATE, subtype="PCM_16")
    return paths


def record(measure: tuple[str, str], pair: Pair) -> dict[str, Any]:
    """What is written down."""
    ours, theirs = pair.milliseconds()
    by_clock = measure in BATCH
    return {
        "benchmark": "speed",
        "measure": measure[0],
        "peer": measure[1],
        "emotone_ms": round(ours, 3),
        "peer_ms": round(theirs, 3),
        "ratio": round(pair.ratio(by_clock=by_clock), 2),
        "by": "clock" if by_clock else "processor",
        "rounds": len(pair.ours),
        "model": _recognizer().model,
        "commit": _records.commit(),
        "machine": _records.machine(),
    }


# -- comparing with what was


Records = Sequence[dict[str, Any]]


def fallen(now: Records, before: Records) -> list[tuple[str, str]]:
    """The measures whose ratio has fallen by more than a quarter."""
    was = {(each["measure"], each["peer"]): each["ratio"] for each in before}
    return [
        (each["measure"], each["peer"])
        for each in now
        if not each["ratio"] >= FALLEN * was[each["measure"], each["peer"]]
    ]


def compared(
    bench: Bench,
    chosen: Sequence[tuple[str, str]],
    before: Records,
    rounds: int,
    repeats: int,
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each measure, and whether it holds; what seems to have fallen is measured again."""
    for measure in chosen:
        best = record(measure, bench.measure(measure, rounds))
        for _ in range(repeats):
            if not fallen([best], before):
                break
            again = record(measure, bench.measure(measure, 2 * rounds))
            best = max(best, again, key=lambda each: each["ratio"])
        yield best, not fallen([best], before)


def checked(path: Path, chosen: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The records of a file, all that are to be compared among them."""
    if not path.is_file():
        raise SystemExit(f"error: {path}: there is no such file. Measure first: --json {path}")
    before = _records.read(path)
    known = {(each["measure"], each["peer"]) for each in before}
    missing = [" beside ".join(measure) for measure in chosen if measure not in known]
    if missing:
        raise SystemExit(f"error: {path} has nothing on {', '.join(missing)}. Measure anew.")
    if any(not math.isfinite(each["ratio"]) or each["ratio"] <= 0 for each in before):
        raise SystemExit(f"error: {path} has a ratio that is none. Measure anew.")
    return before


def show(found: dict[str, Any], note: str = "") -> None:
    """A line of the table."""
    print(
        f"{found['measure']:24}{found['peer']:44}{found['emotone_ms']:>11.1f}"
        f"{found['peer_ms']:>11.1f}{found['ratio']:>8.1f} ×  {note}".rstrip(),
        flush=True,
    )


def main() -> int:
    """Measure, print, and write or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: under a minute")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=", ".join(PARTS))  # fmt: skip
    parser.add_argument("--rounds", type=int, help="default: 15, with --quick 4")
    parser.add_argument("--check", type=Path, metavar="FILE", help="compare, and write nothing")
    parser.add_argument("--repeats", type=int, default=2, help="of what seems to have fallen")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "speed.json")
    parser.add_argument("--work", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return 0
    rounds = options.rounds or (4 if options.quick else 15)
    chosen = [measure for measure in ALL if any(measure[0].startswith(p) for p in options.only)]
    before = checked(options.check, chosen) if options.check else []
    was = {(each["measure"], each["peer"]): each["ratio"] for each in before}
    print(f"{'':24}{'beside':44}{'emotone ms':>11}{'peer ms':>11}{'ratio':>10}")
    slower, records = [], []
    with tempfile.TemporaryDirectory(prefix="emotone-speed-") as name:
        bench = Bench(Path(name))
        try:
            if options.check:
                for found, holds in compared(bench, chosen, before, rounds, options.repeats):
                    committed = was[found["measure"], found["peer"]]
                    show(found, f"was {committed:.1f} ×" + ("" if holds else ": SLOWER"))
                    slower += [] if holds else [f"{found['measure']} beside {found['peer']}"]
            else:
                for measure in chosen:
                    records.append(record(measure, bench.measure(measure, rounds)))
                    show(records[-1])
        finally:
            bench.close()
    if slower:
        print(
            f"\nerror: slower by more than a quarter: {', '.join(slower)}. Where that is meant, "
            "measure anew: emotone benchmark speed",
            file=sys.stderr,
        )
        return 1
    if not options.check:
        kept = [
            each for each in _records.read(options.json)
            if (each["measure"], each["peer"]) in {*ALL} - {*chosen}
        ]  # fmt: skip
        order = {measure: place for place, measure in enumerate(ALL)}
        records = sorted([*kept, *records], key=lambda r: order[r["measure"], r["peer"]])
        _records.write(options.json, records)
        print(f"\nwritten: {options.json}")
    return 0


if __name__ == "__main__":
    _main.run(main)
