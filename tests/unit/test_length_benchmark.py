"""What benchmarks/length.py repeats, and the memory it sees."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import length  # noqa: E402


@pytest.mark.parametrize("sizes", [[100], [16_000], [100, 0, 40_000], [15_999, 33_000]])
def test_talks_of_any_length_are_repeated_whole(sizes: list[int]) -> None:
    talks = [np.arange(size, dtype=np.float32) + 1e5 * k for k, size in enumerate(sizes)]
    seconds = list(itertools.islice(length._endless(talks), 7))
    assert [len(second) for second in seconds] == [length.RATE] * 7
    expected = np.resize(np.concatenate(talks), 7 * length.RATE)
    np.testing.assert_array_equal(np.concatenate(seconds), expected)


def test_nothing_cannot_be_repeated() -> None:
    with pytest.raises(SystemExit, match="nothing to repeat"):
        next(length._endless([np.empty(0, np.float32)]))


def test_a_recording_of_the_length_asked_for(tmp_path: Path) -> None:
    talk = np.linspace(-0.5, 0.5, 4000, dtype=np.float32)
    length.write(tmp_path / "talk.flac", [talk, -talk], 3.5 / 3600, 2)
    samples, rate = soundfile.read(tmp_path / "talk.flac")
    assert samples.shape == (3.5 * rate, 2)
    np.testing.assert_allclose(samples[:, 0], -samples[:, 1], atol=1e-4)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_the_memory_is_the_most_a_process_held() -> None:
    """That of one below it is added."""
    holds = "bytearray(b'x' * (80 << 20)); print('held', flush=True); input()"
    starts = (
        "import subprocess, sys; "
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {holds!r}]); child.wait()"
    )
    for script, count in ((holds, 1), (starts, 2)):
        with subprocess.Popen(
            [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            peak = length._memory_mib(process.pid)
            process.stdin.write(b"\n")
        assert 160 < peak < 160 + 40 * count  # the bytes and their copy, given back by then
