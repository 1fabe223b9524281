"""Features that were computed before, kept on disk.

A row of features is kept under the content of the audio file and the recipe that made it, so a
renamed file is known, a changed file or recipe is not. A second table remembers which content a
path had at which size and times, so that an unchanged file need not be read to know its content.

One SQLite database in write-ahead mode holds it all: several processes may use it at once, and one
killed in the middle of a write leaves what was committed. What damage there still is, is found by
a checksum per row or by SQLite itself; then the file is set aside and a new one started. A cache
never makes a run fail.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from emotone import configuration
from emotone.audio.waveform import FloatArray
from emotone.errors import EmotoneWarning
from emotone.features.identity import Stamp
from emotone.home import home

T = TypeVar("T")

DEFAULT_MAX_BYTES = 4 * 2**30
"""Bytes of features kept before the longest unused go."""

_FILE = "features-1.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER, modified INTEGER, changed INTEGER, inode INTEGER,
    content BLOB, checksum INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY, content BLOB, recipe BLOB, used INTEGER, checksum INTEGER,
    vector BLOB, UNIQUE (content, recipe)
);
CREATE INDEX IF NOT EXISTS rows_used ON rows (used);
"""
# What SQLite says where the place is to blame and not the database.
_PLACE = ("unable to open", "readonly", "locked", "disk I/O", "is full")
_PER_QUERY = 500
_DAY_S = 86_400
_COMMIT_EVERY_S = 1.0


def default_folder() -> Path:
    """Where the cache is kept: the setting ``cache`` (``EMOTONE_CACHE``), else ``emotone`` in the
    platform's cache folder.

    That is ``XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches``, or ``%LOCALAPPDATA%``.
    """
    chosen = configuration.value("cache")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home() / "AppData" / "Local")
        return base / "emotone" / "cache"
    if sys.platform == "darwin":
        return home() / "Library" / "Caches" / "emotone"
    return Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache") / "emotone"


