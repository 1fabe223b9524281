"""Speakers in timelines: whose turn it is, where segments are cut, how speakers are named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emotone import audio
from emotone.errors import UsageError
from emotone.speech import RATE, voices
from emotone.timeline import Segment, Timeline, speakers
from emotone.timeline.speakers import check, tell_apart, turns

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SURE = {"happy": 0.75, "sad": 0.25}


def talk(*spans: tuple[float, float], channels: tuple[int | None, ...] = (None,)) -> Timeline:
    """Speech there and silence else, the same on every channel."""
    segments = []
    for channel in channels:
        now = 0.0
        for start, end in spans:
            if start > now:
                segments.append(Segment(now, start, "silence", channel=channel))
            segments.append(Segment.of_speech(start, end, SURE, channel=channel))
            now = end
    segments.sort(key=lambda s: (s.start, s.channel or 0))
    return Timeline(spans[-1][1] if spans else 5.0, "m@1", ("happy", "sad"), tuple(segments))


def voice(name: str, seconds: float) -> npt.NDArray[np.float32]:
    """A real voice, repeated as long as need be."""
    found = audio.read(EXAMPLES / f"{name}.flac", rate=RATE).samples
    return np.resize(found, round(seconds * RATE))


def said(timeline: Timeline) -> list[tuple[float, float, str | None]]:
    return [(s.start, s.end, s.speaker) for s in timeline.speech]


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Voices by loudness: samples of 0.1 are one speaker, those of 0.2 another, and so on."""

    def describe(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found = []
        for start, end in voices.windows(len(samples) / RATE):
            part = samples[round(start * RATE) : round(end * RATE)]
            found.append(100 * np.abs(part).mean() * np.ones(24))
        return np.array(found, np.float32)

    monkeypatch.setattr(voices, "describe", describe)


def sound(*levels: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Seconds of a level, one after the other."""
    return np.concatenate([np.full(round(s * RATE), level, np.float32) for s, level in levels])


@pytest.mark.parametrize("length", [0.3, 2.9, 3.0, 3.4, 3.5, 10.2])
def test_windows_of_an_utterance(length: float) -> None:
    found = voices.windows(length)
    assert found[0, 0] == 0
    assert (np.diff(found[:, 0]) == pytest.approx(voices.STEP_S)) if len(found) > 1 else True
    assert len(found) == 1 + max(0, int((length - 3.0) / 0.5 + 1e-9))
    assert (np.diff(found) <= voices.WINDOW_S + 1e-9).all()
    assert length - 0.5 < found[-1, 1] <= length


def test_the_level_makes_no_difference_and_anything_is_described() -> None:
    samples = voice("low-voice", 2.5)
    np.testing.assert_allclose(voices.describe(samples / 8), voices.describe(samples), atol=1e-3)
    assert voices.describe(samples).shape == (1, 24)
    assert np.isfinite(voices.describe(np.zeros(RATE, np.float32))).all()
    assert np.isfinite(voices.describe(np.ones(1600, np.float32))).all()


def test_two_real_voices_are_two_speakers() -> None:
    spans = [(0.5, 2.5), (3.0, 5.0), (5.5, 7.5), (8.0, 10.0), (10.5, 12.5), (13.0, 15.0)]
    samples = np.zeros(round(15.5 * RATE), np.float32)
    own = {}
    for number, (start, end) in enumerate(spans):
        name = ("low-voice", "raised-voice")[number % 2]
        own[start] = name
        samples[round(start * RATE) : round(end * RATE)] = np.roll(
            voice(name, 2.0), 3200 * (number // 2)
        )
    found = tell_apart(talk(*spans), (samples, RATE), 2)
    names = {(own[start], speaker) for start, _, speaker in said(found)}
    assert names == {("low-voice", "speaker 1"), ("raised-voice", "speaker 2")}
    assert found.settings["speakers"] == 2


def test_speakers_are_numbered_as_they_appear(marked: None) -> None:
    timeline = talk((1, 3), (4, 6), (7, 9), (10, 12))
    samples = sound((3.5, 0.3), (3, 0.1), (3, 0.3), (3, 0.2))
    names = [who for _, _, who in said(tell_apart(timeline, (samples, RATE), 3))]
    assert names == ["speaker 1", "speaker 2", "speaker 1", "speaker 3"]
    names = [who for _, _, who in said(tell_apart(timeline, (samples, RATE), 1))]
    assert names == ["speaker 1"] * 4


def test_the_number_is_found(marked: None) -> None:
    spans = [(i, i + 0.9) for i in range(20)]
    samples = np.concatenate([sound((1, 0.1 + 0.1 * (i % 2))) for i in range(20)])
    found = tell_apart(talk(*spans), (samples, RATE), "auto")
    assert {who for _, _, who in said(found)} == {"speaker 1", "speaker 2"}
    assert found.settings["speakers"] == "auto"
    same = tell_apart(talk(*spans), (sound((20, 0.1)), RATE), "auto")
    assert {who for _, _, who in said(same)} == {"speaker 1"}


def test_more_speakers_than_utterances(marked: None) -> None:
    samples = sound((3.5, 0.1), (3, 0.2))
    found = said(tell_apart(talk((1, 3), (4, 6)), (samples, RATE), 9))
    assert [who for _, _, who in found] == ["speaker 1", "speaker 2"]


def test_a_segment_is_cut_where_the_speaker_changes(marked: None) -> None:
    samples = sound((9, 0.1), (9, 0.2))
    found = tell_apart(talk((0, 18)), (samples, RATE), 2)
    (one, other) = found.speech
    assert (one.speaker, other.speaker) == ("speaker 1", "speaker 2")
    assert one.start == 0
    assert other.end == 18
    assert one.end == other.start == pytest.approx(9, abs=0.5)
    assert one.scores == other.scores == SURE
    assert one.emotion == other.emotion == "happy"


def test_a_change_near_the_end_of_a_segment_cuts_no_sliver(marked: None) -> None:
    timeline = talk((0, 9.2), (9.2, 18))  # one utterance of two segments
    found = said(tell_apart(timeline, (sound((9, 0.1), (9, 0.2)), RATE), 2))
    assert [(start, end) for start, end, _ in found] == [(0, 9.2), (9.2, 18)]
    assert [who for _, _, who in found] == ["speaker 1", "speaker 2"]


def test_channels_share_no_speaker(marked: None, tmp_path: Path) -> None:
    left, right = sound((3.5, 0.1), (3, 0.2)), sound((3.5, 0.3), (3, 0.4))
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    timeline = talk((1, 3), (4, 6), channels=(0, 1))
    found = tell_apart(timeline, path, 2)
    names = {c: [s.speaker for s in found.speech if s.channel == c] for c in (0, 1)}
    assert names == {0: ["speaker 1", "speaker 2"], 1: ["speaker 3", "speaker 4"]}
    assert [s for s in found.segments if s.kind != "speech"] == [
        s for s in timeline.segments if s.kind != "speech"
    ]
    alone = tell_apart(timeline, path, 1)
    assert [s.speaker for s in alone.speech] == ["speaker 1", "speaker 2"] * 2


def test_nothing_said() -> None:
    empty = Timeline(5.0, "m@1", ("happy",), (Segment(0, 5, "silence"),))
    assert tell_apart(empty, (np.zeros(5 * RATE), RATE), 2).segments == empty.segments
    nothing = Timeline(5.0, "m@1", ("happy",), ())
    assert tell_apart(nothing, (np.zeros(5 * RATE), RATE), "auto").segments == ()
    assert turns([], [], 3) == []


def test_the_sound_is_read_in_blocks(marked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from emotone.timeline import speakers

    spans = [(0.2, 1.7), (2.0, 9.0), (9.5, 10.0), (17.0, 19.9)]
    samples = np.concatenate([sound((2, 0.1)), sound((8, 0.2)), sound((10, 0.1))])
    whole = tell_apart(talk(*spans), (samples, RATE), 2)
    monkeypatch.setattr(speakers, "_BLOCK_S", 0.7)
    seen: list[tuple[float, float]] = []
    parts = tell_apart(
        talk(*spans), (samples, RATE), 2, progress=lambda done, total: seen.append((done, total))
    )
    assert parts == whole
    assert seen == [(end, 19.9) for _, end in spans]


@pytest.mark.parametrize("speakers", [0, -1, 1.5, True, "two", ""])
def test_no_number_of_speakers(speakers: object) -> None:
    with pytest.raises(UsageError, match="from 1, or auto"):
        check(speakers, "talk.wav")  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["-", io.BytesIO()])
def test_what_can_be_read_only_once(source: str | io.BytesIO) -> None:
    with pytest.raises(UsageError, match="only once"):
        check(2, source)


def test_another_recording() -> None:
    with pytest.raises(UsageError, match="shorter than its timeline"):
        tell_apart(talk((1, 3), (4, 6)), (voice("low-voice", 3.5), RATE), 2)
    with pytest.raises(UsageError, match="shorter than its timeline"):  # by a part of the last
        tell_apart(talk((0.2, 1), (1.2, 3.4)), (voice("low-voice", 3), RATE), 2)


def test_speech_without_end_is_not_held_in_memory() -> None:
    """Where music plays all the time, utterances of two minutes follow each other for hours."""
    spans = [(120.0 * k, 120.0 * (k + 1)) for k in range(300)]
    assert speakers._utterances(talk(*spans).segments) == spans
    parts = [(60.0 * k, 60.0 * (k + 1)) for k in range(600)]  # two emotions in each
    assert speakers._utterances(talk(*parts).segments) == spans
    assert speakers._utterances(talk((1, 2), (2, 3), (4, 5)).segments) == [(1, 3), (4, 5)]
