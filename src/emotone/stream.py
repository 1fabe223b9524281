"""Audio that is still arriving: when someone begins to speak, which emotion it is, when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.audio.limits import check_rate
from emotone.audio.resampling import QUALITY
from emotone.audio.waveform import FloatArray, check_samples
from emotone.errors import AudioError, EmotoneError, UsageError
from emotone.spectra import WindowFrames
from emotone.speech import RATE
from emotone.timeline.analysis import judged
from emotone.timeline.cutting import (
    Cutter,
    Piece,
    UtteranceEnded,
    UtteranceStarted,
    Window,
)
from emotone.timeline.cutting import feed_together as cut_together
from emotone.timeline.hearing import heard_of_each, warn_of_rate
from emotone.timeline.segments import Measurement, Segment
from emotone.timeline.settings import TimelineSettings

if TYPE_CHECKING:
    import soxr

    from emotone.recognizer import Recognizer

LIVE = TimelineSettings(step_s=0.25)
"""A measurement for each quarter of a second of speech."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Someone began to speak.

    Attributes
    ----------
    time
        When, in seconds of audio since the beginning of the stream. It is told a little later, when
        it is sure to be speech.
    """

    time: float
    event: str = field(default="speech_started", init=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {"event": self.event, "time": round(self.time, 3)}


@dataclass(frozen=True, slots=True)
class Measured:
    """What was heard in the last seconds of speech.

    Attributes
    ----------
    measurement
        The window, in seconds of audio since the beginning of the stream, and its scores.
    """

    measurement: Measurement
    event: str = field(default="measurement", init=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        heard = self.measurement
        confidence = heard.scores[heard.emotion]
        about = {"emotion": heard.emotion, "confidence": round(confidence, 4)}
        return {"event": self.event, **heard.to_dict(), **about}


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """A pause: the utterance is over.

    Attributes
    ----------
    time
        When it ended, in seconds of audio since the beginning of the stream.
    segments
        The utterance's segments, as those of a timeline.
    """

    time: float
    segments: tuple[Segment, ...]
    event: str = field(default="speech_ended", init=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        segments = [segment.to_dict() for segment in self.segments]
        return {"event": self.event, "time": round(self.time, 3), "segments": segments}


Event = SpeechStarted | Measured | SpeechEnded

_PART_S = 10.0
"""Of a stream that is heard at once, however much it is fed."""

Step = tuple[Piece, WindowFrames]
"""A piece, and what is known of the frames of its utterance."""


class Stream:
    """Hears speech while it is spoken.

    What it tells depends on the sound alone, not on the pieces that it comes in, but for the
    rounding of scores in the sixth digit, and equals what `Recognizer.timeline` says of the whole
    under the same settings.

    Parameters
    ----------
    recognizer
        The model; several streams may share it.
    rate
        Of the samples that will be fed, in Hz.
    settings
        Length and step of the windows and so on; `LIVE` when None.

    Attributes
    ----------
    skipped
        Windows that were left out in a hurry.

    Raises
    ------
    UsageError
        If the rate is outside 8 to 192 kHz.

    Examples
    --------
    >>> stream = Stream(recognizer, 48000)                      # doctest: +SKIP
    >>> for block in microphone:                                # doctest: +SKIP
    ...     for event in stream.feed(block):
    ...         print(event.to_dict())
    """

    def __init__(
        self,
        recognizer: Recognizer,
        rate: int = RATE,
        *,
        settings: TimelineSettings | None = None,
    ) -> None:
        check_rate(rate)
        warn_of_rate(recognizer)
        self.recognizer, self.rate = recognizer, rate
        self.settings = settings or LIVE
        self._cutter = Cutter(self.settings)
        self._resampler = _resampler(rate)
        self._spans: list[tuple[float, float]] = []
        self._scores: list[FloatArray] = []
        self._left_out: Window | None = None
        self._frames = WindowFrames(0)
        self._windows = 0  # to be heard of the utterance so far
        self._finished = self._broken = False
        self._channel: int | None = None  # of the recording, for what is told
        self.skipped = 0

    @property
    def broken(self) -> bool:
        """Whether it broke off with an error, and can be fed no more."""
        return self._broken

    @property
    def time(self) -> float:
        """Seconds of audio heard so far; those in the resampler are yet to be heard."""
        return self._cutter.heard / RATE

    @property
    def speaking(self) -> bool:
        """Whether someone is speaking, as far as is known yet."""
        return self._cutter.speaking

    def feed(self, samples: npt.ArrayLike, *, hurry: bool = False) -> list[Event]:
        """Hear what comes next.

        Parameters
        ----------
        samples
            Any number of them, at the stream's rate, mono: floats from -1 to 1, shape ``(n,)``.
        hurry
            Leave windows out, for a machine that cannot keep up; `skipped` counts them. Speech is
            found all the same, no audio is lost, and an utterance is judged by the windows that
            were heard; by its last one, if there was no time for any.

        Returns
        -------
        list
            Events in order of time, mostly none.

        Raises
        ------
        AudioError
            If the samples are not finite, no floats, or have more than one dimension. They are not
            heard then, and the stream can go on with others.
        UsageError
            If the stream is finished, or broke off with an error of another kind: part of what it
            was fed may not have been heard.
        """
        return feed_together([self], [samples], hurry=hurry)[0]

    def finish(self) -> list[Event]:
        """Hear the end: what was being said is over. Nothing can be fed after that."""
        if self._finished or self._broken:
            return []
        self._finished = True
        pieces: list[Piece] = []
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
            pieces += self._cutter.feed(rest)
        told = _told_together([self], [pieces + self._cutter.finish()], False)[0]
        if isinstance(told, Exception):
            raise told
        return told

    def _checked(self, samples: npt.ArrayLike) -> FloatArray:
        """Samples that can be heard."""
        if self._finished:
            raise UsageError("the stream is finished", remedy="Open another one.")
        if self._broken:
            raise UsageError("the stream broke off with an error", remedy="Open another one.")
        try:
            given = np.asarray(samples)
        except ValueError as error:  # lists of different lengths
            raise AudioError(
                f"samples that are no array: {error}",
                remedy="Give floats from -1 to 1 in one dimension.",
                code="bad_type",
            ) from error
        if given.dtype.kind != "f" and given.size:
            raise AudioError(
                f"samples of the type {given.dtype}",
                remedy="Give floats from -1 to 1: integers of 16 bits divided by 32768.",
                code="bad_type",
            )
        block = given.astype(np.float32, copy=False)
        check_samples(block)
        return block

    def _resampled(self, block: FloatArray) -> FloatArray:
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block)
        return block

    def _steps(self, pieces: list[Piece], hurry: bool) -> list[Step]:
        """Pieces that something is told of; the windows among them are to be heard."""
        found: list[Step] = []
        for piece in pieces:
            if isinstance(piece, UtteranceStarted):
                self._windows, self._left_out = 0, None
                self._frames = WindowFrames(piece.start)
                found.append((piece, self._frames))
            elif isinstance(piece, Window) and hurry:
                self._left_out = piece
                self.skipped += 1
            elif isinstance(piece, Window):
                self._windows += 1
                found.append((piece, self._frames))
            elif isinstance(piece, UtteranceEnded):
                if not self._windows and self._left_out is not None:
                    self.skipped -= 1
                    found.append((self._left_out, self._frames))
                found.append((piece, self._frames))
                self._frames = WindowFrames(0)  # what is known of these is needed no more
        return found

    def _told(self, steps: list[Step], answers: Iterator[FloatArray]) -> list[Event]:
        """The events of some steps; `answers` has the scores of those that are heard."""
        found: list[Event] = []
        for piece, _ in steps:
            if isinstance(piece, UtteranceStarted):
                self._spans, self._scores = [], []
                found.append(SpeechStarted(piece.start / RATE))
            elif isinstance(piece, Window):
                self._spans.append((piece.start / RATE, piece.end / RATE))
                self._scores.append(next(answers))
                names = self.recognizer.emotions
                heard = dict(zip(names, self._scores[-1].tolist(), strict=True))
                found.append(Measured(Measurement(*self._spans[-1], heard, self._channel)))
            elif isinstance(piece, UtteranceEnded):
                _, segments = judged(
                    piece.start / RATE,
                    piece.end / RATE,
                    self._spans,
                    np.stack(self._scores),
                    self.recognizer.emotions,
                    self.settings,
                    self._channel,
                )
                found.append(SpeechEnded(piece.end / RATE, tuple(segments)))
        return found


def feed_together(
    streams: Sequence[Stream], blocks: Sequence[npt.ArrayLike], *, hurry: bool = False
) -> list[list[Event]]:
    """Let several streams hear what comes next, all their windows at once.

    For whoever carries many: it takes less time than to feed one after the other, and tells the
    same, up to rounding.

    Parameters
    ----------
    streams
        Of one recognizer.
    blocks
        For each, as for `Stream.feed`.
    hurry
        As for `Stream.feed`, for all of them.

    Returns
    -------
    list of list
        Events of each stream.

    Raises
    ------
    AudioError, UsageError
        As `Stream.feed` does; or if the streams have different recognizers, or one is there twice.
        No stream has heard anything then.
    """
    _check_streams(streams, blocks)
    checked = [stream._checked(block) for stream, block in zip(streams, blocks, strict=True)]
    found = _fed_each(streams, checked, hurry)
    for error in found:
        if isinstance(error, Exception):
            for stream in streams:  # what these told is lost
                stream._broken = True
            raise error
    return [events for events in found if not isinstance(events, Exception)]


def feed_each(
    streams: Sequence[Stream], blocks: Sequence[npt.ArrayLike], *, hurry: bool = False
) -> list[list[Event] | Exception]:
    """As `feed_together`, where what fails for one stream fails for no other.

    Parameters
    ----------
    streams, blocks, hurry
        As for `feed_together`.

    Returns
    -------
    list
        For each stream its events; or the error that `Stream.feed` would have raised, and what that
        says of the stream holds for it.

    Raises
    ------
    UsageError
        If the streams have different recognizers, or one is there twice. No stream has heard
        anything then.
    """
    _check_streams(streams, blocks)
    found: list[list[Event] | Exception] = []
    checked: dict[int, FloatArray] = {}
    for place, (stream, block) in enumerate(zip(streams, blocks, strict=True)):
        found.append([])
        try:
            checked[place] = stream._checked(block)
        except EmotoneError as error:
            found[place] = error
    some = [streams[place] for place in checked]
    for place, each in zip(checked, _fed_each(some, list(checked.values()), hurry), strict=True):
        found[place] = each
    return found


def _check_streams(streams: Sequence[Stream], blocks: Sequence[npt.ArrayLike]) -> None:
    """Refuse what cannot be fed together."""
    if any(stream.recognizer is not streams[0].recognizer for stream in streams):
        raise UsageError(
            "the streams have different recognizers", remedy="Feed those of each by themselves."
        )
    if len(blocks) != len(streams):
        raise UsageError(
            f"{len(blocks)} blocks for {len(streams)} streams", remedy="Give each one block."
        )
    if len({id(stream) for stream in streams}) != len(streams):
        raise UsageError("a stream is there twice", remedy="Give each one block.")


def _fed_each(
    streams: Sequence[Stream], blocks: Sequence[FloatArray], hurry: bool
) -> list[list[Event] | Exception]:
    """The events of each stream, or why it broke off."""
    found: list[list[Event] | Exception] = [[] for _ in streams]
    try:
        for parts in _parts(streams, blocks):
            whole = [place for place, each in enumerate(found) if not isinstance(each, Exception)]
            some = [streams[place] for place in whole]
            sounds = [streams[place]._resampled(parts[place]) for place in whole]
            pieces = cut_together([stream._cutter for stream in some], sounds)
            for place, more in zip(whole, _told_together(some, pieces, hurry), strict=True):
                before = found[place]
                if isinstance(more, Exception):
                    streams[place]._broken = True
                    found[place] = more
                elif not isinstance(before, Exception):
                    before += more
    except Exception as error:  # of what all have in common
        for stream in streams:
            stream._broken = True
        return [each if isinstance(each, Exception) else error for each in found]
    except BaseException:
        for stream in streams:
            stream._broken = True
        raise
    return found


def _parts(streams: Sequence[Stream], blocks: Sequence[FloatArray]) -> Iterator[list[FloatArray]]:
    """Blocks in parts of a length that bounds the memory, one of each stream at a time."""
    sizes = [round(_PART_S * stream.rate) for stream in streams]
    counts = [-(-len(block) // size) for block, size in zip(blocks, sizes, strict=True)]
    for number in range(max(counts, default=0)):
        yield [
            block[number * size : (number + 1) * size]
            for block, size in zip(blocks, sizes, strict=True)
        ]


def _told_together(
    streams: Sequence[Stream], pieces: Sequence[list[Piece]], hurry: bool
) -> list[list[Event] | Exception]:
    """The events of each stream after its pieces; the windows of all are heard at once."""
    if not streams:
        return []
    steps = [stream._steps(some, hurry) for stream, some in zip(streams, pieces, strict=True)]
    windows = [
        [(frames, piece) for piece, frames in some if isinstance(piece, Window)] for some in steps
    ]
    answers = heard_of_each(streams[0].recognizer, windows)
    return [
        scores if isinstance(scores, Exception) else stream._told(some, iter(scores))
        for stream, some, scores in zip(streams, steps, answers, strict=True)
    ]


def _resampler(rate: int) -> soxr.ResampleStream | None:
    if rate == RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality=QUALITY)
