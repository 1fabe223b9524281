"""A timeline as it is kept: its measurements, most of it by far, apart from the rest.

Half a day of measurements takes a second and many times its size to be taken apart. So the service
never does: it puts their text, as it was written once, into its answers.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotone.timeline import Timeline, exports

_EMPTY = '"measurements": []\n}\n'
"""How the JSON of a timeline without measurements ends."""

_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Packed:
    """A timeline as it is kept.

    Attributes
    ----------
    about
        Small things that are asked for often: ``duration_s``, ``model``, ``summary``, ``emotions``
        that are heard, and how many ``channels``.
    head
        All but the measurements.
    measurements
        Their text.
    """

    about: Mapping[str, Any]
    head: bytes
    measurements: bytes

    @classmethod
    def of(cls, timeline: Timeline) -> Packed:
        """Pack a timeline."""
        head = timeline.about()
        head["segments"] = [segment.to_dict() for segment in timeline.segments]
        listed = exports.text(replace(timeline, segments=()), "json")
        start = listed.index('  "measurements": [') + len('  "measurements": [')
        about = {
            "duration_s": head["duration_s"],
            "model": head["model"],
            "summary": head["summary"],
            "emotions": sorted({s.emotion for s in timeline.segments if s.emotion is not None}),
            "channels": max(1, len(timeline.channels)),
        }
        return cls(about, packed(head), _zipped(listed[start : listed.rindex("]")]))

    def write(self, folder: Path) -> None:
        """Write it into a folder, for another process."""
        (folder / "about").write_text(json.dumps(self.about), encoding="utf-8")
        (folder / "head").write_bytes(self.head)
        (folder / "measurements").write_bytes(self.measurements)

    @classmethod
    def read(cls, folder: Path) -> Packed:
        """What `write` wrote."""
        about = json.loads((folder / "about").read_text(encoding="utf-8"))
        return cls(about, (folder / "head").read_bytes(), (folder / "measurements").read_bytes())


NONE = zlib.compress(b"")
"""No measurements, as they are kept."""


def packed(head: Mapping[str, Any]) -> bytes:
    """All of a timeline but its measurements, as it is kept."""
    return _zipped(json.dumps(head, separators=(",", ":")))


def unpacked(head: bytes) -> dict[str, Any]:
    """What `packed` was given, ready for `Timeline.from_dict`."""
    found: dict[str, Any] = json.loads(zlib.decompress(head))
    return found


def measured(head: Mapping[str, Any], measurements: bytes) -> dict[str, Any]:
    """The whole timeline as plain types; not for the service itself, see above."""
    return {**head, "measurements": json.loads(f"[{_text(measurements)}]")}


def spliced(head: Mapping[str, Any], measurements: bytes) -> str:
    """The whole timeline as JSON."""
    text = json.dumps(head, separators=(",", ":"))
    return f'{text[:-1]},"measurements":[{_text(measurements)}]}}'


def exported(timeline: Timeline, measurements: bytes) -> str:
    """A timeline that was made without its measurements, as the file of JSON with them."""
    text = exports.text(timeline, "json")
    return f'{text.removesuffix(_EMPTY)}"measurements": [{_text(measurements)}]\n}}\n'


def _zipped(text: str) -> bytes:
    return zlib.compress(text.encode(), _LEVEL)


def _text(measurements: bytes) -> str:
    return zlib.decompress(measurements).decode()
