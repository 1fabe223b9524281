"""The check that nothing has become slower: what it lets pass, repeats, and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import speed

MEASURE = ("clip", "librosa tutorial-180")


def pair(ours_ms: float, theirs_ms: float) -> speed.Pair:
    return speed.Pair(
        [(ours_ms / 1e3 * k, ours_ms / 1e3) for k in (1, 1, 9)],
        [(theirs_ms / 1e3 * k, theirs_ms / 1e3) for k in (1, 1, 9)],
    )


class Bench:
    """Gives prepared times, one after the other."""

    def __init__(self, *pairs: speed.Pair) -> None:
        self.pairs = list(pairs)
        self.asked: list[int] = []

    def measure(self, measure: tuple[str, str], rounds: int) -> speed.Pair:
        self.asked.append(rounds)
        return self.pairs.pop(0)


def outcome(bench: Any, was: float, repeats: int = 2) -> tuple[float, bool]:
    before = [{"measure": MEASURE[0], "peer": MEASURE[1], "ratio": was}]
    ((found, holds),) = speed.compared(bench, [MEASURE], before, 5, repeats)
    return found["ratio"], holds


def test_a_ratio_is_of_medians() -> None:
    assert pair(10, 40).ratio(by_clock=True) == pytest.approx(4)
    assert pair(10, 40).milliseconds() == pytest.approx((10, 40))
    per = speed.Pair([(10.0, 10.0)], [(10.0, 10.0)], per=(100, 10))
    assert per.ratio(by_clock=True) == pytest.approx(10)


def test_a_quarter_is_let_pass() -> None:
    bench = Bench(pair(10, 30.1))
    assert outcome(bench, 4.0) == (3.01, True)
    assert bench.asked == [5]


def test_what_has_fallen_is_measured_again_before_it_is_believed() -> None:
    noise = Bench(pair(10, 20), pair(10, 39))
    assert outcome(noise, 4.0) == (3.9, True)
    assert noise.asked == [5, 10]
    slower = Bench(pair(10, 20), pair(10, 21), pair(10, 22))
    assert outcome(slower, 4.0) == (2.2, False)
    assert slower.asked == [5, 10, 10]


def test_a_ratio_that_is_no_number_does_not_hold() -> None:
    assert outcome(Bench(pair(10, float("nan"))), 4.0, repeats=0)[1] is False


def test_a_file_without_a_measure_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    with pytest.raises(SystemExit, match="no such file"):
        speed.checked(file, [MEASURE])
    file.write_text("[]")
    with pytest.raises(SystemExit, match="has nothing on clip beside librosa"):
        speed.checked(file, [MEASURE])
    file.write_text(json.dumps([{"measure": MEASURE[0], "peer": MEASURE[1], "ratio": 0}]))
    with pytest.raises(SystemExit, match="a ratio that is none"):
        speed.checked(file, [MEASURE])


def test_the_committed_file_has_every_measure() -> None:
    committed = speed.checked(speed._records.RESULTS / "speed.json", speed.ALL)
    for part in speed.PARTS:
        assert any(each["measure"].startswith(part) for each in committed)
    assert all(each["ratio"] > 0.5 for each in committed)


def test_what_is_measured_is_written_beside_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fake(Bench):
        def __init__(self, folder: Path) -> None:
            super().__init__(pair(10, 40), pair(10, 50))

        def close(self) -> None:
            pass

    written = tmp_path / "speed.json"
    other = {"measure": "live", "peer": "librosa tutorial-180 by window", "ratio": 2.0}
    written.write_text(json.dumps([other]))
    monkeypatch.setattr(speed, "Bench", Fake)
    monkeypatch.setattr("sys.argv", ["speed.py", "--only", "clip", "--json", str(written)])
    assert speed.main() == 0
    records = json.loads(written.read_text())
    assert [(each["measure"], each["ratio"]) for each in records] == [
        ("clip", 4.0),
        ("clip", 5.0),
        ("live", 2.0),
    ]
    assert records[0]["by"] == "processor"


def test_a_check_for_real_against_what_no_machine_reaches(tmp_path: Path) -> None:
    committed = tmp_path / "speed.json"
    committed.write_text(
        json.dumps([{"measure": "clip", "peer": peer, "ratio": 1000.0} for peer in
                    ("librosa tutorial-180", "openSMILE eGeMAPS")])
    )  # fmt: skip
    before = committed.read_bytes()
    done = subprocess.run(
        [sys.executable, speed.__file__, "--only", "clip", "--rounds", "2", "--repeats", "0",
         "--check", committed],
        capture_output=True, text=True, env={**os.environ, "EMOTONE_CACHE": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "slower by more than a quarter: clip beside librosa" in done.stderr
    assert "was 1000.0 ×: SLOWER" in done.stdout
    assert committed.read_bytes() == before
