"""The rules of a live session: what follows on what a client sends, without any network.

A `Session` is told what happens (a text, a binary frame, what was heard, that time goes on) and
answers with what is to be done about it. It waits for nothing and starts nothing, so that tests can
drive it through every order of events.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Literal, Protocol

from emotone.audio.limits import check_rate
from emotone.errors import EmotoneError, UsageError
from emotone.prediction import UNCERTAIN
from emotone.server.realtime import messages, protocol
from emotone.server.realtime.effects import (
    Admit,
    Effect,
    End,
    Finish,
    Hear,
    Listen,
    Send,
    Told,
)
from emotone.server.realtime.limits import CLOCK_TOLERANCE, DEFAULT_LIMITS, Limits
from emotone.server.realtime.messages import ServerMessage
from emotone.server.realtime.protocol import Code, ProtocolError
from emotone.stream import LIVE, Event, Measured, SpeechEnded, SpeechStarted
from emotone.timeline.segments import Segment, circumplex
from emotone.timeline.settings import TimelineSettings

RATE = 16_000
"""Of the sound, in Hz, unless the client declares another one."""


ERRORS_AT_ONCE, ERRORS_PER_S = 20, 5.0
"""Errors that a session is told of; who sends nothing else is not answered each time."""

_CLOSING_S = 30.0
"""Seconds to hear the rest in; then a session is closed without."""


class Model(Protocol):
    """What a session has to know of a model."""

    @property
    def model(self) -> str:
        """Name and version."""

    @property
    def emotions(self) -> tuple[str, ...]:
        """What it knows."""


class Catalogue(Protocol):
    """The models that can be chosen from."""

    def check(self, name: str | None) -> str:
        """The name of one that there is; the default's for None. Raises `EmotoneError`."""

    def get(self, name: str | None = None) -> Model:
        """That model."""


State = Literal["new", "waiting", "open", "live", "closing", "closed"]


