"""The vocabulary: names, order and colours."""

from __future__ import annotations

import re

import pytest

from emotone.emotions import EMOTIONS, canonical, colour, in_order, nearly


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


@pytest.mark.parametrize(
    ("label", "meant"),
    [("hapy", "happy"), ("Suprised", "surprised"), ("angr", "angry"), ("sadd", "sad"),
     ("freud", "happy"), ("sarcasm", None), ("unhappy", None), ("tired", None), ("happy", None),
     ("joy", None), ("x", None)],
)  # fmt: skip
def test_a_label_that_is_nearly_a_known_one_is_taken_for_a_slip(
    label: str, meant: str | None
) -> None:
    assert nearly(label) == meant
