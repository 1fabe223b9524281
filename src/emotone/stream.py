"""Audio that is still arriving: when someone begins to speak, which emotion it is, when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.audio.limits import check_rate
from emotone.audio.resampling import QUALITY
from emotone.audio.waveform import FloatArray
from emotone.errors import AudioError, UsageError
from emotone.spectra import PowerFrames
from emotone.speech import RATE
from emotone.timeline.analysis import judged
from emotone.timeline.cutting import Cutter, Piece, UtteranceEnded, UtteranceStarted, Window
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


class Stream:
    """Hears speech while it is spoken.

    What it tells depends on the sound alone, not on the pieces that it comes in, and equals what
    `Recognizer.timeline` says of the whole under the same settings.

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
        self.recognizer, self.rate = recognizer, rate
        self.settings = settings or LIVE
        self._cutter = Cutter(self.settings)
        self._resampler = _resampler(rate)
        self._spans: list[tuple[float, float]] = []
        self._scores: list[FloatArray] = []
        self._left_out: Window | None = None
        self._frames = PowerFrames(0)
        self._finished = False
        self.skipped = 0

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
            were heard, its last one at least.

        Returns
        -------
        list
            Events in order of time, mostly none.

        Raises
        ------
        AudioError
            If the samples are not finite or have more than one dimension. They are not heard then,
            and the stream can go on with others.
        UsageError
            If the stream is finished.
        """
        if self._finished:
            raise UsageError("the stream is finished", remedy="Open another one.")
        block = np.asarray(samples, dtype=np.float32)
        if block.ndim != 1:
            raise AudioError(
                f"samples of the shape {block.shape}",
                remedy="Give one channel, shape (n,).",
                code="bad_shape",
            )
        if not np.isfinite(block).all():
            place = int(np.flatnonzero(~np.isfinite(block))[0])
            raise AudioError(
                f"sample {place} of these is not finite",
                remedy="Leave the block out, or give silence in its place.",
                code="non_finite",
            )
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block)
        return self._events(self._cutter.feed(block), hurry)

    def finish(self) -> list[Event]:
        """Hear the end: what was being said is over. Nothing can be fed after that."""
        if self._finished:
            return []
        self._finished = True
        pieces: list[Piece] = []
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
            pieces += self._cutter.feed(rest)
        return self._events(pieces + self._cutter.finish())

    def _events(self, pieces: list[Piece], hurry: bool = False) -> list[Event]:
        found: list[Event] = []
        for piece in pieces:
            if isinstance(piece, UtteranceStarted):
                self._spans, self._scores, self._left_out = [], [], None
                found.append(SpeechStarted(piece.start / RATE))
            elif isinstance(piece, Window) and hurry:
                self._left_out = piece
                self.skipped += 1
            elif isinstance(piece, Window):
                found.append(self._measured(piece))
            elif isinstance(piece, UtteranceEnded):
                if not self._scores and self._left_out is not None:
                    self.skipped -= 1
                    found.append(self._measured(self._left_out))
                _, segments = judged(
                    piece.start / RATE,
                    piece.end / RATE,
                    self._spans,
                    np.stack(self._scores),
                    self.recognizer.emotions,
                    self.settings,
                    None,
                )
                found.append(SpeechEnded(piece.end / RATE, tuple(segments)))
        return found

    def _measured(self, window: Window) -> Measured:
        if self.recognizer.takes_power:
            if not self._spans:
                self._frames = PowerFrames(window.start)
            power = self._frames.window(window.start, window.samples)
            (scores,) = self.recognizer.hear_power([power])
        else:
            (scores,) = self.recognizer.hear([window.samples], RATE)
        self._spans.append((window.start / RATE, window.end / RATE))
        self._scores.append(scores)
        heard = dict(zip(self.recognizer.emotions, scores.tolist(), strict=True))
        return Measured(Measurement(*self._spans[-1], heard))


def _resampler(rate: int) -> soxr.ResampleStream | None:
    if rate == RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality=QUALITY)