class Session:
    """One live session.

    Parameters
    ----------
    models
        Those that it may ask for.
    limits
        What it may do.
    clock
        Seconds, from anywhere.

    Attributes
    ----------
    id
        What it is called, unguessable.
    state
        ``new``, ``waiting`` for a key, ``open``, ``live`` from the first audio on, ``closing``
        while the rest is heard, ``closed``.
    """

    def __init__(
        self,
        models: Catalogue,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.state: State = "new"
        self._models, self._limits, self._clock = models, limits, clock
        self._model, self._rate, self._timeline = models.check(None), RATE, LIVE
        self._threshold: float | None = None
        self._asked: messages.Update | None = None
        self._began = self._heard_from = clock()
        self._first_audio = self._closing = self._heard_s = 0.0
        self._fast_since: float | None = None
        self._samples = self._measurements = self._utterances = 0
        self._skipped = self._skipped_told = self._bad_frames = 0
        self._behind_told = -1e9
        self._errors, self._errors_at = float(ERRORS_AT_ONCE), self._began
        self._reason = "client"

    @property
    def rate(self) -> int:
        """Of the sound, in Hz."""
        return self._rate

    @property
    def totals(self) -> messages.Closed:
        """What has come of it so far."""
        return messages.Closed(
            audio_s=self._heard_s,
            measurements=self._measurements,
            utterances=self._utterances,
            skipped=self._skipped,
            bad_frames=self._bad_frames,
            reason=self._reason,
        )

    # -- what happens

    def open(self, *, authorised: bool) -> list[Effect]:
        """The client is there; `authorised` unless it has to show a key first."""
        self.state = "open" if authorised else "waiting"
        created = messages.Created(
            session=self.id,
            authorised=authorised,
            model=self._models.get(self._model).model,
            emotions=self._models.get(self._model).emotions,
            rate=self._rate,
            settings=self._settings(),
            limits=self._limits.to_dict(),
        )
        return [Send(created)]

    def text(self, text: str) -> list[Effect]:
        """A text frame came in."""
        if self.state not in ("waiting", "open", "live"):
            return []
        self._heard_from = self._clock()
        # A character is up to four bytes, and the bytes are what was limited.
        if len(text) > self._limits.max_message_bytes or (
            len(text) * 4 > self._limits.max_message_bytes
            and len(text.encode("utf-8", "surrogatepass")) > self._limits.max_message_bytes
        ):
            return self._error(
                "too_large",
                f"a message may have {self._limits.max_message_bytes} bytes. Send less at once.",
            )
        try:
            message = protocol.client_message(text)
        except ProtocolError as error:
            return self._error("bad_message", str(error))
        if isinstance(message, messages.Close):
            return self._close("client")
        if self.state == "live":
            return self._error(
                "locked",
                "a session is as it was when its first audio came. Open another one.",
            )
        if message.key is not None:
            self._asked = message
            return [Admit(message.key)]
        if self.state == "waiting":
            return self._unauthorised()
        return self._update(message)

    def binary(self, pcm: bytes) -> list[Effect]:
        """A binary frame came in."""
        if self.state == "waiting":
            return self._unauthorised()
        if self.state not in ("open", "live"):
            return []
        now = self._heard_from = self._clock()
        if len(pcm) > self._limits.max_frame_bytes:
            self._bad_frames += 1
            return self._error(
                "too_large",
                f"a frame of {len(pcm)} bytes was left out; {self._limits.max_frame_bytes} are the "
                "most. Send less at once.",
            )
        if not pcm or len(pcm) % messages.SAMPLE_BYTES:
            self._bad_frames += 1
            what = "an empty frame" if not pcm else f"a frame of {len(pcm)} bytes"
            return self._error(
                "bad_frame",
                f"{what} was left out: samples are {messages.SAMPLE_BYTES} bytes each. "
                "Send whole samples.",
            )
        found: list[Effect] = []
        if self.state == "open":
            self.state, self._first_audio = "live", now
            found.append(Listen(self._model, self._rate, self._timeline))
        self._samples += len(pcm) // messages.SAMPLE_BYTES
        found.append(Hear(pcm))
        return found + self._hurried(now)

    def admitted(self) -> list[Effect]:
        """The key belongs to somebody who may do this."""
        if self.state not in ("waiting", "open"):
            return []
        self.state = "open"
        asked, self._asked = self._asked or messages.Update(), None
        return self._update(asked)

    def refused(self, code: Code, message: str) -> list[Effect]:
        """The session may not be."""
        return [] if self._over else self._fatal(code, message)

    def heard(self, told: Told) -> list[Effect]:
        """The stream was heard a little further."""
        if self.state not in ("live", "closing"):
            return []
        now = self._clock()
        found: list[Effect] = []
        for event, arrived in zip(told.events, told.arrived, strict=True):
            found.append(Send(self._message(event, 1000 * (now - arrived))))
        self._skipped, self._heard_s = told.skipped, told.time_s
        if told.skipped > self._skipped_told and now - self._behind_told >= 1.0:
            self._behind_told, self._skipped_told = now, told.skipped
            found.append(Send(messages.Behind(told.time_s, told.lag_s, told.skipped)))
        if told.done:
            return found + self._closed()
        return found + self._given_up(told.lag_s)

    def failed(self) -> list[Effect]:
        """The stream cannot be heard any further, through no fault of the client's."""
        return self.broken_off("internal", "the service failed. Try again; its log says more.")

    def broken_off(self, code: Code, message: str) -> list[Effect]:
        """It ends at once; what waits is not heard."""
        if self._over:
            return []
        self._reason = code
        return [Send(messages.Error(code, message, fatal=True)), *self._closed()]

    def shut(self) -> list[Effect]:
        """The service is about to stop."""
        if self._over or self.state == "closing":
            return []
        return self._fatal("shutting_down", "the service stops. Connect again in a while.")

    def tick(self, lag_s: float = 0.0) -> list[Effect]:
        """Time goes on, and so many seconds of audio wait to be heard."""
        now, limits = self._clock(), self._limits
        if self.state == "closing" and now - self._closing > _CLOSING_S:
            return self._closed()
        if self.state == "waiting" and now - self._began > limits.authorise_s:
            return self._unauthorised()
        if self.state in ("open", "live") and now - self._heard_from > limits.idle_s:
            return self._fatal(
                "idle", f"nothing came for {limits.idle_s:g} s. Send silence where there is none."
            )
        return self._given_up(lag_s)

    # -- within

    @property
    def _over(self) -> bool:
        return self.state == "closed"

    def _settings(self) -> messages.Settings:
        return messages.Settings(
            model=self._model,
            encoding=messages.ENCODING,
            channels=1,
            window_s=self._timeline.window_s,
            step_s=self._timeline.step_s,
            threshold=self._threshold,
        )

    def _update(self, asked: messages.Update) -> list[Effect]:
        """All of it, or nothing."""
        try:
            model = self._models.check(asked.model) if asked.model is not None else self._model
            rate = check_rate(asked.rate) if asked.rate is not None else self._rate
            timeline = self._checked(
                TimelineSettings(
                    window_s=self._timeline.window_s if asked.window_s is None else asked.window_s,
                    step_s=self._timeline.step_s if asked.step_s is None else asked.step_s,
                )
            )
        except EmotoneError as error:
            return self._error("bad_message", str(error))
        self._model, self._rate, self._timeline = model, rate, timeline
        if asked.threshold is not None:
            self._threshold = asked.threshold or None
        known = self._models.get(model)
        updated = messages.Updated(known.model, known.emotions, rate, self._settings())
        return [Send(updated)]

    def _checked(self, settings: TimelineSettings) -> TimelineSettings:
        if settings.step_s < self._limits.least_step_s:
            raise UsageError(
                f"step_s is {settings.step_s:g}",
                remedy=f"Give {self._limits.least_step_s:g} or more.",
            )
        if settings.window_s > self._limits.longest_window_s:
            raise UsageError(
                f"window_s is {settings.window_s:g}",
                remedy=f"Give {self._limits.longest_window_s:g} or less.",
            )
        return settings

    def _hurried(self, now: float) -> list[Effect]:
        """Whether the sound comes faster than it can have been spoken."""
        most = self._limits.max_ahead_s
        ahead = self._samples / self._rate * (1 - CLOCK_TOLERANCE) - (now - self._first_audio)
        if ahead <= most:
            self._fast_since = None
            return []
        if ahead > 3 * most or (
            self._fast_since is not None and now - self._fast_since > self._limits.fast_for_s
        ):
            return self._fatal(
                "too_fast",
                f"{ahead:.0f} s of audio came in ahead of real time. Send it as it is spoken; "
                "POST recordings to /v1/analyses.",
            )
        if self._fast_since is not None:
            return []
        self._fast_since = now
        return self._error(
            "too_fast",
            f"{ahead:.0f} s of audio came in ahead of real time; {most:g} are the most. "
            "Wait before more is sent.",
        )

    def _given_up(self, lag_s: float) -> list[Effect]:
        if self.state != "live" or lag_s <= self._limits.max_lag_s:
            return []
        return self._fatal(
            "server_busy", f"hearing is {lag_s:.0f} s behind. Connect again in a while."
        )

    def _message(self, event: Event, latency_ms: float) -> ServerMessage:
        if isinstance(event, SpeechStarted):
            return messages.UtteranceStart(event.time)
        if isinstance(event, SpeechEnded):
            self._utterances += 1
            segments = tuple(self._segment(segment) for segment in event.segments)
            return messages.UtteranceEnd(event.time, segments)
        assert isinstance(event, Measured)
        self._measurements += 1
        heard = event.measurement
        confidence = heard.scores[heard.emotion]
        valence, arousal = circumplex(heard.scores)
        return messages.Measurement(
            start=heard.start,
            end=heard.end,
            emotion=self._named(heard.emotion, confidence),
            confidence=confidence,
            scores=heard.scores,
            valence=valence,
            arousal=arousal,
            latency_ms=max(0.0, latency_ms),
        )

    def _segment(self, segment: Segment) -> dict[str, object]:
        found = segment.to_dict()
        if segment.emotion is not None and segment.confidence is not None:
            found["emotion"] = self._named(segment.emotion, segment.confidence)
        return found

    def _named(self, emotion: str, confidence: float) -> str:
        sure = self._threshold is None or confidence >= self._threshold
        return emotion if sure else UNCERTAIN

    def _unauthorised(self) -> list[Effect]:
        return self._fatal(
            "unauthorised",
            "this service asks for a key. Send it as 'Authorization: Bearer KEY', or as key of the "
            "first session.update.",
        )

    def _error(self, code: Code, message: str) -> list[Effect]:
        """Tell of a mistake, unless there were very many of late."""
        now = self._clock()
        gained = (now - self._errors_at) * ERRORS_PER_S
        self._errors = min(float(ERRORS_AT_ONCE), self._errors + gained)
        self._errors_at = now
        if self._errors < 1.0:
            return []
        self._errors -= 1.0
        return [Send(messages.Error(code, message))]

    def _fatal(self, code: Code, message: str) -> list[Effect]:
        return [Send(messages.Error(code, message, fatal=True)), *self._close(code)]

    def _close(self, reason: str) -> list[Effect]:
        """End, after what came in has been heard."""
        if self.state == "closing":  # for one reason already
            return []
        self._reason = reason
        if self.state != "live":
            return self._closed()
        self.state, self._closing = "closing", self._clock()
        return [Finish()]

    def _closed(self) -> list[Effect]:
        self.state = "closed"
        return [Send(self.totals), End(protocol.CLOSE_CODES.get(self._reason, protocol.VIOLATION))]
