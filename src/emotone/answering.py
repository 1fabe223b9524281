"""Many clips one after the other: which there are, several at once, their answers in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from emotone import audio
from emotone.audio.sources import Source, source_name
from emotone.errors import AudioError
from emotone.features.job import as_error, cores
from emotone.prediction import Failure, Prediction

Answer = Prediction | Failure
Progress = Callable[[int, int], None]
"""Called with how many inputs are answered and how many there are."""

_WAITING_PER_WORKER = 4
"""Clips in work or answered ahead of the reader, per thread."""


def answers(
    sources: Iterable[Source],
    answer: Callable[[Source], Prediction],
    *,
    jobs: int | None,
    progress: Progress | None,
) -> Iterator[Answer]:
    """What is answered to each of the clips that the sources stand for, in their order.

    Parameters
    ----------
    sources
        As for `emotone.Recognizer.predict_many`.
    answer
        Called with one clip, in several threads at once; what it raises becomes a `Failure`.
    jobs
        How many threads; as many as there are cores when None.
    progress
        Told of each answer as it is taken.
    """
    clips = list(_expanded(sources))
    workers = min(cores() if jobs is None else jobs, max(1, len(clips)))

    def attempt(clip: Source | Failure) -> Answer:
        if isinstance(clip, Failure):
            return clip
        try:
            return answer(clip)
        except Exception as error:
            name = source_name(clip)
            return Failure(name, as_error(error, name))

    found = map(attempt, clips) if workers == 1 else _in_order(attempt, clips, workers)
    return _counted(found, len(clips), progress)


def _expanded(sources: Iterable[Source]) -> Iterator[Source | Failure]:
    """The clips that the sources stand for; an empty folder is a failure of its own."""
    for source in sources:
        if not isinstance(source, (str, os.PathLike)) or not audio.is_folder(source):
            yield source
            continue
        try:
            yield from audio.find_audio([source])
        except AudioError as error:
            yield Failure(os.fspath(source), error)


def _counted(answers: Iterable[Answer], total: int, progress: Progress | None) -> Iterator[Answer]:
    """The same answers, each told to ``progress`` as it is taken."""
    for done, answer in enumerate(answers, start=1):
        if progress is not None:
            progress(done, total)
        yield answer


def _in_order(
    attempt: Callable[[Source | Failure], Answer],
    clips: list[Source | Failure],
    workers: int,
) -> Iterator[Answer]:
    """Answers in the order of the clips, a bounded number of them worked on ahead."""
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="emotone") as pool:
        try:
            for clip in clips:
                waiting.append(pool.submit(attempt, clip))
                if len(waiting) >= workers * _WAITING_PER_WORKER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
