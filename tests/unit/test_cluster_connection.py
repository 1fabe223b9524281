"""What is said where there is no Ray cluster; that one is joined is tested on a real one."""

from __future__ import annotations

import builtins
import socket
import subprocess
import sys
from typing import Any

import pytest

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
