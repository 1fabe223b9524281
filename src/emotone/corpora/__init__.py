"""Corpora of emotional speech: reading them into utterances, choosing, checking, downloading.

One small file per corpus; `load` recognises which one a folder holds.
"""

from __future__ import annotations

from emotone.corpora.catalogue import info, registry
from emotone.corpora.loading import load, load_many
from emotone.corpora.manifest import write_manifest
from emotone.corpora.reader import CorpusInfo, Download
from emotone.corpora.selection import select
from emotone.corpora.utterance import Corpus, Gender, Problem, Utterance

__all__ = [
    "Corpus",
    "CorpusInfo",
    "Download",
    "Gender",
    "Problem",
    "Utterance",
    "info",
    "load",
    "load_many",
    "registry",
    "select",
    "write_manifest",
]
