"""A recording, heard from beginning to end: cut, scored on several cores, smoothed, summed up."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emotone import audio, interrupts, memory
from emotone.audio import Source
from emotone.audio.limits import Limits
from emotone.audio.reading import blocks_if_silent_too
from emotone.audio.sources import is_pipe
from emotone.audio.waveform import FloatArray, Waveform
from emotone.errors import EmotoneError, UsageError
from emotone.spectra import WindowFrames
from emotone.speech import RATE
from emotone.timeline.checkpoints import Checkpoint, Reached, Told
from emotone.timeline.cutting import Cutter, Gap, Piece, UtteranceEnded, Window
from emotone.timeline.hearing import heard, prepared, warn_of_rate
from emotone.timeline.segments import Measurement, Segment, Timeline
from emotone.timeline.settings import TimelineSettings
from emotone.timeline.smoothing import stretches

if TYPE_CHECKING:
    from emotone.recognizer import Recognizer

Channels = Literal["mix", "split"] | int
Progress = Callable[[float, float | None], None]
"""Called with seconds heard, and of how many where that is known; first of all with where it
begins: 0, or where an earlier run stopped."""

_BLOCK_S = 20.0
_PART = RATE // 4
"""Samples cut at a time. After an utterance nobody speaks for so long: it takes as much speech for
the next to begin."""

_TOGETHER = 8
"""Windows that are scored at once."""

_TIDY_EVERY = 30
"""Blocks after which memory that is free is given back: ten minutes of sound, a second or two."""

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
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> Timeline:
    """The timeline of a recording; see `Recognizer.timeline`."""
    settings = settings or TimelineSettings()
    warn_of_rate(recognizer)
    channels = int(channels) if isinstance(channels, np.integer) else channels
    info = None if _is_once(source) else audio.probe(source, limits=limits)
    chosen = _chosen(channels, source, None if info is None else info.channels)
    total = None if info is None else info.duration_s * len(chosen)
    keep, reached = checkpoint, None
    if keep is not None:
        keep = keep if isinstance(keep, Checkpoint) else Checkpoint(keep)
        reached = keep.begin(_about(recognizer, source, channels, settings))
    reached = reached or Reached((), [], 0, None)
    names = [_named(channel, channels) for channel in chosen]
    lengths = list(reached.lengths)
    if progress is not None:
        progress(reached.heard_s, total)
    with ThreadPoolExecutor(jobs, thread_name_prefix="emotone") as pool:
        hearing = _Hearing(recognizer, settings, pool, jobs, names, len(lengths), keep)
        for told in reached.told:
            hearing.tell(told)
        try:
            for channel in chosen[len(lengths) :]:
                cutter, before_s = Cutter(settings), sum(lengths) / RATE
                if reached.cutter is not None and len(lengths) == len(reached.lengths):
                    cutter.restore(reached.cutter)
                blocks = blocks_if_silent_too(
                    source,
                    block_s=_BLOCK_S,
                    rate=RATE,
                    channel=channel,
                    may_cancel=False,
                    tell_clipping=True,
                    limits=limits,
                )
                for number, block in enumerate(_after(cutter.heard, blocks)):
                    _hear(block, cutter, hearing, tuple(lengths))
                    if number % _TIDY_EVERY == _TIDY_EVERY - 1:
                        memory.give_back()
                    if progress is not None:
                        progress(before_s + cutter.heard / RATE, total)
                hearing.take(cutter.finish())
                lengths.append(cutter.heard)
                hearing.end(tuple(lengths))
        except EmotoneError:
            raise  # it would come again
        except BaseException:
            if keep is not None:
                with interrupts.deferred():
                    keep.write()
            raise
        finally:
            hearing.drop()
    if keep is not None:
        keep.finish() if keep is checkpoint else keep.remove()
    order = {channel: place for place, channel in enumerate(names)}
    return Timeline(
        duration_s=max(lengths) / RATE,
        model=recognizer.model,
        emotions=recognizer.emotions,
        segments=tuple(sorted(hearing.segments, key=lambda s: (s.start, order[s.channel]))),
        measurements=tuple(sorted(hearing.measurements, key=lambda m: (m.end, order[m.channel]))),
        file=os.fspath(source) if isinstance(source, (str, os.PathLike)) else None,
        settings={"channels": channels, **settings.to_dict()},
    )


def _hear(block: Waveform, cutter: Cutter, hearing: _Hearing, lengths: tuple[int, ...]) -> None:
    """A block; the first place in it where nobody speaks is marked to go on from."""
    start, size = 0, _PART if hearing.keeps else len(block)
    while start < len(block):
        hearing.take(cutter.feed(block.samples[start : start + size]))
        start += size
        if hearing.keeps and size == _PART and not cutter.speaking:
            hearing.mark(lengths, cutter)
            size = len(block)


def _after(heard: int, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """What follows on so many samples. They are decoded again, which makes no difference to what
    is found wrong with them, and takes little next to hearing them."""
    for block in blocks:
        if heard < len(block):
            yield Waveform(block.samples[heard:], block.rate)
        heard = max(0, heard - len(block))


class _Hearing:
    """Windows out to be scored, utterances in the order in which they were said.

    Parameters
    ----------
    recognizer, settings, pool, jobs
        What to score with, and where.
    names
        Of the channels, one of which comes after the other.
    place
        The first of them that is not through.
    keep
        Where to keep how far it came.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        settings: TimelineSettings,
        pool: ThreadPoolExecutor,
        jobs: int,
        names: Sequence[int | None],
        place: int,
        keep: Checkpoint | None,
    ) -> None:
        self.segments: list[Segment] = []
        self.measurements: list[Measurement] = []
        self._told: list[Told] = []
        self._recognizer, self._settings = recognizer, settings
        self._pool, self._names, self._keep = pool, names, keep
        self._most = _AHEAD * jobs
        self._frames = WindowFrames(0)
        self._windows: list[tuple[WindowFrames, Window]] = []
        self._batches: list[Future[FloatArray]] = []
        self._spans: list[tuple[int, int]] = []
        self._waiting: deque[_Utterance | _Mark] = deque()
        self._out: deque[Future[FloatArray]] = deque()  # in order, all before them done
        self._place = place

    def take(self, pieces: Sequence[Piece]) -> None:
        """What the cutter gave."""
        for piece in pieces:
            if isinstance(piece, Window):
                if not self._spans:
                    self._frames = WindowFrames(piece.start)
                self._spans.append((piece.start, piece.end))
                self._windows.append((self._frames, piece))
                if len(self._windows) == _TOGETHER:
                    self._send()
            elif isinstance(piece, UtteranceEnded):
                self._send()
                utterance = _Utterance(piece.start, piece.end, self._spans, self._batches)
                self._waiting.append(utterance)
                self._spans, self._batches = [], []
            elif isinstance(piece, Gap):
                self._waiting.append(_Utterance(piece.start, piece.end, [], [], piece.silent))
            self._settle_scored()

    @property
    def keeps(self) -> bool:
        """Whether it is kept how far it came."""
        return self._keep is not None

    def mark(self, lengths: tuple[int, ...], cutter: Cutter | None) -> None:
        """That a later run can go on from here, once what was taken is scored.

        Parameters
        ----------
        lengths
            Samples of the channels that are through.
        cutter
            That of the next, outside of utterances; None before its beginning.
        """
        heard = sum(lengths) + (0 if cutter is None else cutter.heard)
        state = None if cutter is None else cutter.state()
        self._waiting.append(_Mark(Reached(lengths, self._told, 0, state, heard / RATE)))
        self._settle_scored()  # while nobody speaks, nothing else does

    def end(self, lengths: tuple[int, ...]) -> None:
        """The end of a channel: wait until all of it is scored."""
        if self.keeps:
            self.mark(lengths, None)
        while self._waiting:
            self._settle()
        self._place = len(lengths)

    def drop(self) -> None:
        """What is not begun, after an error or Ctrl-C; nothing where all is scored."""
        for batch in self._out:
            batch.cancel()

    def tell(self, told: Told) -> None:
        """Turn a gap or an utterance into segments."""
        start, end, channel = told.start / RATE, told.end / RATE, self._names[told.place]
        if told.silent is not None:
            kind: Literal["silence", "non-speech"] = "silence" if told.silent else "non-speech"
            self.segments.append(Segment(start, end, kind, channel=channel))
        else:
            spans = [(a / RATE, b / RATE) for a, b in told.spans.tolist()]
            heard, found = judged(
                start, end, spans, told.scores, self._recognizer.emotions, self._settings, channel
            )
            self.measurements += heard
            self.segments += found
        if self._keep is not None:
            self._told.append(told)

    def _send(self) -> None:
        if not self._windows:
            return
        if len(self._out) == self._most:
            wait([self._out.popleft()])  # not all windows of a long utterance in memory
        sounds = prepared(self._recognizer, self._windows)
        self._out.append(self._pool.submit(heard, self._recognizer, sounds))
        self._batches.append(self._out[-1])
        self._windows = []

    def _settle_scored(self) -> None:
        while self._waiting and self._waiting[0].is_scored():
            self._settle()

    def _settle(self) -> None:
        """Tell of the first that waits."""
        first = self._waiting.popleft()
        if isinstance(first, _Mark):
            if self._keep is not None:
                self._keep.reached(replace(first.reached, count=len(self._told)))
            return
        scores = np.empty((0, len(self._recognizer.emotions)), np.float32)
        scores = np.concatenate([scores, *(batch.result() for batch in first.batches)])
        spans = np.array(first.spans, np.int64).reshape(-1, 2)
        self.tell(Told(self._place, first.start, first.end, first.silent, spans, scores))


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


