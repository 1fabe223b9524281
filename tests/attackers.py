"""A service of emotone that asks for keys, and what is said to it byte by byte."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services import Answer

CLIP = Path(__file__).resolve().parent.parent / "examples" / "raised-voice.flac"
_START_S = 60.0
_STOP_S = 30.0


@dataclass(frozen=True)
class Reply(Answer):
    """What came back."""

    @property
    def code(self) -> str:
        """Of an error, in the one shape that there is."""
        error = self.json["error"]
        assert set(error) == {"code", "message", "remedy"}
        return error["code"]


@dataclass
class Target:
    """A service that runs, and what it has said so far."""

    process: subprocess.Popen[str]
    folder: Path
    port: int
    lines: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return "\n".join(self.lines)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        json_body: Any = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        """A request, and its answer whatever it is."""
        found = dict(headers or {})
        if json_body is not None:
            body, found["Content-Type"] = json.dumps(json_body).encode(), "application/json"
        if key:
            found["Authorization"] = f"Bearer {key}"
        address = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(address, body, found, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Reply(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read())

    def send(
        self,
        path: str,
        content: bytes,
        file_name: str = "clip.flac",
        *,
        key: str | None = None,
        **form: str,
    ) -> Reply:
        """A form with a file, as a browser sends it."""
        kind, body = form_of(content, file_name, **form)
        return self.ask(path, method="POST", body=body, headers={"Content-Type": kind}, key=key)

    def connect(self) -> socket.socket:
        """A connection, for what no library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes until the service hangs up."""
        with self.connect() as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            found = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    found += piece
            return found


def form_of(content: bytes, file_name: str, **fields: str) -> tuple[str, bytes]:
    """The media type and the body of a form."""
    line = "--emotone-boundary\r\nContent-Disposition: form-data; name="
    parts = [f'{line}"{field}"\r\n\r\n{value}\r\n'.encode() for field, value in fields.items()]
    parts += [f'{line}"file"; filename="{file_name}"\r\n\r\n'.encode(), content]
    body = b"".join([*parts, b"\r\n--emotone-boundary--\r\n"])
    return "multipart/form-data; boundary=emotone-boundary", body


@contextlib.contextmanager
def attacked(folder: Path, *options: str) -> Iterator[Target]:
    """A service that logs all that it does, as long as the block lasts."""
    command = [sys.executable, "-m", "emotone", "serve", "--no-browser", "--port", "0"]
    command += ["--folder", str(folder), *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EMOTONE_LOG": "json"},
    )
    lines: list[str] = []
    ports: queue.Queue[int | None] = queue.Queue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
            if found := re.search(r"emotone runs at http://\S+:(\d+)/", line):
                ports.put(int(found[1]))
        ports.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        port = ports.get(timeout=_START_S)
        assert port is not None, "\n".join(lines)
        yield Target(process, folder, port, lines)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            reader.join(5)


def new_key(folder: Path, name: str, *options: str) -> str:
    """A key of the service with this folder, made by command, perhaps before it runs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "emotone", "server", "keys", "create", name]
    command += ["--folder", str(folder), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
