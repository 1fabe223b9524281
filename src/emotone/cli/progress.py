"""Progress on stderr, where that is a terminal, with rate and time left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emotone.cli import messages

if TYPE_CHECKING:
    from rich.progress import Progress

    from emotone.execution import Progress as Step

Report = Callable[[int, int | None], None]
"""Called with how many are done, and of how many; None where that is unknown."""

_STAGES = {
    "features": "clips",
    "search": "trials",
    "fold": "folds",
    "epochs": "batches",
    "curve": "fits",
    "model": "",
}
"""What each stage of a training counts."""


@contextlib.contextmanager
def bar(
    what: str, unit: str = "files", *, show: bool = True, resumed: bool = False
) -> Iterator[Report]:
    """Show a bar while the block runs; it goes when the block ends.

    Parameters
    ----------
    what
        In front of the bar: ``"Extracting"``.
    unit
        What is counted; ``"bytes"`` are shown as MB.
    show
        False where it would be over before it is seen.
    resumed
        Whether the first call tells what was done before, which counts for no rate.

    Yields
    ------
    callable
        To be told ``(done, total)``. The bar appears with the first call.
    """
    if not show or messages.quiet() or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with _progress(in_bytes=unit == "bytes") as progress:
        task = progress.add_task(what, total=None, visible=False, unit=unit)
        begun = not resumed

        def report(done: int, total: int | None) -> None:
            nonlocal begun
            if not begun:
                progress.reset(task, completed=done, total=total, unit=unit, before=done)
                begun = True
            progress.update(task, completed=done, total=total, visible=True)

        yield report


@contextlib.contextmanager
def stages() -> Iterator[Callable[[Step], None]]:
    """Show a bar for each stage of a training while the block runs.

    Yields
    ------
    callable
        To be told each `emotone.execution.Progress`.
    """
    if messages.quiet() or not sys.stderr.isatty():
        yield lambda step: None
        return
    with _progress(in_bytes=False) as progress:
        tasks = {
            stage: progress.add_task("", total=None, visible=False, start=False, unit=unit)
            for stage, unit in _STAGES.items()
        }

        def tell(step: Step) -> None:
            task = tasks[step.stage]
            shown = progress.tasks[task]
            if step.done == 0 or not shown.started or step.done < shown.completed:
                # Begun, or begun anew for the next fold or family; of a training that goes on
                # where it was cut off, in the middle.
                before = max(0, step.done - 1)
                unit = _STAGES[step.stage]
                progress.reset(task, completed=step.done, before=before, unit=unit)
            progress.update(
                task,
                description=step.message[:1].upper() + step.message[1:],
                completed=step.done,
                total=step.total,
                # A stage that is over makes way for the next.
                visible=step.done < step.total,
            )

        yield tell


def _progress(*, in_bytes: bool) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units per second."""

        def render(self, task: Task) -> Text:
            # Since the start: Rich's own rate counts from the first result to the last, and threads
            # that end together would make it thousands of clips a second.
            taken = task.finished_time or task.elapsed or 0
            done = task.completed - task.fields.get("before", 0)
            return Text(f"{done / taken:,.1f}/s" if done and taken > 0.1 else "", style="dim")

    counting: list[ProgressColumn] = (
        [DownloadColumn(), TransferSpeedColumn()]
        if in_bytes
        else [MofNCompleteColumn(), TextColumn("{task.fields[unit]}"), Rate()]
    )
    console = Console(stderr=True)
    # Room for the "^C" that a terminal writes; else it would push the bar out of reach.
    console.width -= len("^C") + 1
    # stdout is left alone where it is a pipe, which wants its results as they come.
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        *counting,
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
