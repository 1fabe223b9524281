"""A batch on a Ray cluster: the blocks of the plan stream through Ray Data to a pool of actors.

Each actor has the same process hear its blocks as a run on one machine has, and the part is written
where it was heard. So the rows are the same, a recording that crashes its decoder is told as such,
and what went through Ray are numbers of blocks and counts: rows do not wait in the memory of the
cluster, and a block that Ray gives out twice, since a machine was lost, gives the same part again.

Ray Data's own checkpoints are not used. They note down, row by row, what its own writer wrote under
names of its own; the driver reads all of that back before it goes on, and the parts and the notes
are two records that can disagree. Here the parts are the record: what has none is heard by the next
run, on one machine or on many.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from emotone import __version__
from emotone.batch import parquet
from emotone.batch.count import Count, Heard, Progress, counted
from emotone.batch.hearing import PROGRAM, Hearer, Setup, error_of, values_of
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.run import begun, check_all
from emotone.batch.scratch import folder, scratch, sweep
from emotone.bundle import storage
from emotone.bundle.model import Bundle
from emotone.children import Children
from emotone.cluster.connection import Cluster
from emotone.errors import EmotoneError
from emotone.features.job import check_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODEL = "_emotone/model.emotone"

_TASKS = 10_000
"""Of Ray at most. Where there are more blocks than that, each task has several."""

_AHEAD = 2
"""Tasks that wait at each actor, the one in work included, so that none waits for the driver."""

_SETTINGS = {
    "enable_progress_bars": False,
    # Ray takes back actors for which there is no room yet, and counts them as dead.
    "max_consecutive_actor_init_deaths": 20,
}


def run(
    plan: Plan,
    cluster: Cluster,
    *,
    jobs: int | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> Count:
    """Hear what is left of a batch on the cluster that this program is connected to.

    Parameters
    ----------
    plan
        What to do, see `emotone.batch.run.prepare`. Inputs and results are read and written by the
        machines of the cluster: they are addresses, or paths that all of them see.
    cluster
        As `emotone.cluster.connection.connect` gives it.
    jobs
        Actors at most, a core each. When None there may be as many as the cluster has cores, those
        of machines that join later too.
    again
        As for `emotone.batch.run.run`.
    progress
        Called as blocks are done.

    Returns
    -------
    Count
        Of everything, with the failures of earlier runs too.

    Raises
    ------
    EmotoneError
        If the model fails, results cannot be written, or the cluster comes to its end:
        ``cluster_failed``. What is wrong with a recording is in its row.
    """
    check_count("jobs", jobs)
    import ray.exceptions

    try:
        with begun(plan, again=again) as (count, blocks):
            if progress is not None:
                progress(count)
            if not blocks:
                return count
            _keep_model(plan)
            began = time.monotonic()
            with _quiet():
                heard = _heard(plan, blocks, cluster, jobs, again)
                counted(count, ((each, time.monotonic() - began) for each in heard), progress)
            count.elapsed_s = time.monotonic() - began
            check_all(plan, count)
    except ray.exceptions.RayError as error:
        raise EmotoneError(
            f"the cluster did not get through ({' '.join(str(error).split())[:400]})",
            source=cluster.address,
            remedy="See what became of its machines, and whether RAY_AUTH_MODE is as theirs; then "
            "go on with --resume.",
            code="cluster_failed",
        ) from error
    return count


def _keep_model(plan: Plan) -> None:
    """Put the model beside the plan, where every machine finds it."""
    bundle, place = plan.task.bundle(), plan.out / _MODEL
    if bundle is None or place.kind() == "file":
        return
    with scratch() as made:
        copy = made / "model.emotone"
        storage.write_files(copy, Bundle.open(bundle).files)
        place.take(copy)


def _heard(
    plan: Plan, blocks: Sequence[int], cluster: Cluster, jobs: int | None, again: bool
) -> Iterator[Heard]:
    import ray.data

    tasks = min(len(blocks), _TASKS)
    most = min(tasks, jobs or tasks)
    least = max(1, min(most, cluster.cores))
    # Numbers that are there already: tasks that make them would each want a process of their own.
    source = ray.data.from_items(
        [{"block": number} for number in blocks], override_num_blocks=tasks
    )
    rows = source.map_batches(
        BlockHearer,
        batch_size=None,  # all that one task has
        batch_format="numpy",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(
            min_size=least,
            max_size=most,  # where machines join later
            max_tasks_in_flight_per_actor=_AHEAD,
        ),
        fn_constructor_args=(plan.out.address, __version__, again),
    )
    for row in rows.iter_rows():
        if row["error"]:
            raise error_of(json.loads(row["error"]))
        yield Heard(int(row["done"]), float(row["audio_s"]), json.loads(row["failures"]))


class BlockHearer:
    """An actor of the pool: one core, one process that has loaded the model, and hears blocks.

    Parameters
    ----------
    out
        The address of the batch.
    version
        Of the emotone that began the batch.
    again
        Whether blocks are heard that have a part.
    """

    def __init__(self, out: str, version: str, again: bool = False) -> None:
        self._error: EmotoneError | None = None
        self._again = again
        # Ray ends actors without a word: who comes after takes away what those before left.
        sweep()
        self._folder = folder()
        self._children = Children(PROGRAM)
        try:
            self._plan, self._hearer = self._made(out, version)
        except EmotoneError as error:  # which Ray would wrap, and try again
            self._error = error

    def _made(self, out: str, version: str) -> tuple[Plan, Hearer]:
        import ray

        if version != __version__:
            raise EmotoneError(
                f"a machine of the cluster has emotone {__version__}, and this one {version}",
                source=ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]
                remedy="Install the same version on all of them.",
                code="other_version",
            )
        plan = Plan.load(Place(out))
        if plan is None:
            raise EmotoneError(
                "a machine of the cluster does not see the batch",
                source=out,
                remedy="Write to an object store, or to a folder that all machines share.",
                code="not_shared",
            )
        own = str(self._folder)
        model = None if plan.task.bundle() is None else str((plan.out / _MODEL).bring(own))
        return plan, Hearer(self._children, Setup(out, own, model=model))

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, list[Any]]:
        """Hear blocks; what they come to."""
        told: list[tuple[Heard, str]] = []
        for number in map(int, batch["block"]):
            try:
                if self._error is not None:
                    raise self._error
                told.append((self._heard(number), ""))
            except EmotoneError as error:
                told.append((Heard(), json.dumps(values_of(error))))
                break
        return {
            "done": [heard.done for heard, _ in told],
            "audio_s": [heard.audio_s for heard, _ in told],
            "failures": [json.dumps(heard.failures) for heard, _ in told],
            "error": [error for _, error in told],
        }

    def _heard(self, number: int) -> Heard:
        part = self._plan.part(number, self._plan.block(number))
        if self._again or part.kind() != "file":
            heard = self._hearer.hear(number)
            assert heard is not None  # the processes end with this one
            return heard
        # A task that Ray gives out again, since its machine was lost after it had done some.
        about = parquet.about(part)
        self._plan.check(number, about, part)
        return Heard(about["recordings"], about["audio_s"], about["failures"])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No bars and lines of Ray Data's own; what is an error is raised."""
    import ray.data

    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before = {name: getattr(context, name) for name in _SETTINGS}
    level = logger.level
    for name, value in _SETTINGS.items():
        setattr(context, name, value)
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        logger.setLevel(level)
