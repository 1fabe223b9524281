"""An object store as tests need it: a server that speaks S3, on this machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from emotone.batch.places import Place

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What the environment holds of whoever asks it."""


@contextlib.contextmanager
def bucket(folder: Path) -> Iterator[Place]:
    """An empty bucket, while the block runs."""
    log = folder / "store.log"
    with log.open("w") as sink:
        server = subprocess.Popen(
            [sys.executable, "-c", "from moto.server import main; main(['-p', '0'])"],
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _made(_port(log, server))
    finally:
        server.kill()
        server.wait()


def _port(log: Path, server: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + 60
    while "http://127.0.0.1:" not in log.read_text():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < until
        time.sleep(0.1)
    return int(log.read_text().partition("http://127.0.0.1:")[2].split()[0])


def _made(port: int) -> Place:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/calls{port}", method="PUT")
    urllib.request.urlopen(request).close()
    options = f"?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{port}"
    return Place(f"s3://calls{port}{options}")
