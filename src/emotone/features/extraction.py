"""Features of many files: on all cores, remembered, and never undone by one bad file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotone.audio.limits import DEFAULT_LIMITS, Limits
from emotone.audio.preparation import Preparation
from emotone.audio.waveform import FloatArray
from emotone.errors import EmotoneError
from emotone.features.cache import FeatureCache
from emotone.features.identity import Stamp, content_of
from emotone.features.job import Job, check_count, cores
from emotone.features.workers import Answer, Workers, warn_again
from emotone.prediction import Failure

Progress = Callable[[int, int], None]
"""Called with how many files are done and how many there are."""

_FILES_PER_WORKER = 12
"""Fewer than these and starting another interpreter costs more than it saves."""


@dataclass(frozen=True, slots=True)
class ExtractionResult:
    """The features of many files.

    Attributes
    ----------
    matrix
        float32, shape ``(len(ok), dimension)``: one row for each file that could be read.
    ok
        Which of the paths the rows belong to, ascending.
    failures
        The other files, in the order of the paths, with the reason.
    from_cache
        How many rows were remembered.
    """

    matrix: FloatArray
    ok: list[int]
    failures: list[Failure]
    from_cache: int


def extract_many(
    paths: Sequence[Path],
    feature_set: str,
    *,
    preparation: Preparation | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> ExtractionResult:
    """The features of many files.

    Parameters
    ----------
    paths
        Audio files.
    feature_set
        A named set or an expression such as ``mfcc40+chroma12``.
    preparation
        What is done to each clip first; nothing when None.
    limits
        Bounds on what is read.
    cache
        Where to look first and to keep what was computed; nowhere when None.
    jobs
        Processes; as many as there are cores when None, this very process when 1.
    progress
        Called with how many files are done, and of how many.

    Returns
    -------
    ExtractionResult
        The rows in the order of the paths. A file that cannot be read is among the failures.

    Raises
    ------
    FeatureError
        If there is no such feature set.
    UsageError
        If `jobs` is below 1.
    KeyboardInterrupt
        On Ctrl-C: the workers are gone then, and what was done is in the cache.

    Examples
    --------
    >>> from pathlib import Path
    >>> result = extract_many([Path("clip.wav")], "mfcc-13")    # doctest: +SKIP
    >>> result.matrix.shape                                     # doctest: +SKIP
    (1, 13)
    """
    check_count("jobs", jobs)
    paths = [Path(path) for path in paths]
    job = Job(feature_set, preparation or Preparation(), limits)
    dimension = job.features.dimension
    outcomes: list[FloatArray | EmotoneError | None] = [None] * len(paths)
    if cache is not None:
        outcomes = list(cache.find(paths, job.recipe))
    missing = [index for index, outcome in enumerate(outcomes) if outcome is None]
    done = from_cache = len(paths) - len(missing)
    if progress is not None:
        progress(done, len(paths))

    run = _Run(paths, job, cache)
    try:
        for answer in run.answers(missing, _worker_count(jobs, len(missing))):
            outcomes[answer.index] = answer.outcome
            done += 1
            if progress is not None:
                progress(done, len(paths))
    finally:
        if cache is not None:
            cache.commit()

    rows = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
    return ExtractionResult(
        matrix=np.stack(rows) if rows else np.empty((0, dimension), dtype=np.float32),
        ok=[index for index, outcome in enumerate(outcomes) if isinstance(outcome, np.ndarray)],
        failures=[
            Failure(str(path), outcome)
            for path, outcome in zip(paths, outcomes, strict=True)
            if isinstance(outcome, EmotoneError)
        ],
        from_cache=from_cache + run.known,
    )


def _worker_count(jobs: int | None, files: int) -> int:
    if jobs is not None:
        return jobs
    return max(1, min(cores(), files // _FILES_PER_WORKER))


class _Run:
    """Goes through the files whose row is not known by path."""

    def __init__(self, paths: Sequence[Path], job: Job, cache: FeatureCache | None) -> None:
        self.paths = paths
        self.job = job
        self.cache = cache
        self.known = 0
        """Files that turned out to hold what another path held before."""
        self._seen: dict[int, tuple[Stamp, bytes]] = {}
        self._answers: list[Answer] = []

    def answers(self, indices: Sequence[int], workers: int) -> Iterator[Answer]:
        if workers == 1:
            for index in self._unknown(indices):
                yield from self._from_cache()
                yield self._keep(Answer(index, self.job.attempt(self.paths[index])))
        else:
            with Workers(workers, self.job.to_dict()) as pool:
                tasks = ((index, self.paths[index]) for index in self._unknown(indices))
                for answer in pool.answers(tasks):
                    yield from self._from_cache()
                    warn_again(answer.warned)
                    yield self._keep(answer)
        yield from self._from_cache()

    def _unknown(self, indices: Sequence[int]) -> Iterator[int]:
        """The files to compute, each fingerprinted before anything else reads it."""
        for index in indices:
            if self.cache is not None:
                path = self.paths[index]
                stamp, content = Stamp.of(path), content_of(path)
                if stamp is not None and content is not None:
                    row = self.cache.of_content(content, self.job.recipe)
                    if row is not None:
                        self.cache.put(path, stamp, content, self.job.recipe, row)
                        self.known += 1
                        self._answers.append(Answer(index, row))
                        continue
                    self._seen[index] = (stamp, content)
            yield index

    def _from_cache(self) -> Iterator[Answer]:
        answers, self._answers = self._answers, []
        yield from answers

    def _keep(self, answer: Answer) -> Answer:
        seen = self._seen.pop(answer.index, None)
        if self.cache is not None and seen is not None and isinstance(answer.outcome, np.ndarray):
            path = self.paths[answer.index]
            if Stamp.of(path) == seen[0]:  # else it changed while it was read
                self.cache.put(path, *seen, self.job.recipe, answer.outcome)
        return answer
