"""The recordings that are found, each once, on the disk: in their order, and in that of blocks."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from emotone import locks
from emotone.batch.scratch import folder
from emotone.batch.sources import Recording
from emotone.errors import EmotoneError

Row = tuple[Any, ...]
"""File as bytes, speaker, seconds since 1970, size in bytes, labels as JSON; None where unknown."""

KEYS = {
    "none": "''",
    "day": "coalesce(strftime('%Y-%m-%d', recorded, 'unixepoch'), 'unknown')",
    "speaker": "coalesce(speaker, 'unknown')",
}
"""What the recordings of a block have in common, as SQL, by the partition of the results."""


class Found:
    """A list of recordings that is not in memory; its files are gone when it is left."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Found:
        self._folder = folder()
        with self._told():
            path = self._folder / "recordings.sqlite"
            self._known = sqlite3.connect(path, isolation_level=None)
            self._known.execute("PRAGMA synchronous=OFF")
            self._known.execute("PRAGMA journal_mode=OFF")
            self._known.execute(
                "CREATE TABLE recordings (place INTEGER PRIMARY KEY, key BLOB UNIQUE, file BLOB, "
                "speaker TEXT, recorded REAL, size INTEGER, labels TEXT)"
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._known.close()
        locks.drop(self._folder)

    def add(
        self, recordings: Iterable[Recording], progress: Callable[[int], None] | None = None
    ) -> None:
        """Find them; one that is there already is passed over.

        Parameters
        ----------
        recordings
            What is found, one after the other.
        progress
            Called with how many there are.

        Raises
        ------
        EmotoneError
            If there is no room for the list: ``storage_full``. What the iterable raises, too.
        """
        with self._told():
            self._known.execute("BEGIN")
        for each in recordings:
            self.count += self._insert(each)
            if progress is not None and self.count % 1000 == 0:
                progress(self.count)
        with self._told():
            self._known.execute("COMMIT")

    def files(self, most: int) -> Iterator[str]:
        """About so many of the files, spread over all."""
        step = max(1, self.count // most)
        for (file,) in self._rows(
            f"SELECT file FROM recordings WHERE (place - 1) % {step} = 0 ORDER BY place"
        ):
            yield os.fsdecode(file)

    def blocks(self, key: str, most: int, weight: int) -> Iterator[list[Row]]:
        """Neighbours that have one of `KEYS` in common, so many and so many bytes at most."""
        block: list[Row] = []
        held, of = 0, None
        for row in self._rows(
            f"SELECT {key}, file, speaker, recorded, size, labels FROM recordings ORDER BY 1, place"
        ):
            if block and (row[0] != of or len(block) == most or held + row[4] > weight):
                yield block
                block, held = [], 0
            block.append(row[1:])
            of, held = row[0], held + row[4]
        if block:
            yield block

    def _insert(self, each: Recording) -> int:
        key = each.file if "://" in each.file else os.path.abspath(each.file)  # noqa: PTH100
        row = (
            os.fsencode(key),
            os.fsencode(each.file),
            each.speaker,
            None if each.recorded is None else each.recorded.timestamp(),
            each.size,
            json.dumps(dict(each.labels)) if each.labels else None,
        )
        with self._told():
            return self._known.execute(
                "INSERT OR IGNORE INTO recordings (key, file, speaker, recorded, size, labels) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                row,
            ).rowcount

    def _rows(self, query: str) -> Iterator[Row]:
        with self._told():
            rows = self._known.execute(query)
        while True:
            with self._told():
                row = next(rows, None)
            if row is None:
                return
            yield row

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise EmotoneError(
                f"the list of recordings cannot be kept there while it is made ({error})",
                source=self._folder,
                remedy="Free some space, or set TMPDIR to a folder that has it.",
                code="storage_full",
            ) from error
