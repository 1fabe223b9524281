"""A batch on all cores of one machine: processes that each hear blocks, and who counts."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotone.batch import parquet
from emotone.batch.places import Place
from emotone.batch.plan import Partition, Plan, check_same
from emotone.batch.tasks import AnyTask
from emotone.batch.work import Task
from emotone.bundle.registry import find as find_model
from emotone.errors import EmotoneError, UsageError
from emotone.features.job import cores
from emotone.features.workers import apart, single_threaded

_PROGRAM = "from emotone.batch.worker import serve; serve()"

_CRASHES = 100
"""Recordings of one block that may end a process before something else must be wrong."""

_SILENT_STARTS = 3
"""Processes in a row that may end before they say anything."""


@dataclass
class Count:
    """How far a batch is.

    Attributes
    ----------
    recordings
        How many there are in all; None while they are looked for.
    done
        How many have their rows, or will have when the block is complete.
    earlier
        How many of these were done by an earlier run.
    failures
        How many could not be heard, by the code of the error.
    audio_s
        Seconds of sound in this run.
    elapsed_s
        Seconds on the clock that this run has heard for.
    """

    recordings: int | None = None
    done: int = 0
    earlier: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    audio_s: float = 0.0
    elapsed_s: float = 0.0

    @property
    def failed(self) -> int:
        """How many could not be heard."""
        return sum(self.failures.values())

    @property
    def speed(self) -> float:
        """Seconds of sound in one second, "times real time"; 0 before anything is known."""
        return self.audio_s / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, if the rest is like what was heard; None before that is known."""
        done = self.done - self.earlier
        if self.recordings is None or done <= 0:
            return None
        return self.elapsed_s / done * (self.recordings - self.done)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "recordings": self.recordings,
            "done": self.done,
            "earlier": self.earlier,
            "failed": self.failed,
            "failures": dict(self.failures),
            "audio_s": round(self.audio_s, 3),
            "elapsed_s": round(self.elapsed_s, 3),
            "speed": round(self.speed, 1),
        }


Progress = Callable[[Count], None]
"""Called whenever something is known anew."""


def task(
    model: str | None = None,
    *,
    segments: bool = False,
    channels: Any = "mix",
    settings: dict[str, Any] | None = None,
) -> Task:
    """What to do to each recording; see `emotone.batch.work.Task`.

    Raises
    ------
    BundleError
        If there is no such model, or it is refused.
    UsageError
        If clips are to be heard channel by channel.
    """
    from emotone.recognizer import load
    from emotone.timeline.settings import TimelineSettings

    path = os.path.abspath(find_model(model))  # noqa: PTH100
    recognizer = load(path)
    usual = TimelineSettings().to_dict() if segments else {}
    return Task(
        model=path,
        digest=recognizer.digest,
        name=recognizer.model,
        emotions=recognizer.emotions,
        segments=segments,
        channels=channels,
        settings=usual if settings is None else settings,
    )


