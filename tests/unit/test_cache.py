from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from emotone.errors import EmotoneWarning
from emotone.features.cache import FeatureCache, default_folder
from emotone.features.identity import Stamp, content_of

RECIPE, OTHER = bytes(16), b"o" * 16
ROW = np.arange(13, dtype=np.float32)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A file whose last change is long ago."""
    path = tmp_path / "clip.wav"
    path.write_bytes(b"sound")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureCache:
    # As if every file had been left alone for long enough.
    monkeypatch.setattr("emotone.features.identity._SETTLED_S", -1e9)
    return FeatureCache(tmp_path / "cache")


def keep(cache: FeatureCache, path: Path, row: np.ndarray = ROW, recipe: bytes = RECIPE) -> None:
    stamp, content = Stamp.of(path), content_of(path)
    assert stamp is not None
    assert content is not None
    cache.put(path, stamp, content, recipe, row)


def test_a_row_is_remembered_by_path_and_by_content(cache: FeatureCache, clip: Path) -> None:
    keep(cache, clip)
    cache.close()
    again = FeatureCache(cache.folder)
    (row,) = again.find([clip], RECIPE)
    np.testing.assert_array_equal(row, ROW)
    assert row is not None
    assert row.dtype == np.float32
    row[0] = 5  # the caller's own
    content = content_of(clip)
    assert content is not None
    np.testing.assert_array_equal(again.of_content(content, RECIPE), ROW)
    again.close()


def test_another_recipe_or_file_is_not_known(cache: FeatureCache, clip: Path) -> None:
    keep(cache, clip)
    assert cache.find([clip], OTHER) == [None]
    assert cache.find([clip.with_name("none.wav")], RECIPE) == [None]


@pytest.mark.parametrize("data", [b"other", b"longer than before"])
def test_a_changed_file_is_not_known(cache: FeatureCache, clip: Path, data: bytes) -> None:
    keep(cache, clip)
    before = clip.stat()
    clip.write_bytes(data)
    os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` would leave it
    assert cache.find([clip], RECIPE) == [None]


def test_a_file_changed_a_moment_ago_is_read_again(tmp_path: Path, clip: Path) -> None:
    with FeatureCache(tmp_path / "cache") as cache:
        keep(cache, clip)
        assert cache.find([clip], RECIPE) == [None], "it may change again within a clock tick"
        content = content_of(clip)
        assert content is not None
        np.testing.assert_array_equal(cache.of_content(content, RECIPE), ROW)


def test_a_renamed_file_is_known_by_its_content(cache: FeatureCache, clip: Path) -> None:
    keep(cache, clip)
    cache.commit()
    moved = clip.rename(clip.with_name("moved.wav"))
    content = content_of(moved)
    assert content is not None
    np.testing.assert_array_equal(cache.of_content(content, RECIPE), ROW)


def test_many_paths_at_once_and_names_of_any_bytes(cache: FeatureCache, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(1203)]
    paths.append(tmp_path / os.fsdecode(b"caf\xe9 \xff.wav"))
    for number, path in enumerate(paths):
        path.write_bytes(str(number).encode())
        keep(cache, path, np.full(3, number, np.float32))
    rows = cache.find(paths[::-1], RECIPE)
    assert [int(row[0]) for row in rows if row is not None] == list(range(len(paths)))[::-1]


def test_damage_is_set_aside(cache: FeatureCache, clip: Path) -> None:
    keep(cache, clip)
    cache.close()
    for damage in (b"not a database at all" * 1000, cache.path.read_bytes()[:5000] + b"x" * 8000):
        cache.path.write_bytes(damage)
        again = FeatureCache(cache.folder)
        assert again.find([clip], RECIPE) == [None]
        keep(again, clip)
        again.close()
        np.testing.assert_array_equal(FeatureCache(cache.folder).find([clip], RECIPE)[0], ROW)
        assert cache.path.with_name(cache.path.name + ".damaged").read_bytes() == damage


def test_a_damaged_row_is_computed_again(cache: FeatureCache, clip: Path) -> None:
    keep(cache, clip)
    cache.close()
    database = sqlite3.connect(cache.path)
    database.execute("UPDATE rows SET vector = ?", (b"\1" * 52,))
    database.commit()
    database.close()
    again = FeatureCache(cache.folder)
    assert again.find([clip], RECIPE) == [None]
    keep(again, clip)
    np.testing.assert_array_equal(again.find([clip], RECIPE)[0], ROW)
    again.close()


def test_random_damage_never_fails_and_never_lies(cache: FeatureCache, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(200)]
    for number, path in enumerate(paths):
        path.write_bytes(str(number).encode())
        keep(cache, path, np.full(40, number, np.float32))
    cache.close()
    whole = cache.path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(20):
            data[rng.integers(len(data))] = rng.integers(256)
        cache.path.write_bytes(bytes(data))
        for ending in ("-wal", "-shm"):
            cache.path.with_name(cache.path.name + ending).unlink(missing_ok=True)
        with FeatureCache(cache.folder) as again:
            for number, row in enumerate(again.find(paths, RECIPE)):
                assert row is None or (row == number).all()
            keep(again, paths[0], np.zeros(40, np.float32))


def test_a_place_that_cannot_be_used_is_a_warning(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(tmp_path / "file")
    with pytest.warns(EmotoneWarning, match="EMOTONE_CACHE"):
        assert cache.find([clip], RECIPE) == [None]
    keep(cache, clip)  # and from then on quietly nothing
    assert cache.find([clip], RECIPE) == [None]
    assert cache.size_bytes() == 0
    cache.close()


def test_the_longest_unused_go_first(cache: FeatureCache, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(10)]
    for number, path in enumerate(paths):
        path.write_bytes(str(number).encode())
        keep(cache, path, np.full(250, number, np.float32))
    assert cache.size_bytes() == 10_000
    cache.close()
    database = sqlite3.connect(cache.path)
    database.execute("UPDATE rows SET used = used - 10 + id")
    database.execute("UPDATE rows SET used = used - 100 WHERE id IN (4, 5)")
    database.commit()
    database.close()
    small = FeatureCache(cache.folder, max_bytes=9_000)
    keep(small, paths[9], np.full(250, 9, np.float32))
    small.close()
    rows = FeatureCache(cache.folder).find(paths, RECIPE)
    assert [number for number, row in enumerate(rows) if row is None] == [3, 4]


def test_clear_forgets_everything(cache: FeatureCache, clip: Path) -> None:
    keep(cache, clip, np.zeros(100_000, np.float32))
    cache.commit()
    aside = cache.path.with_name(f"{cache.path.name}.damaged")
    aside.write_text("was damaged once")
    assert cache.clear()
    assert not aside.exists()
    assert cache.find([clip], RECIPE) == [None]
    assert cache.size_bytes() == 0
    cache.close()
    assert cache.path.stat().st_size < 100_000


def test_to_ask_for_the_size_makes_nothing(tmp_path: Path) -> None:
    with FeatureCache(tmp_path / "none") as cache:
        assert cache.size_bytes() == 0
        assert cache.clear()
    assert not (tmp_path / "none").exists()


def test_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "mine"))
    assert FeatureCache().folder == tmp_path / "mine"
    monkeypatch.delenv("EMOTONE_CACHE")
    assert default_folder().is_absolute()
    assert "emotone" in str(default_folder())


_WRITER = """
import sys, pathlib, numpy as np
from emotone.features import cache as c, identity
identity._SETTLED_S, c._COMMIT_EVERY_S = -1e9, 0.0
kept = c.FeatureCache(sys.argv[1])
folder, start = pathlib.Path(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for number in range(start, start + 400):
    path = folder / f"{number}.wav"
    path.write_bytes(str(number).encode())
    stamp, content = identity.Stamp.of(path), identity.content_of(path)
    kept.put(path, stamp, content, bytes(16), np.full(64, number, np.float32))
    print(number, flush=True)
kept.close()
"""


def _writer(cache: FeatureCache, folder: Path, start: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(cache.folder), str(folder), str(start)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _finish(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    numbers = [
        int(line) for line in process.stdout.read().splitlines(keepends=True) if "\n" in line
    ]
    process.stdout.close()
    process.wait()
    return numbers


def test_a_writer_killed_at_any_moment_leaves_a_whole_cache(
    cache: FeatureCache, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for attempt in range(5):
        process = _writer(cache, tmp_path, 1000 * attempt)
        time.sleep(float(rng.uniform(0.0, 0.08)))
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        done = _finish(process)
        paths = [tmp_path / f"{number}.wav" for number in done]
        with FeatureCache(cache.folder) as again:
            rows = again.find(paths, bytes(16))
        for number, row in zip(done, rows, strict=True):
            assert row is not None, f"{number} was committed and is gone"
            assert (row == number).all()
    assert not cache.path.with_name(cache.path.name + ".damaged").exists()


def test_several_processes_write_at_once(cache: FeatureCache, tmp_path: Path) -> None:
    processes = [_writer(cache, tmp_path, 1000 * number) for number in range(3)]
    done = [number for process in processes for number in _finish(process)]
    assert len(done) == 1200
    with FeatureCache(cache.folder) as again:
        rows = again.find([tmp_path / f"{number}.wav" for number in done], bytes(16))
    assert all(row is not None and (row == n).all() for n, row in zip(done, rows, strict=True))
