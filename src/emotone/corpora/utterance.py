"""Labelled clips, and the corpus they make up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from emotone import emotions

Gender = Literal["female", "male"]
"""As the makers of the corpora wrote it down."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled clip of a corpus.

    Attributes
    ----------
    path
        The audio file.
    emotion
        Canonical name, see `emotone.emotions`.
    corpus
        Name of the corpus it comes from, ``"ravdess"``.
    label
        The emotion in the corpus's own word or code, ``"ps"``, ``"W"``.
    speaker
        Unique within the corpus; None where the corpus does not tell.
    language
        ISO 639-1 code, ``"de"``.
    gender
        Of the speaker, as the corpus gives it.
    intensity
        In the corpus's own word: ``"normal"``, ``"strong"``, ``"high"``.
    sentence
        What was said: the text where it is known, else the corpus's own number for it.
    extra
        Anything else the corpus tells, as text.
    """

    path: Path
    emotion: str
    corpus: str
    label: str
    speaker: str | None = None
    language: str | None = None
    gender: Gender | None = None
    intensity: str | None = None
    sentence: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def speaker_key(self) -> str | None:
        """The speaker, unique over all corpora: ``"ravdess/07"``; None where unknown."""
        return None if self.speaker is None else f"{self.corpus}/{self.speaker}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or row of a corpus that gave no utterance, and why.

    Attributes
    ----------
    path
        The file, folder or manifest.
    reason
        What is wrong, as a clause.
    kind
        ``"name"`` (does not parse), ``"row"`` (of a manifest), ``"missing"`` (listed, not there),
        ``"folder"`` (fits no reader), ``"repeated"`` (given twice).
    """

    path: Path
    reason: str
    kind: str = "name"

    def to_dict(self) -> dict[str, str]:
        """The problem as plain types, ready for JSON."""
        return {"path": str(self.path), "kind": self.kind, "reason": self.reason}


@dataclass(frozen=True)
class Corpus:
    """Utterances in a stable order, and what could not be read.

    Attributes
    ----------
    name
        Of the reader, the manifest or the folder.
    root
        The folder or manifest it was read from.
    utterances
        Sorted by path as text (a manifest keeps the order of its rows), so that the same files give
        the same order on every machine: random splits depend on it.
    problems
        What gave no utterance, with the reason.
    """

    name: str
    root: Path
    utterances: tuple[Utterance, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.utterances)

    def __repr__(self) -> str:
        # Not every utterance: a notebook would print all of some thousand.
        parts = [f"{len(self.utterances)} utterances", f"{len(self.speakers)} speakers"]
        parts += [f"{len(self.problems)} problems"] if self.problems else []
        return f"Corpus({self.name!r}, {', '.join(parts)}, emotions={', '.join(self.emotions)})"

    @property
    def paths(self) -> list[Path]:
        """The audio files, in order."""
        return [utterance.path for utterance in self.utterances]

    @property
    def labels(self) -> list[str]:
        """The canonical emotion of each utterance, in order."""
        return [utterance.emotion for utterance in self.utterances]

    @property
    def emotions(self) -> list[str]:
        """The distinct emotions, in the order of the vocabulary."""
        return emotions.in_order({utterance.emotion for utterance in self.utterances})

    @property
    def counts(self) -> dict[str, int]:
        """Utterances per emotion, in the order of the vocabulary."""
        counted = Counter(self.labels)
        return {emotion: counted[emotion] for emotion in self.emotions}

    @property
    def speakers(self) -> list[str]:
        """The distinct known speakers as ``corpus/speaker``, sorted."""
        return sorted({u.speaker_key for u in self.utterances if u.speaker_key is not None})

    @property
    def corpora(self) -> list[str]:
        """The distinct names of the corpora the utterances come from, sorted."""
        return sorted({utterance.corpus for utterance in self.utterances})

    @property
    def languages(self) -> list[str]:
        """The distinct known languages, sorted."""
        return sorted({u.language for u in self.utterances if u.language is not None})

    @property
    def licences(self) -> dict[str, str]:
        """The terms of each known corpus in it; one of your own has none here."""
        from emotone.corpora.catalogue import READERS

        return {name: READERS[name].info.licence for name in self.corpora if name in READERS}

    def with_utterances(self, utterances: tuple[Utterance, ...]) -> Corpus:
        """The same corpus over other utterances."""
        return replace(self, utterances=utterances)
