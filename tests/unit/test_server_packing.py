"""A timeline as the service keeps it: in pieces, and the same when put together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import recordings
import timelines
from emotone.server import packing
from emotone.server.packing import Packed, cut, unpacked
from emotone.timeline import Timeline, exports
from emotone.timeline.exports import tables

TALK = recordings.conversation(120.0, (0, 1), speakers=("A", "B"), seed=3)
UNMEASURED = recordings.conversation(30.0, measured=False)
EMPTY = Timeline(1.0, "m@1", ("happy",), ())


def lines_of(packed: Packed, part: str) -> list[str]:
    return [line for each in packed.pieces if each.part == part for line in each.lines]


def together(packed: Packed) -> dict[str, Any]:
    """The timeline that was packed, as plain types."""
    parts = {
        part: [json.loads(line) for line in lines_of(packed, part)]
        for part in ("segments", "measurements")
    }
    return unpacked(packed.head) | parts


@pytest.mark.parametrize("timeline", [TALK, UNMEASURED, EMPTY, timelines.call()])
def test_the_parts_make_the_whole(timeline: Timeline) -> None:
    packed = Packed.of(timeline)
    head = unpacked(packed.head)
    assert not {"segments", "measurements"} & set(head)
    assert together(packed) == timeline.to_dict()
    segments, measurements = (lines_of(packed, part) for part in ("segments", "measurements"))
    written = "".join(tables.json_pieces(head, segments, measurements))
    assert written == exports.text(timeline, "json")


@given(timelines.timelines())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_timeline(timeline: Timeline) -> None:
    whole = together(Packed.of(timeline))
    assert whole == json.loads(json.dumps(timeline.to_dict()))


def test_pieces_are_of_a_size_and_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PIECE", 2000)
    packed = Packed.of(TALK)
    for part in ("segments", "measurements"):
        mine = [each for each in packed.pieces if each.part == part]
        assert len(mine) > 3
        assert [each.number for each in mine] == list(range(len(mine)))
        at = 0
        for each in mine:
            assert each.first == at
            assert len("\n".join(each.lines)) < 2000 + 1000
            at += len(each.lines)
    assert together(packed) == TALK.to_dict()
    assert list(cut("segments", [])) == []


def test_what_is_asked_for_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PIECE", 2000)
    packed = Packed.of(TALK)
    assert packed.about == {
        "duration_s": 120.0,
        "model": "made-up@1.0",
        "summary": TALK.summary().to_dict(),
        "emotions": sorted({segment.label for segment in TALK.speech}),
        "channels": 2,
        "segments": len(TALK.segments),
        "measurements": len(TALK.measurements),
    }
    assert Packed.of(EMPTY).about["channels"] == 1
    packed.write(tmp_path)
    kept = Packed.read(tmp_path)
    assert (kept.about, kept.head) == (packed.about, packed.head)
    assert list(kept.pieces) == list(packed.pieces)
    assert list(kept.pieces) == list(packed.pieces)  # again and again
    assert lines_of(Packed.of(replace(TALK, measurements=())), "measurements") == []
