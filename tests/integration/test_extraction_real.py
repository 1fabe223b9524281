"""Extraction over real clips, in real processes, with real interruptions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from emotone import features
from emotone.audio.preparation import Preparation
from emotone.errors import AudioWarning, FeatureError, UsageError
from emotone.features.cache import FeatureCache
from emotone.features.extraction import extract_many


@pytest.fixture(scope="module")
def ravdess(corpora: Path) -> list[Path]:
    return sorted((corpora / "ravdess").rglob("*.flac"))


@pytest.fixture
def few(ravdess: list[Path], tmp_path: Path) -> list[Path]:
    """Thirty clips of our own to change and rename, last changed a while ago."""
    copies = [tmp_path / "clips" / path.name for path in ravdess[::50]]
    copies[0].parent.mkdir()
    for source, copy in zip(ravdess[::50], copies, strict=True):
        shutil.copy(source, copy)
    return copies


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had been left alone for long enough."""
    monkeypatch.setattr("emotone.features.identity._SETTLED_S", -1e9)


def test_workers_give_the_rows_of_one_process_in_order(few: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.flac"
    bad.write_bytes(b"fLaC but not really")
    paths = [*few[:10], bad, *few[10:], tmp_path / "none.wav"]
    seen: list[tuple[int, int]] = []
    preparation = Preparation(trim_db=30.0, normalize="peak")
    several = extract_many(
        paths,
        "mfcc-13",
        preparation=preparation,
        jobs=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    alone = extract_many(paths, "mfcc-13", preparation=preparation, jobs=1)
    np.testing.assert_array_equal(several.matrix, alone.matrix)
    assert several.matrix.dtype == np.float32
    assert several.ok == alone.ok == [n for n in range(len(paths)) if n not in (10, len(paths) - 1)]
    row = features.extract(few[3], "mfcc-13", preparation=preparation)
    np.testing.assert_array_equal(several.matrix[3], row)
    assert seen == [(done, len(paths)) for done in range(len(paths) + 1)]
    for result in (several, alone):
        first, second = result.failures
        assert (first.file, second.file) == (str(bad), str(paths[-1]))
        assert str(bad) in str(first.error)
        assert second.error.code == "missing_file"
    assert [f.to_dict() for f in several.failures] == [f.to_dict() for f in alone.failures]


def test_a_second_run_over_ravdess_is_near_instant(ravdess: list[Path], tmp_path: Path) -> None:
    begun = time.perf_counter()
    with FeatureCache(tmp_path / "cache") as cache:
        first = extract_many(ravdess, "mfcc-13", cache=cache)
    first_s = time.perf_counter() - begun
    assert len(ravdess) == len(first.ok) == 1440
    assert first.from_cache == 0
    begun = time.perf_counter()
    with FeatureCache(tmp_path / "cache") as cache:
        second = extract_many(ravdess, "mfcc-13", cache=cache)
    assert time.perf_counter() - begun < first_s / 5
    assert second.from_cache == 1440
    np.testing.assert_array_equal(second.matrix, first.matrix)


def test_what_changed_is_computed_again_and_nothing_else(
    few: list[Path], tmp_path: Path, settled: None
) -> None:
    with FeatureCache(tmp_path / "cache") as cache:
        first = extract_many(few, "mfcc-13", cache=cache, jobs=1)
        shutil.copy(few[1], few[0])  # another clip under the name of the first: known by content
        data = few[2].read_bytes()
        few[3].write_bytes(data + b"\0")  # content that was never seen
        moved = few[4].rename(few[4].with_name("moved.flac"))
        paths = [*few[:4], moved, *few[5:]]
        again = extract_many(paths, "mfcc-13", cache=cache, jobs=1)
        assert again.from_cache == len(paths) - 1
        np.testing.assert_array_equal(again.matrix[0], first.matrix[1])
        np.testing.assert_array_equal(again.matrix[4:], first.matrix[4:])
        np.testing.assert_allclose(again.matrix[3], first.matrix[2], rtol=1e-5)

        assert extract_many(paths, "mfcc14", cache=cache, jobs=1).from_cache == 0
        trimmed = Preparation(trim_db=20.0)
        assert extract_many(paths, "mfcc-13", preparation=trimmed, cache=cache).from_cache == 0
        assert extract_many(paths, "mfcc-13", cache=cache).from_cache == len(paths)


def test_a_failure_is_not_remembered(few: list[Path], tmp_path: Path, settled: None) -> None:
    good = few[0].read_bytes()
    few[0].write_bytes(b"")
    with FeatureCache(tmp_path / "cache") as cache:
        assert len(extract_many(few, "mfcc-13", cache=cache, jobs=1).failures) == 1
        few[0].write_bytes(good)
        assert extract_many(few, "mfcc-13", cache=cache, jobs=1).failures == []


def test_warnings_of_the_workers_arrive(few: list[Path], corpora: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.wav"
    whole = (corpora / "originals" / "03a01Wa.wav").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(AudioWarning, match=r"cut\.wav"):
        result = extract_many([cut, *few], "mfcc-13", jobs=2)
    assert len(result.ok) == len(few) + 1


def test_nothing_to_do(tmp_path: Path) -> None:
    result = extract_many([], "mfcc-13", jobs=4)
    assert result.matrix.shape == (0, 13)
    with pytest.raises(FeatureError):
        extract_many([], "no-such-set")
    with pytest.raises(UsageError):
        extract_many([], "mfcc-13", jobs=0)


def test_a_crash_in_a_decoder_fails_one_file(
    few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every interpreter started from here aborts, as a C library would, on a file of that name.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os\nfrom emotone.features.job import Job\n"
        "attempt = Job.attempt\n"
        "Job.attempt = lambda self, path: os.abort() if path.stem == 'crash' "
        "else attempt(self, path)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    crash = few[5].rename(few[5].with_name("crash.flac"))
    paths = [*few[:5], crash, *few[6:]]
    result = extract_many(paths, "mfcc-13", jobs=2)
    (failure,) = result.failures
    assert failure.file == str(crash)
    assert failure.error.code == "crashed"
    assert len(result.ok) == len(paths) - 1


# No `if __name__ == "__main__"`: a user's script need not have one.
_SCRIPT = """
import sys
from pathlib import Path
from emotone.features.cache import FeatureCache
from emotone.features.extraction import extract_many
paths = sorted(Path(sys.argv[1]).rglob("*.flac"))
with FeatureCache(sys.argv[2]) as cache:
    extract_many(paths, "tutorial-180", cache=cache, jobs=2,
                 progress=lambda done, total: print(done, flush=True))
"""


def _interrupted(corpora: Path, cache: Path, after: int, stop: Callable[[int], None]) -> int:
    """How many clips were done when the run was stopped; asserts that no worker outlives it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(corpora / "ravdess"), str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    done = 0
    for line in process.stdout:
        done = int(line)
        if done >= after:
            break
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) == 2
    stop(process.pid)
    _, errors = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    assert process.returncode != 0
    if process.returncode in (1, -signal.SIGINT):
        assert errors.count("Traceback") <= 1, "the caller's own, and none of a worker"
    return done


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("whole_group", [False, True])
def test_ctrl_c_keeps_what_is_done_and_leaves_no_process(
    corpora: Path, ravdess: list[Path], tmp_path: Path, whole_group: bool
) -> None:
    def stop(pid: int) -> None:
        (os.killpg if whole_group else os.kill)(pid, signal.SIGINT)

    done = _interrupted(corpora, tmp_path / "cache", 60, stop)
    with FeatureCache(tmp_path / "cache") as cache:
        result = extract_many(ravdess[:40], "tutorial-180", cache=cache, jobs=1)
        known = cache.find(ravdess, _recipe("tutorial-180"))
    assert sum(row is not None for row in known) >= done
    assert result.from_cache >= 36, "the first ones, done in about this order"
    assert not list((tmp_path / "cache").glob("*.damaged"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_killed_at_any_moment_the_cache_is_whole(
    corpora: Path, ravdess: list[Path], tmp_path: Path
) -> None:
    for after in (1, 37, 101):
        _interrupted(corpora, tmp_path / "cache", after, lambda pid: os.kill(pid, signal.SIGKILL))
        assert not list((tmp_path / "cache").glob("*.damaged"))
    with FeatureCache(tmp_path / "cache") as cache:
        known = cache.find(ravdess[:10], _recipe("tutorial-180"))
    for path, row in zip(ravdess, known, strict=False):
        if row is not None:
            np.testing.assert_array_equal(row, features.extract(path, "tutorial-180"))


def _recipe(name: str) -> bytes:
    from emotone.features.job import Job

    return Job(name, Preparation()).recipe


def test_two_runs_share_a_cache(corpora: Path, ravdess: list[Path], tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    for path in ravdess[:80]:
        shutil.copy(path, part)
    command = [sys.executable, "-c", _SCRIPT, str(part), str(tmp_path / "cache")]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    with FeatureCache(tmp_path / "cache") as cache, warnings.catch_warnings():
        warnings.simplefilter("error")
        result = extract_many(sorted(part.iterdir()), "tutorial-180", cache=cache)
    assert result.from_cache == 80
