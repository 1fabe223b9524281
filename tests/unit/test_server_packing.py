"""A timeline as the service keeps it: in parts, and the same when put together."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

import recordings
import timelines
from emotone.server.packing import NONE, Packed, exported, measured, spliced, unpacked
from emotone.timeline import Timeline, exports

TALK = recordings.conversation(120.0, (0, 1), speakers=("A", "B"), seed=3)
UNMEASURED = recordings.conversation(30.0, measured=False)
EMPTY = Timeline(1.0, "m@1", ("happy",), ())


@pytest.mark.parametrize("timeline", [TALK, UNMEASURED, EMPTY, timelines.call()])
def test_the_parts_make_the_whole(timeline: Timeline) -> None:
    packed = Packed.of(timeline)
    head = unpacked(packed.head)
    assert "measurements" not in head
    assert measured(head, packed.measurements) == timeline.to_dict()
    assert json.loads(spliced(head, packed.measurements)) == timeline.to_dict()
    assert json.loads(spliced(head, NONE)) == {**timeline.to_dict(), "measurements": []}
    again = Timeline.from_dict(head)
    assert exported(again, packed.measurements) == exports.text(
        Timeline.from_dict(timeline.to_dict()), "json"
    )


@given(timelines.timelines())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_timeline(timeline: Timeline) -> None:
    packed = Packed.of(timeline)
    whole = json.loads(spliced(unpacked(packed.head), packed.measurements))
    assert whole == json.loads(json.dumps(timeline.to_dict()))


def test_what_is_asked_for_often(tmp_path) -> None:  # type: ignore[no-untyped-def]
    packed = Packed.of(TALK)
    assert packed.about == {
        "duration_s": 120.0,
        "model": "made-up@1.0",
        "summary": TALK.summary().to_dict(),
        "emotions": sorted({segment.label for segment in TALK.speech}),
        "channels": 2,
    }
    assert Packed.of(EMPTY).about["channels"] == 1
    packed.write(tmp_path)
    assert Packed.read(tmp_path) == packed
    assert Packed.of(replace(TALK, measurements=())).measurements == NONE
