"""A process that hears the blocks of a batch, as the one that asks it sees it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emotone.batch.count import Heard
from emotone.children import Children, ended
from emotone.errors import EmotoneError

PROGRAM = "from emotone.batch.worker import serve; serve()"

_DEATHS = 100
"""How often a process may end in one block before something else must be wrong."""

_TRIES = 3
"""How often a recording is tried at which a process was killed, which others may have done."""

_KILLED = ended(-9)

_SILENT_STARTS = 3
"""Processes in a row that may end before they say anything."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process is told before the first block.

    Attributes
    ----------
    out
        The address of the batch.
    folder
        Where parts grow: a local folder.
    jobs
        Cores that one recording may use.
    model
        A bundle to take in place of the one that the task names, which must be the same.
    """

    out: str
    folder: str
    jobs: int = 1
    model: str | None = None

    def line(self) -> bytes:
        """As it goes to the process."""
        values = {"out": self.out, "folder": self.folder, "jobs": self.jobs, "model": self.model}
        return json.dumps(values).encode() + b"\n"


class Hearer:
    """Has blocks heard by a process of its own, and by another one where that comes to its end.

    Parameters
    ----------
    children
        Starts the processes.
    setup
        What each is told first.
    tell
        Called with what was heard, again and again.
    """

    def __init__(
        self, children: Children, setup: Setup, tell: Callable[[Heard], None] = lambda _: None
    ) -> None:
        self._children, self._setup, self._tell = children, setup, tell
        self._process: subprocess.Popen[bytes] | None = None

    def hear(self, number: int) -> Heard | None:
        """Have a block heard; its part is there then. None where the processes are to end.

        Raises
        ------
        EmotoneError
            If the model fails, the part cannot be written, or processes keep dying.
        """
        crashed: dict[int, str] = {}
        killed: Counter[int] = Counter()
        careful, silent, deaths = False, 0, 0
        while True:
            if self._process is None:
                self._process = self._children.start(self._setup.line())
            if self._process is None:
                return None
            wanted = {"block": number, "careful": careful, "crashed": crashed}
            heard, at = self._ask(self._process, wanted)
            if at is _FINISHED:
                return heard
            how = self.close()
            if self._children.closed:
                return None
            self._tell(-heard)  # its recordings are heard anew, and are not to count twice
            deaths += 1
            if isinstance(at, int):
                killed[at] += 1
                if how != _KILLED or killed[at] == _TRIES:
                    crashed[at] = how
            silent = silent + 1 if at is None and careful else 0
            if silent == _SILENT_STARTS or deaths == _DEATHS:
                raise EmotoneError(
                    f"the processes of the batch keep dying ({how})",
                    remedy="Use fewer jobs, and see whether memory runs out; then --resume.",
                    code="worker_died",
                )
            careful = True

    def close(self) -> str:
        """Have the process end, if there is one; how it did."""
        process, self._process = self._process, None
        return "" if process is None else ended(self._children.stop(process))

    def _ask(
        self, process: subprocess.Popen[bytes], wanted: dict[str, Any]
    ) -> tuple[Heard, int | object | None]:
        """What it told; and `_FINISHED`, or the recording at which it ended, where it named one."""
        assert process.stdin is not None
        assert process.stdout is not None
        heard, at = Heard(), None
        try:
            process.stdin.write(json.dumps(wanted).encode() + b"\n")
            process.stdin.flush()
            for text in process.stdout:
                line = json.loads(text)
                if "error" in line:
                    raise error_of(line["error"])
                if "finished" in line:
                    return heard, _FINISHED
                if "started" in line:
                    at = line["started"]
                    continue
                now = Heard(**line)
                heard += now
                self._tell(now)
        except (OSError, ValueError):
            pass
        return heard, at


_FINISHED = object()


def error_of(values: dict[str, str | None]) -> EmotoneError:
    """The error that `values_of` wrote."""
    return EmotoneError(
        values["cause"] or "",
        source=values["source"],
        remedy=values["remedy"],
        code=values["code"],
    )


def values_of(error: EmotoneError) -> dict[str, str | None]:
    """An error as plain types, on its way to another process."""
    return {
        "cause": error.cause,
        "source": error.source,
        "remedy": error.remedy,
        "code": error.code,
    }
