"""A cluster that is started for a while leaves nothing behind, and tells nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray")

PROGRAM = """
import json, os, signal
from emotone.cluster.connection import connect
before = signal.getsignal(signal.SIGTERM)
with connect("auto") as cluster:
    import ray
    from ray._common.usage import usage_lib
    folder = ray._private.worker._global_node.get_session_dir_path()
    told = {
        "text": str(cluster),
        "started": cluster.started,
        "tells": usage_lib.usage_stats_enabled(),
        "folder": folder,
        "answer": ray.get(ray.remote(lambda: 6 * 7).remote()),
        "token": os.environ.get("RAY_AUTH_MODE"),
    }
told["kept"] = signal.getsignal(signal.SIGTERM) is before
told["connected"] = ray.is_initialized()
print(json.dumps(told))
"""


def test_a_cluster_for_a_while(tmp_path: Path) -> None:
    # The token of a cluster lies in the home folder. RAY_ADDRESS: another test may have a cluster.
    environment = {**os.environ, "HOME": str(tmp_path), "RAY_ADDRESS": "local"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert "of this machine alone" in told["text"]
    assert told["started"]
    assert told["kept"]
    assert not told["tells"]
    assert not told["connected"]
    assert told["answer"] == 42
    assert told["token"] == "token"
    assert not Path(told["folder"]).exists()
    until, name = time.monotonic() + 120, Path(told["folder"]).name
    while (left := of_session(name)) and time.monotonic() < until:
        time.sleep(0.2)
    assert left == []


def of_session(name: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if name in " ".join(process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
