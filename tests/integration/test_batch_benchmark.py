"""The benchmark of batches runs, and its records hold what the documents show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_few_clips(corpora: Path, tmp_path: Path) -> None:
    small = ["--clips", "30", "--others", "6", "--rounds", "1", "--jobs", "1"]
    written = tmp_path / "batch.json"
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "batch.py", *small, "--corpora", corpora, "--json", written],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours, *others = json.loads(written.read_text())
    assert ours["ratio"] == ours["cpu_ratio"] == 1
    assert ours["clips"] == 30
    assert ours["memory_mib"] > 50
    assert [other["clips"] for other in others] == [6, 6]
    assert all(record["per_core_second"] > 0 for record in (ours, *others))
