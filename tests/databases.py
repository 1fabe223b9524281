"""Databases for tests: files of SQLite, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ACCOUNTS = ("postgres", "nobody")
"""Who runs the server where the tests are run by root, whom it refuses."""


def program(name: str) -> str | None:
    """A program of PostgreSQL, which Debian does not put among the others."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places)))


class PostgreSQL:
    """A server with nothing in it, that listens on a socket in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = next(filter(None, map(_account, ACCOUNTS)))
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "--no-sync",
                  "-E", "UTF8", "--locale=C")  # fmt: skip
        self.process = subprocess.Popen(
            [program("postgres"), "-D", folder / "data", "-k", folder, "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "max_connections=200"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as,
        )  # fmt: skip
        self._await()

    def url(self, database: str) -> str:
        return f"postgresql://tester@/{database}?host={self.folder}"

    def make(self) -> str:
        """A new database."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _await(self) -> None:
        import psycopg

        ends = time.monotonic() + 120
        while True:
            try:
                return self.execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > ends or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def _run(self, name: str, *arguments: object) -> None:
        subprocess.run(
            [program(name), *map(str, arguments)], cwd=self.folder, check=True,
            stdout=subprocess.DEVNULL, **self._as,
        )  # fmt: skip


def _account(name: str) -> pwd.struct_passwd | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return None


@contextlib.contextmanager
def running() -> Iterator[PostgreSQL]:
    """A server as long as the block lasts; without its programs the test skips."""
    if program("initdb") is None:
        pytest.skip("no PostgreSQL here: sudo apt-get install postgresql")
    # Not pytest's folders, which nobody else may enter.
    folder = Path(tempfile.mkdtemp(prefix="emotone-pg-"))
    server = None
    try:
        folder.chmod(0o755)
        server = PostgreSQL(folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
