"""The benchmark of the service runs, and checks what it measures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

REPO = Path(__file__).resolve().parents[2]


def test_live_sessions_and_clips_are_all_answered(tmp_path: Path) -> None:
    written = tmp_path / "service.json"
    done = subprocess.run(
        [sys.executable, REPO / "benchmarks" / "service.py", "--sessions", "6", "--seconds", "4",
         "--clips", "24", "--clients", "4", "--json", str(written)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    live, clips = json.loads(written.read_text())
    assert (live["sessions"], live["sessions_wrong"], live["frames"]) == (6, 0, 600)
    assert live["latency_ms"]["p50"] <= live["latency_ms"]["p95"] <= live["latency_ms"]["p99"]
    assert live["latency_ms"]["p50"] >= live["service_ms"]["p50"] > 0
    assert live["skipped"] < 1
    assert (clips["answered"], clips["clips"]) == (24, 24)
    for record in (live, clips):
        assert {"commit", "seed", "machine", "model"} <= set(record)
