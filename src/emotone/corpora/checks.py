"""Looking a corpus over before training on it: what is in it, and what is wrong with it."""

from __future__ import annotations

import hashlib
import os
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from emotone import audio, emotions
from emotone.corpora.namesakes import caution, namesakes
from emotone.corpora.utterance import Corpus, Problem, Utterance
from emotone.errors import AudioError
from emotone.prediction import Failure

_CHUNK = 1 << 20
_IMBALANCED = 3.0  # from here on an emotion can be guessed from how common it is
_FEW_SPEAKERS = 4
_FOLDS = 5
"""Folds that a model is tested in, unless another split is named."""

Progress = Callable[[int, int], None]
_Key = TypeVar("_Key", int, str)


@dataclass(frozen=True, slots=True)
class Durations:
    """Lengths of the readable clips, in seconds."""

    total_s: float
    min_s: float
    median_s: float
    max_s: float

    def to_dict(self) -> dict[str, float]:
        """The lengths, rounded to milliseconds."""
        return {
            "total_s": round(self.total_s, 3),
            "min_s": round(self.min_s, 3),
            "median_s": round(self.median_s, 3),
            "max_s": round(self.max_s, 3),
        }


@dataclass(frozen=True)
class CheckReport:
    """What a corpus holds and what is wrong with it.

    Attributes
    ----------
    corpus
        What was looked over.
    durations
        None if no clip could be read.
    rates, channels, containers
        Clips by sampling rate in Hz, number of channels, and ``"container/codec"``.
    duplicates
        Groups of files with the same bytes, each of two or more.
    unreadable
        Files that hold no audio that can be read, with the reason.
    """

    corpus: Corpus
    durations: Durations | None
    rates: dict[int, int]
    channels: dict[int, int]
    containers: dict[str, int]
    duplicates: tuple[tuple[Path, ...], ...]
    unreadable: tuple[Failure, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Names and rows that gave no utterance."""
        return self.corpus.problems

    @property
    def ok(self) -> bool:
        """Whether every file parses and can be read, and no two alike have different labels.

        Identical files of one label are only reported: some corpora come with a few (RAVDESS).
        """
        return not (self.problems or self.unreadable or self._clashing())

    @property
    def by_speaker(self) -> dict[str, dict[str, int]]:
        """Speaker (``corpus/speaker``, ``corpus/?`` where unknown) to clips per emotion."""
        return _table(self.corpus, lambda u: u.speaker_key or f"{u.corpus}/?")

    @property
    def by_corpus(self) -> dict[str, dict[str, int]]:
        """Corpus to clips per emotion."""
        return _table(self.corpus, lambda u: u.corpus)

    @property
    def genders(self) -> dict[str, int]:
        """Clips by gender; those of unknown gender under ``"unknown"``."""
        counts = Counter(utterance.gender or "unknown" for utterance in self.corpus.utterances)
        return dict(sorted(counts.items()))

    @property
    def imbalance(self) -> float:
        """Clips of the most common emotion for each of the rarest; 1 is balanced."""
        counts = self.corpus.counts.values()
        return max(counts) / min(counts) if counts else 1.0

    @property
    def hints(self) -> list[str]:
        """What to mind when training on it, one sentence each."""
        hints: list[str] = []
        counts = self.corpus.counts
        for emotion in counts:
            meant = emotions.nearly(emotion)
            if meant is not None:
                hints.append(f"{emotion} is no word that emotone knows: did you mean {meant}?")
        hints += _scarce(counts)
        common = {emotion: count for emotion, count in counts.items() if count >= _FOLDS}
        most = max(common, key=common.__getitem__, default="")
        least = min(common, key=common.__getitem__, default="")
        if common and common[most] >= _IMBALANCED * common[least]:
            hints.append(
                f"{most} has {common[most] / common[least]:.1f} times the clips of {least}: weigh "
                "the classes (--class-weight balanced) and look at UA rather than WA."
            )
        unknown = sum(utterance.speaker is None for utterance in self.corpus.utterances)
        if unknown:
            hints.append(
                f"{unknown} {'clip has' if unknown == 1 else 'clips have'} no speaker: a split by "
                "speaker cannot be made of them."
            )
        speakers = len(self.corpus.speakers)
        if 0 < speakers < _FEW_SPEAKERS:
            hints.append(
                f"there {'is one speaker' if speakers == 1 else f'are {speakers} speakers'} only: "
                "figures from it say little about a new voice."
            )
        alike = namesakes(self.corpus.utterances)
        if alike:
            hints.append(f"{caution(alike)}.")
        clashing = self._clashing()
        if clashing:
            groups = "1 group" if clashing == 1 else f"{clashing} groups"
            carry = "carries" if clashing == 1 else "carry"
            hints.append(f"{groups} of identical files {carry} different emotions.")
        if len(self.rates) > 1:
            rates = ", ".join(str(rate) for rate in self.rates)
            hints.append(f"sampling rates differ ({rates} Hz): choose a target rate for training.")
        return hints

    def _clashing(self) -> int:
        emotion = {utterance.path: utterance.emotion for utterance in self.corpus.utterances}
        return sum(len({emotion[path] for path in group}) > 1 for group in self.duplicates)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain types, ready for JSON."""
        corpus = self.corpus
        return {
            "name": corpus.name,
            "root": str(corpus.root),
            "ok": self.ok,
            "utterances": len(corpus),
            "emotions": corpus.counts,
            "speakers": len(corpus.speakers),
            "languages": corpus.languages,
            "licences": corpus.licences,
            "genders": self.genders,
            "by_corpus": self.by_corpus,
            "by_speaker": self.by_speaker,
            "durations": None if self.durations is None else self.durations.to_dict(),
            "rates": {str(rate): count for rate, count in self.rates.items()},
            "channels": {str(number): count for number, count in self.channels.items()},
            "containers": self.containers,
            "duplicates": [[str(path) for path in group] for group in self.duplicates],
            "unreadable": [failure.to_dict() for failure in self.unreadable],
            "problems": [problem.to_dict() for problem in self.problems],
            "imbalance": round(self.imbalance, 3),
            "hints": self.hints,
        }


def _scarce(counts: Mapping[str, int]) -> list[str]:
    """What to mind of emotions with hardly a clip, which no weight makes up for."""
    hints: list[str] = []
    single = [emotion for emotion, count in counts.items() if count == 1]
    if single:
        have, them = ("have one clip each", "them") if len(single) > 1 else ("has one clip", "it")
        hints.append(
            f"{', '.join(single)} {have}, which cannot be both trained on and tested: merge {them} "
            f"(--merge) or leave {them} out (--emotions)."
        )
    few = [f"{emotion} ({count})" for emotion, count in counts.items() if 1 < count < _FOLDS]
    if few:
        have, their = ("have", "their") if len(few) > 1 else ("has", "its")
        hints.append(
            f"{', '.join(few)} {have} fewer clips than a test in five folds takes: {their} figures "
            "say little."
        )
    return hints


def _table(corpus: Corpus, key: Callable[[Utterance], str]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for utterance in corpus.utterances:
        counts.setdefault(key(utterance), Counter())[utterance.emotion] += 1
    return {
        name: {emotion: counts[name][emotion] for emotion in emotions.in_order(set(counts[name]))}
        for name in sorted(counts)
    }


def check(
    corpus: Corpus, *, jobs: int | None = None, progress: Progress | None = None
) -> CheckReport:
    """Look over every file of a corpus: its header is read, and its bytes compared.

    Parameters
    ----------
    corpus
        From `emotone.corpora.load`.
    jobs
        Files looked at at once; four for each core, at most 32, if None (it waits for the disk).
    progress
        Called with files done and in all.

    Examples
    --------
    >>> check(load("data/ravdess")).durations.total_s  # doctest: +SKIP
    5329.7
    """
    workers = jobs or min(32, 4 * (os.cpu_count() or 1))
    looked: list[tuple[audio.AudioInfo | Failure, bytes | None]] = []
    pool = ThreadPoolExecutor(workers)
    try:
        for result in pool.map(_look, corpus.paths):
            looked.append(result)
            if progress is not None:
                progress(len(looked), len(corpus))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest
    infos = [info for info, _ in looked if isinstance(info, audio.AudioInfo)]
    groups: dict[bytes, list[Path]] = {}
    for path, (_, digest) in zip(corpus.paths, looked, strict=True):
        if digest is not None:
            groups.setdefault(digest, []).append(path)
    lengths = [info.duration_s for info in infos]
    return CheckReport(
        corpus=corpus,
        durations=Durations(sum(lengths), min(lengths), statistics.median(lengths), max(lengths))
        if lengths
        else None,
        rates=_counted([info.rate for info in infos]),
        channels=_counted([info.channels for info in infos]),
        containers=_counted([f"{info.container}/{info.codec}" for info in infos]),
        duplicates=tuple(tuple(group) for group in groups.values() if len(group) > 1),
        unreadable=tuple(info for info, _ in looked if isinstance(info, Failure)),
    )


def _look(path: Path) -> tuple[audio.AudioInfo | Failure, bytes | None]:
    """The header of a file or why there is none, and the digest of its bytes or None."""
    try:
        info = audio.probe(path)
    except AudioError as error:
        return Failure(str(path), error), None
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        gone = AudioError(f"cannot be read ({error.strerror})", source=path)
        return Failure(str(path), gone), None
    return info, digest.digest()


def _counted(values: list[_Key]) -> dict[_Key, int]:
    counts = Counter(values)
    return {value: counts[value] for value in sorted(counts)}
