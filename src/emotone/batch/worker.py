"""A process that hears blocks of a batch for another one, and writes their parts itself.

It reads a line of JSON for each block on its standard input and answers with lines of JSON. Plain
pipes, for the reasons that `emotone.children` gives; a decoder that crashes on a damaged
file takes down this process alone, and the file is found by working on the block again one by one.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from emotone import interrupts, memory
from emotone.batch.hearing import values_of
from emotone.batch.outage import Watch
from emotone.batch.parquet import Part
from emotone.batch.places import Place
from emotone.batch.plan import Plan
from emotone.batch.reading import Reader
from emotone.batch.scratch import sweep
from emotone.errors import AudioError, EmotoneError

_TELL_EVERY_S = 0.2
_END_S = 0.5


class Teller:
    """Tells the other process how far this one is, in few enough lines."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._told = 0.0
        self._clear()

    def count(self, row: dict[str, Any]) -> None:
        """A recording is done; a row of it."""
        self._done += 1
        self._audio_s += row.get("duration_s") or 0.0
        if code := row.get("error_code"):
            self._codes[code] = self._codes.get(code, 0) + 1
        if time.monotonic() - self._told >= _TELL_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Tell what was counted."""
        if self._done:
            self.say(done=self._done, audio_s=self._audio_s, failures=self._codes)
            self._clear()
        self._told = time.monotonic()

    def say(self, **line: Any) -> None:
        """One line.

        Raises
        ------
        BrokenPipeError
            If the other process is gone.
        """
        self._out.write(json.dumps(line).encode() + b"\n")
        self._out.flush()

    def _clear(self) -> None:
        self._done, self._audio_s = 0, 0.0
        self._codes: dict[str, int] = {}


def hear_block(
    plan: Plan,
    number: int,
    reader: Reader,
    folder: Path,
    teller: Teller,
    *,
    careful: bool = False,
    crashed: dict[int, str] | None = None,
) -> None:
    """Hear a block and put its part there.

    Parameters
    ----------
    plan, number
        Which block.
    reader
        Makes its rows.
    folder
        Where the part grows.
    teller
        Is told of each recording.
    careful
        Work on the recordings one by one, and tell which one before it is touched.
    crashed
        Places of recordings that are known to end the process, and how; they are not touched.

    Raises
    ------
    EmotoneError
        If recordings fail since their store does: there is no part then, and they are heard again.
    """
    recordings = plan.block(number)
    known = crashed or {}
    places = [place for place in range(len(recordings)) if place not in known]
    part = Part(plan.task.schema(), folder, {"plan": plan.id, "block": number} | plan.task.about())
    waiting: dict[int, list[dict[str, Any]]] = {}
    for place, how in known.items():
        waiting[place] = [plan.task.failed(recordings[place], _crash(recordings[place].file, how))]
        teller.count(waiting[place][0])
    watch = Watch(plan.inputs, plan.root, [recording.file for recording in recordings])
    following = 0
    started = (lambda at: teller.say(started=places[at])) if careful else None
    try:
        answers = reader.rows([recordings[place] for place in places], started=started)
        for at, rows in answers:
            waiting[places[at]] = rows
            watch.see(recordings[places[at]].file, rows[0].get("error_code"))
            teller.count(rows[0])
            # Rows lie in the order of the plan, whichever was ready first.
            while following in waiting:
                part.add(waiting.pop(following))
                following += 1
        for place in sorted(waiting):
            part.add(waiting[place])
        watch.end()
        part.finish(plan.part(number, recordings))
    finally:
        part.drop()
    teller.flush()


def _crash(file: str, how: str) -> EmotoneError:
    return AudioError(
        f"reading it brought the process down ({how})",
        source=file,
        remedy="Convert the file to WAV or FLAC, or leave it out. Where memory ran out, give it "
        "more or use fewer jobs, then --retry-failed.",
        code="crashed",
    )


def serve() -> None:
    """Hear the blocks that standard input names until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    teller = Teller(answers)
    sweep()
    lines = _until_left_alone(sys.stdin.buffer)
    try:
        given = json.loads(next(lines))
        plan = Plan.load(Place(given["out"]))
        if plan is None:
            raise EmotoneError("the plan of the batch is gone", source=given["out"])
        task = plan.task if given["model"] is None else plan.task.moved(given["model"])
        reader = task.reader(plan.root, jobs=given["jobs"])
        for line in lines:
            wanted = json.loads(line)
            hear_block(
                plan,
                wanted["block"],
                reader,
                Path(given["folder"]),
                teller,
                careful=wanted["careful"],
                crashed={int(place): how for place, how in wanted["crashed"].items()},
            )
            memory.give_back()
            teller.say(finished=wanted["block"])
    except (BrokenPipeError, StopIteration):
        pass  # the other process is gone
    except EmotoneError as error:
        teller.say(error=values_of(error))
    except FileNotFoundError as error:
        told = EmotoneError(
            "the folder of the results was taken away while they were written",
            source=error.filename or given["out"],
            remedy="See who removes it, then go on with --resume.",
            code="not_written",
        )
        teller.say(error=values_of(told))
    except OSError as error:
        told = EmotoneError(
            f"the results cannot be written ({error.strerror or error})",
            source=given["out"],
            remedy="Make room or give permission there, then go on with --resume.",
            code="not_written",
        )
        teller.say(error=values_of(told))


def _until_left_alone(source: BinaryIO) -> Iterator[bytes]:
    """The lines of another process; where that is gone in the middle of a block, this ends too.

    Else a recording of hours would be heard to its end for nobody.
    """
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        for line in source:
            lines.put(line)
        lines.put(None)
        time.sleep(_END_S)  # in which one that has nothing to do has ended
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    interrupts.end_at_request()  # copies of recordings are taken away
    threading.Thread(target=read, name="emotone-asked", daemon=True).start()
    while (line := lines.get()) is not None:
        yield line
