"""A real `emotone serve` for tests, and the requests to it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

_WITH_SETTINGS = """
import json, sys
from pathlib import Path
from emotone.server.app import create_app
from emotone.server.running import Server
from emotone.server.settings import ServerSettings

told = json.loads(sys.argv[1])
settings = ServerSettings(**told | {"folder": Path(told["folder"])})
say = lambda address: print("emotone runs at", address, file=sys.stderr, flush=True)
Server(create_app(settings), settings, say).serve_until_stopped()
"""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


class Service:
    """A server process on a port of its own."""

    def __init__(self, folder: Path, *options: str, **settings: Any) -> None:
        """With options of `emotone serve`; or with settings that it has no options for."""
        self.folder = folder
        if settings:
            told = {"folder": str(folder), "port": 0, **settings}
            command = ["-c", _WITH_SETTINGS, json.dumps(told)]
        else:
            command = ["-m", "emotone", "serve", "--no-browser", "--port", "0", "--folder",
                       str(folder), *options]  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True,
        )  # fmt: skip
        self.said: list[str] = []
        self._url: str | None = None
        self._reading = threading.Lock()

    @property
    def url(self) -> str:
        """Its address, as soon as it says it."""
        assert self.process.stderr is not None
        with self._reading:
            while self._url is None:
                line = self.process.stderr.readline()
                self.said.append(line)
                if not line:
                    raise RuntimeError("".join(self.said))
                found = re.search(r"emotone runs at (http://[^/]+)/", line)
                self._url = found and found[1]
        return self._url

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **given: Any,
    ) -> Answer:
        """Send a request; `json=` makes its body, or `form=`, with files as name and bytes."""
        headers = dict(headers or {})
        if "json" in given:
            body = json.dumps(given["json"]).encode()
            headers["Content-Type"] = "application/json"
        if "form" in given:
            body, headers["Content-Type"] = multipart(given["form"])
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def send(self, recording: Path | bytes, file: str = "talk.flac", /, **fields: Any) -> Any:
        """Send a recording to be analysed."""
        content = recording if isinstance(recording, bytes) else recording.read_bytes()
        answer = self.ask("POST", "/v1/analyses", form={"file": (file, content), **fields})
        assert answer.status == 202, answer.body
        return answer.json

    def analyses(self) -> list[Any]:
        """All analyses, the latest first."""
        found: list[Any] = self.ask("GET", "/v1/analyses?limit=200").json["items"]
        return found

    def analysis(self, id: str) -> Any:
        """An analysis as it is now."""
        return self.ask("GET", f"/v1/analyses/{id}").json

    def finished(self, id: str) -> Any:
        """An analysis when it is over."""
        until(lambda: self.analysis(id)["state"] not in ("queued", "running"))
        return self.analysis(id)

    def reached(self, id: str, heard_s: float) -> float:
        """Wait until so many seconds of a recording are heard, and not all; says how many."""
        until(lambda: self.analysis(id)["heard_s"] >= heard_s or self.analysis(id)["error"])
        found = self.analysis(id)
        assert found["state"] == "running", found
        return float(found["heard_s"])

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self._wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; gives its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self._wait()

    def _wait(self) -> int:
        assert self.process.stderr is not None
        if not self.process.stderr.closed:  # it may have been stopped before
            self.said += self.process.stderr.readlines()
            self.process.stderr.close()
        return self.process.wait(60)


def until(holds: Callable[[], object], within_s: float = 300.0) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends, f"not so within {within_s} s"
        time.sleep(0.05)


def multipart(fields: Mapping[str, Any]) -> tuple[bytes, str]:
    """A form and its content type."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        if isinstance(value, tuple):
            head = f'name="{name}"; filename="{value[0]}"\r\nContent-Type: audio/x'
            content = value[1]
        else:
            head, content = f'name="{name}"', str(value).encode()
        parts.append(
            f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode()
            + content + b"\r\n"
        )  # fmt: skip
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


@contextlib.contextmanager
def service(folder: Path, *options: str, **settings: Any) -> Iterator[Service]:
    """A server as long as the block lasts."""
    running = Service(folder, *options, **settings)
    try:
        yield running
    finally:
        running.stop(signal.SIGKILL)
