"""A service whose page is visited: it starts again at the address where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services import Service


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
        self._folder, self._options = folder, options
        self.address = ""
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        port = self.address.rpartition(":")[2] or "0"
        self._service = Service(self._folder, *self._options, "--port", port)
        # As a browser of this machine reaches it, wherever it listens.
        self.address = f"http://127.0.0.1:{self._service.url.rpartition(':')[2]}"

    def kill(self) -> None:
        """As if the machine had gone down."""
        self._service.kill()

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

    def analysed(self, file: Path, **fields: str) -> Any:
        """A recording that is analysed, waited for."""
        return self._service.finished(self.send("/v1/analyses", file, **fields)["id"])