class FeatureCache:
    """Rows of features by content and recipe.

    Parameters
    ----------
    folder
        Where to keep it; `default_folder` when None. It is made when first needed.
    max_bytes
        Bytes of features to keep; past it, the longest unused go when the cache is closed.

    Notes
    -----
    Where the folder cannot be written or the database is unusable for reasons other than damage,
    the cache warns once (`EmotoneWarning`) and remembers nothing. Use it from one thread.

    Examples
    --------
    >>> with FeatureCache("/tmp/features") as cache:          # doctest: +SKIP
    ...     result = extract_many(paths, "tutorial-180", cache=cache)
    """

    def __init__(
        self, folder: str | Path | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self.max_bytes = max_bytes
        self._database: sqlite3.Connection | None = None
        self._off = False
        self._added = False
        # Gathered for a while and written at once: another process never waits for a computation.
        self._rows: list[tuple[bytes, bytes, int, int, bytes]] = []
        self._files: list[tuple[bytes, int, int, int, int, bytes, int]] = []
        self._committed = time.monotonic()

    @property
    def path(self) -> Path:
        """The database file."""
        return self.folder / _FILE

    @property
    def _damaged(self) -> Path:
        """Where a damaged database file is put aside."""
        return self.path.with_name(f"{_FILE}.damaged")

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- reading

    def find(self, paths: Sequence[Path], recipe: bytes) -> list[FloatArray | None]:
        """The rows of files that have not changed since their row was kept, without reading them.

        Parameters
        ----------
        paths
            Audio files, there or not.
        recipe
            What the row was made by, `Job.recipe`.

        Returns
        -------
        list
            For each path a float32 row, or None.
        """
        self.commit()
        found = self._try(lambda database: self._find(database, paths, recipe))
        return [None] * len(paths) if found is None else found

    def _find(
        self, database: sqlite3.Connection, paths: Sequence[Path], recipe: bytes
    ) -> list[FloatArray | None]:
        found: list[FloatArray | None] = []
        stale: list[tuple[int]] = []
        today = int(time.time() // _DAY_S)
        for start in range(0, len(paths), _PER_QUERY):
            part = paths[start : start + _PER_QUERY]
            keys = [_path_key(path) for path in part]
            marks = ",".join("?" * len(keys))
            query = (
                "SELECT path, size, modified, changed, inode, files.content, files.checksum, "
                "id, used, rows.checksum, vector "
                "FROM files JOIN rows ON rows.content = files.content AND rows.recipe = ? "
                f"WHERE path IN ({marks})"
            )
            known = {row[0]: row[1:] for row in database.execute(query, (recipe, *keys))}
            for path, key in zip(part, keys, strict=True):
                entry = known.get(key)
                if (
                    entry is None
                    or Stamp.of(path) != Stamp(*entry[:4])
                    or _checksum(key, *entry[:5]) != entry[5]
                ):
                    found.append(None)
                    continue
                row_id, used, checksum, vector = entry[6:]
                found.append(_unpack(vector, checksum, entry[4], recipe))
                if used != today:
                    stale.append((row_id,))
        if stale:
            with _transaction(database):
                database.executemany(f"UPDATE rows SET used = {today} WHERE id = ?", stale)
        return found

    def of_content(self, content: bytes, recipe: bytes) -> FloatArray | None:
        """The row of that content and recipe, whatever the file is called, or None."""
        return self._try(lambda database: self._of_content(database, content, recipe))

    def _of_content(
        self, database: sqlite3.Connection, content: bytes, recipe: bytes
    ) -> FloatArray | None:
        query = "SELECT checksum, vector FROM rows WHERE content = ? AND recipe = ?"
        entry = database.execute(query, (content, recipe)).fetchone()
        return None if entry is None else _unpack(entry[1], entry[0], content, recipe)

    # -- writing

    def put(self, path: Path, stamp: Stamp, content: bytes, recipe: bytes, row: FloatArray) -> None:
        """Keep a row; on disk within about a second, or at `commit`.

        Parameters
        ----------
        path
            The audio file.
        stamp, content
            What it was before it was read.
        recipe
            What the row was made by, `Job.recipe`.
        row
            float32, one-dimensional.
        """
        vector = np.ascontiguousarray(row, dtype="<f4").tobytes()
        today = int(time.time() // _DAY_S)
        checksum = _checksum(vector, content, recipe)
        self._rows.append((content, recipe, today, checksum, vector))
        if stamp.settled:
            file = (
                _path_key(path),
                stamp.size,
                stamp.modified,
                stamp.changed,
                stamp.inode,
                content,
            )
            self._files.append((*file, _checksum(*file)))
        if time.monotonic() - self._committed > _COMMIT_EVERY_S:
            self.commit()

    def commit(self) -> None:
        """Bring to disk what was put."""
        self._committed = time.monotonic()
        if self._rows:
            self._try(self._write)
            self._added = True
        self._rows, self._files = [], []

    def _write(self, database: sqlite3.Connection) -> None:
        with _transaction(database):
            database.executemany(
                "INSERT OR REPLACE INTO rows (content, recipe, used, checksum, vector) "
                "VALUES (?, ?, ?, ?, ?)",
                self._rows,
            )
            database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", self._files
            )

    # -- upkeep

    def size_bytes(self) -> int:
        """Bytes of features kept."""
        self.commit()
        return (self._try(_size) or 0) if self.path.is_file() else 0

    def clear(self) -> bool:
        """Forget everything and give the space back; whether that worked."""

        def forget(database: sqlite3.Connection) -> bool:
            with _transaction(database):
                database.execute("DELETE FROM rows")
                database.execute("DELETE FROM files")
            database.execute("VACUUM")
            self._damaged.unlink(missing_ok=True)
            return True

        self._rows, self._files = [], []
        return not self.path.is_file() or self._try(forget) is True

    def close(self) -> None:
        """Commit, let the longest unused rows go where there are too many, and close."""
        self.commit()
        if self._added:
            self._try(self._trim)
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _trim(self, database: sqlite3.Connection) -> None:
        excess = _size(database) - self.max_bytes
        if excess <= 0:
            return
        excess += self.max_bytes // 10  # so that not every run has to
        going: list[tuple[int]] = []
        for row_id, size in database.execute("SELECT id, length(vector) FROM rows ORDER BY used"):
            if excess <= 0:
                break
            going.append((row_id,))
            excess -= size
        with _transaction(database):
            database.executemany("DELETE FROM rows WHERE id = ?", going)
            database.execute("DELETE FROM files WHERE content NOT IN (SELECT content FROM rows)")
        database.execute("VACUUM")

    # -- the database

    def _try(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something with the database; None where that cannot be done, now or any more."""
        for attempt in (1, 2):
            if self._off:
                return None
            try:
                return action(self._open())
            except Exception as error:  # a damaged database comes up with errors of any kind
                if attempt == 1 and not _is_of_the_place(error) and self._set_aside():
                    continue
                self._turn_off(error)
        return None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Transactions are begun and ended by hand.
            database = sqlite3.connect(self.path, timeout=30.0, isolation_level=None)
            try:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.executescript(_SCHEMA)
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database

    def _set_aside(self) -> bool:
        """Move a damaged database out of the way; whether that worked."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        try:
            self.path.replace(self._damaged)
            for ending in ("-wal", "-shm"):
                self.path.with_name(_FILE + ending).unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def _turn_off(self, error: Exception) -> None:
        self._off = True
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        warnings.warn(
            f"{self.path}: the cache of features cannot be used ({error}); going on without it. "
            "Set EMOTONE_CACHE to a folder that can be written.",
            EmotoneWarning,
            stacklevel=4,
        )


def _is_of_the_place(error: Exception) -> bool:
    """Whether the folder, the disk or another process is the cause, not damage."""
    if isinstance(error, sqlite3.OperationalError):
        return any(phrase in str(error) for phrase in _PLACE)
    return isinstance(error, OSError)


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _size(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT COALESCE(SUM(length(vector)), 0) FROM rows").fetchone()[0])


def _path_key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 -- keeps symbolic links apart


def _checksum(*parts: object) -> int:
    """Binds what stands in one row together: damage may also mix two rows."""
    value = 0
    for part in parts:
        value = zlib.crc32(part if isinstance(part, bytes) else repr(part).encode(), value)
    return value


def _unpack(vector: object, checksum: int, content: bytes, recipe: bytes) -> FloatArray | None:
    """The row, or None where it is not what was written."""
    if not isinstance(vector, bytes) or _checksum(vector, content, recipe) != checksum:
        return None
    return np.frombuffer(vector, dtype="<f4").astype(np.float32)