class _Mark:
    """A place to go on from, which waits for what came before it."""

    batches: Sequence[Future[FloatArray]] = ()

    def __init__(self, reached: Reached) -> None:
        self.reached = reached

    def is_scored(self) -> bool:
        return True


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
    if isinstance(channels, int) and not isinstance(channels, bool):
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
    """Whether a source is gone when it was read: standard input, an open file, a named pipe."""
    if source == "-" or hasattr(source, "read"):
        return True
    return isinstance(source, (str, os.PathLike)) and is_pipe(source)


def _about(
    recognizer: Recognizer, source: Source, channels: Channels, settings: TimelineSettings
) -> dict[str, Any]:
    """What the timeline depends on, and a checkpoint with it."""
    import av
    import onnxruntime
    import soundfile
    import soxr

    import emotone

    if _is_once(source) or not isinstance(source, (str, os.PathLike)):
        raise UsageError(
            "progress can be kept for a file alone",
            remedy="Save the recording to a file first, or give no checkpoint.",
        )
    status = Path(source).stat()
    return {
        # Decoding and resampling count too: another rounding gives other last bits.
        "version": [
            *(module.__version__ for module in (emotone, onnxruntime, np, soundfile, soxr, av)),
            soundfile.__libsndfile_version__,
            av.library_versions,
        ],
        "recording": [os.path.realpath(source), status.st_size, status.st_mtime_ns],
        "model": recognizer.digest,
        "channels": channels,
        "settings": settings.to_dict(),
    }
