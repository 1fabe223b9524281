"""What a batch is to do, kept beside its results: the recordings, in blocks, in one small file.

However many there are, nobody holds them all: they are found into a file, put in order there, and
read from the plan block by block.

Each block becomes one part of the results, and a part appears whole or not at all. So the plan and
the parts that are there say together what is left, whenever and however an earlier run ended; no
other record of progress is kept that could disagree with them.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from emotone.batch.found import KEYS, Found, Row
from emotone.batch.places import Place
from emotone.batch.sources import Recording
from emotone.batch.tasks import AnyTask, from_dict
from emotone.errors import AudioError, MissingExtraError, UsageError

Partition = Literal["none", "day", "speaker"]
"""How the parts lie in folders: side by side, or as ``day=2026-11-21/`` or ``speaker=anna/``."""

_NAME = "_emotone/plan.parquet"
_PART = re.compile(r"part-(\d+)\.parquet")
_FORMAT = 3

_CLIPS = 1024
_RECORDINGS = 16
"""Inputs of a block at most: what a kill can cost each core, and what a part holds at least."""

_BYTES = 512 * 1024**2
"""The same, in bytes of files."""

_BLOCKS_PER_JOB = 4
"""Blocks that each process gets at least, where there are enough inputs: all end about together."""

_LEAST_CLIPS = 64
"""Clips of a block, where there are so many: fewer have too seldom the same length."""

_GROUP = 4096
"""Recordings of a row group of the plan at least. Whoever has the plan open holds kilobytes for
each group, so there cannot be one for each block; to read one takes milliseconds."""

_COLUMNS = ("file", "speaker", "recorded", "size", "labels")

_SAMPLED = 100
"""Files, spread over all, that a task may look at before it begins."""

_ABOUT, _SIZES = b"emotone", b"emotone_blocks"
"""Notes in the plan, as JSON: what the batch is; and the sizes of its blocks, a list."""


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
        Recordings of each block, in the order of the plan.
    """

    def __init__(self, out: Place, file: Any) -> None:
        metadata = file.metadata
        about = json.loads(metadata.metadata[_ABOUT])
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
        self.sizes = array("I", json.loads(metadata.metadata[_SIZES]))
        self._firsts = array("Q", itertools.accumulate(self.sizes, initial=0))
        groups = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self._groups = array("Q", itertools.accumulate(groups, initial=0))
        if self._firsts[-1] != self._groups[-1]:
            raise ValueError("its blocks are not what it lists")

    @property
    def recordings(self) -> int:
        """How many there are in all."""
        found: int = self._firsts[-1]
        return found

    def block(self, number: int) -> list[Recording]:
        """The recordings of a block, paths as they were given."""
        first = self._firsts[number]
        group = bisect_right(self._groups, first) - 1  # which holds the whole block
        held = self._file.read_row_group(group)
        columns = held.slice(first - self._groups[group], self.sizes[number]).to_pydict()
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

    def done(self) -> Iterator[tuple[int, Place]]:
        """The parts that are there, with the numbers of their blocks, each once."""
        there = bytearray(len(self.sizes))
        for number, place in parts(self.out):
            if number < len(there) and not there[number]:
                there[number] = True
                yield number, place

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
        _parquet()  # which may not be there
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
        with Found() as found:
            found.add(recordings, progress)
            if not found.count:
                raise AudioError(
                    "there is no recording to hear",
                    source=", ".join(inputs),
                    remedy="Name folders, patterns, lists or files with audio.",
                    code="missing_file",
                )
            most = _RECORDINGS if task.segments else _CLIPS
            least = 1 if task.segments else _LEAST_CLIPS
            most = max(least, min(most, -(-found.count // (_BLOCKS_PER_JOB * jobs))))
            about = {
                "format": _FORMAT,
                "task": task.settled(found.files(_SAMPLED)).to_dict(),
                "inputs": inputs,
                "root": os.getcwd(),  # noqa: PTH109
                "partition": partition,
            }
            with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
                written = Path(folder, "plan.parquet")
                _write(written, about, found.blocks(KEYS[partition], most, _BYTES))
                (out / _NAME).take(written)
        plan = cls.load(out)
        assert plan is not None
        return plan


def parts(out: Place) -> Iterator[tuple[int, Place]]:
    """All parts of the results there, with the numbers of their blocks."""
    if out.kind() != "folder":
        return
    for entry in out.walk():
        found = _PART.fullmatch(entry.path.replace(os.sep, "/").rpartition("/")[2])
        if found:
            yield int(found[1]), out.at(entry.path)


def _write(file: Path, about: dict[str, Any], blocks: Iterable[list[Row]]) -> None:
    sizes, group, schema = array("I"), list[Row](), _schema()
    with _parquet().ParquetWriter(file, schema, write_statistics=False) as writer:
        for block in blocks:
            sizes.append(len(block))
            group += block
            if len(group) >= _GROUP:
                writer.write_batch(_batch(group, schema))
                group = []
        if group:
            writer.write_batch(_batch(group, schema))
        notes = {_ABOUT: about, _SIZES: sizes.tolist()}
        writer.add_key_value_metadata({name: json.dumps(note) for name, note in notes.items()})


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


def _batch(rows: list[Row], schema: Any) -> Any:
    import pyarrow

    files, speakers, times, sizes, labels = zip(*rows, strict=True)
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
