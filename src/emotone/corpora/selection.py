"""Choosing among the emotions of a corpus, and merging them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from emotone import emotions
from emotone.corpora.utterance import Corpus
from emotone.errors import CorpusError


def select(
    corpus: Corpus,
    chosen: Sequence[str] | None = None,
    merge: Mapping[str, str] | None = None,
) -> Corpus:
    """The utterances of some emotions, others merged into them first.

    Parameters
    ----------
    corpus
        What to choose from.
    chosen
        Emotions to keep, in any spelling; all if None.
    merge
        Emotion to emotion, ``{"calm": "neutral"}``; applied once, before choosing.

    Raises
    ------
    CorpusError
        If a chosen or merged emotion is not in the corpus.

    Examples
    --------
    >>> select(corpus, ["calm", "happy", "fearful", "disgust"])  # doctest: +SKIP
    """
    renamed = {
        emotions.canonical(old): emotions.canonical(new) for old, new in (merge or {}).items()
    }
    _refuse_absent(corpus, renamed, corpus.emotions)
    utterances = tuple(
        replace(utterance, emotion=renamed[utterance.emotion])
        if utterance.emotion in renamed
        else utterance
        for utterance in corpus.utterances
    )
    merged = corpus.with_utterances(utterances)
    if chosen is None:
        return merged
    wanted = {emotions.canonical(name) for name in chosen}
    _refuse_absent(corpus, wanted, merged.emotions)
    return merged.with_utterances(tuple(u for u in utterances if u.emotion in wanted))


def _refuse_absent(corpus: Corpus, wanted: Mapping[str, str] | set[str], there: list[str]) -> None:
    absent = emotions.in_order({name for name in wanted if name not in there})
    if absent:
        raise CorpusError(
            f"holds no utterance that is {' or '.join(absent)}",
            source=corpus.root,
            remedy=f"It has: {', '.join(there)}.",
            code="unknown_emotion",
        )
