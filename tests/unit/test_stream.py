"""Live sound: what is told, when, and that it does not depend on the pieces it comes in."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone import audio
from emotone.errors import AudioError, UsageError
from emotone.recognizer import Recognizer
from emotone.stream import (
    LIVE,
    Event,
    Measured,
    SpeechEnded,
    SpeechStarted,
    Stream,
    feed_each,
    feed_together,
)
from timelines import alike

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CD = 44_100


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return emotone.load()


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two clips with pauses, at 44.1 kHz."""
    pause = np.zeros(CD, dtype=np.float32)
    clips = [
        audio.read(EXAMPLES / f"{name}.flac", rate=CD).samples
        for name in ("low-voice", "raised-voice")
    ]
    return np.concatenate([pause, clips[0], pause, clips[1], pause])


def heard(recognizer: Recognizer, sound: np.ndarray, sizes: list[int], rate: int) -> list[Event]:
    stream, found, at, turn = Stream(recognizer, rate), [], 0, 0
    while at < len(sound):
        size = sizes[turn % len(sizes)]
        found += stream.feed(sound[at : at + size])
        at, turn = at + size, turn + 1
    return found + stream.finish()


@pytest.fixture(scope="module")
def whole(recognizer: Recognizer, talk: np.ndarray) -> list[Event]:
    return heard(recognizer, talk, [len(talk)], CD)


def test_events_come_in_their_order(whole: list[Event]) -> None:
    inside, last = False, 0.0
    for event in whole:
        if isinstance(event, SpeechStarted):
            assert not inside
            assert event.time >= last
            inside, last = True, event.time
        elif isinstance(event, Measured):
            assert inside
            assert event.measurement.end > last - 3
            last = event.measurement.end
        else:
            assert inside
            assert event.segments[-1].end == event.time >= last - 1e-9
            inside, last = False, event.time
    assert not inside
    assert sum(isinstance(event, SpeechEnded) for event in whole) >= 2
    ends = [e.measurement.end for e in whole if isinstance(e, Measured)]
    assert np.median(np.diff(ends)) == pytest.approx(0.25)


@pytest.mark.parametrize("sizes", [[441], [1, 7000, 0, 333], [48_000]])
def test_the_pieces_it_comes_in_change_nothing(
    recognizer: Recognizer, talk: np.ndarray, whole: list[Event], sizes: list[int]
) -> None:
    told = [event.to_dict() for event in heard(recognizer, talk, sizes, CD)]
    assert told == alike([event.to_dict() for event in whole])


def test_it_agrees_with_the_timeline(
    recognizer: Recognizer, talk: np.ndarray, whole: list[Event]
) -> None:
    timeline = recognizer.timeline((talk, CD), settings=LIVE)
    segments = [s for event in whole if isinstance(event, SpeechEnded) for s in event.segments]
    assert len(segments) == len(timeline.speech)
    for one, other in zip(segments, timeline.speech, strict=True):
        assert (one.start, one.end, one.emotion) == (other.start, other.end, other.emotion)
        assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=1e-4)
    measured = [event.measurement for event in whole if isinstance(event, Measured)]
    for one, other in zip(measured, timeline.measurements, strict=True):
        assert (one.start, one.end) == (other.start, other.end)
        assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=1e-4)


def test_a_measurement_comes_soon_after_its_end(recognizer: Recognizer, talk: np.ndarray) -> None:
    """No later than a chunk and what the resampler holds back, but for pauses."""
    stream, waited = Stream(recognizer, CD), []
    for at in range(0, len(talk), 441):
        waited += [
            (at + 441) / CD - event.measurement.end
            for event in stream.feed(talk[at : at + 441])
            if isinstance(event, Measured)
        ]
    assert np.median(waited) < 0.06
    assert max(waited) < LIVE.utterances.pause_s + 0.1
    assert stream.time == pytest.approx(len(talk) / CD, abs=0.05)


def test_in_a_hurry_windows_are_left_out_and_no_audio(
    recognizer: Recognizer, talk: np.ndarray, whole: list[Event]
) -> None:
    stream, found = Stream(recognizer, CD), []
    for at in range(0, len(talk), 4410):
        found += stream.feed(talk[at : at + 4410], hurry=True)
    found += stream.finish()
    for kind in (SpeechStarted, SpeechEnded):
        expected = [event.time for event in whole if isinstance(event, kind)]
        assert [event.time for event in found if isinstance(event, kind)] == expected
    measured = [event for event in found if isinstance(event, Measured)]
    all_measured = [event for event in whole if isinstance(event, Measured)]
    assert len(measured) + stream.skipped == len(all_measured)
    assert stream.skipped > len(all_measured) / 2
    assert all(event.segments for event in found if isinstance(event, SpeechEnded))


def test_bad_samples_are_refused_and_the_stream_goes_on(
    recognizer: Recognizer, talk: np.ndarray, whole: list[Event]
) -> None:
    stream = Stream(recognizer, CD)
    half = len(talk) // 2
    found = stream.feed(talk[:half])
    with pytest.raises(AudioError, match="sample 1 of these is not finite"):
        stream.feed([0.0, float("nan"), 0.0])
    with pytest.raises(AudioError, match="shape"):
        stream.feed(np.zeros((10, 2)))
    found += stream.feed(talk[half:]) + stream.finish()
    assert [e.to_dict() for e in found] == alike([e.to_dict() for e in whole])
    assert stream.finish() == []
    with pytest.raises(UsageError, match="finished"):
        stream.feed([0.0])
    with pytest.raises(UsageError, match="rate"):
        Stream(recognizer, 100)


