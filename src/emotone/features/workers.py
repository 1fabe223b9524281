"""Processes that compute features for another one.

A worker is one of `emotone.children`, which reads one path per line on its standard input and
answers with a line of JSON and a row of float32.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from emotone import errors
from emotone.audio.waveform import FloatArray
from emotone.children import Children, ended

_MAX_HEADER = 2**20
# A worker that cannot even start says so in its first answer; one that dies before is not retried
# for ever.
_MAX_STARTS_WITHOUT_ANSWER = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker made of one file.

    Attributes
    ----------
    index
        Which of the paths.
    outcome
        The row, or why there is none.
    warned
        Warnings on the way: the name of the category and the text.
    """

    index: int
    outcome: FloatArray | errors.EmotoneError
    warned: tuple[tuple[str, str], ...] = ()


class Workers:
    """A few worker processes, started when entered and gone when left.

    Parameters
    ----------
    count
        How many processes.
    job
        What each is to do, as plain types; see `serve`.
    """

    def __init__(self, count: int, job: dict[str, Any]) -> None:
        self._job = json.dumps(job).encode() + b"\n"
        # Simple ones: Ctrl-C in the middle of the other kind may leave it locked for ever.
        self._tasks: queue.SimpleQueue[tuple[int, Path] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()
        self._children = Children(f"from {__name__} import serve; serve()")
        self._threads = [
            threading.Thread(target=self._run, name=f"emotone-worker-{number}", daemon=True)
            for number in range(count)
        ]

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._children.close()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def answers(self, tasks: Iterable[tuple[int, Path]]) -> Iterator[Answer]:
        """The answers as they come, in no order; tasks are taken only as fast as they are done."""
        waiting = 0
        source = iter(tasks)
        exhausted = False
        while True:
            while not exhausted and waiting < 2 * len(self._threads):
                task = next(source, None)
                if task is None:
                    exhausted = True
                else:
                    self._tasks.put(task)
                    waiting += 1
            if not waiting:
                return
            answer = self._next()
            if isinstance(answer, BaseException):
                raise answer
            waiting -= 1
            yield answer

    def _next(self) -> Answer | BaseException:
        while True:
            with contextlib.suppress(queue.Empty):
                # With a time-out, since Ctrl-C does not get through an endless wait on Windows.
                return self._answers.get(timeout=0.5)

    # -- one thread per process

    def _run(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        silent_starts = 0
        try:
            while (task := self._tasks.get()) is not None:
                if process is None:
                    process = self._children.start(self._job)
                if process is None:
                    return
                index, path = task
                try:
                    answer = _ask(process, index, path)
                    silent_starts = 0
                except (OSError, ValueError, EOFError):
                    status = self._children.stop(process)
                    process = None
                    silent_starts += 1
                    if silent_starts == _MAX_STARTS_WITHOUT_ANSWER:
                        raise errors.EmotoneError(
                            f"the processes computing features keep dying (exit status {status})",
                            remedy="Use one job, and see whether memory runs out.",
                            code="worker_died",
                        ) from None
                    answer = Answer(index, _crashed(path, status))
                self._answers.put(answer)
        except BaseException as error:
            self._answers.put(error)
        finally:
            if process is not None:
                self._children.stop(process)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the process was started without a pipe")
    return pipe


def _ask(process: subprocess.Popen[bytes], index: int, path: Path) -> Answer:
    stdin, stdout = _pipe(process.stdin), _pipe(process.stdout)
    stdin.write(json.dumps(str(path)).encode() + b"\n")
    stdin.flush()
    line = stdout.readline(_MAX_HEADER)
    if not line.endswith(b"\n"):
        raise EOFError("the worker is gone")
    header = json.loads(line)
    warned = tuple((category, text) for category, text in header["warned"])
    if "error" in header:
        return Answer(index, _error_from(header["error"]), warned)
    data = stdout.read(4 * header["numbers"])
    if len(data) != 4 * header["numbers"]:
        raise EOFError("the worker is gone")
    return Answer(index, np.frombuffer(data, dtype=np.float32).copy(), warned)


def _crashed(path: Path, status: int) -> errors.EmotoneError:
    return errors.AudioError(
        f"reading it brought the process down ({ended(status)})",
        source=path,
        remedy="Convert the file to WAV or FLAC, or leave it out.",
        code="crashed",
    )


def _error_to(error: errors.EmotoneError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "cause": error.cause,
        "source": error.source,
        "remedy": error.remedy,
        "code": error.code,
    }


def _error_from(values: dict[str, Any]) -> errors.EmotoneError:
    kind = getattr(errors, values["kind"], errors.EmotoneError)
    if kind is errors.MissingExtraError:  # it makes its own message
        kind = errors.FeatureError
    made = kind(
        values["cause"], source=values["source"], remedy=values["remedy"], code=values["code"]
    )
    if not isinstance(made, errors.EmotoneError):
        raise ValueError("not an error of emotone")
    return made


# -- inside of a worker


def serve() -> None:
    """Answer paths from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lines = sys.stdin.buffer
    from emotone.features.job import Job

    job = Job.from_dict(json.loads(lines.readline()))
    for line in lines:
        path = Path(json.loads(line))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcome = job.attempt(path)
        warned = [
            (warning.category.__name__, str(warning.message))
            for warning in caught
            if issubclass(warning.category, errors.EmotoneWarning)
        ]
        header: dict[str, Any] = {"warned": warned}
        data = b""
        if isinstance(outcome, errors.EmotoneError):
            header["error"] = _error_to(outcome)
        else:
            header["numbers"] = len(outcome)
            data = np.ascontiguousarray(outcome, dtype=np.float32).tobytes()
        answers.write(json.dumps(header).encode() + b"\n" + data)
        answers.flush()


def warn_again(warned: Iterable[tuple[str, str]]) -> None:
    """Issue the warnings of a worker here."""
    for category, text in warned:
        kind = getattr(errors, category, errors.EmotoneWarning)
        warnings.warn(text, kind, stacklevel=3)
