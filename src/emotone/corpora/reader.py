"""What a corpus reader is: facts about the corpus, and how one file name becomes a label."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from emotone.corpora.utterance import Gender

Table = Mapping[str, Mapping[str, str]]
"""Rows of a table that comes with a corpus, by file stem or speaker."""


class UnparsedNameError(ValueError):
    """A file name that is not one of the corpus; the text says why."""


@dataclass(frozen=True, slots=True)
class Download:
    """One archive or file of a corpus at a public direct address.

    Attributes
    ----------
    url
        Direct address.
    filename
        What to call it here.
    md5
        As the distributor publishes it, in hex; None where none is published.
    bytes
        Size as published; None where unknown.
    part
        Which part of the corpus it is (``"speech"``), for choosing.
    optional
        Whether it is left out unless asked for by its part.
    generated
        Whether the server packs it anew for each request, so that equal content may have other
        bytes: nothing can be checked but the archive's own checksums, and it cannot be resumed.
    inside
        Only this folder of the archive is unpacked; all of it if empty.
    """

    url: str
    filename: str
    md5: str | None = None
    bytes: int | None = None
    part: str = "all"
    optional: bool = False
    generated: bool = False
    inside: str = ""

    @property
    def warning(self) -> str | None:
        """What to know before trusting it, where nothing guards its content on the way here."""
        if self.md5 is not None or self.url.lower().startswith("https://"):
            return None
        return (
            "The connection is not encrypted and no checksum is published: the first download is "
            "trusted, whoever may have changed it on the way."
        )


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """Facts about a corpus, as its distributor states them.

    Attributes
    ----------
    name
        Name of the reader.
    title
        Full name.
    language
        ISO 639-1 code.
    emotions
        Canonical emotions in it.
    licence
        Terms in short.
    citation
        What to cite.
    homepage
        Where it is described and obtained.
    downloads
        Public direct addresses; empty where there is none.
    instructions
        How to get it by hand.
    """

    name: str
    title: str
    language: str
    emotions: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    downloads: tuple[Download, ...] = ()
    instructions: str = ""

    def to_dict(self) -> dict[str, object]:
        """The facts as plain types, ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "language": self.language,
            "emotions": list(self.emotions),
            "licence": self.licence,
            "citation": self.citation,
            "homepage": self.homepage,
            "downloads": [
                {
                    "url": d.url,
                    "part": d.part,
                    "md5": d.md5,
                    "bytes": d.bytes,
                    "warning": d.warning,
                }
                for d in self.downloads
            ],
            "instructions": self.instructions,
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file name tells; the fields are those of `Utterance`."""

    emotion: str
    label: str
    speaker: str | None = None
    gender: Gender | None = None
    intensity: str | None = None
    sentence: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def rows_of(root: Path, name: str, **dialect: Any) -> list[dict[str, str]]:
    """The rows of a table that came with a corpus; none where it is not there.

    Parameters
    ----------
    root
        The folder of the audio. The table lies in it, or in the one above.
    name
        Of the file: UTF-8 with a head; what is no UTF-8 is replaced.
    dialect
        What `csv.DictReader` has to know besides.
    """
    for folder in (root, root.parent):
        file = folder / name
        if file.is_file():
            with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
                return list(csv.DictReader(lines, **dialect))
    return []


def no_table(root: Path) -> Table:
    """The table of a corpus that has none."""
    return {}


@dataclass(frozen=True, slots=True)
class Reader:
    """How to read one corpus.

    Attributes
    ----------
    info
        Facts about the corpus.
    parse
        Path of an audio file below the corpus's folder, and the corpus's table -> what they tell.
        Raises `UnparsedNameError` for a name that is not of this corpus.
    table
        Reads the table that comes with the corpus, from its folder; empty where it is absent.
    """

    info: CorpusInfo
    parse: Callable[[PurePosixPath, Table], Reading]
    table: Callable[[Path], Table] = no_table


def look_up(codes: Mapping[str, str], code: str, what: str) -> str:
    """The meaning of a code in a file name.

    Raises
    ------
    UnparsedNameError
        If the code is not one of the corpus.
    """
    try:
        return codes[code]
    except KeyError:
        known = ", ".join(codes)
        raise UnparsedNameError(f"{code!r} is no {what} of this corpus ({known})") from None
