"""How a command runs a batch, on this machine or on a cluster, and shows how far it is."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emotone.cli import messages, output

if TYPE_CHECKING:
    from emotone.batch.count import Count, Progress
    from emotone.batch.plan import Partition, Plan
    from emotone.batch.tasks import AnyTask
    from emotone.cluster.connection import Cluster

_LINE_EVERY_S = 60.0
"""Between one line of progress and the next, where there is no terminal."""


def carry_out(
    inputs: Sequence[str],
    out: str,
    task: AnyTask,
    *,
    partition: Partition = "none",
    resume: bool = False,
    jobs: int | None = None,
    ray: str | None = None,
    again: bool = False,
) -> tuple[Plan, Count]:
    """Plan a batch, or go on with one, and do what is left of it.

    Parameters
    ----------
    inputs, out, task, partition, resume
        As for `emotone.batch.run.prepare`.
    jobs
        Processes, or actors of the cluster.
    ray
        The address of a cluster, see `emotone.cluster.connection.connect`; None for this machine.
    again
        Whether to hear again what failed, as for `emotone.batch.run.run`.
    """
    from emotone.batch import run

    with contextlib.ExitStack() as left_at_the_end:
        cluster: Cluster | None = None
        if ray is not None:
            from emotone.cluster.connection import connect

            if ray == "auto":
                messages.note("Looking for a Ray cluster, or starting one …")
            cluster = left_at_the_end.enter_context(connect(ray))
            messages.note(f"On {cluster}")
            if cluster.machines > 1:
                _check_shared([*inputs, out], cluster)
        tell = left_at_the_end.enter_context(shown())
        plan = run.prepare(
            inputs,
            out,
            task,
            partition=partition,
            jobs=jobs or (None if cluster is None else cluster.cores),
            resume=resume,
            progress=tell,
        )
        try:
            if cluster is None:
                return plan, run.run(plan, jobs=jobs, again=again, progress=tell)
            from emotone.cluster import batch

            return plan, batch.run(plan, cluster, jobs=jobs, again=again, progress=tell)
        except KeyboardInterrupt:
            messages.note("Stopped. The same command with --resume goes on from there")
            raise


def _check_shared(places: Sequence[str], cluster: Cluster) -> None:
    local = [place for place in places if "://" not in place or place.startswith("file:")]
    if local:
        messages.note(
            f"{local[0]} is a path: all {cluster.machines} machines must see the same there"
        )


def told(count: Count, out: str) -> str:
    """What was done, in one line."""
    parts = [output.counted(count.done, "recording")]
    if count.earlier:
        parts.append(f"{count.earlier:,} of them earlier")
    if count.audio_s:
        parts.append(
            f"{output.length(count.audio_s)} of sound in {output.length(count.elapsed_s)}, "
            f"{count.speed:,.0f} × real time"
        )
    return f"{'; '.join(parts)}: {out}"


@contextlib.contextmanager
def shown() -> Iterator[Progress]:
    """Progress on stderr: a bar on a terminal, else a line a minute; none for --quiet."""
    if messages.quiet():
        yield lambda count: None
        return
    if not sys.stderr.isatty():
        told_at = time.monotonic()

        def line(count: Count) -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= _LINE_EVERY_S:
                told_at = time.monotonic()
                messages.note(_state(count))

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    console.width -= 3  # room for the "^C" that a terminal writes
    columns = (BarColumn(bar_width=None), TextColumn("{task.description}"))
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()
    ) as bars:
        bar = bars.add_task("Looking for recordings", total=None)

        def tell(count: Count) -> None:
            bars.update(
                bar, description=_state(count), completed=count.done, total=count.recordings
            )

        yield tell


def _state(count: Count) -> str:
    if count.done == count.elapsed_s == 0:
        return f"{count.recordings or 0:,} recordings"
    parts = [f"{count.done:,}/{count.recordings or 0:,}", f"{count.speed:,.0f} × real time"]
    if count.failed:
        parts.append(f"{count.failed:,} failed")
    if count.left_s is not None:
        parts.append(f"{output.length(count.left_s)} left")
    return ", ".join(parts)
