"""Many streams heard together: the same is told as of each alone, soon, and fairly."""

from __future__ import annotations

import copy
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone import audio
from emotone.recognizer import Recognizer
from emotone.server.realtime.batching import Batching, Failed
from emotone.server.realtime.effects import Told
from emotone.server.realtime.lines import LATE_PIECE_S, PIECE_S, Line
from emotone.server.realtime.sharing import LEAST, WEIGH_S, Share
from emotone.spectra import WindowFrames
from emotone.stream import LIVE, Event, Measured, SpeechEnded, Step, Stream, feed_each
from emotone.timeline.segments import Measurement
from emotone.timeline.settings import TimelineSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000
_MIDDLE = 20
"""A frame that is in the middle of a window."""

PATIENT = 60.0
"""So that nothing is left out because this machine is busy with other tests."""


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return emotone.load()


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    pause = np.zeros(RATE, dtype=np.float32)
    clips = [
        audio.read(EXAMPLES / f"{name}.flac", rate=RATE).samples
        for name in ("low-voice", "raised-voice")
    ]
    return np.round(np.concatenate([clips[0], pause, clips[1]]) * 32767).astype("<i2")


class Ears:
    """What was told of each line."""

    def __init__(self) -> None:
        self.events: dict[Line, list[Event]] = defaultdict(list)
        self.told: dict[Line, list[Told]] = defaultdict(list)
        self.at: dict[Line, list[tuple[Told, float]]] = defaultdict(list)
        self.failed: set[Line] = set()
        self.done: set[Line] = set()
        self._news = threading.Condition()

    def __call__(self, outcomes: list[tuple[Line, Told | Failed]]) -> None:
        with self._news:
            for line, outcome in outcomes:
                if isinstance(outcome, Failed):
                    self.failed.add(line)
                    continue
                assert line not in self.done
                self.events[line] += outcome.events
                self.told[line].append(outcome)
                self.at[line].append((outcome, time.monotonic()))
                if outcome.done:
                    self.done.add(line)
            self._news.notify_all()

    def wait(self, until: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(until, timeout=60)


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture(params=[1, 3])
def batching(ears: Ears, request: pytest.FixtureRequest) -> Iterator[Batching]:
    batching = Batching(ears, threads=request.param, late_s=PATIENT)
    batching.start()
    yield batching
    batching.stop()


def alone(recognizer: Recognizer, sound: np.ndarray, rate: int = RATE) -> list[Event]:
    stream = Stream(recognizer, rate)
    return stream.feed(sound.astype(np.float32) / 32768) + stream.finish()


def assert_same(found: list[Event], wanted: list[Event]) -> None:
    assert [type(event) for event in found] == [type(event) for event in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        if isinstance(mine, Measured) and isinstance(theirs, Measured):
            assert (mine.measurement.start, mine.measurement.end) == (
                theirs.measurement.start,
                theirs.measurement.end,
            )
            for name, score in mine.measurement.scores.items():
                assert score == pytest.approx(theirs.measurement.scores[name], abs=1e-3)
        elif isinstance(mine, SpeechEnded) and isinstance(theirs, SpeechEnded):
            assert mine.time == theirs.time
            assert [s.label for s in mine.segments] == [s.label for s in theirs.segments]


def test_each_is_told_what_it_would_be_told_alone(
    recognizer: Recognizer, talk: np.ndarray, ears: Ears, batching: Batching
) -> None:
    sounds = [np.roll(talk, -9000 * number)[: 5 * RATE] for number in range(4)]
    lines = [batching.open(recognizer, RATE, LIVE) for _ in sounds]
    assert batching.lines == 4
    rng = np.random.default_rng(0)
    places = [0] * len(lines)
    while any(place < len(sound) for place, sound in zip(places, sounds, strict=True)):
        for number, (line, sound) in enumerate(zip(lines, sounds, strict=True)):
            size = int(rng.integers(1, 12_000))
            pcm = sound[places[number] : places[number] + size].tobytes()
            if pcm:
                batching.put(line, pcm, time.monotonic())
            places[number] += size
    for line in lines:
        batching.finish(line)
    ears.wait(lambda: len(ears.done) == len(lines))
    for line, sound in zip(lines, sounds, strict=True):
        assert_same(ears.events[line], alone(recognizer, sound))
        last = ears.told[line][-1]
        assert last.time_s == len(sound) / RATE  # to the sample
        assert last.skipped == 0
    assert batching.lines == 0
    assert batching.figures.audio_s == pytest.approx(sum(map(len, sounds)) / RATE)


def test_another_rate_loses_nothing(
    recognizer: Recognizer, talk: np.ndarray, ears: Ears, batching: Batching
) -> None:
    sound = talk[: 3 * RATE]
    line = batching.open(recognizer, 11_025, LIVE)
    for at in range(0, len(sound), 700):
        batching.put(line, sound[at : at + 700].tobytes(), time.monotonic())
    batching.finish(line)
    ears.wait(lambda: line in ears.done)
    assert ears.told[line][-1].time_s == len(sound) / 11_025
    assert_same(ears.events[line], alone(recognizer, sound, 11_025))


def test_nothing_is_told_of_what_was_dropped(
    recognizer: Recognizer, talk: np.ndarray, ears: Ears, batching: Batching
) -> None:
    dropped, kept = (batching.open(recognizer, RATE, LIVE) for _ in range(2))
    batching.drop(dropped)
    batching.drop(dropped)
    batching.put(dropped, talk.tobytes(), time.monotonic())
    batching.finish(dropped)
    batching.put(kept, talk[:RATE].tobytes(), time.monotonic())
    batching.finish(kept)
    ears.wait(lambda: kept in ears.done)
    assert not ears.told[dropped]
    assert batching.lines == 0


def test_an_end_without_any_sound_is_told(
    recognizer: Recognizer, ears: Ears, batching: Batching
) -> None:
    line = batching.open(recognizer, RATE, LIVE)
    batching.finish(line)
    ears.wait(lambda: line in ears.done)
    assert ears.told[line] == [Told(done=True)]


def test_a_model_that_fails_takes_its_own_streams_along_and_no_others(
    recognizer: Recognizer,
    talk: np.ndarray,
    ears: Ears,
    batching: Batching,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = copy.copy(recognizer)

    def failing(streams, blocks, *, hurry):  # type: ignore[no-untyped-def]
        if streams[0].recognizer is broken:
            raise RuntimeError("no memory")
        return feed_each(streams, blocks, hurry=hurry)

    monkeypatch.setattr("emotone.server.realtime.batching.feed_each", failing)
    lines = [batching.open(broken, RATE, LIVE), batching.open(recognizer, RATE, LIVE)]
    for line in lines:
        batching.put(line, talk.tobytes(), time.monotonic())
    for line in lines:
        batching.finish(line)
    ears.wait(lambda: lines[1] in ears.done and lines[0] in ears.failed)
    assert_same(ears.events[lines[1]], alone(recognizer, talk))
    assert lines[0] not in ears.done
    assert batching.lines == 0


@pytest.mark.parametrize("fails", ["feed", "finish"])
def test_a_stream_that_fails_takes_no_other_of_its_model_along(
    recognizer: Recognizer, talk: np.ndarray, ears: Ears, monkeypatch: pytest.MonkeyPatch,
    fails: str,
) -> None:  # fmt: skip
    batching = Batching(ears, late_s=PATIENT)
    lines = [batching.open(recognizer, RATE, LIVE) for _ in range(3)]
    guilty = lines[1].stream
    if fails == "feed":
        guilty.finish()  # it cannot be fed any more
    else:

        def failing() -> list[Event]:
            raise MemoryError

        monkeypatch.setattr(guilty, "finish", failing)
    for line in lines:  # all there, so that they are heard together
        batching.put(line, talk.tobytes(), time.monotonic())
        batching.finish(line)
    batching.start()
    ears.wait(lambda: ears.done | ears.failed == set(lines))
    batching.stop()
    assert ears.failed == {lines[1]}
    for line in (lines[0], lines[2]):
        assert_same(ears.events[line], alone(recognizer, talk))
    assert batching.lines == 0


@pytest.mark.parametrize("of_what", ["describe", "hear_frames"])
def test_a_window_that_the_model_cannot_take_fails_its_stream_alone(
    recognizer: Recognizer, talk: np.ndarray, ears: Ears, monkeypatch: pytest.MonkeyPatch,
    of_what: str,
) -> None:  # fmt: skip
    batching = Batching(ears, late_s=PATIENT)
    lines = [batching.open(recognizer, RATE, LIVE) for _ in range(3)]
    bad: list[np.ndarray] = []

    class Marked(WindowFrames):
        """What comes of it is known again."""

        def missing(self, start: int, samples: np.ndarray) -> np.ndarray:
            found = super().missing(start, samples)
            bad.append(found[_MIDDLE])
            return found

        def window(self, described: np.ndarray) -> np.ndarray:
            bad.append(super().window(described))
            return bad[-1]

    guilty, plain = lines[1].stream, getattr(Recognizer, of_what)
    steps_of = guilty._steps

    def steps(*given: object) -> list[Step]:
        found = steps_of(*given)  # type: ignore[arg-type]
        for _, frames in found:
            frames.__class__ = Marked
        return found

    def failing(self: Recognizer, given: object) -> np.ndarray:
        parts = list(given) if of_what == "hear_frames" else list(np.asarray(given))  # type: ignore[call-overload]
        if any(part.shape == one.shape and (part == one).all() for part in parts for one in bad):
            raise MemoryError
        return plain(self, given)

    monkeypatch.setattr(guilty, "_steps", steps)
    monkeypatch.setattr(Recognizer, of_what, failing)
    other = np.round(0.7 * talk).astype("<i2")  # so that it can be told from theirs
    for line in lines:  # all there, so that they are heard together
        batching.put(line, (other if line is lines[1] else talk).tobytes(), time.monotonic())
        batching.finish(line)
    batching.start()
    ears.wait(lambda: ears.done | ears.failed == set(lines))
    batching.stop()
    monkeypatch.undo()
    assert ears.failed == {lines[1]}
    for line in (lines[0], lines[2]):
        assert_same(ears.events[line], alone(recognizer, talk))
    assert batching.lines == 0


# -- too many, by a clock of our own


class Speaker:
    """Somebody who speaks without a pause; each window costs the same."""

    rate, settings, speaking, recognizer = RATE, LIVE, True, None

    def __init__(self, *_: object, **__: object) -> None:
        self.skipped = self.fed = 0


class Simulation:
    """Live streams at the pace of speech on a machine that a clock and a price stand for.

    Parameters
    ----------
    windows_per_s
        That the machine can hear.
    stall
        Every second it does nothing for so long.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        windows_per_s: float,
        stall_s: float = 0.0,
        together: bool = False,
    ) -> None:
        self.now, self.price_s, self.stall_s = 0.0, 1 / windows_per_s, stall_s
        self.together = together
        self.latencies: list[tuple[float, float]] = []
        self.heard: dict[Line, int] = defaultdict(int)
        where = "emotone.server.realtime.batching"
        monkeypatch.setattr(f"{where}.Stream", Speaker)
        monkeypatch.setattr(f"{where}.feed_each", self.feed)
        self.batching = Batching(self.told, clock=lambda: self.now)
        self.lines: list[Line] = []

    def feed(self, streams, blocks, *, hurry):  # type: ignore[no-untyped-def]
        found = []
        for stream, block in zip(streams, blocks, strict=True):
            self.now += 50e-6 + 1e-3 * len(block) / RATE
            step = round(LIVE.step_s * RATE)
            ends = range(stream.fed // step * step + step, stream.fed + len(block) + 1, step)
            stream.fed += len(block)
            if hurry:
                stream.skipped += len(ends)
                found.append([])
                continue
            self.now += self.price_s * len(ends)
            found.append([Measured(Measurement(0.0, end / RATE, {"a": 1.0})) for end in ends])
        return found

    def told(self, outcomes: list[tuple[Line, Told | Failed]]) -> None:
        for line, outcome in outcomes:
            assert isinstance(outcome, Told)
            self.heard[line] += len(outcome.events)
            self.latencies += [(self.now, self.now - arrived) for arrived in outcome.arrived]

    def run(self, count: int, seconds: float) -> None:
        """So many streams, for so long."""
        self.lines = [self.batching.open(None, RATE, LIVE) for _ in range(count)]  # type: ignore[arg-type]
        pcm, frame_s = bytes(2 * RATE // 25), 0.04
        due = [0.0 if self.together else n * 0.618034 % 1 * 0.25 for n in range(count)]
        stalled = 0
        while self.now < seconds:
            if self.now > stalled + 1:
                stalled = int(self.now)
                self.now += self.stall_s
            for number, line in enumerate(self.lines):
                while due[number] <= self.now:
                    self.batching.put(line, pcm, due[number])
                    due[number] += frame_s
            pause_s = self.batching._turn()  # which takes time itself
            self.now += max(1e-4, pause_s)

    def late(self, percent: float, after_s: float = 3.0) -> float:
        """That percentile of the latency, once the share has settled."""
        return float(np.percentile([s for at, s in self.latencies if at > after_s], percent))

    def share(self) -> list[float]:
        """Of each stream's windows that were heard."""
        return [self.heard[line] / (line.stream.fed / RATE / LIVE.step_s) for line in self.lines]


def test_where_there_is_time_every_window_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Simulation(monkeypatch, windows_per_s=600)
    machine.run(100, 10.0)
    assert machine.batching.figures.skipped == 0
    assert min(machine.share()) > 0.95  # the last ones are on their way
    assert machine.late(95) < 0.08


@pytest.mark.parametrize(
    ("windows_per_s", "together", "late_s"),
    [(300, False, 0.17), (150, False, 0.25), (60, False, 0.8), (300, True, 0.5)],
)
def test_where_there_is_too_little_each_has_the_same_share_and_soon(
    monkeypatch: pytest.MonkeyPatch, windows_per_s: float, together: bool, late_s: float
) -> None:
    machine = Simulation(monkeypatch, windows_per_s=windows_per_s, together=together)
    machine.run(100, 20.0)  # 400 windows a second
    shares = machine.share()
    # What it costs to find speech is no part of the price of a window: 0.22 s in a second.
    assert sum(shares) / 100 > 0.7 * windows_per_s * 0.78 / 400
    assert max(shares) <= (3 if together else 2) * min(shares)
    assert machine.late(95) < late_s
    for line in machine.lines:
        assert line.stream.fed == pytest.approx(20 * RATE, abs=RATE)  # all but what just comes
        told = machine.heard[line] + line.stream.skipped
        assert told == line.stream.fed // (RATE // 4)


def test_where_nothing_comes_in_time_everyone_is_still_heard_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Simulation(monkeypatch, windows_per_s=30, stall_s=0.4)
    machine.run(40, 20.0)
    assert min(machine.heard[line] for line in machine.lines) >= 4
    assert machine.late(95) < 1.0


def test_a_hitch_now_and_then_costs_few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Simulation(monkeypatch, windows_per_s=800, stall_s=0.12)
    machine.run(60, 20.0)
    assert min(machine.share()) > 0.95
    assert machine.late(95) < 0.2


def test_after_too_much_all_are_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Simulation(monkeypatch, windows_per_s=100)
    machine.run(100, 5.0)
    assert machine.batching.share < 0.5
    machine.price_s = 1 / 2000
    for line in machine.lines[10:]:
        machine.batching.drop(line)
    machine.now += 5.0
    assert machine.batching.share == 1.0


# -- one line's sound


@pytest.fixture
def line(recognizer: Recognizer) -> Line:
    return Line(Stream(recognizer, RATE, settings=TimelineSettings(step_s=0.25)))


def pcm(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


def test_a_long_frame_is_heard_bit_by_bit(line: Line) -> None:
    line.add(pcm(1.0), 10.0)
    assert line.waiting_bytes == 2 * RATE
    blocks = []
    while line.waits:
        assert line.due <= 10.1
        blocks.append(line.take(1.0, 0.0, 0.1))
    assert [block.seconds for block in blocks] == [PIECE_S] * 4
    assert sum(len(block.samples) for block in blocks) == RATE
    assert line.waiting_bytes == 0


def test_what_is_late_is_caught_up_with(line: Line) -> None:
    for number in range(100):
        line.add(pcm(0.05), number * 0.05)
    block = line.take(1.0, 5.0, 0.1)
    assert block.hurry
    assert block.waited_s == 5.0
    assert block.seconds == LATE_PIECE_S


def test_sound_ahead_of_real_time_is_due_when_it_would_be_spoken(line: Line) -> None:
    for _ in range(100):
        line.add(pcm(0.1), 50.0)
    dues = []
    while line.waits:
        dues.append(line.due)
        line.take(1.0, 0.0, 0.1)
    assert dues[0] == 50.0
    assert dues[-1] == pytest.approx(50 + 10 - 1, abs=0.4)


def test_each_stream_has_its_turn_where_not_all_windows_are_heard(line: Line) -> None:
    line.stream = Speaker()  # type: ignore[assignment]
    heard = 0
    for number in range(1000):  # a window each
        line.add(pcm(0.25), number * 0.25)
        block = line.take(0.6, number * 0.25, 0.1)
        if not block.hurry:
            heard += 1
            line.credit -= 1
            line.unheard_s = 0.0
    assert heard == pytest.approx(600, abs=2)


def test_when_sound_came_is_known_to_the_frame(line: Line) -> None:
    for number in range(5):
        line.add(pcm(0.05), 1.0 + number / 10)
    block = line.take(1.0, 0.0, 0.1)

    def at(end: float) -> float:
        return block.arrived(Measured(Measurement(0.0, end, {"neutral": 1.0})))

    # 0.09 s is in the third chunk of 32 ms, which ends at 0.096 s, in the second frame.
    assert at(0.09) == 1.1
    # 0.1 s is in the fourth, which ends at 0.128 s.
    assert at(0.1) == 1.2
    # What could have been told before, but was only now sure to be speech.
    assert at(0.0) == 1.0


# -- the share


def test_the_share_falls_with_what_is_to_be_done_and_rises_again() -> None:
    share, now, found = Share(1, 0.1, 0.0), 0.0, 1.0
    for _ in range(40):  # twice as much as there is time for
        now += WEIGH_S
        use = min(1.0, found * 2.0)
        share.spent(use * WEIGH_S, [0.3 if use == 1.0 else 0.08])
        found = share.at(now)
    assert found == pytest.approx(0.45, abs=0.07)
    for _ in range(40):
        now += WEIGH_S
        share.spent(0.1 * WEIGH_S, [0.0])
        found = share.at(now)
    assert found == 1.0


def test_nothing_is_left_out_of_a_burst_that_nobody_waits_for() -> None:
    share = Share(1, 0.1, 0.0)
    share.spent(WEIGH_S, [0.01])
    assert share.at(WEIGH_S) == 1.0


def test_nothing_is_left_out_where_others_hold_the_machine_up() -> None:
    share = Share(1, 0.1, 0.0)
    for number in range(1, 20):
        share.spent(0.5 * WEIGH_S, [0.5, 0.3])
        assert share.at(number * WEIGH_S) == 1.0


def test_the_share_recovers_where_nobody_speaks() -> None:
    share = Share(1, 0.1, 0.0)
    for number in range(1, 100):
        share.spent(WEIGH_S, [0.2])
        share.at(number * WEIGH_S)
    assert share.at(99 * WEIGH_S) == LEAST
    assert share.at(99 * WEIGH_S + 60) == 1.0


def test_two_threads_have_twice_the_time() -> None:
    one, two = (Share(threads, 0.1, 0.0) for threads in (1, 2))
    for share in (one, two):
        share.spent(1.2 * WEIGH_S, [0.08])
    assert one.at(WEIGH_S) == pytest.approx(0.75)
    assert two.at(WEIGH_S) == 1.0
