"""A timeline as it is kept: a small head, and its segments and measurements in pieces of lines.

A day of measurements is hundreds of megabytes once it is taken apart, and tens of them as text. So
the service never has all of it at once: it reads a piece after the other, and puts the lines, as
they were written once, into its answers.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emotone.timeline import Timeline
from emotone.timeline.exports.tables import json_line

Part = Literal["segments", "measurements"]

PIECE = 1 << 18
"""Characters of text in a piece, or a little more."""

_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of JSON, of one kind, that follow each other.

    Attributes
    ----------
    part
        What they are: segments, or measurements.
    number
        Of the piece, from 0; both parts have numbers of their own.
    first
        Place of the first line among all of its kind, from 0.
    data
        The lines.
    """

    part: Part
    number: int
    first: int
    data: bytes

    @property
    def lines(self) -> list[str]:
        """The lines, each a segment or a measurement as JSON."""
        return lines(self.data)


@dataclass(frozen=True, slots=True)
class Packed:
    """A timeline as it is kept.

    Attributes
    ----------
    about
        Small things that are asked for often: ``duration_s``, ``model``, ``summary``, ``emotions``
        that are heard, and how many ``channels``, ``segments`` and ``measurements``.
    head
        All but the segments and measurements.
    pieces
        These; may be gone through again and again.
    """

    about: Mapping[str, Any]
    head: bytes
    pieces: Iterable[Piece]

    @classmethod
    def of(cls, timeline: Timeline) -> Packed:
        """Pack a timeline."""
        head = timeline.about()
        about = {
            "duration_s": head["duration_s"],
            "model": head["model"],
            "summary": head["summary"],
            "emotions": sorted({s.emotion for s in timeline.segments if s.emotion is not None}),
            "channels": max(1, len(timeline.channels)),
            "segments": len(timeline.segments),
            "measurements": len(timeline.measurements),
        }
        pieces = [
            *cut("segments", (json_line(each) for each in timeline.segments)),
            *cut("measurements", (json_line(each) for each in timeline.measurements)),
        ]
        return cls(about, packed(head), pieces)

    def write(self, folder: Path) -> None:
        """Write it into a folder, for another process."""
        (folder / "about").write_text(json.dumps(self.about), encoding="utf-8")
        (folder / "head").write_bytes(self.head)
        place = folder / _PIECES
        place.mkdir(mode=0o700, exist_ok=True)
        for each in self.pieces:
            (place / f"{each.part}-{each.number:08}-{each.first}").write_bytes(each.data)

    @classmethod
    def read(cls, folder: Path) -> Packed:
        """What `write` wrote; the pieces stay there until they are gone through."""
        about = json.loads((folder / "about").read_text(encoding="utf-8"))
        return cls(about, (folder / "head").read_bytes(), _Written(folder / _PIECES))


_PIECES = "pieces"


class _Written:
    """Pieces in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[Piece]:
        for part in ("segments", "measurements"):
            for path in sorted(self._folder.glob(f"{part}-*")):
                _, number, first = path.name.split("-")
                yield Piece(part, int(number), int(first), path.read_bytes())


def cut(part: Part, lines: Iterable[str]) -> Iterator[Piece]:
    """Lines in pieces."""
    waiting: list[str] = []
    size = number = first = 0
    for line in lines:
        waiting.append(line)
        size += len(line) + 1
        if size >= PIECE:
            yield Piece(part, number, first, zipped("\n".join(waiting)))
            first, number = first + len(waiting), number + 1
            waiting, size = [], 0
    if waiting:
        yield Piece(part, number, first, zipped("\n".join(waiting)))


def packed(head: Mapping[str, Any]) -> bytes:
    """All of a timeline but its segments and measurements, as it is kept."""
    return zipped(json.dumps(head, separators=(",", ":")))


def unpacked(head: bytes) -> dict[str, Any]:
    """What `packed` was given."""
    found: dict[str, Any] = json.loads(unzipped(head))
    return found


def lines(data: bytes) -> list[str]:
    """The lines of a piece."""
    return unzipped(data).split("\n")


def zipped(text: str) -> bytes:
    """Text, made small."""
    return zlib.compress(text.encode(), _LEVEL)


def unzipped(data: bytes) -> str:
    """What `zipped` was given."""
    return zlib.decompress(data).decode()
