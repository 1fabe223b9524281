"""Folds and trials on a Ray cluster: each is a task of one core, tried again where it was lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from emotone import __version__
from emotone.batch.hearing import error_of, values_of
from emotone.errors import EmotoneError
from emotone.execution import Callback, Executor, Finished, Progress

Result = TypeVar("Result")

TRIES = 4
"""How often a piece is begun before it is given up, where the process or machine is lost."""

_LOOK_EVERY_S = 0.25
_TELL_EVERY_S = 0.25


class RayExecutor(Executor):
    """Pieces of work as tasks of the Ray cluster that this program is connected to.

    What all pieces share is put into the memory of the cluster once. A piece has one core, and with
    `accelerated` a graphics card, where the cluster has any. At most as many pieces are in work as
    the cluster has cores.
    """

    def __init__(self) -> None:
        self._told: Any = None
        self._runs = 0
        self._held: tuple[Any, Any] = (None, None)

    def run(
        self,
        work: Callable[[Any, Any, Callback], Result],
        shared: Any,
        items: Iterable[Any],
        tell: Callback,
        *,
        accelerated: bool = False,
    ) -> Iterator[Finished[Result]]:
        """See `Executor.run`.

        Raises
        ------
        EmotoneError
            If the cluster comes to its end, or a machine has another version of emotone. A piece
            whose process was lost `TRIES` times has the error ``worker_died``.
        """
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        most = max(1, int(resources.get("CPU", 1)))
        cards = int(resources.get("GPU", 0)) if accelerated else 0
        task = ray.remote(_work_on).options(
            max_retries=TRIES - 1,
            num_cpus=1,
            num_gpus=1 if cards else 0,
            scheduling_strategy="SPREAD",
        )
        if self._told is None:
            self._told = ray.remote(_Told).options(num_cpus=0, max_restarts=-1).remote()
        told, run = self._told, self._runs
        self._runs += 1
        waiting = enumerate(items)
        pending: dict[Any, int] = {}
        stages = _Stages(tell)
        try:
            if shared is not self._held[0]:
                self._held = (shared, ray.put(shared))
            held = self._held[1]
            while True:
                while len(pending) < (cards or most):
                    following = next(waiting, None)
                    if following is None:
                        break
                    index, item = following
                    pending[task.remote(work, held, item, (run, index), told, __version__)] = index
                if not pending:
                    break
                ready, _ = ray.wait(list(pending), timeout=_LOOK_EVERY_S)
                stages.take(_events(told, run))
                for reference in ready:
                    index = pending.pop(reference)
                    stages.over(index)
                    yield _finished(index, reference)
        except ray.exceptions.RayError as error:
            raise _lost(error) from error
        finally:
            for reference in pending:
                with contextlib.suppress(Exception):
                    ray.cancel(reference, force=True)


def _finished(index: int, reference: Any) -> Finished[Any]:
    import ray

    try:
        result, error = ray.get(reference)
    except ray.exceptions.RayTaskError as failed:  # nobody foresaw it
        line = (str(failed.cause) or type(failed.cause).__name__).splitlines()[0][:300]
        return Finished(
            index,
            error=EmotoneError(
                f"something unforeseen went wrong ({type(failed.cause).__name__}: {line})",
                remedy="Try it without --ray, which shows where.",
                code="unforeseen",
            ),
        )
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.ObjectLostError,
    ) as failed:
        return Finished(index, error=_lost(failed, "worker_died"))
    return Finished(index, result, None if error is None else error_of(error))


def _lost(error: Exception, code: str = "cluster_failed") -> EmotoneError:
    what = "the cluster did not get through"
    if code == "worker_died":
        what = f"the process that worked on it was lost {TRIES} times"
    return EmotoneError(
        f"{what} ({' '.join(str(error).split())[:300]})",
        remedy="See what became of its machines, and whether their memory suffices.",
        code=code,
    )


def _events(told: Any, run: int) -> list[tuple[int, Progress]]:
    import ray

    try:
        found = ray.get(told.take.remote(), timeout=5.0)
    except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError):
        return []  # it is only progress
    # Of pieces of an earlier run that was broken off, there may still be word.
    return [(index, event) for (of, index), event in found if of == run]


class _Stages:
    """Adds up the progress of all pieces, stage by stage."""

    def __init__(self, tell: Callback) -> None:
        self._tell = tell
        self._known: dict[str, dict[int, Progress]] = {}

    def take(self, events: Iterable[tuple[int, Progress]]) -> None:
        changed: dict[str, Progress] = {}
        for index, event in events:
            self._known.setdefault(event.stage, {})[index] = event
            changed[event.stage] = event
        for stage, event in changed.items():
            self._add(stage, event.message)

    def over(self, index: int) -> None:
        """A piece is finished, and so is all that it told of."""
        for stage, known in self._known.items():
            event = known.get(index)
            if event is not None and event.done < event.total:
                known[index] = replace(event, done=event.total)
                self._add(stage, event.message)

    def _add(self, stage: str, message: str) -> None:
        known = self._known[stage].values()
        done, total = sum(each.done for each in known), sum(each.total for each in known)
        self._tell(Progress(stage, done, total, message))


# -- on the cluster


_Piece = tuple[int, int]
"""Which run of the executor, and which piece of it."""


class _Told:
    """An actor that keeps the last progress of each piece and stage until it is asked for."""

    def __init__(self) -> None:
        self._events: dict[tuple[_Piece, str], Progress] = {}

    def say(self, piece: _Piece, event: Progress) -> None:
        self._events[piece, event.stage] = event

    def take(self) -> list[tuple[_Piece, Progress]]:
        events, self._events = self._events, {}
        return [(piece, event) for (piece, _), event in events.items()]


def _work_on(
    work: Callable[[Any, Any, Callback], Any],
    shared: Any,
    item: Any,
    piece: _Piece,
    told: Any,
    version: str,
) -> tuple[Any, dict[str, Any] | None]:
    """A task: the result of one piece, or its error in plain types."""
    said: dict[str, float] = {}

    def tell(event: Progress) -> None:
        now = time.monotonic()
        if event.done == event.total or now - said.get(event.stage, 0.0) >= _TELL_EVERY_S:
            said[event.stage] = now
            told.say.remote(piece, event)

    try:
        if version != __version__:
            raise EmotoneError(
                f"a machine of the cluster has emotone {__version__}, and this one {version}",
                remedy="Install the same version on all of them.",
                code="other_version",
            )
        return work(shared, item, tell), None
    except EmotoneError as error:
        return None, values_of(error)
