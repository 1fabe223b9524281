"""A corpus whose features are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotone.corpora import Corpus, Utterance
from emotone.errors import EmotoneError
from emotone.prediction import Failure

if TYPE_CHECKING:
    from emotone.feature_table.table import FeatureTable


@dataclass(frozen=True, slots=True)
class StoredUtterance(Utterance):
    """An utterance whose features lie in a table.

    Attributes
    ----------
    row
        Which row of the table it is.
    error
        Why that has no features; None where it has.
    """

    row: int = -1
    error: EmotoneError | None = field(default=None, compare=False)


@dataclass(frozen=True)
class StoredCorpus(Corpus):
    """A corpus whose features are stored, in the order in which they were extracted.

    Attributes
    ----------
    table
        Where.
    """

    table: FeatureTable = field(default=None)  # type: ignore[assignment]

    def row(self, utterance: Utterance) -> int:
        """Where the features of an utterance lie in the table."""
        assert isinstance(utterance, StoredUtterance)
        return utterance.row


def failures(corpus: StoredCorpus) -> list[Failure]:
    """Its clips that have no features, with the reason."""
    return [
        Failure(str(utterance.path), utterance.error)
        for utterance in corpus.utterances
        if isinstance(utterance, StoredUtterance) and utterance.error is not None
    ]
