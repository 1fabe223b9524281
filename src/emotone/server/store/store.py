"""The store: every question that the service asks of its database, by what it is about."""

from __future__ import annotations

from sqlalchemy import text

from emotone.server.store.analyses import Analyses
from emotone.server.store.corrections import Corrections
from emotone.server.store.database import Database
from emotone.server.store.queue import Queue
from emotone.server.store.results import Results


class Store:
    """What the service keeps.

    Parameters
    ----------
    url
        As `Database` takes it.

    Attributes
    ----------
    database
        Where it is kept.
    analyses, queue, results, corrections
        What can be asked.

    Raises
    ------
    UsageError, MissingExtraError
        As `Database`.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.analyses = Analyses(self.database)
        self.queue = Queue(self.database)
        self.results = Results(self.database)
        self.corrections = Corrections(self.database)

    def check(self) -> None:
        """Raise what stands in the way of an answer, if anything does."""
        with self.database.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
