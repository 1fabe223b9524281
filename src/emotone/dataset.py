"""A corpus made ready to learn from: features or sound of each clip, labels, speakers, folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import features, memory, splits
from emotone.audio import Preparation
from emotone.audio.clips import Clips
from emotone.audio.waveform import FloatArray
from emotone.corpora import Corpus, Utterance
from emotone.errors import FeatureError, TrainingError, UsageError
from emotone.feature_table import StoredCorpus
from emotone.feature_table import failures as stored_failures
from emotone.features import rates, waveforms
from emotone.features.cache import FeatureCache
from emotone.features.extraction import extract_many
from emotone.models.streamed import Streamed, memory_told, needed
from emotone.prediction import Failure
from emotone.splits import Fold, Split
from emotone.splits.split import unasked

_PROBED = 100
"""Clips, spread over the corpus, whose rate is looked at."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled clips, as rows of features or as waveforms, and how they are split.

    Attributes
    ----------
    corpus
        Where the clips come from, the unreadable ones included.
    features
        float32, shape ``(n, d)``; or the n waveforms, for the feature set ``"waveform"``; or, where
        they were stored and are too large for the memory, `Streamed` rows that are read in pieces.
    utterances
        The n utterances behind the rows.
    feature_set
        Name of the recipe.
    preparation
        What was done to each clip first; it names a rate wherever the features depend on it.
    split
        Folds as drawn over the whole corpus, before unreadable clips were left out; its notes say
        which of the readable ones no fold can test.
    folds
        The same folds as positions among the rows.
    failures
        Clips that could not be read.
    from_cache
        How many rows were remembered from an earlier extraction.
    """

    corpus: Corpus
    features: FloatArray | Clips | Streamed
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
    def corpora(self) -> npt.NDArray[np.str_]:
        """The name of the corpus that each row comes from."""
        return np.array([utterance.corpus for utterance in self.utterances], dtype=np.str_)

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
    room: int | None = None,
) -> Dataset:
    """Extract the features of a corpus and split it.

    Parameters
    ----------
    corpus
        What to learn from; a `StoredCorpus` brings its features.
    feature_set
        A named recipe, see `emotone.features.get`; or ``"waveform"`` for the sound itself, which
        neural families hear.
    split
        Its spec, see `emotone.splits.make`.
    preparation
        What is done to each clip first. Where neither it nor the feature set names a rate, the
        rate is that of most clips: a mel band or a pitch class of a clip at 48 kHz is not that of
        the same clip at 16 kHz, and a model must hear new clips as it heard these. For waveforms
        it is `emotone.features.waveforms.DEFAULT_PREPARATION` when None, and 16 kHz where it
        names no rate.
    seed
        Of the split, if its spec names none.
    cache, jobs, progress
        As in `emotone.features.extraction.extract_many`. Waveforms are not kept in the cache.
    room
        Bytes of memory that learning from stored features may take; half of what there is when
        None. Where it is too little, they are read in pieces.

    Raises
    ------
    TrainingError
        If no clip could be read.
    FeatureError, SplitError
        If there is no such feature set, or the split cannot be made.
    """
    drawn = splits.make(corpus.utterances, split, seed=seed)  # before the long work
    if isinstance(corpus, StoredCorpus):
        material = _stored(corpus, preparation, room, progress)
    else:
        read = _extracted if feature_set != waveforms.NAME else _waveforms
        material = read(corpus, feature_set, preparation, cache, jobs, progress)
    if not material.ok:
        raise TrainingError(
            f"none of the {len(corpus.utterances)} clips can be read; the first: "
            f"{material.failures[0].error if material.failures else 'there is none'}",
            source=corpus.root,
            remedy="Extract the features again."
            if isinstance(corpus, StoredCorpus)
            else "Run 'emotone corpus check' on it.",
        )
    row = np.full(len(corpus.utterances), -1, dtype=np.intp)
    row[material.ok] = np.arange(len(material.ok))
    folds = tuple(
        Fold(fold.name, train=_readable(row, fold.train), test=_readable(row, fold.test))
        for fold in drawn.folds
    )
    utterances = tuple(corpus.utterances[i] for i in material.ok)
    untested = unasked([utterance.emotion for utterance in utterances], folds)
    if untested is not None:
        drawn = dataclasses.replace(drawn, notes=(*drawn.notes, untested))
    return Dataset(
        corpus=corpus,
        features=material.features,
        utterances=utterances,
        feature_set=feature_set,
        preparation=material.preparation,
        split=drawn,
        folds=folds,
        failures=tuple(material.failures),
        from_cache=material.from_cache,
    )


@dataclass(frozen=True)
class _Material:
    """What was made of the clips of a corpus; `ok` says which of them the features belong to."""

    features: FloatArray | Clips | Streamed
    preparation: Preparation
    ok: list[int]
    failures: list[Failure]
    from_cache: int = 0


def _extracted(
    corpus: Corpus,
    feature_set: str,
    preparation: Preparation | None,
    cache: FeatureCache | None,
    jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> _Material:
    preparation = _at_one_rate(corpus, feature_set, preparation or Preparation())
    result = extract_many(
        corpus.paths,
        feature_set,
        preparation=preparation,
        cache=cache,
        jobs=jobs,
        progress=progress,
    )
    return _Material(result.matrix, preparation, result.ok, result.failures, result.from_cache)


def _waveforms(
    corpus: Corpus,
    feature_set: str,
    preparation: Preparation | None,
    cache: FeatureCache | None,
    jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> _Material:
    if preparation is None or preparation == Preparation():
        preparation = waveforms.DEFAULT_PREPARATION
    if preparation.rate is None:
        preparation = dataclasses.replace(preparation, rate=waveforms.RATE)
    result = waveforms.read_many(
        corpus.paths, preparation=preparation, jobs=jobs, progress=progress
    )
    return _Material(result.clips, preparation, result.ok, result.failures)


def fits(corpus: StoredCorpus, room: int | None) -> bool:
    """Whether one can learn from all stored features of a corpus at once in so many bytes."""
    dimension = corpus.table.description.dimension
    return needed((len(corpus), dimension)) <= (memory.available() // 2 if room is None else room)


def _stored(
    corpus: StoredCorpus,
    preparation: Preparation | None,
    room: int | None,
    progress: Callable[[int, int], None] | None,
) -> _Material:
    """Stored features: in memory where they fit, else where they are; looked at once, either way.

    What is not finite in them would spoil every model, and no estimator says which clip it was.
    """
    description = corpus.table.description
    if preparation not in (None, Preparation(), description.preparation):
        raise UsageError(
            "the features are there already, so that clips cannot be prepared otherwise",
            source=corpus.root,
            remedy="Leave the preparation out, or train from the audio.",
        )
    failed = stored_failures(corpus)
    named = {failure.file for failure in failed}
    there = [i for i, u in enumerate(corpus.utterances) if str(u.path) not in named]
    rows = np.array([corpus.row(corpus.utterances[i]) for i in there], dtype=np.intp)
    features = corpus.table.features(rows)
    finite = np.zeros(len(rows), dtype=bool)
    with memory_told(features.shape):
        matrix = np.empty(features.shape, dtype=np.float32) if fits(corpus, room) else None
    done = 0
    for positions, values in features.pieces():
        finite[positions] = np.isfinite(values).all(axis=1)
        if matrix is not None:
            matrix[positions] = values
        done += len(positions)
        if progress is not None:
            progress(done, len(rows))
    for i in np.flatnonzero(~finite).tolist():
        file = str(corpus.utterances[there[i]].path)
        error = FeatureError(
            "its features are missing or not finite", source=file, remedy="Extract them again."
        )
        failed.append(Failure(file, error))
    kept = np.flatnonzero(finite)
    return _Material(
        features[kept] if matrix is None else matrix if finite.all() else matrix[kept],
        description.preparation,
        [there[i] for i in kept.tolist()],
        failed,
    )


def _at_one_rate(corpus: Corpus, feature_set: str, preparation: Preparation) -> Preparation:
    """The preparation with a rate, for a feature set that would work at each clip's own."""
    if preparation.rate is not None or features.get(feature_set).rate is not None:
        return preparation
    sample = corpus.paths[:: max(1, len(corpus) // _PROBED)]
    rate = rates.common(sample, corpus.root)
    return preparation if rate is None else dataclasses.replace(preparation, rate=rate)


def _readable(row: npt.NDArray[np.intp], positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    rows = row[positions]
    return rows[rows >= 0]
