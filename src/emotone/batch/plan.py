"""What a batch is to do, kept beside its results: the recordings, in blocks, in one small file.

Each block becomes one part of the results, and a part appears whole or not at all. So the plan and
the parts that are there say together what is left, whenever and however an earlier run ended; no
other record of progress is kept that could disagree with them.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from emotone.batch.places import Place
from emotone.batch.sources import Recording
from emotone.batch.tasks import AnyTask, from_dict
from emotone.errors import AudioError, EmotoneError, MissingExtraError, UsageError

Partition = Literal["none", "day", "speaker"]
"""How the parts lie in folders: side by side, or as ``day=2026-11-21/`` or ``speaker=anna/``."""

_NAME = "_emotone/plan.parquet"
_PART = re.compile(r"part-(\d+)\.parquet")
_FORMAT = 2

_CLIPS = 1024
_RECORDINGS = 16
"""Inputs of a block at most: what a kill can cost each core, and what a part holds at least."""

_BYTES = 512 * 1024**2
"""The same, in bytes of files."""

_BLOCKS_PER_JOB = 4
"""Blocks that each process gets at least, where there are enough inputs: all end about together."""

_LEAST_CLIPS = 64
"""Clips of a block, where there are so many: fewer have too seldom the same length."""

_COLUMNS = ("file", "speaker", "recorded", "size", "labels")

_SAMPLED = 100
"""Files, spread over all, that a task may look at before it begins."""

_KEYS = {
    "none": "''",
    "day": "coalesce(strftime('%Y-%m-%d', recorded, 'unixepoch'), 'unknown')",
    "speaker": "coalesce(speaker, 'unknown')",
}


class Plan:
    """The recordings of a batch, in blocks. Made by `make` and `load`.

    Attributes
    ----------
    out
        Where the parts go.
    task
        What is done to each recording.
    inputs
        What the recordings were found from.
    root
        The folder that relative paths begin at.
    partition
        How the parts lie in folders.
    sizes
        Recordings of each block.
    """

    def __init__(self, out: Place, file: Any) -> None:
        about = json.loads(file.schema_arrow.metadata[b"emotone"])
        if about["format"] != _FORMAT:
            raise UsageError(
                "the batch there was begun by another version of emotone",
                source=out.address,
                remedy="Write to another folder.",
            )
        self.out = out
        self.task = from_dict(about["task"])
        self.inputs: list[str] = about["inputs"]
        self.root: str = about["root"]
        self.partition: Partition = about["partition"]
        self._file = file
        groups = range(file.metadata.num_row_groups)
        self.sizes = [file.metadata.row_group(group).num_rows for group in groups]

    @property
    def recordings(self) -> int:
        """How many there are in all."""
        return sum(self.sizes)

    def block(self, number: int) -> list[Recording]:
        """The recordings of a block, paths as they were given."""
        columns = self._file.read_row_group(number).to_pydict()
        rows = zip(*(columns[name] for name in _COLUMNS), strict=True)
        return [
            Recording(os.fsdecode(file), speaker, recorded, size, json.loads(labels or "{}"))
            for file, speaker, recorded, size, labels in rows
        ]

    def part(self, number: int, recordings: list[Recording]) -> Place:
        """Where the results of a block go."""
        name = f"part-{number:05}.parquet"
        if self.partition == "none":
            return self.out / name
        first = recordings[0]
        if self.partition == "speaker":
            value = first.speaker or "unknown"
        else:
            value = "unknown" if first.recorded is None else f"{first.recorded:%Y-%m-%d}"
        return self.out / f"{self.partition}={quote(value, safe='')}" / name

    def done(self) -> dict[int, Place]:
        """The parts that are there, by the number of their block."""
        return {number: place for number, place in parts(self.out) if number < len(self.sizes)}

    @classmethod
    def load(cls, out: Place) -> Plan | None:
        """The plan of a batch that was begun there; None where there is none.

        Raises
        ------
        MissingExtraError
            If the extra ``batch`` is not installed.
        UsageError
            If it was made by another version, or is damaged.
        """
        parquet = _parquet()
        import pyarrow

        place = out / _NAME
        if place.kind() != "file":
            return None
        try:
            return cls(out, parquet.ParquetFile(place.open()))
        except (pyarrow.ArrowInvalid, OSError, KeyError, ValueError, TypeError) as error:
            raise UsageError(
                f"the plan of the batch there is damaged ({error})",
                source=place.address,
                remedy="Write to another folder.",
            ) from error

    @classmethod
    def make(
        cls,
        out: Place,
        inputs: list[str],
        recordings: Iterable[Recording],
        task: AnyTask,
        *,
        partition: Partition = "none",
        jobs: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> Plan:
        """Find all recordings, each once, and write the plan.

        The memory it takes does not grow with their number.

        Parameters
        ----------
        out
            Where the batch goes; nothing of another one may be there.
        inputs
            What the recordings are found from.
        recordings
            What is found.
        task
            What is to be done to each.
        partition
            How the parts lie in folders.
        jobs
            Processes that will share the blocks.
        progress
            Called with how many are found.

        Raises
        ------
        AudioError
            If there is no recording.
        UsageError
            If there are results of something else, or no such partition.
        EmotoneError
            If the plan cannot be written.
        """
        parquet = _parquet()
        if partition not in get_args(Partition):
            raise UsageError(
                f"there is no partition {partition!r}",
                remedy=f"There are {', '.join(get_args(Partition))}.",
            )
        if next(parts(out), None) is not None:
            raise UsageError(
                "there are parts of a batch without its plan",
                source=out.address,
                remedy="Write to another folder.",
            )
        with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
            known = sqlite3.connect(Path(folder, "recordings.sqlite"), isolation_level=None)
            with closing(known):
                try:
                    count = _collect(known, recordings, progress)
                except sqlite3.OperationalError as error:
                    raise EmotoneError(
                        f"the list of recordings cannot be kept there while it is made ({error})",
                        source=folder,
                        remedy="Free some space, or set TMPDIR to a folder that has it.",
                        code="storage_full",
                    ) from error
                if not count:
                    raise AudioError(
                        "there is no recording to hear",
                        source=", ".join(inputs),
                        remedy="Name folders, patterns, lists or files with audio.",
                        code="missing_file",
                    )
                most = _RECORDINGS if task.segments else _CLIPS
                least = 1 if task.segments else _LEAST_CLIPS
                most = max(least, min(most, -(-count // (_BLOCKS_PER_JOB * jobs))))
                task = task.settled(_sample(known, count))
                about = {
                    "format": _FORMAT,
                    "task": task.to_dict(),
                    "inputs": inputs,
                    "root": os.getcwd(),  # noqa: PTH109
                    "partition": partition,
                }
                written = Path(folder, "plan.parquet")
                schema = _schema().with_metadata({b"emotone": json.dumps(about).encode()})
                with parquet.ParquetWriter(written, schema) as writer:
                    for block in _blocks(known, _KEYS[partition], most):
                        writer.write_batch(_batch(block, schema))
            (out / _NAME).take(written)
        found = cls.load(out)
        assert found is not None
        return found


def parts(out: Place) -> Iterator[tuple[int, Place]]:
    """All parts of the results there, with the numbers of their blocks."""
    if out.kind() != "folder":
        return
    for entry in out.walk():
        found = _PART.fullmatch(entry.path.replace(os.sep, "/").rpartition("/")[2])
        if found:
            yield int(found[1]), out.at(entry.path)


def _collect(
    known: sqlite3.Connection,
    recordings: Iterable[Recording],
    progress: Callable[[int], None] | None,
) -> int:
    known.execute("PRAGMA synchronous=OFF")
    known.execute("PRAGMA journal_mode=OFF")
    known.execute(
        "CREATE TABLE recordings (place INTEGER PRIMARY KEY, key BLOB UNIQUE, file BLOB, "
        "speaker TEXT, recorded REAL, size INTEGER, labels TEXT)"
    )
    known.execute("BEGIN")
    count = 0
    for each in recordings:
        key = each.file if "://" in each.file else os.path.abspath(each.file)  # noqa: PTH100
        count += known.execute(
            "INSERT OR IGNORE INTO recordings (key, file, speaker, recorded, size, labels) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(key),
                os.fsencode(each.file),
                each.speaker,
                None if each.recorded is None else each.recorded.timestamp(),
                each.size,
                json.dumps(dict(each.labels)) if each.labels else None,
            ),
        ).rowcount
        if progress is not None and count % 1000 == 0:
            progress(count)
    known.execute("COMMIT")
    return count


def _sample(known: sqlite3.Connection, count: int) -> Iterator[str]:
    """Some of the files, spread over all."""
    step = max(1, count // _SAMPLED)
    for (file,) in known.execute(
        "SELECT file FROM recordings WHERE (place - 1) % ? = 0 ORDER BY place", (step,)
    ):
        yield os.fsdecode(file)


def _blocks(known: sqlite3.Connection, key: str, most: int) -> Iterator[list[tuple[Any, ...]]]:
    """Neighbours with the same key, so many and so large at most."""
    block: list[tuple[Any, ...]] = []
    held, of = 0, None
    for row in known.execute(
        f"SELECT {key}, file, speaker, recorded, size, labels FROM recordings ORDER BY 1, place"
    ):
        if block and (row[0] != of or len(block) == most or held + row[4] > _BYTES):
            yield block
            block, held = [], 0
        block.append(row[1:])
        of, held = row[0], held + row[4]
    if block:
        yield block


def _schema() -> Any:
    import pyarrow

    return pyarrow.schema(
        [
            ("file", pyarrow.binary()),  # names of files need not be text
            ("speaker", pyarrow.string()),
            ("recorded", pyarrow.timestamp("us", "UTC")),
            ("size", pyarrow.int64()),
            ("labels", pyarrow.string()),
        ]
    )


def _batch(block: list[tuple[Any, ...]], schema: Any) -> Any:
    import pyarrow

    files, speakers, times, sizes, labels = zip(*block, strict=True)
    recorded = [None if t is None else datetime.fromtimestamp(t, timezone.utc) for t in times]
    columns = zip((files, speakers, recorded, sizes, labels), schema.types, strict=True)
    return pyarrow.record_batch([pyarrow.array(c, kind) for c, kind in columns], schema=schema)


def _parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("a batch", "batch") from error
    return pyarrow.parquet


def check_same(plan: Plan, inputs: list[str], task: AnyTask, partition: Partition) -> None:
    """Refuse to go on with a batch under another task than it was begun with.

    Raises
    ------
    UsageError
        If the inputs, the model or a setting differ.
    """
    wanted, begun = task.asked(), plan.task.asked()
    differing = sorted(
        name for name in wanted.keys() | begun.keys() if wanted.get(name) != begun.get(name)
    )
    if inputs != plan.inputs or (plan.root != os.getcwd() and not _absolute(inputs)):  # noqa: PTH109
        differing.insert(0, "inputs")
    if partition != plan.partition:
        differing.append("partition")
    if differing:
        raise UsageError(
            f"the batch there was begun otherwise: {', '.join(differing)}",
            source=plan.out.address,
            remedy="Give the same command again from the same folder, or write to another folder.",
        )


def _absolute(inputs: list[str]) -> bool:
    return all("://" in each or os.path.isabs(each) for each in inputs)  # noqa: PTH117
