"""A batch on all cores of one machine: processes that each hear blocks, and who counts."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emotone.batch.count import Count, Progress, counted, left
from emotone.batch.hearing import Setup
from emotone.batch.places import Place
from emotone.batch.plan import Partition, Plan, check_same
from emotone.batch.pool import Pool
from emotone.batch.tasks import AnyTask
from emotone.batch.work import Task
from emotone.bundle.registry import find as find_model
from emotone.errors import UsageError
from emotone.features.job import check_count, cores


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
    check_count("jobs", jobs)
    count, blocks = left(plan)
    if progress is not None:
        progress(count)
    if not blocks:
        return count
    begun = time.monotonic()
    wanted = jobs or cores()
    processes = min(wanted, len(blocks))
    with _working_folder(plan.out) as folder:
        setup = Setup(plan.out.address, str(folder), max(1, wanted // processes))
        with Pool(setup, blocks, processes) as pool:
            told = ((each, time.monotonic() - begun) for each in pool.heard())
            counted(count, told, progress)
    count.elapsed_s = time.monotonic() - begun
    return count


@contextlib.contextmanager
def _working_folder(out: Place) -> Iterator[Path]:
    """Where parts grow: beside the results, so that a killed run leaves nothing elsewhere."""
    if not out.is_local:
        with tempfile.TemporaryDirectory(prefix="emotone-") as name:
            yield Path(name)
        return
    clean(out)
    folder = _unfinished(out)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clean(out: Place) -> None:
    """Take away what a run that was killed left unfinished; a store shows nothing unfinished."""
    if out.is_local:
        shutil.rmtree(_unfinished(out), ignore_errors=True)
        for leftover in Path(out.path).rglob(".part-*.parquet.*"):
            leftover.unlink(missing_ok=True)


def _unfinished(out: Place) -> Path:
    return Path(out.path, "_emotone", "unfinished")
