"""A recording, heard from beginning to end: cut, scored on several cores, smoothed, summed up."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

import numpy as np

from emotone import audio
from emotone.audio import Source
from emotone.audio.limits import Limits
from emotone.audio.reading import blocks_if_silent_too
from emotone.audio.waveform import FloatArray
from emotone.errors import UsageError
from emotone.speech import RATE
from emotone.timeline.cutting import Cutter, Gap, Piece, UtteranceEnded, Window
from emotone.timeline.segments import Measurement, Segment, Timeline
from emotone.timeline.settings import TimelineSettings
from emotone.timeline.smoothing import stretches

if TYPE_CHECKING:
    from emotone.recognizer import Recognizer

Channels = Literal["mix", "split"] | int
Progress = Callable[[float, float | None], None]
"""Called with seconds heard, and of how many where that is known."""

_BLOCK_S = 20.0
_TOGETHER = 16
"""Windows that are scored at once."""

_AHEAD = 8
"""Batches that may wait for each core, before the reading waits for them."""


def analyze(
    recognizer: Recognizer,
    source: Source,
    *,
    channels: Channels = "mix",
    settings: TimelineSettings | None = None,
    jobs: int = 1,
    limits: Limits,
    progress: Progress | None = None,
) -> Timeline:
    """The timeline of a recording; see `Recognizer.timeline`."""
    settings = settings or TimelineSettings()
    info = None if _is_once(source) else audio.probe(source, limits=limits)
    chosen = _chosen(channels, source, None if info is None else info.channels)
    total = None if info is None else info.duration_s * len(chosen)
    segments: list[Segment] = []
    measurements: list[Measurement] = []
    duration_s = heard_s = 0.0
    with ThreadPoolExecutor(jobs, thread_name_prefix="emotone") as pool:
        for channel in chosen:
            hearing = _Hearing(recognizer, settings, pool, jobs, _named(channel, channels))
            cutter, before_s = Cutter(settings), heard_s
            # One of several channels may be silent from beginning to end.
            read = audio.read_blocks if len(chosen) == 1 else blocks_if_silent_too
            blocks = read(source, block_s=_BLOCK_S, rate=RATE, channel=channel, limits=limits)
            try:
                for block in blocks:
                    hearing.take(cutter.feed(block.samples))
                    heard_s = before_s + cutter.heard / RATE
                    if progress is not None:
                        progress(heard_s, total)
                hearing.take(cutter.finish())
                hearing.wait()
            finally:
                hearing.drop()
            segments += hearing.segments
            measurements += hearing.measurements
            duration_s = max(duration_s, cutter.heard / RATE)
    order = {channel: place for place, channel in enumerate(chosen)}
    return Timeline(
        duration_s=duration_s,
        model=recognizer.model,
        emotions=recognizer.emotions,
        segments=tuple(sorted(segments, key=lambda s: (s.start, order.get(s.channel, 0)))),
        measurements=tuple(sorted(measurements, key=lambda m: (m.end, order.get(m.channel, 0)))),
        file=os.fspath(source) if isinstance(source, (str, os.PathLike)) else None,
        settings={"channels": channels, **settings.to_dict()},
    )


class _Hearing:
    """One channel: windows out to be scored, utterances in the order in which they were said."""

    def __init__(
        self,
        recognizer: Recognizer,
        settings: TimelineSettings,
        pool: ThreadPoolExecutor,
        jobs: int,
        channel: int | None,
    ) -> None:
        self.segments: list[Segment] = []
        self.measurements: list[Measurement] = []
        self._recognizer, self._settings = recognizer, settings
        self._pool, self._channel = pool, channel
        self._most = _AHEAD * jobs
        self._windows: list[Window] = []
        self._batches: list[Future[FloatArray]] = []
        self._spans: list[tuple[int, int]] = []
        self._waiting: deque[_Utterance] = deque()
        self._out = 0

    def take(self, pieces: Sequence[Piece]) -> None:
        """What the cutter gave."""
        for piece in pieces:
            if isinstance(piece, Window):
                self._windows.append(piece)
                if len(self._windows) == _TOGETHER:
                    self._send()
            elif isinstance(piece, UtteranceEnded):
                self._send()
                utterance = _Utterance(piece.start, piece.end, self._spans, self._batches)
                self._waiting.append(utterance)
                self._spans, self._batches = [], []
            elif isinstance(piece, Gap):
                self._waiting.append(_Utterance(piece.start, piece.end, [], [], piece.silent))
            while self._waiting and (self._out > self._most or self._waiting[0].is_scored()):
                self._settle()

    def wait(self) -> None:
        """Until all is scored."""
        while self._waiting:
            self._settle()

    def drop(self) -> None:
        """What is not begun, after an error or Ctrl-C; nothing where all is scored."""
        for batch in [*self._batches, *(b for u in self._waiting for b in u.batches)]:
            batch.cancel()

    def _send(self) -> None:
        if not self._windows:
            return
        self._spans += [(window.start, window.end) for window in self._windows]
        sounds = [window.samples for window in self._windows]
        self._batches.append(self._pool.submit(self._recognizer.hear, sounds, RATE))
        self._windows = []
        self._out += 1

    def _settle(self) -> None:
        """Turn the first that waits into segments."""
        utterance = self._waiting.popleft()
        start, end = utterance.start / RATE, utterance.end / RATE
        if utterance.silent is not None:
            kind: Literal["silence", "non-speech"] = "silence" if utterance.silent else "non-speech"
            self.segments.append(Segment(start, end, kind, channel=self._channel))
            return
        scores = np.concatenate([batch.result() for batch in utterance.batches])
        self._out -= len(utterance.batches)
        spans = [(a / RATE, b / RATE) for a, b in utterance.spans]
        heard, found = judged(
            start, end, spans, scores, self._recognizer.emotions, self._settings, self._channel
        )
        self.measurements += heard
        self.segments += found


class _Utterance:
    """What waits for its scores; or a gap, which waits for what came before it."""

    def __init__(
        self,
        start: int,
        end: int,
        spans: list[tuple[int, int]],
        batches: list[Future[FloatArray]],
        silent: bool | None = None,
    ) -> None:
        self.start, self.end = start, end
        self.spans, self.batches, self.silent = spans, batches, silent

    def is_scored(self) -> bool:
        return all(batch.done() for batch in self.batches)


def judged(
    start: float,
    end: float,
    spans: Sequence[tuple[float, float]],
    scores: FloatArray,
    emotions: Sequence[str],
    settings: TimelineSettings,
    channel: int | None,
) -> tuple[list[Measurement], list[Segment]]:
    """Measurements and segments of an utterance whose windows are scored.

    Parameters
    ----------
    start, end
        Of the utterance, in seconds.
    spans
        Beginning and end of each of its n windows, in seconds.
    scores
        Of each, shape ``(n, emotions)``.
    emotions
        Names of the columns.
    settings
        Step and inertia of the segments.
    channel
        Where it was heard.
    """
    heard = [
        Measurement(a, b, dict(zip(emotions, row.tolist(), strict=True)), channel)
        for (a, b), row in zip(spans, scores, strict=True)
    ]
    found = [
        Segment.of_speech(
            part.start,
            part.end,
            dict(zip(emotions, part.scores.tolist(), strict=True)),
            channel=channel,
            emotion=emotions[part.emotion],
        )
        for part in stretches(
            start, end, spans, scores, step=settings.step_s, switch=settings.switch
        )
    ]
    return heard, found


def _chosen(channels: Channels, source: Source, count: int | None) -> list[int | None]:
    if channels == "mix":
        return [None]
    if isinstance(channels, int):
        return [channels]
    if channels != "split":
        raise UsageError(
            f"the channels are {channels!r}", remedy="Give mix, split, or a number from 0."
        )
    if count is None:
        raise UsageError(
            "the channels of what can be read only once cannot be heard one after the other",
            remedy="Save it to a file first, or hear its channels together: channels=mix.",
        )
    return list(range(count)) if count > 1 else [None]


def _named(channel: int | None, channels: Channels) -> int | None:
    return channel if channels != "mix" else None


def _is_once(source: Source) -> bool:
    """Whether a source is gone when it was read: standard input, an open file."""
    return source == "-" if isinstance(source, str) else hasattr(source, "read")
