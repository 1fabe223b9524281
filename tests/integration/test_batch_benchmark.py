"""The benchmark of batches runs, and its records hold what the documents show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_few_clips(corpora: Path, tmp_path: Path) -> None:
    small = ["--clips", "30", "--others", "6", "--rounds", "1", "--jobs", "1", "--minutes", "0.1"]
    written = tmp_path / "batch.json"
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "batch.py", *small, "--corpora", corpora, "--json", written],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(written.read_text())
    ours, *others = (record for record in records if record["benchmark"] == "batch")
    assert ours["ratio"] == ours["cpu_ratio"] == 1
    assert ours["clips"] == 30
    assert ours["memory_mib"] > 50
    assert [other["clips"] for other in others] == [6, 6]
    assert all(record["per_core_second"] > 0 for record in (ours, *others))
    by_jobs = [record for record in records if record["benchmark"] == "batch-jobs"]
    assert [(record["task"], record["jobs"]) for record in by_jobs] == [
        ("clips", 1),
        ("segments", 1),
    ]
    assert all(record["written_bytes"] > 1000 and not record["failed"] for record in by_jobs)


def test_memory_of_many_files(tmp_path: Path) -> None:
    written = tmp_path / "memory.json"
    words = [sys.executable, BENCHMARKS / "batch_memory.py", "--files", "20,40", "--jobs", "1"]
    done = subprocess.run([*words, "--json", written], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    records = json.loads(written.read_text())
    assert [record["files"] for record in records] == [20, 40]
    assert all(record["memory_mib"] > 50 for record in records)
