"""Folds, and what a reader of their figures has to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.corpora.namesakes import namesakes
from emotone.corpora.utterance import Utterance
from emotone.emotions import in_order

Indices = npt.NDArray[np.intp]
"""Places of utterances in a list of them."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One train/test pair.

    Attributes
    ----------
    name
        ``"1"``, a speaker, a corpus, or ``"ravdess:1"`` where several fold files are used.
    train, test
        Distinct positions in the sequence of utterances, shape ``(n_train,)`` and ``(n_test,)``,
        without overlap. They need not cover it.
    """

    name: str
    train: Indices
    test: Indices


@dataclass(frozen=True, eq=False)
class Split:
    """The folds of one spec over some utterances.

    Attributes
    ----------
    spec
        The text it was made from.
    strategy
        ``"random"``, ``"speakers"``, ``"clips"``, ``"corpora"``, ``"file"`` or ``"none"``.
    folds
        One train/test pair each.
    shared_speakers
        Distinct speakers that are in both train and test of some fold; None where no speaker is
        known.
    warning
        One sentence for every report made from this split, or None if train and test share no
        speaker.
    notes
        What else a reader of the figures should know: rows of a fold file that matched nothing,
        emotions that a fold leaves out, people of two corpora who may be the same, and, once it is
        known which clips can be read, those that no fold can test.
    """

    spec: str
    strategy: str
    folds: tuple[Fold, ...]
    shared_speakers: int | None
    warning: str | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The split without its positions, as plain types, ready for JSON and a card."""
        return {
            "spec": self.spec,
            "strategy": self.strategy,
            "folds": [
                {"name": fold.name, "train": len(fold.train), "test": len(fold.test)}
                for fold in self.folds
            ],
            "shared_speakers": self.shared_speakers,
            "warning": self.warning,
            "notes": list(self.notes),
        }


def divided_namesakes(
    utterances: Sequence[Utterance], folds: Sequence[Fold]
) -> dict[str, list[str]]:
    """The `namesakes` of whom some fold trains on one and tests another."""
    alike = namesakes(utterances)
    divided: set[str] = set()
    for fold in folds if alike else ():
        train = {(utterances[i].speaker, utterances[i].corpus) for i in fold.train.tolist()}
        for i in fold.test.tolist():
            name, own = utterances[i].speaker, utterances[i].corpus
            if name in alike and any((name, c) in train for c in alike[name] if c != own):
                divided.add(str(name))
    return {name: alike[name] for name in sorted(divided)}


def leaks(utterances: Sequence[Utterance], folds: Sequence[Fold]) -> tuple[int | None, str | None]:
    """Speakers in both train and test of some fold, and the sentence that says so."""
    keys = [utterance.speaker_key for utterance in utterances]
    shared: set[str] = set()
    unknown = False
    for fold in folds:
        train = {keys[i] for i in fold.train.tolist()}
        test = {keys[i] for i in fold.test.tolist()}
        unknown |= bool(train and test) and None in train | test
        shared |= {key for key in train & test if key is not None}
    if shared:
        number = f"{len(shared)} speaker{'s' if len(shared) > 1 else ''}"
        return len(shared), (
            f"train and test share {number}: these figures say nothing about a new voice"
        )
    warning = (
        "some speakers are unknown, so train and test may share them: "
        "these figures may say nothing about a new voice"
        if unknown
        else None
    )
    return (None if all(key is None for key in keys) else 0), warning


def unasked(emotions: Sequence[str], folds: Sequence[Fold]) -> str | None:
    """One sentence on the clips that no fold can test, or None if there are none.

    A model cannot give the emotion of a test clip that its training part lacks.
    """
    tested: set[int] = set()
    asked: set[int] = set()
    for fold in folds:
        learned = {emotions[i] for i in fold.train.tolist()}
        test = fold.test.tolist()
        tested.update(test)
        asked.update(i for i in test if emotions[i] in learned)
    counts = Counter(emotions[i] for i in tested - asked)
    if not counts:
        return None
    listed = ", ".join(f"{name} ({counts[name]})" for name in in_order(set(counts)))
    several = counts.total() > 1
    return (
        f"{counts.total()} clip{'s are' if several else ' is'} not asked about, for want of "
        f"{'their' if several else 'its'} emotion in the training part: {listed}"
    )
