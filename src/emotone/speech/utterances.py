"""Utterances: speech between pauses, found while it is still coming in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.speech.detector import RATE
from emotone.speech.network import CHUNK


@dataclass(frozen=True)
class UtteranceSettings:
    """What counts as an utterance.

    Attributes
    ----------
    onset, offset
        The probability of speech at which an utterance may begin, and below which it may end; the
        latter is the lower.
    least_speech_s
        Less speech than this, in seconds, is none.
    pause_s
        A pause of this length ends an utterance.
    margin_s
        Kept of the sound before and after the speech.
    longest_s
        From here on any pause ends an utterance, however short; after twice as long it is cut.
    """

    onset: float = 0.5
    offset: float = 0.35
    least_speech_s: float = 0.25
    pause_s: float = 0.5
    margin_s: float = 0.1
    longest_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.offset <= self.onset < 1:
            raise UsageError(
                f"an utterance cannot begin at {self.onset} and end below {self.offset}",
                remedy="Give 0 < offset <= onset < 1.",
            )
        for name in ("pause_s", "least_speech_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise UsageError(f"{name} is {value:g}", remedy="Give a length above 0 in seconds.")
        if not 0 <= self.margin_s <= self.pause_s:
            raise UsageError(
                f"a margin of {self.margin_s:g} s does not go into a pause of {self.pause_s:g} s",
                remedy="Give seconds from 0 on, the margin at most as long as the pause.",
            )
        if self.longest_s < max(1.0, self.least_speech_s):
            raise UsageError(
                f"the longest utterance is {self.longest_s} s", remedy="Give a second or more."
            )


@dataclass(frozen=True, slots=True)
class Started:
    """An utterance has begun, at this sample."""

    at: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An utterance has ended, before this sample."""

    at: int


Event = Started | Ended
"""What `UtteranceFinder` tells of."""


class UtteranceFinder:
    """Finds utterances in probabilities of speech, one chunk after the other.

    A beginning is told when there is enough speech, an end when the pause is long enough; both are
    dated back to where they were. What is told depends on the probabilities alone, not on when they
    come.

    Parameters
    ----------
    settings
        What counts as an utterance.

    Attributes
    ----------
    settled
        Samples up to here belong to the present utterance for sure; those after it may be the pause
        that ends it. 0 outside of utterances.
    """

    def __init__(self, settings: UtteranceSettings | None = None) -> None:
        self.settings = settings or UtteranceSettings()
        self.settled = 0
        self._chunks = 0
        self._ended = 0
        self._start: int | None = None
        self._began = 0
        self._spoken = 0
        self._last = 0
        self._confirmed = False

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and not ended."""
        return self._confirmed

    @property
    def earliest(self) -> int:
        """The first sample that a beginning still to be told can be dated back to."""
        first = self._chunks if self._start is None else self._start
        margin = round(self.settings.margin_s * RATE)
        return max(first * CHUNK - margin, self._ended)

    def feed(self, probability: float) -> list[Event]:
        """What the next chunk's probability of speech leads to."""
        settings, chunk = self.settings, self._chunks
        self._chunks += 1
        if self._start is None:
            if probability < settings.onset:
                return []
            self._start, self._spoken = chunk, 0
        events: list[Event] = []
        if probability >= settings.offset:
            self._spoken += 1
            self._last = chunk
        if not self._confirmed:
            if self._spoken * CHUNK >= settings.least_speech_s * RATE:
                self._confirmed = True
                margin = round(settings.margin_s * RATE)
                self._began = max(self._start * CHUNK - margin, self._ended)
                events.append(Started(self._began))
            elif self._silent() >= settings.pause_s * RATE:
                self._start = None
                return events
        if self._confirmed:
            self.settled = (self._last + 1) * CHUNK
            length = (self._chunks * CHUNK - self._began) / RATE
            if length >= 2 * settings.longest_s:
                events.append(self._end(self._chunks * CHUNK))
            else:
                pause = settings.pause_s if length < settings.longest_s else CHUNK / RATE
                if self._silent() >= pause * RATE:
                    events.append(self._end(self._chunks * CHUNK))
        return events

    def finish(self, length: int) -> list[Event]:
        """What the end leads to, after so many samples."""
        return [self._end(length)] if self._confirmed else []

    def state(self) -> npt.NDArray[np.int64]:
        """Where it is, for another to go on from with `restore`."""
        start = -1 if self._start is None else self._start
        return np.array(
            [self.settled, self._chunks, self._ended, start, self._began, self._spoken, self._last,
             self._confirmed], np.int64
        )  # fmt: skip

    def restore(self, state: npt.NDArray[np.int64]) -> None:
        """Go on from where another with the same settings was."""
        numbers = state.tolist()
        self.settled, self._chunks, self._ended, start = numbers[:4]
        self._began, self._spoken, self._last, confirmed = numbers[4:]
        self._start, self._confirmed = None if start < 0 else start, bool(confirmed)

    def _silent(self) -> int:
        """Samples since the last speech."""
        return (self._chunks - 1 - self._last) * CHUNK

    def _end(self, now: int) -> Ended:
        margin = round(self.settings.margin_s * RATE)
        self._ended = min((self._last + 1) * CHUNK + margin, now)
        self._start, self._confirmed, self.settled = None, False, 0
        return Ended(self._ended)


def utterances(
    probabilities: Iterable[float], length: int, settings: UtteranceSettings | None = None
) -> list[tuple[int, int]]:
    """First and last sample (that one excluded) of each utterance of a whole waveform.

    Parameters
    ----------
    probabilities
        Of each chunk, as `SpeechDetector` gives.
    length
        Samples of the waveform at `RATE`.
    settings
        What counts as an utterance.
    """
    finder = UtteranceFinder(settings)
    events = [event for probability in probabilities for event in finder.feed(probability)]
    events += finder.finish(length)
    ends = [event.at for event in events if isinstance(event, Ended)]
    starts = [event.at for event in events if isinstance(event, Started)]
    return [(start, min(end, length)) for start, end in zip(starts, ends, strict=True)]
