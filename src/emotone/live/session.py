"""A live session: sound comes in, is kept, heard, and told of, without ever losing time."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.errors import AudioError, DeviceError, EmotoneError
from emotone.live.arrivals import MOST_BYTES, Source
from emotone.live.recording import Recording
from emotone.speech import RATE, SpeechDetector
from emotone.stream import Event, Measured, SpeechEnded, Step, Stream
from emotone.timeline.cutting import Gap, Piece
from emotone.timeline.segments import Kind, Measurement, Segment, Timeline
from emotone.timeline.settings import TimelineSettings

if TYPE_CHECKING:
    from emotone.recognizer import Recognizer

HURRY_S = 0.5
"""Seconds of sound that may wait before windows are left out."""

MOST_BEHIND_S = 600.0
"""Seconds of sound from a live source that may wait before it is given up: they are in memory."""

_WIDTH = 4
"""Bytes of a sample that waits."""

_PIECE_S = 0.1
_WAIT_S = 0.1
_TOLD_EVERY_S = 1.0

_BEYOND_SCALE = 128.0
"""42 dB over full scale: no sound, but other numbers taken for samples."""

_CLIPPED = 1.0 - 2.0**-15
"""The largest sample of 16 bits."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Hearing cannot keep up, so windows are left out.

    Attributes
    ----------
    time
        Up to where it has heard, in seconds of audio since the beginning.
    lag_s
        Seconds of audio that have come in since then.
    skipped
        Windows left out so far.
    """

    time: float
    lag_s: float
    skipped: int
    event: str = field(default="behind", init=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "event": self.event,
            "time": round(self.time, 3),
            "lag_s": round(self.lag_s, 3),
            "skipped": self.skipped,
        }


@dataclass(frozen=True, slots=True)
class Overflowed:
    """The sound system dropped sound before it got here.

    Attributes
    ----------
    time
        Up to where sound had come in, in seconds of audio since the beginning.
    overflows
        How often it has happened so far.
    """

    time: float
    overflows: int
    event: str = field(default="overflow", init=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {"event": self.event, "time": round(self.time, 3), "overflows": self.overflows}


Told = Event | Behind | Overflowed


class Session:
    """Hears a source until it ends or is stopped.

    Iterating over it gives a list of events for each bit of sound, mostly an empty one, ten times a
    second and more. From a source that goes on by itself, windows are left out where hearing falls
    behind; audio time never is. Sound is recorded when it comes in, not when it is heard.

    Parameters
    ----------
    recognizer
        The model.
    source
        Where the sound comes from; the session closes it.
    settings
        As for `Stream`.
    channel
        Hear this one, counted from 0; the mean of all when None.
    recording
        Where to keep the sound, all channels of it; the session closes it.

    Attributes
    ----------
    started
        When the session began, with the time zone.
    segments
        What has been heard so far: utterances that are over, and what lies between them.
    peak, rms
        Of the sound that came in last, from 0 to 1.
    zeros
        Whether no sample so far differs from 0, of any channel: no room is as silent.
    clipped
        Samples at full scale so far.
    broken
        Samples so far that were not finite or far beyond full scale; they count as silence.
    worst_lag_s
        The most that hearing was behind.
    interrupted
        Whether it was stopped before its source ended.

    Raises
    ------
    AudioError
        If the source has no such channel.
    UsageError
        If its rate is outside 8 to 192 kHz.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        source: Source,
        *,
        settings: TimelineSettings | None = None,
        channel: int | None = None,
        recording: Recording | None = None,
    ) -> None:
        if channel is not None and not 0 <= channel < source.channels:
            raise AudioError(
                f"there is no channel {channel}; it has {source.channels}, counted from 0",
                source=source.name,
                remedy="Ask for one it has, or for the mean of all.",
                code="no_channels",
            )
        self.source, self.recording, self.channel = source, recording, channel
        self.started = datetime.now().astimezone()
        self.segments: list[Segment] = []
        self.peak = self.rms = 0.0
        self.zeros = True
        self.clipped = self.broken = 0
        self.worst_lag_s = 0.0
        self.interrupted = False
        self._recognizer = recognizer
        self._stream = _GapStream(recognizer, source.rate, settings, channel)
        self._measurements: list[Measurement] = []
        self._pending: deque[FloatArray] = deque()
        self._pending_frames = self._arrived_frames = self._heard_frames = 0
        self._overflows = self._overflows_told = 0
        self._told_at = -np.inf
        self._held_s = 0.0
        self._stopped = False

    @property
    def time(self) -> float:
        """Seconds of audio heard so far."""
        return self._heard_frames / self.source.rate

    @property
    def arrived_s(self) -> float:
        """Seconds of audio that have come in so far."""
        return self._arrived_frames / self.source.rate

    @property
    def lag_s(self) -> float:
        """Seconds of audio that have come in and were not heard; 0 where time waits for us."""
        if not self.source.is_live:
            return 0.0
        return (self._pending_frames + self.source.waiting) / self.source.rate

    @property
    def skipped(self) -> int:
        """Windows left out so far."""
        return self._stream.skipped

    @property
    def overflows(self) -> int:
        """How often the sound system has dropped sound."""
        return self.source.overflows

    @property
    def stopped(self) -> bool:
        """Whether it was asked to end."""
        return self._stopped

    @property
    def speaking(self) -> bool:
        """Whether someone is speaking, as far as is known yet."""
        return self._stream.speaking

    def stop(self) -> None:
        """End soon: what has come in is still heard. For any thread or signal handler."""
        self._stopped = True

    def __iter__(self) -> Iterator[list[Told]]:
        """Hear everything.

        Yields
        ------
        list
            What there is to tell, in order of time.

        Raises
        ------
        EmotoneError
            If the source failed; what came before is heard and told first.
        OSError
            If the recording cannot be written; likewise.
        """
        failure: EmotoneError | OSError | None = None
        try:
            try:
                while self._takes():
                    told = self._next()
                    with self._held_up():
                        yield told
            except (EmotoneError, OSError) as error:
                failure = error
            self.source.close()
            self._overflows = self.overflows
            while self._pending and not self._stream.broken:
                yield self._next()
            yield self._kept(list(self._stream.finish()))
        finally:
            self.close()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Let go of source and recording; may be called again."""
        self.source.close()
        self._stream.let_go()
        if self.recording is not None:
            self.recording.close()

    def timeline(self, file: str | None = None) -> Timeline:
        """What has been heard so far, as a timeline that says it is of this file."""
        channels = "mix" if self.channel is None else self.channel
        return Timeline(
            duration_s=self._stream.time,
            model=self._recognizer.model,
            emotions=self._recognizer.emotions,
            segments=tuple(self.segments),
            measurements=tuple(self._measurements),
            file=file,
            settings={"channels": channels, **self._stream.settings.to_dict()},
        )

    def summary(self) -> dict[str, Any]:
        """The session in a few numbers, as plain types, ready for JSON."""
        return {
            "event": "summary",
            "started": self.started.isoformat(timespec="milliseconds"),
            "source": self.source.name,
            "model": self._recognizer.model,
            **self.timeline().summary().to_dict(),
            "interrupted": self.interrupted,
            "skipped": self.skipped,
            "lag_s": round(self.worst_lag_s, 3),
            "overflows": self.overflows,
            "clipped": self.clipped,
            "broken": self.broken,
        }

    def _takes(self) -> bool:
        """Take what has come in; whether to go on."""
        stopped = self._stopped
        if self._pending and not self.source.is_live and not stopped:
            return True  # what can wait does so where it comes from, and not in memory
        wait_s = 0.0 if self._pending or stopped else _WAIT_S
        # Before: then all that came in until sound was lost is taken, and the time told is not
        # earlier than that.
        self._overflows = self.overflows
        frames = self.source.take(wait_s)
        if frames is None:
            return False
        if len(frames):
            self._arrived(frames)
        if stopped:
            self.interrupted = True
            return False
        if self.lag_s < HURRY_S:
            self._held_s = 0.0
        elif self.lag_s > min(MOST_BEHIND_S, MOST_BYTES / _WIDTH / self.source.rate):
            raise self._given_up()
        return True

    def _given_up(self) -> DeviceError:
        behind = f"hearing is {self.lag_s:.0f} s behind, and was given up"
        if self._held_s > self.lag_s / 2:
            behind += f": it was held up for {self._held_s:.0f} s"
            remedy = "Take the events as they come, and record to a disk that does not stall."
        else:
            remedy = (
                "This machine is too slow for the model; take longer steps (--step), or "
                "record first and analyze later."
            )
        return DeviceError(behind, source=self.source.name, remedy=remedy, code="too_slow")

    @contextlib.contextmanager
    def _held_up(self) -> Iterator[None]:
        """Count the time that others take, for which no model is to blame."""
        begun = time.monotonic()
        yield
        self._held_s += time.monotonic() - begun

    def _arrived(self, frames: FloatArray) -> None:
        """Keep it, measure its level, and put it in line."""
        frames = self._mended(frames)
        self._arrived_frames += len(frames)
        mono = frames[:, self.channel] if self.channel is not None else _mean(frames)
        self.peak = float(np.abs(mono).max())
        self.rms = float(np.sqrt(np.mean(np.square(mono, dtype=np.float64))))
        self.zeros = self.zeros and not frames.any()
        of_interest = frames if self.channel is None else mono
        self.clipped += int(np.count_nonzero(np.abs(of_interest) >= _CLIPPED))
        size = max(1, round(_PIECE_S * self.source.rate))
        self._pending += [mono[start : start + size] for start in range(0, len(mono), size)]
        self._pending_frames += len(mono)
        if self.recording is not None:
            with self._held_up():
                self.recording.write(frames)

    def _mended(self, frames: FloatArray) -> FloatArray:
        """Silence in the place of what is no sample, so that time stays right."""
        with np.errstate(invalid="ignore"):
            bad = ~(np.abs(frames) <= _BEYOND_SCALE)
        if not bad.any():
            return frames
        self.broken += int(np.count_nonzero(bad))
        return np.where(bad, np.float32(0), frames)

    def _next(self) -> list[Told]:
        """Hear what is next in line."""
        told: list[Told] = []
        if self._overflows > self._overflows_told:
            self._overflows_told = self._overflows
            told.append(Overflowed(self.arrived_s, self._overflows))
        if not self._pending:
            return told
        self.worst_lag_s = max(self.worst_lag_s, self.lag_s)
        hurry = self.source.is_live and self.lag_s > HURRY_S
        piece = self._pending.popleft()
        before = self.skipped
        found = self._stream.feed(piece, hurry=hurry)
        self._pending_frames -= len(piece)
        self._heard_frames += len(piece)
        now = time.monotonic()
        if self.skipped > before and now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            told.append(Behind(self.time, self.lag_s, self.skipped))
        return told + self._kept(found)

    def _kept(self, events: list[Event]) -> list[Told]:
        """Remember what the timeline is made of."""
        for event in events:
            if isinstance(event, Measured):
                self._measurements.append(event.measurement)
            elif isinstance(event, SpeechEnded):
                self._stream.gaps += event.segments
        self.segments += sorted(self._stream.gaps, key=lambda segment: segment.start)
        self._stream.gaps = []
        return list(events)


class _GapStream(Stream):
    """A stream that also remembers what lies between the utterances."""

    def __init__(
        self,
        recognizer: Recognizer,
        rate: int,
        settings: TimelineSettings | None,
        channel: int | None,
    ) -> None:
        super().__init__(recognizer, rate, settings=settings)
        self._channel = channel
        self.gaps: list[Segment] = []

    def let_go(self) -> None:
        """Drop the resampler, about which soxr complains if an error's traceback holds it."""
        self._resampler = None

    def _steps(self, pieces: list[Piece], hurry: bool) -> list[Step]:
        for piece in pieces:
            if isinstance(piece, Gap):
                kind: Kind = "silence" if piece.silent else "non-speech"
                start, end = piece.start / RATE, piece.end / RATE
                self.gaps.append(Segment(start, end, kind, channel=self._channel))
        return super()._steps(pieces, hurry)


def _mean(frames: FloatArray) -> FloatArray:
    if frames.shape[1] == 1:
        return frames[:, 0]
    mixed: FloatArray = frames.mean(axis=1, dtype=np.float32)
    return mixed


def warm_up(recognizer: Recognizer) -> None:
    """Load the model and the speech detector, so that the first words need not wait for them."""
    noise = np.random.default_rng(0).normal(scale=0.01, size=RATE).astype(np.float32)
    SpeechDetector().feed(noise)
    with contextlib.suppress(AudioError):
        recognizer.hear([noise], RATE)
