"""Speakers of one name in several corpora: the same person, or two?"""

from __future__ import annotations

from collections.abc import Sequence

from emotone.corpora.catalogue import READERS
from emotone.corpora.utterance import Utterance

_NAMED = 3
"""Names that the sentence gives."""


def namesakes(utterances: Sequence[Utterance]) -> dict[str, list[str]]:
    """Speakers that are named alike in several corpora, and the names of these, sorted.

    Corpora with a reader of their own are passed over: what they call ``"01"`` are known to be
    different people. Two tables or folders of one's own may well be of the same ones.
    """
    found: dict[str, set[str]] = {}
    for utterance in utterances:
        if utterance.speaker is not None and utterance.corpus not in READERS:
            found.setdefault(utterance.speaker, set()).add(utterance.corpus)
    return {name: sorted(found[name]) for name in sorted(found) if len(found[name]) > 1}


def caution(alike: dict[str, list[str]]) -> str:
    """One sentence about them."""
    names = list(alike)
    few = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    where = sorted({corpus for corpora in alike.values() for corpus in corpora})
    return (
        f"people of {', '.join(where)} have the same names ({few}) and count as different ones: if "
        "they are the same, give the tables one name in a column corpus"
    )
