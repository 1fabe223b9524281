"""Standard output that holds nobody up: what is printed waits for its reader in a thread."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from io import TextIOBase
from typing import Any

MOST = 8 * 1024**2
"""Characters that may wait: the events of some two hours of speech."""


class Printer(TextIOBase):
    """Takes the place of `sys.stdout` for what goes on whether or not its output is read.

    A pager that was paused, a terminal after Ctrl-S or a program that has stalled would otherwise
    stop the recording, too.

    Parameters
    ----------
    drops
        Whether lines are dropped where too many wait; else whoever prints waits for the reader.
    enough
        Says that there is no more waiting for a reader.
    most
        Characters that may wait.

    Attributes
    ----------
    dropped
        Lines so far.
    """

    def __init__(self, *, drops: bool, enough: Callable[[], bool], most: int = MOST) -> None:
        self._drops, self._enough, self._most = drops, enough, most
        self._out = sys.stdout
        self._write = _writer(self._out)
        self._begun: list[str] = []
        self._units: deque[str] = deque()
        self._changed = threading.Condition()
        self._waiting = 0
        self._over = False
        self._error: OSError | None = None
        self.dropped = 0
        # A daemon, since nothing can wake it from a write that nobody reads.
        self._thread = threading.Thread(target=self._run, name="emotone-printer", daemon=True)
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As that of standard output, by which Rich chooses its characters."""
        return self._out.encoding

    @property
    def idle(self) -> bool:
        """Whether all has been printed."""
        return self._waiting == 0

    def isatty(self) -> bool:
        """Whether standard output is a terminal."""
        return self._out.isatty()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take a text, which is printed at the next `flush`."""
        self._begun.append(text)
        return len(text)

    def flush(self) -> None:
        """Put what was written in line, whole or not at all.

        Raises
        ------
        OSError
            If standard output takes nothing any more; for all that was written.
        """
        unit = "".join(self._begun)
        self._begun.clear()
        with self._changed:
            while not self._drops and self._waiting > self._most and not self._enough():
                if self._error is not None:
                    break
                self._changed.wait(0.1)
            if self._error is not None:
                raise self._error
            if self._waiting > self._most:
                self.dropped += unit.count("\n")
            elif unit:
                self._units.append(unit)
                self._waiting += len(unit)
                self._changed.notify_all()

    def finish(self) -> None:
        """Wait until all is printed; raises as `flush`."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        while self._thread.is_alive():
            self._thread.join(0.1)  # in pieces: on Windows no Ctrl-C falls in a wait without end
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._units and not self._over:
                    self._changed.wait()
                if not self._units:
                    return
                unit = self._units.popleft()
            try:
                self._write(unit)
            except OSError as error:
                with self._changed:
                    self._error = error
                    self._waiting = 0
                    self._changed.notify_all()
                return
            with self._changed:
                self._waiting -= len(unit)
                self._changed.notify_all()


def _writer(out: Any) -> Callable[[str], None]:
    """Writes to standard output past its buffer, whose lock Python needs when it ends."""
    try:
        number = out.fileno()
    except (AttributeError, OSError, ValueError):  # not a file: in a notebook, say

        def simply(text: str) -> None:
            out.write(text)
            out.flush()

        return simply
    out.flush()
    raw = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115

    def write(text: str) -> None:
        rest = memoryview(text.replace("\n", os.linesep).encode(out.encoding, out.errors))
        while rest:
            written = raw.write(rest)
            if written is None:  # a terminal that another program has told not to wait
                time.sleep(0.02)
            else:
                rest = rest[written:]

    return write
