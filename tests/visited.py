"""A service whose page is visited, and waiting for what the page does."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services import Service


def eventually(page: Any, holds: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait until something holds, for which Playwright's ``expect`` has no words.

    The page goes on meanwhile, and so does what listens to it: both stand still in ``time.sleep``.
    """
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not so within {within_s} s"
        page.wait_for_timeout(50)


class Visited:
    """``emotone serve`` as a process; `address` stays the same when it starts again.

    Parameters
    ----------
    folder
        Where it keeps its data.
    options
        Of the command, besides.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._options = folder, options
        self.address = ""
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        port = self.address.rpartition(":")[2] or "0"
        self._service = Service(self.folder, *self._options, "--port", port)
        # As a browser of this machine reaches it, wherever it listens.
        self.address = f"http://127.0.0.1:{self._service.url.rpartition(':')[2]}"

    def kill(self) -> None:
        """As if the machine had gone down."""
        self._service.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While this lasts it takes what is sent, as far as its machine does, and says nothing."""
        self._service.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._service.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._service.stop()

    def get(self, path: str) -> Any:
        """What it answers, as JSON."""
        return self._service.ask("GET", path).json

    def send(self, path: str, file: Path, **fields: str) -> Any:
        """A form with a file, and what it answers."""
        form = {**fields, "file": (file.name, file.read_bytes())}
        answer = self._service.ask("POST", path, form=form)
        assert answer.status < 300, answer.body
        return answer.json

    def cancel(self, id: str) -> None:
        """Stop an analysis that is being worked on."""
        assert self._service.ask("POST", f"/v1/analyses/{id}/cancel").status == 200

    def forget(self) -> None:
        """Delete all that was analysed or is being."""
        for each in self._service.analyses():
            self._service.ask("DELETE", f"/v1/analyses/{each['id']}")

    def analysed(self, file: Path, **fields: str) -> Any:
        """A recording that is analysed, waited for."""
        return self._service.finished(self.send("/v1/analyses", file, **fields)["id"])
