"""The vocabulary: names, order and colours."""

from __future__ import annotations

import re

import pytest

from emotone.emotions import EMOTIONS, canonical, colour, in_order


@pytest.mark.parametrize("name", [*EMOTIONS, "gêné", "喜", "\ud800"])
def test_every_name_has_a_colour_that_stays(name: str) -> None:
    assert re.fullmatch("#[0-9A-Fa-f]{6}", colour(name))
    assert colour(name) == colour(name)


def test_the_colours_of_the_vocabulary_differ() -> None:
    assert len({colour(name) for name in EMOTIONS}) == len(EMOTIONS)


def test_unknown_names_come_last() -> None:
    assert in_order(["zeal", "angry", "awe", "neutral", "angry"]) == [
        "neutral", "angry", "awe", "zeal",
    ]  # fmt: skip


def test_other_words_for_an_emotion_are_the_same() -> None:
    assert canonical("Anger") == canonical("ANGRY") == "angry"
    assert canonical("gêné") == "gêné"
