"""A service whose page is visited: started, asked, stopped, and started again where it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

_STOP_S = 30.0


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
        self._command = [
            sys.executable, "-m", "emotone", "serve", "--no-browser", "--folder", str(folder),
            *options,
        ]  # fmt: skip
        self.folder = folder
        self.address = ""
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        port = self.address.rpartition(":")[2] or "0"
        self.process = subprocess.Popen(
            [*self._command, "--port", port],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"emotone runs at (http://\S+):(\d+)/", line):
                self.address = f"http://127.0.0.1:{found[2]}"
                return
        raise AssertionError("".join(said))

    def kill(self) -> None:
        """As if the machine had gone down."""
        assert self.process is not None
        self.process.kill()
        self._over()

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        assert self.process is not None
        self.process.terminate()
        self._over()

    def _over(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        self.process.wait(_STOP_S)
        self.process.stderr.close()

    def get(self, path: str) -> Any:
        """What it answers, as JSON."""
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return json.load(answer)

    def send(self, path: str, file: Path, **fields: str) -> Any:
        """A form with a file, and what it answers."""
        line = "--visited\r\nContent-Disposition: form-data; name="
        parts = [f'{line}"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
        parts += [f'{line}"file"; filename="{file.name}"\r\n\r\n'.encode(), file.read_bytes()]
        kind = {"Content-Type": "multipart/form-data; boundary=visited"}
        body = b"".join([*parts, b"\r\n--visited--\r\n"])
        request = urllib.request.Request(self.address + path, body, kind)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def analysed(self, file: Path, **fields: str) -> Any:
        """A recording that is analysed, waited for."""
        made = self.send("/v1/analyses", file, **fields)
        events = f"{self.address}/v1/analyses/{made['id']}/events"
        with urllib.request.urlopen(events, timeout=60) as stream:
            stream.read()
        return self.get(f"/v1/analyses/{made['id']}")
