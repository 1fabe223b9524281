"""The soak of the service runs, checks what is answered, and tells growth from none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import soak  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_a_short_soak_answers_everything(tmp_path: Path) -> None:
    written = tmp_path / "soak.json"
    done = subprocess.run(
        [sys.executable, REPO / "benchmarks" / "soak.py", "--minutes", "0.15", "--sessions", "2",
         "--session-s", "4", "--every-s", "0.5", "--json", str(written)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert written.exists(), done.stdout + done.stderr  # in seconds it may well grow
    whole, *samples = json.loads(written.read_text())
    assert whole["wrong"] == 0, done.stdout
    assert min(whole["live_sessions"], whole["clips"], whole["recordings"]) >= 1
    assert {"commit", "machine", "model", "minutes"} <= set(whole)
    assert len(samples) >= 3
    for each in samples:
        assert each["memory_mib"] > 50
        assert each["handles"] > 5
        assert each["threads"] >= each["processes"] >= 1
    text = soak.section([whole, *samples])
    assert f"{whole['memory_mib']['last']:,.0f}" in text
    assert "not measured yet" in soak.section([])


def seen(values: list[float]) -> list[dict[str, float]]:
    return [{"minute": k / 10, "memory_mib": value} for k, value in enumerate(values)]


def test_growth_is_told_from_noise_and_warming_up() -> None:
    noise = np.random.default_rng(0).normal(0, 20, 240)
    flat = soak.summed_up(seen(list(500 + noise)), "memory_mib")
    assert flat["verdict"] == "flat"
    warm = np.minimum(np.arange(240) * 20, 500)
    assert soak.summed_up(seen(list(warm + noise)), "memory_mib")["verdict"] == "flat"
    grows = soak.summed_up(seen(list(500 + noise + np.arange(240) * 0.5)), "memory_mib")
    assert grows["verdict"] == "grows"
    assert grows["per_hour"] == pytest.approx(300, abs=60)


def test_processes_of_processes_count() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        while len(soak.family(parent.pid)) < 2:
            assert parent.poll() is None
        found = soak.sample(os.getpid())
        assert found["processes"] >= 3
        assert parent.stdin is not None
        parent.stdin.write(b"\n")
