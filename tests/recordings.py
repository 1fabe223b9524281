"""Made-up recordings: timelines of conversations of any length, and sound that goes with them."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from emotone.timeline import Measurement, Segment, Timeline
from emotone.timeline.smoothing import stretches

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
RATE = 16_000


def conversation(
    duration_s: float = 60.0,
    channels: tuple[int | None, ...] = (None,),
    *,
    speakers: tuple[str, ...] = (),
    emotions: tuple[str, ...] = EMOTIONS,
    measured: bool = True,
    file: str | None = "talk.wav",
    seed: int = 0,
) -> Timeline:
    """Utterances of one to eight seconds with silence, and now and then noise, between them."""
    rng = np.random.default_rng(seed)
    segments: list[Segment] = []
    measurements: list[Measurement] = []
    for channel in channels:
        now = 0.0
        mood = rng.normal(size=len(emotions))
        for turn in itertools.count():
            if now >= duration_s:
                break
            gap = min(float(rng.uniform(0.3, 2.5)), duration_s - now)
            kind = "non-speech" if rng.random() < 0.15 else "silence"
            segments.append(Segment(now, now + gap, kind, channel=channel))
            now += gap
            end = min(now + float(rng.uniform(1, 8)), duration_s)
            if end - now < 0.5:
                if segments[-1].end < duration_s:
                    segments.append(Segment(now, duration_s, "silence", channel=channel))
                break
            ends = np.minimum(np.arange(now + 0.5, end + 0.5, 0.5), end)
            spans = [(max(now, float(last) - 3.0), float(last)) for last in ends]
            scores = np.empty((len(spans), len(emotions)))
            for row in scores:
                mood = 0.9 * mood + 0.45 * rng.normal(size=len(emotions))
                row[:] = np.exp(2 * mood) / np.exp(2 * mood).sum()
            who = speakers[turn % len(speakers)] if speakers else None
            for part in stretches(now, end, spans, scores, step=0.5, switch=2.0):
                named = dict(zip(emotions, part.scores.tolist(), strict=True))
                segments.append(
                    Segment.of_speech(
                        part.start, part.end, named, channel=channel, speaker=who,
                        emotion=emotions[part.emotion],
                    )
                )  # fmt: skip
            for span, row in zip(spans, scores, strict=True):
                named = dict(zip(emotions, row.tolist(), strict=True))
                measurements.append(Measurement(*span, named, channel))
            now = end
    segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
    measurements.sort(key=lambda each: (each.end, each.channel or 0))
    heard = tuple(measurements) if measured else ()
    return Timeline(duration_s, "made-up@1.0", emotions, tuple(segments), heard, file)


def sound(timeline: Timeline, rate: int = RATE, seed: int = 0) -> npt.NDArray[np.float32]:
    """A buzz where someone speaks, noise where there is noise; shape (n,) or (n, channels)."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(timeline.duration_s * rate)) / rate
    columns = []
    for channel in timeline.channels or (None,):
        wave = 0.002 * rng.standard_normal(len(time))
        for segment in timeline.segments:
            if segment.channel != channel or segment.kind == "silence":
                continue
            here = slice(round(segment.start * rate), round(segment.end * rate))
            if segment.kind == "non-speech":
                wave[here] += 0.03 * rng.standard_normal(len(wave[here]))
                continue
            level = 0.15 * (2.2 + (segment.arousal or 0))
            hertz = 140 * (1.6 + (segment.arousal or 0)) * (1 + 0.1 * np.sin(3 * time[here]))
            phase = 2 * np.pi * np.cumsum(hertz) / rate
            tone = np.zeros(len(phase))
            for k in range(1, 12):
                tone += np.sin(k * phase) / k**1.2
            wave[here] += 0.4 * level * tone * (0.55 + 0.45 * np.sin(2 * np.pi * 3.5 * time[here]))
        columns.append(wave.astype(np.float32))
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
