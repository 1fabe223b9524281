"""Subtitles as pysubs2 and webvtt-py read them."""

from __future__ import annotations

import html

import pysubs2
import pytest
import webvtt
from hypothesis import given, settings

from emotone.timeline import Segment, Timeline, exports
from timelines import ANGRY, EMOTIONS, ODD_ON_A_LINE, call, on_a_line, one, timelines

Cue = tuple[int, int, str]


def srt(timeline: Timeline) -> list[Cue]:
    """Start and end in milliseconds, and the text, of each cue."""
    read = pysubs2.SSAFile.from_string(exports.text(timeline, "srt"), format_="srt")
    return [(event.start, event.end, event.text) for event in read]


def vtt(timeline: Timeline) -> list[tuple[int, int, str | None, str]]:
    """Start and end in milliseconds, the voice and the text of each cue."""
    read = webvtt.from_string(exports.text(timeline, "vtt"), strict=True)
    return [
        (
            cue.start_time.in_milliseconds(),
            cue.end_time.in_milliseconds(),
            cue.voice and html.unescape(cue.voice),
            html.unescape(cue.text),
        )
        for cue in read
    ]


def silent() -> Timeline:
    return Timeline(3.0, "m@1", EMOTIONS, (Segment(0.0, 3.0, "silence"),))


def test_a_cue_for_speech_alone() -> None:
    assert exports.text(one(1.0, 3661.0625), "srt") == (
        '1\n00:00:01,000 --> 01:01:01,062\nso-so "& ‹b›" 81 %\n'
    )
    assert exports.text(one(1.0, 3661.0625), "vtt") == (
        'WEBVTT\n\n00:00:01.000 --> 01:01:01.062\nso-so "&amp; &lt;b&gt;" 81 %\n'
    )


def test_channels_and_speakers_stand_in_front() -> None:
    who = 'Zoë "Z" ‹b› & (\\an8) --› Ω'
    assert srt(call()) == [
        (1000, 4000, f'channel 0, {who}: so-so "& ‹b›" 81 %'),
        (3000, 8500, "channel 1: neutral 12 %"),
        (4000, 6000, f"channel 0, {who}: überrascht 6 %"),
    ]
    assert srt(one(speaker="A"))[0][2] == 'A: so-so "& ‹b›" 81 %'


def test_a_speaker_is_a_voice() -> None:
    assert vtt(call()) == [
        (1000, 4000, ODD_ON_A_LINE, 'channel 0: so-so "& <b>" 81 %'),
        (3000, 8500, None, "channel 1: neutral 12 %"),
        (4000, 6000, ODD_ON_A_LINE, "channel 0: überrascht 6 %"),
    ]


def test_nothing_to_say() -> None:
    assert exports.text(silent(), "srt") == ""
    assert exports.text(silent(), "vtt") == "WEBVTT\n"
    assert srt(silent()) == vtt(silent()) == []


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_no_cue_is_empty_or_ends_before_it_starts(form: str) -> None:
    segments = tuple(
        Segment.of_speech(start, end, ANGRY)
        for start, end in [(-0.5, 0.2), (0.3, 0.3), (0.4, 0.4004), (0.9, 0.5), (1.0, 1.0006)]
    )
    text = exports.text(Timeline(2.0, "m@1", EMOTIONS, segments), form)
    assert [line for line in text.replace(".", ",").splitlines() if "-->" in line] == [
        "00:00:00,000 --> 00:00:00,200",
        "00:00:01,000 --> 00:00:01,001",
    ]


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
def test_any_timeline_as_subtitles(timeline: Timeline) -> None:
    expected = sorted(timeline.speech, key=lambda s: (s.start, s.end))
    assert [(start, end, voice) for start, end, voice, _ in vtt(timeline)] == [
        (round(1000 * s.start), round(1000 * s.end), on_a_line(s.speaker)) for s in expected
    ]
    cues = srt(timeline)
    assert [cue[:2] for cue in cues] == [
        (round(1000 * s.start), round(1000 * s.end)) for s in expected
    ]
    for (_, _, text), segment in zip(cues, expected, strict=True):
        sure = f"{100 * (segment.confidence or 0):.0f} %"
        assert text.endswith(sure)
        assert segment.channel is None or text.startswith(f"channel {segment.channel}")
