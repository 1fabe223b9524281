"""The store: every question that the service asks of its database."""

from __future__ import annotations

from sqlalchemy import text

from emotone.server.store.database import Database


class Store:
    """What the service keeps.

    Parameters
    ----------
    url
        As `Database` takes it.

    Raises
    ------
    UsageError, MissingExtraError
        As `Database`.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def check(self) -> None:
        """Raise what stands in the way of an answer, if anything does."""
        with self.database.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
