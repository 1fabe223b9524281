"""Cutting: nothing lost, nothing twice, and the same however the sound arrives."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.errors import UsageError
from emotone.speech import RATE, UtteranceSettings
from emotone.timeline.cutting import (
    Cutter,
    Gap,
    Piece,
    UtteranceEnded,
    UtteranceStarted,
    Window,
    _stretches,
)
from emotone.timeline.settings import TimelineSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two clips, each with silence or noise around it."""
    first, second = (
        audio.read(EXAMPLES / f"{name}.flac", rate=RATE).samples
        for name in ("low-voice", "raised-voice")
    )
    noise = np.random.default_rng(0).normal(scale=0.02, size=3 * RATE).astype(np.float32)
    silence = np.zeros(2 * RATE, dtype=np.float32)
    return np.concatenate([silence, first, silence, noise, second, silence])


def cut(sound: np.ndarray, sizes: list[int], settings: TimelineSettings | None = None) -> list:
    cutter = Cutter(settings)
    found: list[Piece] = []
    at = 0
    while at < len(sound):
        size = sizes[len(found) % len(sizes)]
        found += cutter.feed(sound[at : at + size])
        at += size
    return found + cutter.finish()


def test_pieces_cover_all_of_the_sound_once(talk: np.ndarray) -> None:
    pieces = cut(talk, [len(talk)])
    spans = [p for p in pieces if isinstance(p, (Gap, UtteranceEnded))]
    assert spans[0].start == 0
    assert spans[-1].end == len(talk)
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))
    gaps = [p for p in pieces if isinstance(p, Gap)]
    assert gaps[0].silent
    assert gaps[-1].silent
    assert any(not gap.silent for gap in gaps)  # the noise
    assert len([p for p in pieces if isinstance(p, UtteranceEnded)]) >= 2


def test_windows_lie_in_their_utterance_and_hold_its_sound(talk: np.ndarray) -> None:
    settings = TimelineSettings(window_s=2, step_s=0.25, least_window_s=0.5)
    start = None
    windows: list[Window] = []
    for piece in cut(talk, [len(talk)], settings):
        if isinstance(piece, UtteranceStarted):
            start, windows = piece.start, []
        elif isinstance(piece, Window):
            assert start is not None
            windows.append(piece)
            assert np.array_equal(piece.samples, talk[piece.start : piece.end])
            assert piece.start == max(start, piece.end - 2 * RATE)
        elif isinstance(piece, UtteranceEnded):
            ends = [window.end for window in windows]
            assert ends[0] == min(piece.start + RATE // 2, piece.end)
            assert set(np.diff(ends[:-1])) <= {RATE // 4}
            assert piece.end - RATE // 8 <= ends[-1] <= piece.end
    assert windows


@pytest.mark.parametrize("sizes", [[160], [1, 5000, 37], [512], [100_000]])
def test_it_is_the_same_however_the_sound_arrives(talk: np.ndarray, sizes: list[int]) -> None:
    expected, found = cut(talk, [len(talk)]), cut(talk, sizes)
    assert [type(p) for p in found] == [type(p) for p in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.start, getattr(one, "end", 0)) == (other.start, getattr(other, "end", 0))
        if isinstance(one, Gap):
            assert one.silent == other.silent
        if isinstance(one, Window):
            assert np.array_equal(one.samples, other.samples)


def test_memory_does_not_grow(talk: np.ndarray) -> None:
    cutter = Cutter(TimelineSettings(utterances=UtteranceSettings(longest_s=5)))
    most = 0
    for _ in range(12):
        for at in range(0, len(talk), RATE):
            cutter.feed(talk[at : at + RATE])
            most = max(most, len(cutter._sound._room))
    assert most < 12 * RATE  # twice what is needed, so that it rarely moves
    for _ in range(200):
        cutter.feed(np.zeros(RATE, dtype=np.float32))
    assert len(cutter._sound._room) < 3 * RATE  # of silence little is kept


@pytest.mark.parametrize("length", [0, 1, 500, RATE])
def test_short_sound_without_speech_is_one_gap(length: int) -> None:
    pieces = cut(np.zeros(length, dtype=np.float32), [300])
    assert pieces == ([Gap(0, length, True)] if length else [])


@pytest.mark.parametrize("pause_s", [0.6, 0.8, 1.0, 1.3])
@pytest.mark.parametrize("shift", [0, 3000, 6000])
def test_a_pause_is_judged_by_itself_and_not_by_the_speech_beside_it(
    pause_s: float, shift: int
) -> None:
    voice = audio.read(EXAMPLES / "raised-voice.flac", rate=RATE).samples
    begin, pause = np.zeros(shift, np.float32), np.zeros(round(pause_s * RATE), np.float32)
    for level, silent in ((0.0, True), (0.03, False)):
        noise = np.random.default_rng(0).normal(scale=level, size=len(pause)).astype(np.float32)
        pieces = cut(np.concatenate([begin, voice, pause + noise, voice]), [RATE])
        middle = shift + len(voice) + len(pause) // 2
        (gap,) = [p for p in pieces if isinstance(p, Gap) and p.start <= middle < p.end]
        assert gap.silent == silent


def test_short_stretches_go_with_their_neighbours() -> None:
    assert _stretches([]) == []
    assert _stretches([True]) == [(1, True)]
    assert _stretches([True, False, False]) == [(3, False)]
    assert _stretches([False] * 4 + [True] + [False] * 3) == [(8, False)]
    assert _stretches([False] * 4 + [True] * 3 + [False]) == [(4, False), (4, True)]


@pytest.mark.parametrize(
    "wrong",
    [{"window_s": 0.2}, {"step_s": 0}, {"switch": -1}, {"silence_db": 3}, {"step_s": float("nan")}],
)
def test_settings_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        TimelineSettings(**wrong)
