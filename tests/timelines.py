"""Made-up timelines, one to look at and any number to search for faults."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import strategies as st

from emotone.timeline import Measurement, Segment, Timeline

EMOTIONS = ("neutral", "überrascht", 'so-so "& <b>"')
ANGRY = {"neutral": 0.125, "überrascht": 0.0625, 'so-so "& <b>"': 0.8125}
ODD = 'Zoë "Z" <b> & {\\an8}\t--> Ω'
"""A speaker's name with what the forms have a meaning for."""
ODD_ON_A_LINE = 'Zoë "Z" <b> & {\\an8} --> Ω'


def alike(told: Any) -> Any:
    """The same, but that the last of four decimals may be rounded otherwise: what is heard together
    is summed up in another order."""
    if isinstance(told, dict):
        return {key: alike(value) for key, value in told.items()}
    if isinstance(told, list):
        return [alike(value) for value in told]
    return pytest.approx(told, abs=1.01e-4) if isinstance(told, float) else told


def call() -> Timeline:
    """Two channels that speak at once, in the first of them someone with an odd name."""
    return Timeline(
        duration_s=8.5,
        model="m@1",
        emotions=EMOTIONS,
        segments=(
            Segment(0.0, 1.0, "silence", channel=0),
            Segment(0.0, 3.0, "silence", channel=1),
            Segment.of_speech(1.0, 4.0004, ANGRY, channel=0, speaker=ODD),
            Segment.of_speech(3.0, 8.5, ANGRY, channel=1, emotion="neutral"),
            Segment.of_speech(4.0004, 6.0, ANGRY, channel=0, emotion="überrascht", speaker=ODD),
            Segment(6.0, 8.5, "non-speech", channel=0),
        ),
        measurements=(Measurement(1.0, 4.0, ANGRY, 0), Measurement(1.5, 4.5, ANGRY, 0)),
        file="rec/täglich 1.wav",
        settings={"window_s": 3.0},
    )


def one(start: float = 0.0, end: float = 2.0, **about: str) -> Timeline:
    """A recording of one segment of speech, of one channel."""
    segment = Segment.of_speech(start, end, ANGRY, **about)  # type: ignore[arg-type]
    return Timeline(end, "m@1", EMOTIONS, (segment,))


def on_a_line(name: str | None) -> str | None:
    """A name without controls, its words with one blank between; None where none is left."""
    if name is None:
        return None
    kept = (
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\ufffe\uffff" else c
        for c in name
    )
    return " ".join("".join(kept).split()) or None


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Up to half a day of up to three channels, heard together or apart, by whoever."""
    channels = draw(st.sampled_from([(None,), (0,), (0, 1), (0, 1, 2)]))
    speakers = draw(st.lists(st.none() | st.text(max_size=12), min_size=1, max_size=3))
    length_ms = draw(st.integers(2, 43_200_000))
    segments = []
    for channel in channels:
        cuts = draw(st.sets(st.integers(1, length_ms - 1), max_size=5))
        for start, end in pairwise([0, *sorted(cuts), length_ms]):
            kind = draw(st.sampled_from(["speech", "speech", "silence", "non-speech"]))
            if kind == "speech":
                weights = [draw(st.integers(1, 99)) for _ in EMOTIONS]
                segment = Segment.of_speech(
                    start / 1000,
                    end / 1000,
                    {name: w / sum(weights) for name, w in zip(EMOTIONS, weights, strict=True)},
                    channel=channel,
                    speaker=draw(st.sampled_from(speakers)),
                )
            else:
                segment = Segment(start / 1000, end / 1000, kind, channel=channel)
            segments.append(segment)
    segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
    return Timeline(length_ms / 1000, "m@1", EMOTIONS, tuple(segments), file="talk.wav")
