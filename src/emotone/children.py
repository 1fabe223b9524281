"""Python processes that work for this one, and are gone when it is done with them.

Fresh interpreters at the end of plain pipes instead of `multiprocessing`, because

- the caller's script needs no ``if __name__ == "__main__"`` and is not imported again,
- nothing is pickled,
- a decoder that crashes on a damaged file takes down one process and fails one file, and
- a process ends by itself when its caller is gone, however that came about.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any

_END_S = 5.0
"""How long a process may take to end once nothing more is asked of it."""


class Children:
    """Processes with one program, killed when it is left. Its methods may be called by any thread.

    Parameters
    ----------
    program
        Python; it reads what it is asked from standard input and should end with that.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.closed = False

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill those that run, and start no more."""
        with self._lock:
            self.closed = True
            for process in self._running:
                process.kill()  # whatever it is in the middle of is not wanted any more

    def start(self, first: bytes) -> subprocess.Popen[bytes] | None:
        """A process that is told so much to begin with; None once this is closed.

        One that is dead already shows when it is asked something.
        """
        with self._lock:
            if self.closed:
                return None
            process = subprocess.Popen(
                [sys.executable, "-c", self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=single_threaded(),
                **apart(),
            )
            self._running.add(process)
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(first)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        """Have it end; its status, below 0 the signal that ended it."""
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            status = process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        with self._lock:
            self._running.discard(process)
        return status


def ended(status: int) -> str:
    """How a process came to its end, in words."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def apart() -> dict[str, Any]:
    """What `subprocess.Popen` is told so that Ctrl-C in the terminal does not reach the process.

    It goes to the whole process group; the end of these is their caller's business.
    """
    return {"creationflags": 0x00000200} if sys.platform == "win32" else {"start_new_session": True}


def single_threaded() -> dict[str, str]:
    """The environment: the same modules to import, and one thread for arithmetic."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    # One thread each: there are as many processes as cores.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return os.environ | single | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
