"""Some of the emotions that a model knows, by whatever names they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emotone.bundle.card import Card
from emotone.configuration import suggestion
from emotone.emotions import canonical
from emotone.errors import UsageError


def chosen(card: Card, emotions: Sequence[str]) -> tuple[str, ...]:
    """Those of a card's emotions that are asked for, in the order of the card.

    Parameters
    ----------
    card
        The model's. It may spell its emotions as it likes: its own spelling goes before a synonym.
    emotions
        Names or synonyms of two of them or more.

    Raises
    ------
    UsageError
        If these are no names, one is of no emotion of the card, or they come to fewer than two.
    """
    given = _names(emotions)
    if given is None:
        raise UsageError(
            f"emotions is {emotions!r}", remedy='Give names in a list, ["angry", "neutral"] say.'
        )
    known = {canonical(name): name for name in reversed(card.emotions)}
    names = set()
    for asked in given:
        name = asked if asked in card.emotions else known.get(canonical(asked))
        if name is None:
            raise UsageError(
                f"{card.model} does not know the emotion {asked!r}",
                remedy=suggestion(canonical(asked), card.emotions),
            )
        names.add(name)
    if len(names) < 2:
        there = " and ".join(names) or "none"
        raise UsageError(
            f"an answer has to be one of two emotions or more, and there is {there}",
            remedy="Name more of them, or leave them out for all.",
        )
    return tuple(name for name in card.emotions if name in names)


def _names(given: object) -> tuple[str, ...] | None:
    """The names in a list, or None where it is something else."""
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes)):
        return None
    names = tuple(given)
    return names if all(isinstance(name, str) for name in names) else None
