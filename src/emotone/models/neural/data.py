"""Which clips a network sees when: batches of an epoch, and what is held out for validation.

Every draw comes from a generator seeded by (seed, epoch, ...), never by what was drawn before, so
that a training which was cut off goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from emotone.audio.clips import Clips
from emotone.errors import TrainingError
from emotone.models.neural.augmentation import derived_seed
from emotone.models.neural.settings import TrainingSettings

IntArray = npt.NDArray[np.int64]

_CHUNK = 10
"""Batches that are sorted by length together: less padding, and still mixed."""

_MAX_BATCH_S = 600.0
"""The most sound in a batch that is only listened to, in seconds."""

_DRAWS = 50
"""Attempts at holding out speakers so that every emotion stays in the training part."""


class Batch(NamedTuple):
    """Some clips, padded to the longest.

    Attributes
    ----------
    waveforms
        float32, shape ``(B, N)``, 0 after a clip's end.
    lengths, labels, corpora
        Samples, index of the emotion and of the corpus of each; int64 ``(B,)``.
    weights
        Of each clip's loss; float32 ``(B,)``.
    rows
        What describes each clip, where that was computed before; float32 ``(B, d)``, else
        ``(B, 0)``. The waveforms are left out then.
    """

    waveforms: Tensor
    lengths: Tensor
    labels: Tensor
    corpora: Tensor
    weights: Tensor
    rows: Tensor


@dataclass(frozen=True, eq=False)
class LabelledClips:
    """Clips with what is known about them: indices of emotions and corpora, weights of the loss.

    `speakers` holds the index of each one's speaker, -1 where unknown; None where all are. `views`,
    float32 ``(views, n, d)``, holds descriptions of the clips in place of their sound: as
    they are, then altered.
    """

    clips: Clips
    labels: IntArray
    corpora: IntArray
    weights: npt.NDArray[np.float32]
    speakers: IntArray | None = None
    views: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.clips)

    def take(self, rows: IntArray) -> LabelledClips:
        """Some of them."""
        return LabelledClips(
            self.clips[rows],
            self.labels[rows],
            self.corpora[rows],
            self.weights[rows],
            None if self.speakers is None else self.speakers[rows],
        )

    def batch(self, rows: IntArray, crop: tuple[int, np.random.Generator] | None = None) -> Batch:
        """Some of them as tensors; with `crop`, no longer than so many samples, cut at random.

        Where there are views, one of each clip at random with `crop`, else the first.
        """
        known = (
            torch.from_numpy(self.labels[rows]),
            torch.from_numpy(self.corpora[rows]),
            torch.from_numpy(self.weights[rows]),
        )
        if self.views is not None:
            view = 0 if crop is None else crop[1].integers(len(self.views), size=len(rows))
            lengths = torch.from_numpy(self.clips.lengths[rows])
            described = torch.from_numpy(self.views[view, rows])
            return Batch(torch.zeros(len(rows), 0), lengths, *known, described)
        waveforms = [self.clips[int(row)] for row in rows]
        if crop is not None:
            longest, generator = crop
            for place, waveform in enumerate(waveforms):
                if len(waveform) > longest:
                    start = int(generator.integers(len(waveform) - longest + 1))
                    waveforms[place] = waveform[start : start + longest]
        return Batch(
            *padded(waveforms),
            *known,
            torch.zeros(len(rows), 0),
        )

    def digest(self) -> str:
        """A fingerprint of the sound and of all that is known about it."""
        sums = hashlib.blake2b(digest_size=16)
        for array in (self.labels, self.corpora, self.weights, self.clips.lengths):
            sums.update(np.ascontiguousarray(array).tobytes())
        for start, length in zip(self.clips.starts, self.clips.lengths, strict=True):
            sums.update(self.clips.samples[start : start + length].tobytes())
        return f"{self.clips.rate}-{sums.hexdigest()}"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a network learns from.

    Attributes
    ----------
    training
        The clips themselves.
    validation
        Clips that decide when to stop and which epoch is best; None for all epochs.
    watched
        Clips whose loss is only written down, or None.
    corpora
        Names behind the indices of corpora.
    balanced
        Whether each corpus gives as many clips of each emotion per epoch.
    """

    training: LabelledClips
    validation: LabelledClips | None
    watched: LabelledClips | None
    corpora: Sequence[str]
    balanced: bool


