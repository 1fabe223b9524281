"""The arithmetic of very much sound is what it says."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import _records  # noqa: E402
import documents  # noqa: E402
import scaling  # noqa: E402

MEASURED: dict[str, Any] = {
    "benchmark": "batch-jobs",
    "task": "clips",
    "recordings": 3000,
    "audio_s": 7200.0,
    "times_real_time": 380.0,
    "memory_mib": 300,
    "read_bytes": 20_000_000,
    "written_bytes": 400_000,
    "failed": 0,
    "load_before": 0.1,
    "machine": "a machine",
    "commit": "abc1234",
    "seed": 0,
}


def test_a_million_hours() -> None:
    records = [
        MEASURED | {"jobs": 1, "per_core_second": 400.0},
        MEASURED | {"jobs": 2, "per_core_second": 200.0},  # all processes at work: this counts
    ]
    (found,) = scaling.reckoned(records, 1_000_000, 0.05)
    assert found["core_hours"] == pytest.approx(5000)
    assert found["dollars"] == pytest.approx(250)
    assert scaling.days(found, 100) == pytest.approx(5000 / 100 / 24)
    assert found["sound_tb"] == pytest.approx(10)  # 10 MB an hour
    assert found["parquet_gb"] == pytest.approx(200)
    assert found["failed_at_most"] == pytest.approx(1 - 0.05 ** (1 / 3000))
    assert found["read_mb_s_per_core"] == pytest.approx(20 / 7200 * 200)


def test_failures_bound_their_share() -> None:
    # Such a share gives so few failures in one of twenty cases: the definition, summed up.
    share = scaling.failed_at_most(7, 3000)
    few = sum(math.comb(3000, k) * share**k * (1 - share) ** (3000 - k) for k in range(8))
    assert few == pytest.approx(0.05)
    assert share > 7 / 3000
    assert scaling.failed_at_most(5, 5) == 1


def test_a_handful_says_nothing_of_failures() -> None:
    few = MEASURED | {"task": "segments", "recordings": 8, "jobs": 2, "per_core_second": 200.0}
    assert scaling.reckoned([few])[0]["failed_at_most"] is None
    assert "| too few heard to say |" in documents.million_hours([few])


def test_nothing_measured_gives_nothing(tmp_path: Path) -> None:
    assert scaling.reckoned([]) == []
    assert documents.NOT_YET in documents.million_hours([])
    words = [sys.executable, str(REPO / "benchmarks" / "scaling.py"), "--measured"]
    done = subprocess.run([*words, tmp_path / "no.json"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "emotone benchmark batch" in done.stderr


def test_the_command_prints_the_sum(tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    _records.write(path, [MEASURED | {"jobs": 2, "per_core_second": 200.0}])
    words = [sys.executable, str(REPO / "benchmarks" / "scaling.py"), "--measured", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "5,000 core-hours (2.1 days on 100 cores, 0.2 days on 1,000 cores)" in done.stdout
    assert "$200 at $0.04" in done.stdout


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (4.96, "5.0"), (0.123, "0.12"), (1234.0, "1,200"), (98765, "99,000")],
)
def test_two_digits(value: float, text: str) -> None:
    assert scaling.rounded(value) == text
