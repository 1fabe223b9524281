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
import secrets
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from emotone.batch.found import KEYS, Found, Row
from emotone.batch.places import Place
from emotone.batch.scratch import scratch
from emotone.batch.sources import Recording
from emotone.batch.tasks import AnyTask, from_dict
from emotone.errors import AudioError, EmotoneError, MissingExtraError, UsageError

Partition = Literal["none", "day", "speaker"]
"""How the parts lie in folders: side by side, or as ``day=2026-11-21/`` or ``speaker=anna/``."""

_NAME = "_emotone/plan.parquet"
_PART = re.compile(r"part-(\d+)\.parquet")
_FORMAT = 4

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
    id
        Of this plan alone: it is in all of its parts, and no part without it counts.
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
        self.id: str = about["id"]
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
        name = _part_name(number)
        if self.partition == "none":
            return self.out / name
        first = recordings[0]
        if self.partition == "speaker":
            value = first.speaker or "unknown"
        else:
            value = "unknown" if first.recorded is None else f"{first.recorded:%Y-%m-%d}"
        return self.out / f"{self.partition}={quote(value, safe='')}" / name

    def done(self) -> Iterator[tuple[int, Place]]:
        """The parts that lie where `part` puts them, with the numbers of their blocks, each once.

        Whether they are of this plan is in them, see `check`.
        """
        there = bytearray(len(self.sizes))
        top = _forward(self.out.path)
        for number, place in parts(self.out):
            folder, _, name = _forward(place.path).removeprefix(top).strip("/").rpartition("/")
            mine = name == _part_name(number) and (
                folder == ""
                if self.partition == "none"
                else folder.startswith(f"{self.partition}=") and "/" not in folder
            )
            if mine and number < len(there) and not there[number]:
                there[number] = True
                yield number, place

    def check(self, number: int, about: dict[str, Any], part: Place) -> None:
        """Refuse a part that is not that block of this plan.

        Parameters
        ----------
        number
            Of the block.
        about
            What is written into the part, see `emotone.batch.parquet.about`.
        part
            The part.

        Raises
        ------
        EmotoneError
            ``other_part``.
        """
        expected = (self.id, number, self.sizes[number])
        if (about.get("plan"), about.get("block"), about.get("recordings")) != expected:
            raise EmotoneError(
                "a part is not of the batch that is planned there",
                source=part.address,
                remedy="Put it elsewhere; the same batch with --resume writes its own.",
                code="other_part",
            )

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
        except (
            pyarrow.ArrowInvalid,
            OSError,
            KeyError,
            ValueError,
            TypeError,
            OverflowError,
        ) as error:
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
        _check_apart(out)
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
                "id": secrets.token_hex(16),
                "task": task.settled(found.files(_SAMPLED)).to_dict(),
                "inputs": inputs,
                "root": os.getcwd(),  # noqa: PTH109
                "partition": partition,
            }
            with scratch() as folder:
                written = folder / "plan.parquet"
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


def _check_apart(out: Place) -> None:
    """Refuse to begin a batch where one is, inside of it or around it.

    Whoever reads all parts of the outer one, DuckDB for one, would count those of the inner twice.
    """
    remedy = "Write to another folder."
    if out.kind() == "folder":
        for entry in out.walk():
            inside = entry.path.replace(os.sep, "/")
            if inside.endswith(f"/{_NAME}"):
                where = out.at(entry.path[: -len(_NAME) - 1]).address
                raise UsageError("there is another batch inside", source=where, remedy=remedy)
            if _PART.fullmatch(inside.rpartition("/")[2]):
                raise UsageError(
                    "there are parts of a batch without its plan",
                    source=out.address,
                    remedy=remedy,
                )
    path = out.path.rstrip(os.sep + "/")
    while "/" in path or os.sep in path:
        path = path[: max(path.rfind("/"), path.rfind(os.sep))]
        if not path.strip("/"):
            return
        found = "missing"
        with suppress(EmotoneError):  # a store that lets nobody look there
            found = (out.at(path) / _NAME).kind()
        if found == "file":
            raise UsageError(
                "this is inside of another batch", source=out.at(path).address, remedy=remedy
            )


def _forward(path: str) -> str:
    return path.replace(os.sep, "/").strip("/")


def _part_name(number: int) -> str:
    return f"part-{number:05}.parquet"


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
