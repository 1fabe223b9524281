"""The keys in the store. They are revoked and never deleted: see `security.keyring`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Row, insert, select, update

from emotone.server.security.keys import Key
from emotone.server.store.database import Database
from emotone.server.store.tables import api_keys


class StoredKeys:
    """The table of keys.

    Parameters
    ----------
    database
        Where it is.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, key: Key) -> None:
        """Keep a new key."""
        row = {field: getattr(key, field) for field in api_keys.columns.keys()}  # noqa: SIM118
        with self.database.writing() as connection:
            connection.execute(insert(api_keys).values(row | {"scopes": sorted(key.scopes)}))

    def key(self, id: str) -> Key | None:
        """The key of that id, as it is now."""
        with self.database.reading() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == id)).first()
        return None if row is None else _key(row)

    def all(self) -> list[Key]:
        """Every key that was ever made, the oldest first."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        with self.database.reading() as connection:
            return [_key(row) for row in connection.execute(query)]

    def has_keys(self) -> bool:
        """Whether there is any key, of whatever state."""
        with self.database.reading() as connection:
            return connection.execute(select(api_keys.c.id).limit(1)).first() is not None

    def revoke(self, id: str) -> Key | None:
        """Let a key open nothing from now on; None where there is none of that id.

        One that is revoked already stays revoked since then.
        """
        revoking = (
            update(api_keys)
            .where(api_keys.c.id == id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=datetime.now(timezone.utc))
        )
        with self.database.writing() as connection:
            connection.execute(revoking)
        return self.key(id)

    def note_use(self, id: str, when: datetime) -> None:
        """Keep when a key was last used."""
        with self.database.writing() as connection:
            connection.execute(update(api_keys).where(api_keys.c.id == id).values(used_at=when))


def _key(row: Row[Any]) -> Key:
    fields = dict(row._mapping)
    return Key(**{**fields, "scopes": frozenset(fields["scopes"])})
