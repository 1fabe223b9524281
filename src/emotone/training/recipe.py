"""How a model is made, and what it learns from."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotone import memory
from emotone.audio import Preparation
from emotone.corpora import Corpus
from emotone.dataset import Dataset, fits, prepare
from emotone.errors import EmotoneWarning, UsageError
from emotone.execution import Callback, Progress
from emotone.feature_table import StoredCorpus
from emotone.features import get, waveforms
from emotone.features.cache import FeatureCache
from emotone.models import AnyClassifier, Classifier, build, families
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.voices import VOICES, known_voices
from emotone.models.preprocessing import Selection
from emotone.models.search import (
    search,
)
from emotone.models.streamed import too_large

_SPLITS = {"new": "speakers:5", "known": "clips:5"}
"""How a model is tested unless another split is named, by whose voices it is for."""

_TELLING = 0.3
"""Share of clips of speakers with one emotion, from which on there is a warning of it."""

DEFAULT_FEATURES = "rich"
"""What a classical family learns from unless another set is named."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made: what `emotone.models.build` takes, a search, and where it is kept.

    Attributes
    ----------
    family
        A name in `emotone.models.FAMILIES`.
    params
        Parameters over the family's defaults.
    seed
        Of everything random in the model.
    class_weight, sampling, select
        As in `emotone.models.build`.
    trials
        Trials of a search for parameters inside each training part; 0 for none.
    files
        Where a neural family keeps its state and logs, in a folder for each fold.
    voices
        Whom the model will hear: ``"new"`` people, or the ``"known"`` ones that it learns from. A
        neural family then takes the parameters of `known_voices`.
    """

    family: str
    params: Mapping[str, Any]
    seed: int = 0
    class_weight: str | None = None
    sampling: str | None = None
    select: Selection = None
    trials: int = 0
    files: TrainingFiles = field(default_factory=TrainingFiles)
    voices: str = "new"

    def check(self) -> None:
        """Refuse what cannot be, and what `build` would refuse, before any long work."""
        entry = families.get(self.family)
        if self.voices not in VOICES:
            raise UsageError(
                f"the voices are {self.voices!r}", remedy=f"Give {' or '.join(VOICES)}."
            )
        self.classifier(self.params)
        if self.trials and entry.space is None:
            search(np.empty((0, 0)), [], None, self.family, trials=self.trials)

    @property
    def streams(self) -> bool:
        """Whether the family can learn from features that are read in pieces."""
        classifier = self.classifier(self.params)
        return isinstance(classifier, Classifier) and classifier.streams

    def kept_apart(self, speakers: list[str | None]) -> list[str | None] | None:
        """The speakers for `fit`, who are held out together; None where voices are known.

        A neural family gets them all the same: its parameter ``hold_out`` says what is held out,
        and it has another use for them.
        """
        neural = families.get(self.family).input == "waveform"
        return speakers if neural or self.voices == "new" else None

    def classifier(self, params: Mapping[str, Any], **other: Any) -> AnyClassifier:
        """An unfitted classifier with these parameters."""
        if self.voices == "known":
            entry = families.get(self.family)
            if entry.input == "waveform":
                params = known_voices(entry.name, entry.members, params)
        return build(
            self.family,
            params=params,
            seed=self.seed,
            class_weight=self.class_weight,
            sampling=self.sampling,
            select=self.select,
            **other,
        )


def default_split(voices: str) -> str:
    """How a model for new or known voices is tested unless another split is named."""
    return _SPLITS.get(voices, _SPLITS["new"])


def feature_set_for(family: str, features: str | None, corpus: Corpus | None = None) -> str:
    """The feature set that a family learns from, ``"waveform"`` for a neural one.

    Parameters
    ----------
    family
        A name in `emotone.models.FAMILIES`.
    features
        The set that was asked for, or None.
    corpus
        What it learns from; the features of a `StoredCorpus` are those that it has.

    Raises
    ------
    UsageError
        If the family cannot learn from that set, or the corpus has another.
    """
    if isinstance(corpus, StoredCorpus):
        return _stored_set(family, features, corpus)
    if families.get(family).input == "features":
        if features == waveforms.NAME:
            raise UsageError(
                f"the family '{family}' learns from features, not from the waveform",
                remedy="Name a feature set, such as rich, or a neural family, such as crnn.",
            )
        return features or DEFAULT_FEATURES
    if features not in (None, waveforms.NAME):
        raise UsageError(
            f"the family '{family}' hears the sound itself and takes no feature set, but "
            f"'{features}' was named",
            remedy="Leave the feature set out.",
        )
    return waveforms.NAME


def _stored_set(family: str, features: str | None, corpus: StoredCorpus) -> str:
    stored = corpus.table.description.feature_set
    if families.get(family).input == "waveform":
        raise UsageError(
            f"the family '{family}' hears the sound itself, and there are features alone",
            source=corpus.root,
            remedy="Name the corpus with its audio; or a family that learns from features, such as "
            "mlp.",
        )
    if features is not None and get(features).name != stored:
        raise UsageError(
            f"the features there are {stored} and not {features}",
            source=corpus.root,
            remedy="Leave the feature set out, or extract the other one.",
        )
    return stored


def dataset_for(
    recipes: Sequence[Recipe],
    corpus: Corpus,
    features: str,
    split: str,
    *,
    preparation: Preparation | None,
    seed: int,
    cache: FeatureCache | None,
    jobs: int | None,
    tell: Callback,
    room: int | None = None,
) -> Dataset:
    """What the recipes learn from, and folds, once it is sure that they can be used.

    Raises
    ------
    UsageError, FeatureError, SplitError, TrainingError
        See `emotone.models.build` and `emotone.dataset.prepare`.
    """
    for recipe in recipes:
        recipe.check()
    doing = "reading clips" if features == waveforms.NAME else f"extracting {features}"
    if isinstance(corpus, StoredCorpus):
        doing = f"reading {features}"
        if not fits(corpus, room) and not any(recipe.streams for recipe in recipes):
            shape = (len(corpus), corpus.table.description.dimension)
            raise too_large(recipes[0].family, shape, room or memory.available() // 2)
    return prepare(
        corpus,
        features,
        split,
        preparation=preparation,
        seed=seed,
        cache=cache,
        jobs=jobs,
        progress=lambda done, total: tell(Progress("features", done, total, doing)),
        room=room,
    )


def tell_confounded(dataset: Dataset) -> None:
    """Warn where a voice gives the emotion away: a model that knows it need not hear the mood."""
    moods: dict[str, Counter[str]] = {}
    for speaker, emotion in zip(dataset.speakers.tolist(), dataset.labels.tolist(), strict=True):
        if speaker is not None:
            moods.setdefault(speaker, Counter())[emotion] += 1
    single = [counts for counts in moods.values() if len(counts) == 1]
    if sum(counts.total() for counts in single) > _TELLING * len(dataset.labels):
        warnings.warn(
            f"{len(single)} of {len(moods)} speakers are heard in one emotion only: whoever knows "
            "their voices knows the emotion, so what this model gets right says little",
            EmotoneWarning,
            stacklevel=3,
        )
