"""Every known corpus, by name."""

from __future__ import annotations

from emotone.corpora import (
    ased,
    casia,
    cremad,
    emodb,
    emovo,
    nemo,
    ravdess,
    savee,
    tess,
    turev,
    urdu,
)
from emotone.corpora.reader import CorpusInfo, Reader
from emotone.errors import CorpusError

READERS: dict[str, Reader] = {
    module.READER.info.name: module.READER
    for module in (
        ravdess,
        tess,
        cremad,
        savee,
        emodb,
        urdu,
        ased,
        turev,
        casia,
        emovo,
        nemo,
    )
}
"""Readers by name, in the order they are listed and tried."""


def registry() -> list[CorpusInfo]:
    """Facts about every known corpus."""
    return [reader.info for reader in READERS.values()]


def info(name: str) -> CorpusInfo:
    """Facts about one corpus.

    Raises
    ------
    CorpusError
        If no corpus has that name (code ``unknown_corpus``).
    """
    reader = READERS.get(name.lower())
    if reader is None:
        raise CorpusError(
            "is no known corpus",
            source=name,
            remedy=f"Known ones: {', '.join(READERS)}. Others are read as a folder per emotion or "
            "from a CSV, JSONL or Parquet manifest.",
            code="unknown_corpus",
        )
    return reader.info
