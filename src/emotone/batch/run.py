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
from emotone.batch.lock import FOLDER, locked
from emotone.batch.places import Place
from emotone.batch.plan import Partition, Plan
from emotone.batch.pool import Pool
from emotone.batch.scratch import scratch, sweep
from emotone.batch.tasks import AnyTask
from emotone.batch.work import Task
from emotone.bundle.registry import find as find_model
from emotone.errors import EmotoneError, UsageError
from emotone.features.job import check_count, cores


def task(
    model: str | None = None,
    *,
    emotions: Sequence[str] | None = None,
    segments: bool = False,
    channels: Any = "mix",
    settings: dict[str, Any] | None = None,
) -> Task:
    """What to do to each recording; see `emotone.batch.work.Task`.

    Parameters
    ----------
    model
        As `emotone.load` takes it.
    emotions
        Those that can occur; see `emotone.recognizer.Recognizer`.
    segments, channels, settings
        See `Task`.

    Raises
    ------
    BundleError
        If there is no such model, or it is refused.
    UsageError
        If clips are to be heard channel by channel, or the model does not know the emotions.
    """
    from emotone.recognizer import load
    from emotone.timeline.settings import TimelineSettings

    path = os.path.abspath(find_model(model))  # noqa: PTH100
    recognizer = load(path)
    chosen = recognizer if emotions is None else load(path, emotions=emotions)
    usual = TimelineSettings().to_dict() if segments else {}
    return Task(
        model=path,
        digest=recognizer.digest,
        name=recognizer.model,
        emotions=chosen.emotions,
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
    known = _known(place, given, wanted, partition, resume)
    if known is not None:
        return known
    count = Count(0)

    def tell(found: int) -> None:
        count.recordings = found
        if progress is not None:
            progress(count)

    with locked(place):
        known = _known(place, given, wanted, partition, resume)  # planned just now by another run
        return known or Plan.make(
            place,
            given,
            wanted.find(given),
            wanted,
            partition=partition,
            jobs=jobs or cores(),
            progress=tell,
        )


def _known(
    out: Place, given: list[str], wanted: AnyTask, partition: Partition, resume: bool
) -> Plan | None:
    known = Plan.load(out)
    if known is None:
        return None
    if not resume:
        raise UsageError(
            "there is a batch already",
            source=out.address,
            remedy="Go on with it by --resume, or write to another folder.",
        )
    _check_same(known, given, wanted, partition)
    if bundle := wanted.bundle():  # the same, maybe under another path
        known.task = known.task.moved(bundle)
    return known


def _check_same(plan: Plan, inputs: list[str], task: AnyTask, partition: Partition) -> None:
    """Refuse to go on with a batch under another task than it was begun with."""
    if type(task) is not type(plan.task):
        of = "features" if plan.task.bundle() is None else "what a model heard"
        raise UsageError(
            f"the results there are {of}",
            source=plan.out.address,
            remedy="Write to another folder.",
        )
    wanted, begun = task.asked(), plan.task.asked()
    differing = sorted(
        name for name in wanted.keys() | begun.keys() if wanted.get(name) != begun.get(name)
    )
    if inputs != plan.inputs or (plan.root != os.getcwd() and not _absolute(inputs)):  # noqa: PTH109
        differing.insert(0, "inputs")
    if partition != plan.partition:
        differing.append("partition")
    if differing:
        raise UsageError(
            f"the batch there was begun otherwise: {', '.join(differing)}",
            source=plan.out.address,
            remedy="Give the same command again from the same folder, or write to another folder.",
        )


def _absolute(inputs: list[str]) -> bool:
    return all("://" in each or os.path.isabs(each) for each in inputs)  # noqa: PTH117


def run(
    plan: Plan, *, jobs: int | None = None, again: bool = False, progress: Progress | None = None
) -> Count:
    """Hear what is left of a batch.

    Parameters
    ----------
    plan
        What to do, see `prepare`.
    jobs
        Processes; as many as there are cores when None.
    again
        Whether to hear again the blocks in which something failed that may pass, see
        `emotone.batch.count.RETRIED`.
    progress
        Called as things get on.

    Returns
    -------
    Count
        Of everything, with the failures of earlier runs too.

    Raises
    ------
    EmotoneError
        If the model fails, results cannot be written, or the place of the recordings fails:
        ``store_failed``. What is wrong with a recording is in its row.
    UsageError
        If another run is at work on the batch: ``in_use``.
    KeyboardInterrupt
        On Ctrl-C: the processes are gone then; parts that are there are whole.
    """
    check_count("jobs", jobs)
    with begun(plan, again=again) as (count, blocks):
        if progress is not None:
            progress(count)
        if not blocks:
            return count
        began = time.monotonic()
        wanted = jobs or cores()
        processes = min(wanted, len(blocks))
        with _working_folder(plan.out) as folder:
            each_jobs = max(1, wanted // processes)
            setup = Setup(plan.out.address, str(folder), each_jobs, plan.task.bundle())
            with Pool(setup, blocks, processes) as pool:
                told = ((each, time.monotonic() - began) for each in pool.heard())
                counted(count, told, progress)
        count.elapsed_s = time.monotonic() - began
        check_all(plan, count)
    return count


@contextlib.contextmanager
def begun(plan: Plan, *, again: bool = False) -> Iterator[tuple[Count, Sequence[int]]]:
    """What is done of a batch and what is left, which this run has for itself in the block.

    Raises
    ------
    UsageError
        If another run is at work: ``in_use``.
    EmotoneError
        If a part cannot be read.
    """
    refused: OSError | None = None
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(plan.out))
        except OSError as error:
            refused = error
        count, blocks = left(plan, again=again)
        if blocks and refused is not None:
            raise refused  # to what is complete nothing needs to be written
        if blocks:
            sweep()
            clean(plan.out)
        try:
            yield count, blocks
        finally:
            if blocks:
                clean(plan.out)


def check_all(plan: Plan, count: Count) -> None:
    """Refuse to call a batch done that is not.

    Raises
    ------
    EmotoneError
        ``incomplete``.
    """
    if count.done != plan.recordings:
        raise EmotoneError(
            f"{count.done:,} of {plan.recordings:,} recordings have results",
            source=plan.out.address,
            remedy="Go on with --resume.",
            code="incomplete",
        )


@contextlib.contextmanager
def _working_folder(out: Place) -> Iterator[Path]:
    """Where parts grow: beside the results, so that a killed run leaves nothing elsewhere."""
    if not out.is_local:
        with scratch() as folder:
            yield folder
        return
    unfinished = _unfinished(out)
    unfinished.mkdir(parents=True, exist_ok=True)
    # Of this run alone: what a killed one left alive may still be about to see that it is alone.
    yield Path(tempfile.mkdtemp(dir=unfinished))


def clean(out: Place) -> None:
    """Take away what a run that was killed left unfinished; a store shows nothing unfinished."""
    if out.is_local:
        shutil.rmtree(_unfinished(out), ignore_errors=True)
        for leftover in Path(out.path).rglob(".part-*.parquet.*"):
            leftover.unlink(missing_ok=True)


def _unfinished(out: Place) -> Path:
    return Path(out.path, FOLDER, "unfinished")