def padded(waveforms: Sequence[npt.NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Waveforms as one tensor (B, N) with zeros after each, and their lengths (B,)."""
    lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
    joined = np.zeros((len(waveforms), max(int(lengths.max()), 2)), dtype=np.float32)
    for row, waveform in zip(joined, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return torch.from_numpy(joined), torch.from_numpy(lengths)


def even_batches(clips: Clips, size: int = 64) -> Iterator[IntArray]:
    """All clips in batches of similar length, bounded in number and in sound."""
    order = np.argsort(clips.lengths, kind="stable")
    rows: list[int] = []
    for row in order.tolist():
        longest = int(clips.lengths[row])  # they come in ascending order
        if rows and (len(rows) == size or (len(rows) + 1) * longest > _MAX_BATCH_S * clips.rate):
            yield np.array(rows, dtype=np.int64)
            rows = []
        rows.append(row)
    if rows:
        yield np.array(rows, dtype=np.int64)


class TrainingBatches(Dataset[Batch]):
    """The batches of one epoch.

    Parameters
    ----------
    data
        The training part.
    corpora
        Names behind its indices of corpora.
    settings, seed, epoch
        What the draw depends on.
    balanced
        Whether each corpus gives as many clips of each of its emotions.
    share
        Which of how many devices it is that takes its share of the batches.
    """

    def __init__(
        self,
        data: LabelledClips,
        corpora: Sequence[str],
        settings: TrainingSettings,
        *,
        seed: int,
        epoch: int,
        balanced: bool,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.data, self.settings = data, settings
        self.seed, self.epoch = seed, epoch
        batches = _epoch(data, corpora, settings, balanced, np.random.default_rng([seed, epoch]))
        place, devices = share
        numbered = list(enumerate(batches))
        self.batches = numbered[: len(numbered) // devices * devices][place::devices]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        number, rows = self.batches[index]
        generator = np.random.default_rng(derived_seed(self.seed, self.epoch, number))
        longest = round(self.settings.max_seconds * self.data.clips.rate)
        return self.data.batch(rows, (longest, generator))


class EvenBatches(Dataset[Batch]):
    """All clips of a part, whole, in a fixed order."""

    def __init__(self, data: LabelledClips) -> None:
        self.data = data
        self.batches = list(even_batches(data.clips))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.data.batch(self.batches[index])


def _epoch(
    data: LabelledClips,
    corpora: Sequence[str],
    settings: TrainingSettings,
    balanced: bool,
    generator: np.random.Generator,
) -> list[IntArray]:
    wanted = settings.clips_per_epoch or {}
    drawn = []
    for index, name in enumerate(corpora):
        rows = np.flatnonzero(data.corpora == index)
        count = wanted.get(name, len(rows))
        if not len(rows) or not count:
            continue
        if not balanced:
            drawn.append(_repeated(rows, count, generator))
            continue
        emotions = generator.permutation(np.unique(data.labels[rows]))
        for place, emotion in enumerate(emotions):
            own = count // len(emotions) + (place < count % len(emotions))
            drawn.append(_repeated(rows[data.labels[rows] == emotion], own, generator))
    order = generator.permutation(np.concatenate(drawn)) if drawn else np.empty(0, dtype=np.int64)
    size = settings.batch_size
    if len(order) < 2:
        raise TrainingError(
            "an epoch has fewer than two clips", remedy="Give it more, or see clips_per_epoch."
        )
    if len(order) > size and len(order) % size < max(2, size // 4):
        order = order[: len(order) // size * size]  # a few clips have no statistics to speak of
    batches = []
    for start in range(0, len(order), _CHUNK * size):
        chunk = order[start : start + _CHUNK * size]
        lengths = data.clips.lengths[chunk]
        jitter = generator.normal(scale=0.2 * data.clips.rate, size=len(chunk))
        chunk = chunk[np.argsort(lengths + jitter, kind="stable")]
        batches += [chunk[at : at + size] for at in range(0, len(chunk), size)]
    return [batches[place] for place in generator.permutation(len(batches))]


def _repeated(rows: IntArray, count: int, generator: np.random.Generator) -> IntArray:
    """So many rows at random, each as often as the others or once more."""
    rounds = [generator.permutation(rows) for _ in range(-(-count // len(rows)))]
    joined: IntArray = np.concatenate(rounds)[:count] if rounds else rows[:0]
    return joined


def hold_out(
    labels: IntArray,
    corpora: IntArray,
    groups: Sequence[str | None] | None,
    share: float,
    seed: int,
) -> tuple[IntArray, bool]:
    """Rows for validation, and whether no speaker of theirs is among the others.

    In each corpus this share of the speakers is held out, one at least; where speakers are unknown
    or fewer than three, or an emotion would be lost to the training, this share of the clips of
    each emotion.

    Parameters
    ----------
    labels, corpora
        Indices of emotion and corpus, shape ``(n,)``.
    groups
        Speakers, None where unknown.
    share
        Above 0, below 1.
    seed
        Of the draw.
    """
    speakers = np.array([None] * len(labels) if groups is None else list(groups), dtype=object)
    generator = np.random.default_rng([seed, 1])
    held, disjoint = [], True
    for corpus in np.unique(corpora):
        rows = np.flatnonzero(corpora == corpus)
        chosen = _held_speakers(rows, labels, speakers, share, generator)
        if chosen is None:
            disjoint = False
            chosen = _held_clips(rows, labels, share, generator)
        held.append(chosen)
    return np.sort(np.concatenate(held)), disjoint


def _held_speakers(
    rows: IntArray,
    labels: IntArray,
    speakers: npt.NDArray[np.object_],
    share: float,
    generator: np.random.Generator,
) -> IntArray | None:
    own = speakers[rows]
    if any(speaker is None for speaker in own):
        return None
    names = sorted(set(own.tolist()))
    if len(names) < 3:
        return None
    count = min(max(1, round(share * len(names))), len(names) - 2)
    emotions = set(labels[rows].tolist())
    for _ in range(_DRAWS):
        drawn = set(generator.permutation(names)[:count].tolist())
        inside = np.array([speaker in drawn for speaker in own])
        if set(labels[rows[~inside]].tolist()) == emotions:
            chosen: IntArray = rows[inside]
            return chosen
    return None


def _held_clips(
    rows: IntArray, labels: IntArray, share: float, generator: np.random.Generator
) -> IntArray:
    held = [rows[:0]]
    for emotion in np.unique(labels[rows]):
        own = generator.permutation(rows[labels[rows] == emotion])
        held.append(own[: min(round(share * len(own)), len(own) - 1)])
    return np.concatenate(held)
