"""A corpus made ready to learn from: a row of features per clip, labels, speakers, folds."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import audio, features, splits
from emotone.audio import Preparation
from emotone.audio.waveform import FloatArray
from emotone.corpora import Corpus, Utterance
from emotone.errors import AudioError, EmotoneWarning, TrainingError
from emotone.features.cache import FeatureCache
from emotone.features.extraction import extract_many
from emotone.prediction import Failure
from emotone.splits import Fold, Split

_PROBED = 100
"""Clips, spread over the corpus, whose rate is looked at."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled rows of features, and how they are split.

    Attributes
    ----------
    corpus
        Where the clips come from, the unreadable ones included.
    features
        float32, shape ``(n, d)``.
    utterances
        The n utterances behind the rows.
    feature_set
        Name of the recipe.
    preparation
        What was done to each clip first; it names a rate wherever the features depend on it.
    split
        Folds as drawn over the whole corpus, before unreadable clips were left out.
    folds
        The same folds as positions among the rows.
    failures
        Clips that could not be read.
    from_cache
        How many rows were remembered from an earlier extraction.
    """

    corpus: Corpus
    features: FloatArray
    utterances: tuple[Utterance, ...]
    feature_set: str
    preparation: Preparation
    split: Split
    folds: tuple[Fold, ...]
    failures: tuple[Failure, ...]
    from_cache: int

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """The emotion of each row."""
        return np.array([utterance.emotion for utterance in self.utterances], dtype=np.str_)

    @property
    def speakers(self) -> npt.NDArray[Any]:
        """The speaker of each row as ``corpus/speaker``, None where unknown; dtype object."""
        return np.array([utterance.speaker_key for utterance in self.utterances], dtype=object)


def prepare(
    corpus: Corpus,
    feature_set: str,
    split: str,
    *,
    preparation: Preparation | None = None,
    seed: int = 0,
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Extract the features of a corpus and split it.

    Parameters
    ----------
    corpus
        What to learn from.
    feature_set
        A named recipe, see `emotone.features.get`.
    split
        Its spec, see `emotone.splits.make`.
    preparation
        What is done to each clip first. Where neither it nor the feature set names a rate, the
        rate is that of most clips: a mel band or a pitch class of a clip at 48 kHz is not that of
        the same clip at 16 kHz, and a model must hear new clips as it heard these.
    seed
        Of the split, if its spec names none.
    cache, jobs, progress
        As in `emotone.features.extraction.extract_many`.

    Raises
    ------
    TrainingError
        If no clip could be read.
    FeatureError, SplitError
        If there is no such feature set, or the split cannot be made.
    """
    drawn = splits.make(corpus.utterances, split, seed=seed)  # before the long work
    preparation = _at_one_rate(corpus, feature_set, preparation or Preparation())
    result = extract_many(
        [utterance.path for utterance in corpus.utterances],
        feature_set,
        preparation=preparation,
        cache=cache,
        jobs=jobs,
        progress=progress,
    )
    if not result.ok:
        raise TrainingError(
            f"none of the {len(corpus.utterances)} clips can be read; the first: "
            f"{result.failures[0].error if result.failures else 'there is none'}",
            source=corpus.root,
            remedy="Run 'emotone corpus check' on it.",
        )
    row = np.full(len(corpus.utterances), -1, dtype=np.intp)
    row[result.ok] = np.arange(len(result.ok))
    folds = tuple(
        Fold(fold.name, train=_readable(row, fold.train), test=_readable(row, fold.test))
        for fold in drawn.folds
    )
    return Dataset(
        corpus=corpus,
        features=result.matrix,
        utterances=tuple(corpus.utterances[i] for i in result.ok),
        feature_set=feature_set,
        preparation=preparation,
        split=drawn,
        folds=folds,
        failures=tuple(result.failures),
        from_cache=result.from_cache,
    )


def _at_one_rate(corpus: Corpus, feature_set: str, preparation: Preparation) -> Preparation:
    """The preparation with a rate, for a feature set that would work at each clip's own."""
    if preparation.rate is not None or features.get(feature_set).rate is not None:
        return preparation
    rates: Counter[int] = Counter()
    for path in corpus.paths[:: max(1, len(corpus) // _PROBED)]:
        with contextlib.suppress(AudioError):  # it is reported when its turn comes
            rates[audio.probe(path).rate] += 1
    if not rates:
        return preparation
    rate = max(rates, key=lambda rate: (rates[rate], -rate))
    if len(rates) > 1:
        others = ", ".join(str(other) for other in sorted(rates) if other != rate)
        warnings.warn(
            f"{corpus.root}: most clips are at {rate} Hz and some at {others} Hz; all are brought "
            f"to {rate} Hz. Name another rate if you want one.",
            EmotoneWarning,
            stacklevel=3,
        )
    return dataclasses.replace(preparation, rate=rate)


def _readable(row: npt.NDArray[np.intp], positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    rows = row[positions]
    return rows[rows >= 0]
