"""What the Dockerfile does, done without an engine: the same steps, in clean folders.

The copied files are those that .dockerignore lets through, pip runs as the Dockerfile says, and the
service starts by its ENTRYPOINT and CMD in its environment, under a user without rights where this
one may become it, with the package where it cannot be written to.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dockerfiles import Stage, stages

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="images are of Linux")

_NOBODY = 65534


_USER = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}


@functools.cache
def python() -> tuple[str, Mapping[str, Any]]:
    """A Python, and how it is started without rights, where this user may and it is there for all.

    The home of a superuser is not for all, and pythons of theirs may lie there.
    """
    for found in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([found, "-c", "import venv"], check=True, **_USER)
            return found, _USER
    return sys.executable, {}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that a user without rights gets into; pytest closes its own again and again."""
    with tempfile.TemporaryDirectory(prefix="emotone-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def image(place: Path) -> Path:
    """A folder with the environment that the first stage builds: for one test, as it takes long."""
    built, _ = stages(REPO / "Dockerfile")
    source, target = place / "source", place / "emotone"
    source.mkdir()
    for argument in built.all("COPY"):
        *names, _ = argument.split()
        for name in names:
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            if (REPO / name).is_dir():
                shutil.copytree(REPO / name, source / name, ignore=ignored)
            else:
                shutil.copy(REPO / name, source / name)
    environment = {**os.environ, **built.environment, "PATH": os.environ["PATH"]}
    environment.pop("PIP_NO_CACHE_DIR")  # of an image it would only be a part
    for step in built.all("RUN"):
        script = step.replace("/opt/emotone", str(target))
        script = script.replace("python -m venv", f"{python()[0]} -m venv", 1)
        subprocess.run(
            ["sh", "-euc", f"umask 022; {script}"],
            cwd=source,
            env=environment,
            check=True,
            timeout=500,
        )
    shutil.rmtree(source)  # the second stage does not have it
    return target


@pytest.fixture
def runs() -> Stage:
    return stages(REPO / "Dockerfile")[1]


@pytest.fixture
def data(place: Path) -> Path:
    folder = place / "data"
    folder.mkdir(mode=0o700)
    if python()[1]:
        os.chown(folder, _NOBODY, _NOBODY)
    return folder


def environment(image: Path, runs: Stage, data: Path) -> dict[str, str]:
    """What ENV of the image sets, and nothing of this machine's."""
    found = {
        name: value.replace("/opt/emotone", str(image)).replace("$PATH", os.environ["PATH"])
        for name, value in runs.environment.items()
    }
    assert found["EMOTONE_SERVER"] == "/data"
    return {**found, "EMOTONE_SERVER": str(data), "HOME": str(data), "TMPDIR": str(data)}


def command(image: Path, words: list[str]) -> list[str]:
    return [str(image / "bin" / words[0]), *words[1:]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started(image: Path, runs: Stage, data: Path) -> Iterator[tuple[int, str, Path]]:
    """The port of the running service, a key for it, and its log."""
    entry, variables = runs.command("ENTRYPOINT"), environment(image, runs, data)
    making = command(image, [*entry, "server", "keys", "create", "first"])
    made = subprocess.run(
        making, env=variables, cwd=data, capture_output=True, text=True, **python()[1]
    )
    assert made.returncode == 0, made.stderr
    port, log = free_port(), data.parent / "log"
    words = [str(port) if word == "8000" else word for word in runs.command("CMD")]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command(image, [*entry, *words]), env=variables, cwd=data, stderr=errors, **python()[1]
        )
        try:
            yield port, made.stdout.strip(), log
        finally:
            if process.poll() is None:
                process.send_signal(getattr(signal, runs.last("STOPSIGNAL")))
            assert process.wait(30) == 0, log.read_text()


def health(image: Path, runs: Stage, data: Path, port: int) -> int:
    """The exit status of HEALTHCHECK."""
    words = json.loads(runs.last("HEALTHCHECK").partition("CMD")[2])
    words = [word.replace(":8000", f":{port}") for word in words]
    variables = environment(image, runs, data)
    return subprocess.run(
        command(image, words), env=variables, capture_output=True, timeout=30, **python()[1]
    ).returncode


def test_what_the_dockerfile_builds(image: Path, runs: Stage, data: Path) -> None:
    assert_no_tools_of_building(image)
    assert_does_not_start_open(image, runs, data)
    with started(image, runs, data) as (port, key, log):
        deadline = time.monotonic() + 60
        while health(image, runs, data, port) != 0:
            assert time.monotonic() < deadline, log.read_text()
        assert health(image, runs, data, free_port()) != 0  # it can fail
        assert_answers(f"http://127.0.0.1:{port}", key)
        lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
        assert any(json.loads(line)["event"] == "request" for line in lines)  # EMOTONE_LOG=json


def assert_no_tools_of_building(image: Path) -> None:
    assert not (image / "bin" / "pip").exists()
    packages = {path.name for path in next(image.glob("lib/python3*/site-packages")).iterdir()}
    assert not packages & {"pip", "torch", "sklearn", "pytest"}
    assert "emotone" in packages


def assert_does_not_start_open(image: Path, runs: Stage, data: Path) -> None:
    words = [*runs.command("ENTRYPOINT"), *runs.command("CMD")]
    words = [str(free_port()) if word == "8000" else word for word in words]
    run = subprocess.run(
        command(image, words),
        env=environment(image, runs, data),
        cwd=data,
        capture_output=True,
        text=True,
        timeout=60,
        **python()[1],
    )
    assert run.returncode == 2
    assert "emotone server keys create" in run.stderr


def assert_answers(address: str, key: str) -> None:
    def ask(path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "multipart/form-data; boundary=x"} if body else {}
        headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(address + path, body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    clip = (REPO / "examples" / "raised-voice.flac").read_bytes()
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n'
    prediction = json.loads(ask("/v1/predict", form + clip + b"\r\n--x--\r\n"))
    assert prediction["emotion"] in prediction["scores"]
    said = json.loads(ask("/v1/service"))
    assert said["auth"]["required"] is True
    formats = {"csv", "json", "parquet", "srt", "TextGrid", "png", "svg", "html"}
    assert formats <= set(said["export_formats"])
    assert b"<title>" in ask("/")  # the page is in the package


def test_the_version_of_python_is_one_that_emotone_is_for(runs: Stage) -> None:
    version = re.search(r"python:(3\.\d+)-", runs.image)[1]
    assert f"Python :: {version}" in (REPO / "pyproject.toml").read_text()
