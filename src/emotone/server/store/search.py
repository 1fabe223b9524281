"""Full text over names and notes: the same words find the same on SQLite and PostgreSQL.

The two take text apart in ways of their own (``call.wav`` is a host's name to PostgreSQL), so that
is done here: a text is its words without case, accents and punctuation. SQLite finds them by FTS5,
PostgreSQL by an index of ``tsvector``.
"""

from __future__ import annotations

import re
import unicodedata

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text
from sqlalchemy.sql.expression import literal_column

from emotone.server.store.tables import Number, analyses

_WORD = re.compile(r"[^\W_]+")
_LONGEST = 100
"""Characters of a word that count; PostgreSQL refuses words of 2 KB and more."""


def words(*texts: str) -> str:
    """The words of some texts, as they are searched for.

    Examples
    --------
    >>> words("Anruf_Müller.wav", "on hold, 2x")
    'anruf muller wav on hold 2x'
    """
    found = []
    for each in texts:
        plain = unicodedata.normalize("NFKD", each.casefold())
        kept = "".join(c for c in plain if not unicodedata.combining(c))
        found += [word[:_LONGEST] for word in _WORD.findall(kept)]
    return " ".join(found)


def folded(name: str) -> str:
    """A name without case, as parts of it are looked for.

    That is Unicode's canonical caseless matching (D145). Databases fold as their makes and locales
    have it, SQLite the letters from A to Z alone.

    Examples
    --------
    >>> folded("STRASSE ÉTÉ.wav") == folded("straße e\u0301te\u0301.WAV")
    True
    """
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    return unicodedata.normalize("NFC", plain)


def matches(dialect: str, query: str) -> ColumnElement[bool] | None:
    """The condition that each word of a query begins one of an analysis; None for no words."""
    wanted = words(query).split()
    if not wanted:
        return None
    if dialect == "sqlite":
        match = " AND ".join(f'"{word}"*' for word in wanted)
        table = text("analyses_words")
        found = select(literal_column("rowid", Number)).select_from(table)
        return analyses.c.number.in_(
            found.where(text("analyses_words MATCH :match").bindparams(match=match))
        )
    query_of = func.to_tsquery(literal_column("'simple'"), " & ".join(f"{w}:*" for w in wanted))
    of_row = func.to_tsvector(literal_column("'simple'"), analyses.c.words)
    return of_row.op("@@")(query_of)


def index(connection: Connection, number: int, found: str) -> None:
    """Keep the words of an analysis; PostgreSQL does that by itself."""
    if connection.dialect.name == "sqlite":
        remove(connection, number)
        connection.execute(_INSERT, {"number": number, "words": found})


def remove(connection: Connection, number: int) -> None:
    """Forget the words of an analysis that is deleted."""
    if connection.dialect.name == "sqlite":
        connection.execute(_DELETE, {"number": number})


_INSERT = text("INSERT INTO analyses_words (rowid, words) VALUES (:number, :words)").bindparams(
    bindparam("number"), bindparam("words")
)
_DELETE = text("DELETE FROM analyses_words WHERE rowid = :number").bindparams(bindparam("number"))
