"""One recognizer shared by sixteen threads answers as it does alone, bit for bit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emotone
from emotone import audio
from emotone.recognizer import Recognizer
from emotone.stream import Stream

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.flac"))
RATE = 16_000
THREADS = 16


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    """Stretches of many lengths, so that runs of unlike shapes meet; with a pause in the last."""
    one, two = (audio.read(path, rate=RATE).samples for path in EXAMPLES)
    talk = np.concatenate([one, np.zeros(RATE, np.float32), two])
    return [one[: RATE + 1000 * number] for number in range(7)] + [two, talk]


def predictions(recognizer: Recognizer, sounds: list[np.ndarray]) -> list[Any]:
    return [recognizer.predict((sound, RATE)).scores for sound in sounds]


def timelines(recognizer: Recognizer, sounds: list[np.ndarray]) -> list[Any]:
    return [recognizer.timeline((sounds[-1], RATE), jobs=jobs).to_dict() for jobs in (1, 2)]


def streams(recognizer: Recognizer, sounds: list[np.ndarray]) -> list[Any]:
    stream = Stream(recognizer, RATE)
    told = []
    for at in range(0, len(sounds[-1]), 1600):
        told += stream.feed(sounds[-1][at : at + 1600])
    return [event.to_dict() for event in [*told, *stream.finish()]]


def adapted(recognizer: Recognizer, sounds: list[np.ndarray]) -> list[Any]:
    hers = recognizer.adapt([(sound, RATE) for sound in sounds[:3]], jobs=1)
    return [hers.predict((sounds[4], RATE)).scores, recognizer.adapted_clips]


ASKED = (predictions, timelines, streams, adapted)


def test_sixteen_threads_get_the_answers_of_one(sounds: list[np.ndarray]) -> None:
    alone = emotone.load()
    expected = {ask: ask(alone, sounds) for ask in ASKED}
    assert all(expected.values())

    shared = emotone.load()  # not loaded yet: the first answers come to all at once
    begin = threading.Barrier(THREADS)
    found: list[tuple[Callable[..., Any], Any]] = []
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            begin.wait(30)
            for turn in range(len(ASKED)):
                ask = ASKED[(number + turn) % len(ASKED)]
                found.append((ask, ask(shared, sounds)))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failed
    assert len(found) == THREADS * len(ASKED)
    for ask, answer in found:
        assert answer == expected[ask], ask.__name__
    assert shared.adapted_clips == 0


def test_many_at_once_are_answered_as_one_by_one(sounds: list[np.ndarray]) -> None:
    recognizer = emotone.load()
    clips = [(sound, RATE) for sound in sounds] * 8
    one = [answer.scores for answer in recognizer.predict_many(clips, jobs=1)]  # type: ignore[union-attr]
    many = [answer.scores for answer in recognizer.predict_many(clips, jobs=THREADS)]  # type: ignore[union-attr]
    assert many == one