def prepare(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    wanted: AnyTask,
    *,
    partition: Partition = "none",
    jobs: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """The plan of a batch: made anew, or that of an earlier run which is gone on with.

    Parameters
    ----------
    inputs
        As for `emotone.batch.sources.find`.
    out
        A folder or an address, where the parts go.
    wanted
        What to do, see `task` and `emotone.batch.vectors.task`.
    partition
        How the parts lie in folders.
    jobs
        Processes that will share the work; as many as there are cores when None.
    resume
        Whether to go on with what an earlier run left. Where there is none, the batch begins.
    progress
        Called with how many recordings are found.

    Raises
    ------
    UsageError
        If there is a batch already and it is not to be gone on with, or was begun otherwise.
    AudioError
        If there is no recording.
    """
    place = Place(out)
    if place.is_local:
        place = Place(os.path.abspath(place.path))  # noqa: PTH100
    given = [os.fspath(each) for each in inputs]
    if not given:
        raise UsageError("there is no input", remedy="Name folders, patterns, lists or files.")
    known = Plan.load(place)
    if known is not None:
        if not resume:
            raise UsageError(
                "there is a batch already",
                source=place.address,
                remedy="Go on with it by --resume, or write to another folder.",
            )
        check_same(known, given, wanted, partition)
        return known
    count = Count(0)

    def tell(found: int) -> None:
        count.recordings = found
        if progress is not None:
            progress(count)

    return Plan.make(
        place,
        given,
        wanted.find(given),
        wanted,
        partition=partition,
        jobs=jobs or cores(),
        progress=tell,
    )


def run(plan: Plan, *, jobs: int | None = None, progress: Progress | None = None) -> Count:
    """Hear what is left of a batch.

    Parameters
    ----------
    plan
        What to do, see `prepare`.
    jobs
        Processes; as many as there are cores when None.
    progress
        Called as things get on.

    Returns
    -------
    Count
        Of everything, with the failures of earlier runs too.

    Raises
    ------
    EmotoneError
        If the model fails, or results cannot be written. What is wrong with a recording is in its
        row.
    KeyboardInterrupt
        On Ctrl-C: the processes are gone then; parts that are there are whole.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs is {jobs}", remedy="Give a whole number from 1.")
    done = plan.done()
    count = Count(plan.recordings)
    for number in done:
        about = parquet.about(done[number])
        count.earlier += about["recordings"]
        count.failures.update(about["failures"])
    count.done = count.earlier
    left = [number for number in range(len(plan.sizes)) if number not in done]
    if progress is not None:
        progress(count)
    if not left:
        return count
    begun = time.monotonic()
    wanted = jobs or cores()
    processes = min(wanted, len(left))
    with _working_folder(plan.out) as folder, _Pool(plan, left, processes, wanted, folder) as pool:
        for line in pool.lines():
            count.elapsed_s = time.monotonic() - begun
            count.done += line["done"]
            count.audio_s += line["audio_s"]
            count.failures.update(line["failures"])
            if progress is not None:
                progress(count)
    count.elapsed_s = time.monotonic() - begun
    return count


@contextlib.contextmanager
def _working_folder(out: Place) -> Iterator[Path]:
    """Where parts grow: beside the results, so that a killed run leaves nothing elsewhere."""
    if not out.is_local:
        with tempfile.TemporaryDirectory(prefix="emotone-") as name:
            yield Path(name)
        return
    import shutil

    folder = Path(out.path, "_emotone", "unfinished")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    for leftover in Path(out.path).rglob(".part-*.parquet.*"):
        leftover.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Pool:
    """Processes that hear blocks; gone when it is left."""

    def __init__(
        self, plan: Plan, blocks: Sequence[int], processes: int, jobs: int, folder: Path
    ) -> None:
        given = {"out": plan.out.address, "folder": str(folder), "jobs": max(1, jobs // processes)}
        self._given = json.dumps(given).encode() + b"\n"
        self._blocks = deque(blocks)
        # Bounded, so that a slow reader of the progress holds everything up rather than memory.
        self._lines: queue.Queue[dict[str, Any] | BaseException | None] = queue.Queue(1000)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"emotone-batch-{number}", daemon=True)
            for number in range(processes)
        ]

    def __enter__(self) -> _Pool:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()  # what it is in the middle of is heard again by the next run
        while any(thread.is_alive() for thread in self._threads):
            with contextlib.suppress(queue.Empty):
                self._lines.get(timeout=0.05)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What was done, as it is told."""
        ended = 0
        while ended < len(self._threads):
            try:
                # With a time-out, since Ctrl-C does not get through an endless wait on Windows.
                line = self._lines.get(timeout=0.5)
            except queue.Empty:
                continue
            if isinstance(line, BaseException):
                raise line
            if line is None:
                ended += 1
            else:
                yield line

    # -- one thread for each process

    def _serve(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        try:
            while not self._closed:
                try:
                    number = self._blocks.popleft()
                except IndexError:
                    break
                process = self._block(number, process)
            self._lines.put(None)
        except BaseException as error:
            self._lines.put(error)
        finally:
            if process is not None:
                self._stop(process)

    def _block(
        self, number: int, process: subprocess.Popen[bytes] | None
    ) -> subprocess.Popen[bytes] | None:
        """Have a block heard, by another process where one comes to its end over it."""
        crashed: dict[int, str] = {}
        careful, silent = False, 0
        while True:
            process = process or self._start()
            if process is None:
                return None
            told: dict[str, Any] = {"done": 0, "audio_s": 0.0, "failures": Counter(), "at": None}
            wanted = {"block": number, "careful": careful, "crashed": crashed}
            if self._ask(process, wanted, told):
                return process
            how = self._stop(process)
            process = None
            if self._closed:
                return None
            # Its recordings are heard anew, and are not to count twice.
            taken_back = Counter({code: -n for code, n in told["failures"].items()})
            self._lines.put(
                {"done": -told["done"], "audio_s": -told["audio_s"], "failures": taken_back}
            )
            if told["at"] is not None:
                crashed[told["at"]] = how
            silent = silent + 1 if told["at"] is None and careful else 0
            if silent == _SILENT_STARTS or len(crashed) == _CRASHES:
                raise EmotoneError(
                    f"the processes of the batch keep dying ({how})",
                    remedy="Use fewer jobs, and see whether memory runs out; then --resume.",
                    code="worker_died",
                )
            careful = True

    def _ask(
        self, process: subprocess.Popen[bytes], wanted: dict[str, Any], told: dict[str, Any]
    ) -> bool:
        """Whether it heard the block; what it told on the way is passed on, and summed up."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(wanted).encode() + b"\n")
            process.stdin.flush()
            for text in process.stdout:
                line = json.loads(text)
                if "error" in line:
                    error = line["error"]
                    raise EmotoneError(
                        error["cause"],
                        source=error["source"],
                        remedy=error["remedy"],
                        code=error["code"],
                    )
                if "finished" in line:
                    return True
                if "started" in line:
                    told["at"] = line["started"]
                    continue
                told["done"] += line["done"]
                told["audio_s"] += line["audio_s"]
                told["failures"].update(line["failures"])
                self._lines.put(line)
        except (OSError, ValueError):
            pass
        return False

    def _start(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._closed:
                return None
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=single_threaded(),
                **apart(),
            )
            self._running.add(process)
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # one that is already dead shows at the first block
            process.stdin.write(self._given)
        return process

    def _stop(self, process: subprocess.Popen[bytes]) -> str:
        """How it ended."""
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            status = process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        with self._lock:
            self._running.discard(process)
        return f"signal {-status}" if status < 0 else f"exit status {status}"
