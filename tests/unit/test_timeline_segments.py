"""Segments, and what a timeline sums up to."""

from __future__ import annotations

import json
import math

import pytest

from emotone.errors import UsageError
from emotone.timeline import Measurement, Segment, Timeline
from emotone.timeline.segments import circumplex

HAPPY = {"neutral": 0.1, "happy": 0.7, "angry": 0.2}
ANGRY = {"neutral": 0.2, "happy": 0.2, "angry": 0.6}
SURE = {"neutral": 0.0, "happy": 0.1, "angry": 0.9}


def timeline() -> Timeline:
    segments = (
        Segment(0.0, 1.0, "silence", channel=0),
        Segment.of_speech(1.0, 4.0, HAPPY, channel=0),
        Segment.of_speech(4.0, 6.0, ANGRY, channel=0),
        Segment(6.0, 7.0, "non-speech", channel=0),
        Segment.of_speech(7.0, 8.0, SURE, channel=0, speaker="A"),
    )
    heard = (Measurement(1.0, 2.0, HAPPY, 0), Measurement(1.0, 2.5, ANGRY, 0))
    return Timeline(
        8.0, "m@1", ("neutral", "happy", "angry"), segments, heard, "talk.wav", {"s": 1}
    )


def test_a_segment_of_speech_knows_what_follows_from_its_scores() -> None:
    segment = timeline().segments[1]
    assert (segment.emotion, segment.confidence, segment.label) == ("happy", 0.7, "happy")
    assert segment.valence == pytest.approx(0.7 * 0.9 - 0.2 * 0.7)
    assert segment.arousal == pytest.approx(-0.1 * 0.1 + 0.7 * 0.5 + 0.2 * 0.7)
    assert segment.duration_s == 3
    assert Segment.of_speech(0, 1, HAPPY, emotion="angry").confidence == 0.2
    assert circumplex({"happy": 0.5, "an unknown one": 0.5}) == (0.9, 0.5)


def test_the_summary() -> None:
    summary = timeline().summary()
    assert (summary.duration_s, summary.speech_s) == (8, 6)
    assert summary.shares == {"happy": 0.5, "angry": 0.5}
    assert summary.changes_per_minute == pytest.approx(60 * 1 / 6)  # A says nothing before
    assert summary.valence == pytest.approx(
        math.fsum(s.valence * s.duration_s for s in timeline().speech if s.valence is not None) / 6
    )
    assert [(p.emotion, p.time, p.confidence) for p in summary.peaks] == [
        ("happy", 2.5, 0.7),
        ("angry", 7.5, 0.9),
    ]


def test_surest_moments_name_their_channel() -> None:
    sure, less = {"happy": 0.9, "sad": 0.1}, {"happy": 0.6, "sad": 0.4}
    segments = (
        Segment.of_speech(0, 2, less, channel=0),
        Segment.of_speech(1, 2, sure, channel=1),
    )
    split = Timeline(2.0, "m@1", ("happy", "sad"), segments).summary()
    assert [(peak.time, peak.channel) for peak in split.peaks] == [(1.5, 1)]
    expected = {"emotion": "happy", "time": 1.5, "confidence": 0.9, "channel": 1}
    assert split.to_dict()["peaks"] == [expected]
    mixed = Timeline(2.0, "m@1", ("happy", "sad"), (Segment.of_speech(0, 2, less),)).summary()
    assert mixed.to_dict()["peaks"][0]["channel"] is None


def test_of_a_recording_without_speech() -> None:
    empty = Timeline(3.0, "m@1", ("happy",), (Segment(0, 3, "silence"),))
    summary = empty.summary().to_dict()
    assert summary["shares"] == {}
    assert summary["speech_s"] == summary["changes_per_minute"] == 0
    assert summary["valence"] is None
    assert empty.channels == (None,)


def test_json_and_back() -> None:
    whole = timeline()
    again = Timeline.from_dict(json.loads(json.dumps(whole.to_dict())))
    assert again.to_dict() == whole.to_dict()
    assert again.segments[4].speaker == "A"
    assert again.measurements[1].emotion == "angry"
    assert "emotion" not in whole.segments[0].to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"format": "1"},
        {"segments": [{"start": 0, "end": 1, "kind": "music"}]},
        {"segments": [{"start": 0, "kind": "speech"}]},
        {"duration_s": "long"},
    ],
)
def test_what_is_no_timeline_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="timeline"):
        Timeline.from_dict(timeline().to_dict() | change)
    with pytest.raises(UsageError, match="no timeline"):
        Timeline.from_dict([])  # type: ignore[arg-type]


def test_the_table_has_a_row_for_each_segment() -> None:
    table = timeline().to_dataframe()
    assert list(table.columns) == [
        "start", "end", "channel", "speaker", "emotion", "confidence", "neutral", "happy", "angry",
    ]  # fmt: skip
    assert table["emotion"].tolist() == ["silence", "happy", "angry", "non-speech", "angry"]
    assert table["happy"][1] == 0.7
    assert table["confidence"].isna().tolist() == [True, False, False, True, False]


def test_speakers_are_summed_up_each() -> None:
    happy, sad = {"happy": 0.75, "sad": 0.25}, {"happy": 0.25, "sad": 0.75}
    segments = (
        Segment.of_speech(0, 1, happy, speaker="speaker 1"),
        Segment(1, 2, "silence"),
        Segment.of_speech(2, 5, sad, speaker="speaker 2"),
        Segment.of_speech(5, 8, sad, speaker="speaker 1"),
        Segment.of_speech(8, 9, sad),
    )
    whole = Timeline(9.0, "m@1", ("happy", "sad"), segments)
    assert whole.speakers == ("speaker 1", "speaker 2")
    mine = whole.summary("speaker 1")
    assert mine.speech_s == 4
    assert mine.shares == {"sad": 0.75, "happy": 0.25}
    assert whole.summary().speech_s == 8
    written = whole.to_dict()
    assert written["speakers"]["speaker 2"]["shares"] == {"sad": 1.0}
    assert Timeline.from_dict(written).speakers == whole.speakers
    assert "speakers" not in Timeline(9.0, "m@1", ("happy",), segments[1:2]).to_dict()


def test_speakers_are_in_order_of_their_channels() -> None:
    said = {"happy": 1.0}
    segments = (
        Segment.of_speech(0, 1, said, channel=1, speaker="speaker 3"),
        Segment.of_speech(1, 2, said, channel=0, speaker="speaker 1"),
        Segment.of_speech(2, 3, said, channel=1, speaker="speaker 4"),
        Segment.of_speech(3, 4, said, channel=0, speaker="speaker 2"),
    )
    found = Timeline(4.0, "m@1", ("happy",), segments).speakers
    assert found == ("speaker 1", "speaker 2", "speaker 3", "speaker 4")


@pytest.mark.parametrize(("name", "value"), [("speaker", 3), ("emotion", 1.5), ("channel", "left")])
def test_a_segment_of_other_types_is_none(name: str, value: object) -> None:
    whole = timeline().to_dict()
    whole["segments"][4][name] = value
    with pytest.raises(UsageError, match=f"{name} of a segment: {value!r}"):
        Timeline.from_dict(whole)
