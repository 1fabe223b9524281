"""Blocks of code in Markdown: found, and run as a reader would.

Every block of a language that can be run has to run, or to say why it does not, in a comment before
it::

    <!-- not run: needs a microphone; test_listen_cli.py has a made-up one -->

What a reader has and a test has not (an array called ``samples``, a folder of clips) is made by a
hidden block, run in its turn, whose language is ``python`` or ``console``::

    <!-- setup: python
    samples = numpy.zeros(16000)
    -->
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
RUN = ("python", "console", "bash", "sql")
"""Languages whose blocks are run."""

MARKED = ("js", "cpp", "praat", "html", "ts")
"""Languages whose blocks say where they are tested, since nothing here runs them."""

DATA = ("text", "json", "yaml", "nginx", "toml", "csv", "xml", "")
"""Languages that do nothing."""

_PATIENCE_S = 300.0
_ADDRESS = "127.0.0.1:8000"
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w+-]*)[^`\n]*\n(?P<body>.*?)^(?P=indent)```", re.M | re.S
)
_SETUP = re.compile(r"^<!-- setup: (?P<language>\w+)\n(?P<body>.*?)^-->", re.M | re.S)
_REASON = re.compile(r"<!-- (?:not run|file): ([^\n]+?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes
    ----------
    language
        As after the fence.
    source
        Its lines, without the indentation of a list or tab around them.
    line
        Where it begins in the page, from 1.
    reason
        Why it is not run; None where it is.
    hidden
        Whether only the test sees it.
    """

    language: str
    source: str
    line: int
    reason: str | None = None
    hidden: bool = False

    @property
    def runs(self) -> bool:
        """Whether it is code that has to run."""
        return self.language in RUN and self.reason is None


def blocks(text: str) -> list[Block]:
    """The blocks of a page in their order, hidden ones in between."""
    found = []
    for match in _FENCE.finditer(text):
        reason = _REASON.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        source = textwrap.dedent(match["body"])
        block = Block(match["language"], source, line, reason[1] if reason else None)
        found.append((match, block))
    for match in _SETUP.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append((match, Block(match["language"], match["body"], line, hidden=True)))
    return [block for _, block in sorted(found, key=lambda pair: pair[0].start())]


def commands(source: str) -> list[str]:
    """The commands of a block of ``console``: what follows ``$``, joined where a line ends in a
    backslash. The other lines are what is printed."""
    found: list[str] = []
    going_on = False
    for line in source.splitlines():
        if going_on:
            found[-1] += "\n" + line
        elif line.startswith("$ "):
            found.append(line[2:])
        else:
            continue
        going_on = line.endswith("\\")
    return found


@dataclass
class Reader:
    """Somebody who does what a page says, in a folder of their own.

    Attributes
    ----------
    folder
        Where everything is run.
    environment
        Of every program.
    """

    folder: Path
    environment: dict[str, str]
    _python: subprocess.Popen[str] | None = field(default=None, init=False)
    _service: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _port: int = field(default=0, init=False)

    @classmethod
    def at(cls, folder: Path, cache: Path) -> Reader:
        """A reader who has a terminal with `emotone` in it."""
        programs = folder / ".bin"
        programs.mkdir()
        for name in ("python", "python3"):
            (programs / name).symlink_to(sys.executable)
        program = programs / "emotone"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emotone "$@"\n')
        program.chmod(0o755)
        home = folder / ".home"
        home.mkdir()
        return cls(
            folder,
            {
                **{k: v for k, v in os.environ.items() if not k.startswith("EMOTONE_")},
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(home),
                "EMOTONE_CACHE": str(cache),
                "BROWSER": "true",  # opens nothing
                "MPLBACKEND": "agg",
                # Other tests run beside these, and threads that wait for each other take time.
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
        )

    def run(self, block: Block) -> None:
        """Run a block; what fails is an assertion with all that was printed."""
        if self._port:
            source = block.source.replace(_ADDRESS, f"127.0.0.1:{self._port}")
        else:
            source = block.source
        if block.language == "python":
            self._run_python(source, block.line)
        elif block.language == "sql":
            self._run_python(f"import duckdb\nduckdb.sql({source!r}).show()", block.line)
        elif block.language == "bash":
            self._run_shell(source)
        else:
            for command in commands(source):
                if command.split()[:2] == ["emotone", "serve"]:
                    self._serve(command)
                else:
                    self._run_shell(command)

    def close(self) -> None:
        """Stop what still runs."""
        self._stop_service()
        if self._python is not None:
            assert self._python.stdin is not None
            self._python.stdin.close()
            self._python.wait(60)

    def _run_shell(self, command: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, f"$ {command}\n{done.stderr}"

    def _run_python(self, source: str, line: int) -> None:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("block_process.py")],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps({"source": source, "line": line}) + "\n")
        self._python.stdin.flush()
        answer = self._python.stdout.readline()
        assert answer, f"Python ended in the block of line {line}"
        failure = json.loads(answer)
        assert failure is None, f"{source}\n{failure}"

    def _serve(self, command: str) -> None:
        """Start a service and leave it running until the next, or the end of the page."""
        self._stop_service()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        log = self.folder / ".serve.txt"
        with log.open("wb") as said:
            self._service = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command} --port {self._port}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=5).close()
                return
            except OSError:
                assert self._service.poll() is None, f"$ {command}\n{log.read_text()}"
                assert time.monotonic() < end, f"$ {command}\n{log.read_text()}"
                time.sleep(0.1)

    def _stop_service(self) -> None:
        if self._service is None:
            return
        service, self._service = self._service, None
        service.send_signal(signal.SIGINT)
        try:
            status = service.wait(60)
        finally:
            service.kill()
            service.wait()
        log = (self.folder / ".serve.txt").read_text()
        assert status == 0, log
        assert "Traceback" not in log


def pages() -> list[Path]:
    """Every page of the documentation, and the README."""
    docs = sorted((REPO / "docs").rglob("*.md"))
    return [REPO / "README.md", *docs]


def emptied(folder: Path) -> None:
    """Remove what a page has left: models and pages are large."""
    shutil.rmtree(folder, ignore_errors=True)
