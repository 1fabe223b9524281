"""What a report shows, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone.metrics import Evaluation
    from emotone.training import History


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """One corpus of the data.

    Attributes
    ----------
    name
        ``"ravdess"``, or the user's own.
    utterances
        How many of it were used.
    speakers
        How many speakers they come from; None where unknown.
    language
        ISO 639-1 code; None where unknown.
    licence
        Its terms; None where unknown.
    """

    name: str
    utterances: int
    speakers: int | None = None
    language: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class FoldRow:
    """One fold: how many utterances it trained and tested on, and what it reached.

    Attributes
    ----------
    name
        As the split names it.
    train, test
        Utterances in each part.
    ua, wa, f1
        Figures on the test part, each from 0 to 1.
    """

    name: str
    train: int
    test: int
    ua: float
    wa: float
    f1: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A clip whose emotion was taken for another.

    Attributes
    ----------
    file
        Its path, as text.
    true, predicted
        The emotions.
    confidence
        Score of the predicted emotion, from 0 to 1.
    true_score
        Score of the true one, from 0 to 1.
    """

    file: str
    true: str
    predicted: str
    confidence: float
    true_score: float


@dataclass(frozen=True, slots=True)
class PlayableClip:
    """Audio inside the page: a voice, so personal data, under the licence of its corpus.

    Attributes
    ----------
    name
        What to call it.
    data
        The bytes of an audio file that browsers play.
    media_type
        ``"audio/flac"``, ``"audio/wav"``, ...
    """

    name: str
    data: bytes = field(repr=False)
    media_type: str = "audio/flac"


@dataclass(frozen=True, slots=True)
class ReportData:
    """What a report shows. A part that is empty or None is left out of the page.

    Attributes
    ----------
    title
        Name of the model.
    summary
        A line below it: family, features, corpora.
    evaluation
        Figures over the test parts; None where nothing was held out.
    protocol
        How training and test were parted, in a sentence.
    warning
        Why the figures flatter, such as speakers shared between train and test. Shown first.
    notes
        Anything else to know before reading the figures.
    counts
        Utterances per emotion.
    corpora
        Where they come from.
    settings
        Groups of named settings, ``{"Model": {"family": "svm", ...}, "Features": {...}}``.
    history
        Loss or learning curve of the training.
    folds
        Figures of each fold.
    mistakes
        The clips that the model got wrong, the surest first.
    clips
        Clips to play for a pair of (true, predicted) emotions. Off unless given.
    commands
        What to type next.
    created
        When, as text.
    """

    title: str
    summary: str = ""
    evaluation: Evaluation | None = None
    protocol: str = ""
    warning: str | None = None
    notes: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    corpora: Sequence[CorpusRow] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    history: History | None = None
    folds: Sequence[FoldRow] = ()
    mistakes: Sequence[Mistake] = ()
    clips: Mapping[tuple[str, str], Sequence[PlayableClip]] = field(default_factory=dict)
    commands: Sequence[str] = ()
    created: str | None = None
