"""The waveforms of many files, for models that hear the sound itself."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotone import audio
from emotone.audio.clips import Clips, to_int16
from emotone.audio.limits import DEFAULT_LIMITS, Limits
from emotone.audio.preparation import Preparation
from emotone.errors import EmotoneError, UsageError
from emotone.features.extraction import Progress
from emotone.features.job import as_error, check_count, cores
from emotone.prediction import Failure

NAME = "waveform"
"""What stands for the sound itself where a feature set could be named."""

RATE = 16000
"""The rate in Hz of the sound that the neural families hear."""

DEFAULT_PREPARATION = Preparation(rate=RATE, trim_db=40.0, normalize="peak")
"""What is done to a clip that a neural family hears, unless something else is asked for."""


@dataclass(frozen=True, slots=True)
class ReadingResult:
    """The waveforms of many files.

    Attributes
    ----------
    clips
        One for each file that could be read.
    ok
        Which of the paths they belong to, ascending.
    failures
        The other files, in the order of the paths, with the reason.
    """

    clips: Clips
    ok: list[int]
    failures: list[Failure]


def read_many(
    paths: Sequence[Path],
    *,
    preparation: Preparation = DEFAULT_PREPARATION,
    limits: Limits = DEFAULT_LIMITS,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> ReadingResult:
    """Read and prepare many files.

    Parameters
    ----------
    paths
        Audio files.
    preparation
        What is done to each clip; it must name a rate.
    limits
        Bounds on what is read.
    jobs
        Threads (the decoders and the resampler let others work meanwhile); as many as there are
        cores when None.
    progress
        Called with how many files are done, and of how many.

    Returns
    -------
    ReadingResult
        The clips in the order of the paths. A file that cannot be read is among the failures.

    Raises
    ------
    UsageError
        If `jobs` is below 1, or the preparation names no rate.
    """
    check_count("jobs", jobs)
    if preparation.rate is None:
        raise UsageError("the preparation of waveforms names no rate", remedy="Give one: 16000.")

    def attempt(path: Path) -> npt.NDArray[np.int16] | EmotoneError:
        try:
            return to_int16(preparation.apply(audio.read(path, limits=limits)).samples)
        except Exception as error:
            return as_error(error, path)

    outcomes: list[npt.NDArray[np.int16] | EmotoneError | None] = [None] * len(paths)
    if progress is not None:
        progress(0, len(paths))
    with ThreadPoolExecutor(jobs or cores(), thread_name_prefix="emotone") as pool:
        waiting: dict[Future[npt.NDArray[np.int16] | EmotoneError], int] = {
            pool.submit(attempt, Path(path)): index for index, path in enumerate(paths)
        }
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                outcomes[waiting[future]] = future.result()
                if progress is not None:
                    progress(done, len(paths))
        finally:
            for future in waiting:
                future.cancel()
    parts = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
    return ReadingResult(
        clips=Clips.joined(parts, preparation.rate),
        ok=[index for index, outcome in enumerate(outcomes) if isinstance(outcome, np.ndarray)],
        failures=[
            Failure(str(path), outcome)
            for path, outcome in zip(paths, outcomes, strict=True)
            if isinstance(outcome, EmotoneError)
        ],
    )
