"""The rules of a live session, through every order of events that hypothesis can think of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emotone.errors import UsageError
from emotone.server.realtime import messages, protocol
from emotone.server.realtime.effects import Admit, Effect, End, Finish, Hear, Listen, Send, Told
from emotone.server.realtime.limits import Limits
from emotone.server.realtime.session import ERRORS_AT_ONCE, Session
from emotone.stream import Measured, SpeechEnded, SpeechStarted
from emotone.timeline.segments import Measurement, Segment

RATE = 16_000
SECOND = b"\0" * 2 * RATE
SCORES = {"neutral": 0.7, "angry": 0.3}
LIMITS = Limits(max_frame_bytes=40_000, max_message_bytes=1000, max_ahead_s=3.0, idle_s=20.0)


@dataclass(frozen=True)
class Model:
    model: str
    emotions: tuple[str, ...] = ("neutral", "angry")


KNOWN = {"default": Model("toy@1"), "other": Model("other@2")}


class Models:
    def check(self, name: str | None) -> str:
        if name is not None and name not in KNOWN:
            raise UsageError(f"there is no model {name}")
        return name or "default"

    def get(self, name: str | None = None) -> Model:
        return KNOWN[self.check(name)]


@dataclass
class Client:
    """A session, its clock, and what it wanted done."""

    now: float = 100.0
    done: list[Effect] = field(default_factory=list)
    limits: Limits = LIMITS

    def __post_init__(self) -> None:
        self.session = Session(Models(), self.limits, lambda: self.now)

    def says(self, **message: Any) -> list[Effect]:
        return self.noted(self.session.text(json.dumps(message)))

    def sends(self, pcm: bytes, *, after: float = 0.0) -> list[Effect]:
        self.now += after
        return self.noted(self.session.binary(pcm))

    def noted(self, effects: list[Effect]) -> list[Effect]:
        self.done += effects
        return effects


@pytest.fixture
def client() -> Client:
    client = Client()
    client.noted(client.session.open(authorised=True))
    return client


def errors(effects: list[Effect]) -> list[tuple[str, bool]]:
    return [
        (effect.message.code, effect.message.fatal)
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, messages.Error)
    ]


def only(effects: list[Effect]) -> Any:
    (effect,) = effects
    assert isinstance(effect, Send)
    return effect.message


def test_it_says_what_it_is_and_takes_what_it_is_told(client: Client) -> None:
    created = only(client.done)
    assert (created.model, created.rate, created.authorised) == ("toy@1", RATE, True)
    assert created.limits["max_ahead_s"] == 3.0
    updated = only(
        client.says(
            type="session.update",
            rate=48_000,
            model="other",
            encoding="pcm_s16le",
            channels=1,
            window_s=2.0,
            step_s=0.5,
            threshold=0.6,
        )
    )
    assert (updated.model, updated.rate) == ("other@2", 48_000)
    assert updated.settings == messages.Settings("other", "pcm_s16le", 1, 2.0, 0.5, 0.6)
    assert only(client.says(type="session.update", threshold=0)).settings.threshold is None


def test_the_first_audio_locks_it(client: Client) -> None:
    listen, hear = client.sends(SECOND)
    assert isinstance(listen, Listen)
    assert (listen.model, listen.rate, listen.settings.step_s) == ("default", RATE, 0.25)
    assert hear == Hear(SECOND)
    assert errors(client.says(type="session.update", rate=8000)) == [("locked", False)]
    assert client.sends(SECOND, after=1.0) == [Hear(SECOND)]


def test_what_cannot_be_heard_is_refused_and_the_session_goes_on(client: Client) -> None:
    assert errors(client.sends(b"abc")) == [("bad_frame", False)]
    assert errors(client.sends(b"")) == [("bad_frame", False)]
    assert errors(client.sends(b"\0" * 40_002)) == [("too_large", False)]
    assert client.session.state == "open"  # none of these was its first audio
    assert only(client.says(type="session.update", rate=8000)).rate == 8000
    assert [type(effect) for effect in client.sends(b"ab")] == [Listen, Hear]
    client.sends(b"abc")
    assert client.says(type="session.close") == [Finish()]
    send, end = client.noted(client.session.heard(Told(time_s=1 / 8000, done=True)))
    assert send.message == messages.Closed(1 / 8000, 0, 0, 0, 4, "client")
    assert end == End(1000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("nonsense", "not JSON"),
        ("[" * 900, "not JSON"),
        ("[]", "no JSON object"),
        ('"session.close"', "no JSON object"),
        ("{}", "has no type"),
        ('{"type": 5}', "5 is no type of message"),
        ('{"type": "session.created"}', "is no type of message"),
        ('{"type": "session.close", "now": true}', 'there is no field "now"'),
        ('{"type": "session.update", "speed": 2}', 'there is no field "speed"'),
        ('{"type": "session.update", "rate": "16000"}', 'rate is "16000"'),
        ('{"type": "session.update", "rate": true}', "rate is true"),
        ('{"type": "session.update", "rate": 16000.0}', "rate is 16000.0"),
        ('{"type": "session.update", "rate": 7999}', "8000"),
        ('{"type": "session.update", "rate": -1}', "8000"),
        ('{"type": "session.update", "step_s": NaN}', "not JSON"),
        ('{"type": "session.update", "step_s": 1e999}', "step_s is Infinity"),
        ('{"type": "session.update", "step_s": 0.05}', "Give 0.1 or more"),
        ('{"type": "session.update", "step_s": 4}', "step_s is 4"),
        ('{"type": "session.update", "window_s": 20}', "Give 10 or less"),
        ('{"type": "session.update", "window_s": 0}', "window_s is 0"),
        ('{"type": "session.update", "threshold": 1.5}', "Give a number from 0 to 1"),
        ('{"type": "session.update", "encoding": "opus"}', "can only be pcm_s16le"),
        ('{"type": "session.update", "channels": 2}', "can only be 1"),
        ('{"type": "session.update", "channels": true}', "can only be 1"),
        ('{"type": "session.update", "model": "unknown"}', "no model unknown"),
        ('{"type": "session.update", "model": ""}', "no text of 1 to 200"),
        ('{"type": "session.update", "key": 5}', "no text of 1 to 500"),
    ],
)
def test_a_wrong_message_is_told_and_changes_nothing(client: Client, text: str, says: str) -> None:
    before = client.session.text(json.dumps({"type": "session.update"}))
    error = only(client.session.text(text))
    assert (error.code, error.fatal) == ("bad_message", False)
    assert says in error.message
    assert client.session.text(json.dumps({"type": "session.update"})) == before


def test_an_update_holds_whole_or_not_at_all(client: Client) -> None:
    assert errors(client.says(type="session.update", rate=8000, step_s=0.01)) == [
        ("bad_message", False)
    ]
    assert only(client.says(type="session.update")).rate == RATE


def test_a_text_that_is_too_large_is_not_even_read(client: Client) -> None:
    assert errors(client.says(type="session.update", model="x" * 1000)) == [("too_large", False)]
    assert errors(client.noted(client.session.text('"' + "ä" * 600 + '"'))) == [
        ("too_large", False)
    ]


def test_a_key_is_shown_before_anything_is_heard() -> None:
    client = Client()
    assert only(client.session.open(authorised=False)).authorised is False
    asked = client.says(type="session.update", key="secret", rate=8000)
    assert asked == [Admit("secret")]
    assert only(client.session.admitted()).rate == 8000
    assert [type(effect) for effect in client.sends(b"ab")] == [Listen, Hear]


@pytest.mark.parametrize("first", ["binary", "update", "nothing", "wrong key"])
def test_without_a_key_it_ends(first: str) -> None:
    client = Client()
    client.session.open(authorised=False)
    if first == "binary":
        effects = client.sends(SECOND)
    elif first == "update":
        effects = client.says(type="session.update", rate=8000)
    elif first == "wrong key":
        assert client.says(type="session.update", key="secret") == [Admit("secret")]
        effects = client.session.refused("unauthorised", "the key is not known")
    else:
        client.now += LIMITS.authorise_s + 1
        effects = client.session.tick()
    assert errors(effects) == [("unauthorised", True)]
    assert effects[-1] == End(1008)
    assert "secret" not in repr(effects)
    assert client.session.state == "closed"


def test_sound_may_come_in_bursts_but_not_faster_than_it_is_spoken(client: Client) -> None:
    for _ in range(30):  # three seconds at once, every three seconds
        client.now += 3.0
        for _ in range(3):
            client.sends(SECOND)
    assert errors(client.done) == []
    effects = [effect for _ in range(3) for effect in client.sends(SECOND, after=0.25)]
    assert errors(effects) == [("too_fast", False)]  # told once
    assert sum(isinstance(effect, Hear) for effect in effects) == 3  # and heard
    effects = [effect for _ in range(9) for effect in client.sends(SECOND, after=0.7)]
    assert errors(effects) == [("too_fast", True)]
    assert effects[-1] == Finish()  # what came in is heard to its end
    assert client.session.heard(Told(time_s=5.0, done=True))[-1] == End(1008)


def test_who_slows_down_again_is_not_sent_away(client: Client) -> None:
    for _ in range(5):
        client.sends(SECOND)
    assert errors(client.done) == [("too_fast", False)]
    for _ in range(10):
        client.sends(SECOND, after=1.6)
    for _ in range(5):
        client.sends(SECOND)
    assert errors(client.done) == [("too_fast", False)] * 2


def test_a_recording_pushed_in_at_once_is_too_fast(client: Client) -> None:
    effects = [effect for _ in range(12) for effect in client.sends(SECOND)]
    assert errors(effects) == [("too_fast", False), ("too_fast", True)]


def test_a_clock_that_is_a_little_fast_is_none_of_that() -> None:
    client = Client(limits=Limits(max_ahead_s=1.0))
    client.session.open(authorised=True)
    for _ in range(3600):  # an hour of a sound card that is 0.05 % off
        client.sends(SECOND[:32_000], after=1 / 1.0005)
    assert errors(client.done) == []


def test_who_says_nothing_is_sent_away(client: Client) -> None:
    client.sends(SECOND)
    client.now += LIMITS.idle_s - 1
    assert client.session.tick() == []
    client.sends(b"odd")  # even that is a sign of life
    client.now += LIMITS.idle_s - 1
    assert client.session.tick() == []
    client.now += 2
    assert errors(client.session.tick()) == [("idle", True)]


def test_events_are_told_with_totals_at_the_end(client: Client) -> None:
    client.says(type="session.update", threshold=0.75)
    client.sends(SECOND)
    client.now += 0.02
    measured = Measured(Measurement(0.2, 0.7, SCORES))
    ended = SpeechEnded(0.9, (Segment.of_speech(0.2, 0.9, SCORES),))
    events = (SpeechStarted(0.2), measured, ended)
    told = Told(events, (client.now - 0.02,) * 3, time_s=1.0, skipped=2)
    start, heard, end, behind = (
        effect.message for effect in client.session.heard(told) if isinstance(effect, Send)
    )
    assert start.to_dict() == {"type": "utterance.start", "time": 0.2}
    assert (heard.emotion, heard.confidence) == ("uncertain", 0.7)
    assert heard.to_dict()["scores"] == SCORES
    assert heard.latency_ms == pytest.approx(20.0)
    assert -1 <= heard.valence <= 1
    assert end.segments[0]["emotion"] == "uncertain"
    assert behind == messages.Behind(1.0, 0.0, 2)
    # Once a second is enough.
    assert client.session.heard(Told(skipped=3, time_s=1.0)) == []
    assert client.says(type="session.close") == [Finish()]
    assert client.sends(SECOND) == []
    closed, code = client.session.heard(Told(time_s=1.0, skipped=3, done=True))
    assert closed.message == messages.Closed(1.0, 1, 1, 3, 0, "client")
    assert code == End(1000)


@pytest.mark.parametrize(
    ("happens", "code", "close_code"),
    [
        (lambda session: session.failed(), "internal", 1011),
        (lambda session: session.broken_off("not_reading", "no"), "not_reading", 1008),
        (lambda session: session.refused("server_busy", "no"), "server_busy", 1013),
        (lambda session: session.refused("too_many_sessions", "no"), "too_many_sessions", 1013),
        (lambda session: session.refused("forbidden", "no"), "forbidden", 1008),
        (lambda session: session.shut(), "shutting_down", 1013),
        (lambda session: session.tick(1e9), None, None),
    ],
)
def test_how_it_ends_otherwise(
    client: Client, happens: Any, code: str | None, close_code: int | None
) -> None:
    effects = happens(client.session)
    if code is None:  # nothing waits to be heard before there is any audio
        assert effects == []
        return
    assert errors(effects) == [(code, True)]
    assert effects[-1] == End(close_code)
    assert client.session.text("{}") == client.session.binary(b"ab") == []
    assert client.session.tick() == client.session.failed() == []


def test_hearing_that_is_far_behind_is_given_up(client: Client) -> None:
    client.sends(SECOND)
    assert client.session.tick(29.0) == []
    effects = client.session.heard(Told(lag_s=31.0))
    assert errors(effects) == [("server_busy", True)]
    assert effects[-1] == Finish()
    assert client.session.tick(31.0) == []
    client.now += 31  # and not waited for for ever
    assert client.session.tick()[-1] == End(1013)


def test_one_who_sends_nothing_but_nonsense_is_not_answered_each_time(client: Client) -> None:
    for _ in range(1000):
        client.sends(b"odd")
    assert len(errors(client.done)) == ERRORS_AT_ONCE
    client.now += 1.0
    assert errors(client.sends(b"odd")) == [("bad_frame", False)]
    closed, _ = client.says(type="session.close")
    assert closed.message.bad_frames == 1001


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["pcm_s16le", "default", "other", 1, 16_000, 8000, 0.25, 3.0])
)
FIELDS = ("rate", "model", "encoding", "channels", "window_s", "step_s", "threshold", "key", "x")
UPDATES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4).map(
    lambda fields: json.dumps({"type": "session.update", **fields})
)
TEXTS = st.text(max_size=40) | UPDATES | st.just('{"type": "session.update"}')


class Sessions(RuleBasedStateMachine):
    """Any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.client = Client()
        self.line = "none"
        self.sent = 0
        self.asked_for_key = self.over = False

    @initialize(authorised=st.booleans())
    def begin(self, authorised: bool) -> None:
        self.do(self.client.session.open(authorised=authorised))

    @rule(text=TEXTS)
    def says(self, text: str) -> None:
        self.do(self.client.session.text(text))

    @rule()
    def closes(self) -> None:
        self.do(self.client.session.text('{"type": "session.close"}'))

    @rule(pcm=st.binary(max_size=9) | st.sampled_from([SECOND, b"\0" * 50_000]))
    def sends(self, pcm: bytes) -> None:
        effects = self.client.session.binary(pcm)
        self.do(effects)
        assert sum(isinstance(effect, Hear) for effect in effects) <= 1
        if any(isinstance(effect, Hear) for effect in effects):
            assert Hear(pcm) in effects
            self.sent += len(pcm) // 2

    @rule(seconds=st.sampled_from([0.001, 0.5, 2.0, 25.0, 100.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.client.now += seconds
        self.do(self.client.session.tick(lag_s=seconds if self.line == "open" else 0.0))

    @precondition(lambda self: self.asked_for_key)
    @rule(known=st.booleans())
    def answers_about_the_key(self, known: bool) -> None:
        self.asked_for_key = False
        session = self.client.session
        self.do(session.admitted() if known else session.refused("unauthorised", "not known"))

    @precondition(lambda self: self.line != "none")
    @rule(skipped=st.integers(0, 5), lag_s=st.sampled_from([0.0, 40.0]))
    def hears(self, skipped: int, lag_s: float) -> None:
        events = (SpeechStarted(0.0), Measured(Measurement(0.0, 0.5, SCORES)))
        told = Told(events, (self.client.now,) * 2, 0.5, lag_s, skipped)
        self.do(self.client.session.heard(told))

    @precondition(lambda self: self.line == "finishing")
    @rule()
    def hears_the_end(self) -> None:
        was_over = self.over
        self.do(self.client.session.heard(Told(time_s=self.sent / RATE, done=True)))
        assert self.over
        if not was_over:
            assert self.closed.audio_s == self.sent / RATE

    @rule(how=st.sampled_from(["failed", "shut", "broken_off"]))
    def something_else_happens(self, how: str) -> None:
        session = self.client.session
        if how == "broken_off":
            self.do(session.broken_off("not_reading", "no"))
        else:
            self.do(getattr(session, how)())

    def do(self, effects: list[Effect]) -> None:
        assert not (self.over and effects)  # nothing after the end
        for place, effect in enumerate(effects):
            if isinstance(effect, Send):
                text = protocol.encoded(effect.message)
                assert json.loads(text)["type"] == effect.message.type
                assert protocol.server_message(text) is not None
                if isinstance(effect.message, messages.Closed):
                    self.closed = effect.message
                    assert isinstance(effects[place + 1], End)
                    assert place + 2 == len(effects)
                    assert effect.message.reason in ("client", *protocol.CODES)
            elif isinstance(effect, Admit):
                self.asked_for_key = True
            elif isinstance(effect, Listen):
                assert self.line == "none"
                self.line = "open"
            elif isinstance(effect, Hear):
                assert self.line == "open"
                assert effect.pcm
                assert len(effect.pcm) % 2 == 0
            elif isinstance(effect, Finish):
                assert self.line == "open"
                self.line = "finishing"
            elif isinstance(effect, End):
                assert effect.close_code in (1000, 1008, 1011, 1013)
                self.over = True

    @invariant()
    def it_knows_whether_it_is_over(self) -> None:
        assert (self.client.session.state == "closed") == self.over


TestSessions = Sessions.TestCase
TestSessions.settings = hypothesis_settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_the_service_says_is_read_back_by_a_client() -> None:
    told = messages.Measurement(0.0, 0.5, "angry", 0.9, {"angry": 0.9}, 0.1, 0.2, 12.0)
    assert protocol.server_message(protocol.encoded(told)) == told
    assert protocol.server_message('{"type": "of.tomorrow", "x": 1}') is None
    later = json.dumps({**told.to_dict(), "of_tomorrow": 1})
    assert protocol.server_message(later) == told
    with pytest.raises(protocol.ProtocolError, match="not whole"):
        protocol.server_message('{"type": "measurement"}')
    for message in (messages.Update(rate=8000, key="k"), messages.Close()):
        assert protocol.client_message(protocol.encoded(message)) == message