def test_events_as_json(whole: list[Event]) -> None:
    kinds = {event.to_dict()["event"] for event in whole}
    assert kinds == {"speech_started", "measurement", "speech_ended"}
    measured = next(e for e in whole if isinstance(e, Measured)).to_dict()
    assert measured["confidence"] == max(measured["scores"].values())


def test_streams_fed_together_tell_what_they_tell_alone(
    recognizer: Recognizer, talk: np.ndarray, whole: list[Event]
) -> None:
    sounds = [talk, talk[CD // 2 :], np.zeros_like(talk)]
    streams = [Stream(recognizer, CD) for _ in sounds]
    found: list[list[Event]] = [[], [], []]
    for at in range(0, len(talk), 4410):
        told = feed_together(streams, [sound[at : at + 4410] for sound in sounds])
        for events, new in zip(found, told, strict=True):
            events += new
    for events, stream in zip(found, streams, strict=True):
        events += stream.finish()
    alone = [whole, heard(recognizer, sounds[1], [4410], CD), []]
    for events, expected in zip(found, alone, strict=True):
        assert [e.event for e in events] == [e.event for e in expected]
        for one, other in zip(events, expected, strict=True):
            if isinstance(one, Measured) and isinstance(other, Measured):
                assert one.measurement.end == other.measurement.end
                assert list(one.measurement.scores.values()) == pytest.approx(
                    list(other.measurement.scores.values()), abs=1e-5
                )
            elif isinstance(one, SpeechEnded) and isinstance(other, SpeechEnded):
                assert [(s.start, s.end, s.emotion) for s in one.segments] == [
                    (s.start, s.end, s.emotion) for s in other.segments
                ]


def test_what_cannot_be_fed_together_is_refused_before_anything_is_heard(
    recognizer: Recognizer, talk: np.ndarray
) -> None:
    one, other = Stream(recognizer, CD), Stream(recognizer, CD)
    with pytest.raises(AudioError, match="not finite"):
        feed_together([one, other], [talk, talk * np.nan])
    assert one.time == other.time == 0
    with pytest.raises(UsageError, match="twice"):
        feed_together([one, one], [talk, talk])
    with pytest.raises(UsageError, match="different recognizers"):
        feed_together([one, Stream(recognizer.adapt([EXAMPLES / "low-voice.flac"]))], [talk, talk])
    with pytest.raises(UsageError, match="1 blocks for 2 streams"):
        feed_together([one, other], [talk])
    assert feed_together([], []) == []


def test_the_bundled_model_hears_frames_once_and_says_the_same(
    recognizer: Recognizer, talk: np.ndarray, whole: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recognizer.takes_frames
    monkeypatch.setattr(Recognizer, "takes_frames", False)
    plain = heard(recognizer, talk, [4410], CD)
    assert [event.event for event in plain] == [event.event for event in whole]
    for one, other in zip(plain, whole, strict=True):
        if isinstance(one, Measured) and isinstance(other, Measured):
            assert list(one.measurement.scores.values()) == pytest.approx(
                list(other.measurement.scores.values()), abs=1e-4
            )
    monkeypatch.undo()
    monkeypatch.setattr(Recognizer, "hear", None)  # not asked
    assert [e.event for e in heard(recognizer, talk, [4410], CD)] == [e.event for e in whole]


def test_a_stream_that_broke_off_says_so(
    recognizer: Recognizer, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(recognizer, CD)

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Recognizer, "hear_frames", fail)
        with pytest.raises(MemoryError):
            stream.feed(talk)
    with pytest.raises(UsageError, match="broke off"):
        stream.feed(talk)
    assert stream.finish() == []


def test_integers_are_no_samples(recognizer: Recognizer, talk: np.ndarray) -> None:
    stream = Stream(recognizer, CD)
    with pytest.raises(AudioError, match="int16") as caught:
        stream.feed((talk * 32767).astype(np.int16))
    assert "32768" in str(caught.value)
    with pytest.raises(AudioError, match="1e\\+19"):
        stream.feed(np.array([0, 1e19], np.float32))
    for wrong in (["loud"], [1j], [None]):
        with pytest.raises(AudioError, match="samples of the type"):
            stream.feed(wrong)
    uneven = [[0.1], [0.1, 0.2]]
    with pytest.raises(AudioError, match="no array"):
        stream.feed(uneven)  # type: ignore[arg-type]
    (refused,) = feed_each([stream], [uneven])  # type: ignore[list-item]
    assert isinstance(refused, AudioError)
    assert stream.feed([]) == []


def test_a_long_block_takes_no_more_memory_than_short_ones(recognizer: Recognizer) -> None:
    sound = np.resize(audio.read(EXAMPLES / "low-voice.flac", rate=16000).samples, 16000 * 240)
    recognizer.hear([sound[:16000]], 16000)
    peaks = []
    for seconds in (60, 240):
        stream = Stream(recognizer)
        tracemalloc.start()
        stream.feed(sound[: 16000 * seconds])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20 * 2**20


def test_a_stream_keeps_nothing_of_others(recognizer: Recognizer, talk: np.ndarray) -> None:
    streams = [Stream(recognizer, CD) for _ in range(8)]
    for at in range(0, len(talk) // 2, 4410):
        feed_together(streams, [talk[at : at + 4410]] * len(streams))
        for stream in streams:
            known = stream._frames._known
            assert known is None or known.base is None
