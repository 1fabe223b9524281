"""Features of any number of recordings: a batch whose rows hold numbers from sound, and labels."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from emotone import __version__, emotions
from emotone.audio import Preparation, Waveform
from emotone.batch.places import Place
from emotone.batch.reading import Clip, Noticed, Reader, Rows, as_text, content, named, patiently
from emotone.batch.sources import LABELS, Recording
from emotone.batch.tasks import AnyTask
from emotone.errors import EmotoneError, EmotoneWarning, FeatureError, UsageError
from emotone.features import get, rates, stored
from emotone.features.job import Job


@dataclass(frozen=True)
class FeatureTask(AnyTask):
    """Making features of each recording, as one clip.

    Attributes
    ----------
    feature_set
        A named set, or an expression such as ``mfcc40+chroma12``.
    feature_version
        Of the set: a worker with another one is refused.
    preparation
        What is done to each clip first, as it was asked for.
    labels
        Whether the inputs are corpora, whose readers tell emotion, speaker and so on.
    rate
        In Hz; what most clips have, where neither the set nor the preparation names one. A mel
        band or a pitch class of a clip at 48 kHz is not that of the same clip at 16 kHz. 0 until
        that is known.
    """

    feature_set: str
    feature_version: str
    preparation: Preparation = field(default_factory=Preparation)
    labels: bool = False
    rate: int = 0

    segments = False

    def find(self, inputs: Sequence[str]) -> Iterable[Recording]:
        """The recordings; with their labels, where the inputs are corpora."""
        return _labelled(inputs) if self.labels else super().find(inputs)

    def settled(self, files: Iterator[str]) -> FeatureTask:
        """The task with a rate, where the features depend on one that nobody named."""
        if self.preparation.rate is not None or get(self.feature_set).rate is not None:
            return self
        rate = rates.common(_source(file) for file in files)
        return self if rate is None else dataclasses.replace(self, rate=rate)

    @cached_property
    def job(self) -> Job:
        """How a row is made."""
        preparation = self.preparation
        if self.rate:
            preparation = dataclasses.replace(preparation, rate=self.rate)
        return Job(self.feature_set, preparation)

    def to_dict(self) -> dict[str, Any]:
        """The task as plain types, ready for JSON."""
        return {
            "kind": "features",
            "feature_set": self.feature_set,
            "feature_version": self.feature_version,
            "preparation": self.preparation.to_dict(),
            "labels": self.labels,
            "rate": self.rate,
        }

    def asked(self) -> dict[str, Any]:
        """As `to_dict`, without the rate that most clips have."""
        return {name: value for name, value in self.to_dict().items() if name != "rate"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureTask:
        """The task that `to_dict` wrote."""
        return cls(
            values["feature_set"],
            values["feature_version"],
            Preparation.from_dict(values["preparation"]),
            values["labels"],
            values["rate"],
        )

    def schema(self) -> Any:
        """See `emotone.features.stored.schema`."""
        return stored.schema(self.job.features)

    def about(self) -> dict[str, Any]:
        """The features, and what made them."""
        made = stored.Description.of(self.job.features, self.job.preparation)
        return made.to_dict() | {"emotone": __version__}

    def reader(self, root: str | None = None, *, jobs: int = 1) -> Extractor:
        """An `Extractor`."""
        return Extractor(self, root)

    def failed(self, recording: Recording, error: EmotoneError) -> dict[str, Any]:
        """The row of a recording without features."""
        return _about(recording) | {"error": as_text(str(error)), "error_code": error.code}


def task(
    feature_set: str, *, preparation: Preparation | None = None, labels: bool = False
) -> FeatureTask:
    """What to make of each recording; see `FeatureTask`.

    Raises
    ------
    FeatureError
        If there is no such feature set.
    MissingExtraError
        If it needs an extra that is not installed.
    """
    found = get(feature_set)
    return FeatureTask(found.name, found.version, preparation or Preparation(), labels)


class Extractor(Reader):
    """Makes features of blocks of recordings; one for each process.

    Parameters
    ----------
    task
        What to do.
    root
        The folder that relative paths begin at; the working directory when None.

    Raises
    ------
    FeatureError
        If the feature set here is not of the version that the batch was begun with.
    """

    def __init__(self, task: FeatureTask, root: str | None = None) -> None:
        super().__init__(root)
        self.task = task
        self._job = task.job
        if self._job.features.version != task.feature_version:
            raise FeatureError(
                f"the features are of version {self._job.features.version} here, and the batch was "
                f"begun with version {task.feature_version}",
                source=task.feature_set,
                remedy="Use the same version of emotone everywhere, or write to another folder.",
                code="other_version",
            )

    def _clip(self, index: int, source: str | bytes) -> Clip:
        waveform = self._job.read(source)
        return Clip(index, waveform.duration_s, waveform.samples, waveform.rate)

    def _rows(self, recordings: Sequence[Recording], clips: Iterator[Clip]) -> Rows:
        for clip in clips:
            recording, warned = recordings[clip.index], Noticed()
            row = _about(recording) | {"duration_s": clip.duration_s}
            error = clip.error
            if clip.prepared is not None:
                try:
                    with warned:
                        waveform = Waveform(clip.prepared, clip.rate)
                        row[stored.COLUMN] = self._job.row(waveform)
                except Exception as unforeseen:
                    error = named(unforeseen, recording.file)
            if error is not None:
                row |= self.task.failed(recording, error)
            row["warning"] = " ".join(filter(None, (clip.warned, warned.text))) or None
            yield clip.index, [row]


def _about(recording: Recording) -> dict[str, Any]:
    labels = dict(recording.labels)
    if word := labels.pop("emotion", None):
        labels.setdefault("label", word)
        with contextlib.suppress(UsageError):  # a word without a letter names none
            labels["emotion"] = emotions.canonical(word)
    return {"file": as_text(recording.file), "speaker": recording.speaker, **labels}


def _source(file: str) -> str | bytes:
    place = Place(file)
    return place.path if place.is_local else patiently(lambda: content(place))


def _labelled(inputs: Sequence[str]) -> Iterator[Recording]:
    """The utterances of corpora. Unlike other recordings they are held in memory, all of them."""
    from emotone.corpora import load_many

    corpus = load_many(inputs)
    if corpus.problems:
        first = corpus.problems[0]
        warnings.warn(
            f"{corpus.root}: {len(corpus.problems):,} files gave no label and are left out, the "
            f"first: {first.path} {first.reason}. 'emotone corpus check' names all.",
            EmotoneWarning,
            stacklevel=2,
        )
    for utterance in corpus.utterances:
        told = {name: getattr(utterance, name, None) for name in LABELS}
        told["split"] = utterance.extra.get("split")
        try:
            size = utterance.path.stat().st_size
        except OSError:
            size = 0
        labels = {name: value for name, value in told.items() if value is not None}
        yield Recording(str(utterance.path), utterance.speaker, None, size, labels)
