"""What is said where there is no Ray cluster; that one is joined is tested on a real one."""

from __future__ import annotations

import builtins
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emotone.cluster import connection
from emotone.cluster.connection import connect
from emotone.errors import EmotoneError, MissingExtraError, UsageError


@pytest.mark.parametrize("address", ["here", "ray://head:10001", ":6379", "head:", "head:99999"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"), connect(address):
        pass


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for given, named in ((address, ""), ("auto", address)):
            monkeypatch.setenv("RAY_ADDRESS", named)
            with pytest.raises(EmotoneError, match="no Ray cluster answers") as caught:
                connect(given).__enter__()
            assert caught.value.code == "no_cluster"
            assert caught.value.source == address


@pytest.mark.skipif(sys.platform == "win32", reason="files have other owners there")
def test_a_cluster_of_another_user_is_not_joined_unnamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    note = tmp_path / "ray_current_cluster"
    monkeypatch.setattr(ray._private.utils, "get_ray_address_file", lambda folder: str(note))
    assert connection._noted(ray) is None
    note.write_text("10.0.0.5:6379\n")
    assert connection._noted(ray) == "10.0.0.5:6379"
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    real = os.fstat

    def owned_by(owner: int) -> Callable[[int], Any]:
        return lambda file: SimpleNamespace(st_uid=owner, st_mode=real(file).st_mode)

    for owner, joined in ((mine + 1, True), (mine + 2, False), (0, True)):
        with monkeypatch.context() as patched:
            patched.setattr(connection.os, "fstat", owned_by(owner))
            assert (connection._noted(ray) is not None) == joined


@pytest.mark.parametrize("named", ["", "local"])
def test_a_cluster_of_this_machine_alone(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    ray = pytest.importorskip("ray")
    asked: list[Any] = []
    monkeypatch.setenv("RAY_ADDRESS", named)
    monkeypatch.setattr(connection, "_noted", lambda ray: "127.0.0.1:1")
    monkeypatch.setattr(connection, "_answers", lambda host, port: True)
    monkeypatch.setattr(connection, "_init", lambda ray, where, **options: asked.append(options))
    assert connection._join_or_start(ray, "local")
    assert connection._join_or_start(ray, "auto") == (named == "local")
    joined = None if named == "" else "local"
    assert [options["address"] for options in asked] == ["local", joined]


def test_ray_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    session = tmp_path / "ray" / f"session_2026-11-22_04-00-00_123456_{os.getpid()}"
    other = tmp_path / "ray" / "session_2026-11-22_04-00-00_123456_1"
    session.mkdir(parents=True)
    other.mkdir()
    ended: list[bool] = []

    def fail(**_: Any) -> None:
        raise Exception("The current node timed out during startup. This could happen")

    ray = SimpleNamespace(init=fail, shutdown=lambda: ended.append(True))
    with pytest.raises(EmotoneError, match=r"Ray does not start .*timed out") as caught:
        connection._init(ray, "this machine", address="local")
    assert caught.value.code == "no_cluster"
    assert ended
    assert (session.exists(), other.exists()) == (False, True)
    with pytest.raises(EmotoneError, match="does not take this program"):
        connection._init(ray, "there", address="10.0.0.5:6379")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *others: Any) -> Any:
        if name.partition(".")[0] == "ray":
            raise ImportError("no ray")
        return real(name, *others)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"emotone\[cluster\]"), connect():
        pass


def test_ray_is_imported_by_a_connection_alone() -> None:
    code = "import sys, emotone.cluster.connection; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
