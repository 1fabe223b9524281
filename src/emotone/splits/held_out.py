"""A part of a training part, set aside to choose by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from emotone.corpora.utterance import Utterance
from emotone.errors import SplitError
from emotone.splits.drawing import generator
from emotone.splits.split import Indices


def validation(
    utterances: Sequence[Utterance],
    train: npt.ArrayLike,
    *,
    share: float = 0.15,
    seed: int = 0,
) -> tuple[Indices, Indices]:
    """Set part of a training part aside, to stop early, calibrate or choose settings on.

    Within each corpus whole speakers are set aside, as near the share as whole speakers allow
    (none of a corpus where one speaker is already too many, unless nothing else can be set aside).
    A corpus with one known speaker, and utterances without a speaker, are divided at random within
    each emotion.

    Parameters
    ----------
    utterances
        All utterances.
    train
        Positions that are for training, shape ``(n,)``.
    share
        Of these to set aside, between 0 and 1.
    seed
        From 0 to 2**32 - 1.

    Returns
    -------
    fit, held
        Sorted positions; together they are ``train``. Neither is empty.

    Raises
    ------
    SplitError
        If the share is not between 0 and 1, or there are fewer than two positions.
    """
    positions = np.sort(np.asarray(train, dtype=np.intp))
    if not 0 < share < 1:
        raise SplitError(f"a share of {share} cannot be set aside", remedy="Choose 0 < share < 1.")
    if len(positions) < 2:
        raise SplitError(
            f"{len(positions)} utterances cannot be divided", remedy="Train on more of them."
        )
    random = generator(seed)
    by_corpus: dict[str, dict[str | None, list[int]]] = {}
    for i in positions.tolist():
        u = utterances[i]
        by_corpus.setdefault(u.corpus, {}).setdefault(u.speaker_key, []).append(i)
    held: list[int] = []
    for voices in by_corpus.values():
        known = {key: members for key, members in voices.items() if key is not None}
        loose = voices.get(None, [])
        if len(known) > 1:
            held.extend(_speakers_near(known, share, random))
        else:
            loose = loose + [i for members in known.values() for i in members]
        held.extend(_share_per_emotion(utterances, loose, share, random))
    if not held:
        held = _least(by_corpus) or [int(random.choice(positions))]
    chosen = np.asarray(sorted(held), dtype=np.intp)
    return np.setdiff1d(positions, chosen), chosen


def _speakers_near(
    voices: Mapping[str, list[int]], share: float, random: np.random.RandomState
) -> list[int]:
    """The utterances of shuffled speakers, each taken if that brings their number nearer the share.

    Never all speakers, and none where even one is too many: one of the two voices of TESS is half
    of it.
    """
    keys = sorted(voices)
    goal = share * sum(len(members) for members in voices.values())
    held: list[int] = []
    left = len(keys)
    for k in random.permutation(len(keys)).tolist():
        members = voices[keys[k]]
        if left > 1 and abs(len(held) + len(members) - goal) < abs(len(held) - goal):
            held.extend(members)
            left -= 1
    return held


def _least(by_corpus: Mapping[str, Mapping[str | None, list[int]]]) -> list[int]:
    """The speaker with the fewest utterances, of the corpora with two or more; else nothing."""
    voices = [
        members
        for speakers in by_corpus.values()
        if sum(key is not None for key in speakers) > 1
        for key, members in speakers.items()
        if key is not None
    ]
    return min(voices, key=lambda members: (len(members), members), default=[])


def _share_per_emotion(
    utterances: Sequence[Utterance],
    positions: list[int],
    share: float,
    random: np.random.RandomState,
) -> list[int]:
    by_emotion: dict[str, list[int]] = {}
    for i in positions:
        by_emotion.setdefault(utterances[i].emotion, []).append(i)
    held: list[int] = []
    for emotion in sorted(by_emotion):
        members = sorted(by_emotion[emotion])
        number = min(round(share * len(members)), len(members) - 1)
        held.extend(members[k] for k in random.permutation(len(members))[:number].tolist())
    return held
