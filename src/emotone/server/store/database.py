"""The database: opened, brought to the form that this emotone knows, and told when it writes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from emotone.errors import MissingExtraError, UsageError

HEAD = "pieces"
"""The last step of the migrations."""

_BUSY_MS = 15_000
_WRITES = "emotone_writes"
_MIGRATING = 7_391_604_151
"""Names the lock that a service holds on PostgreSQL while it changes tables."""


class Database:
    """Connections to SQLite or PostgreSQL.

    Parameters
    ----------
    url
        As SQLAlchemy takes it: ``sqlite:////folder/emotone.db``, ``postgresql+psycopg://host/name``.

    Raises
    ------
    UsageError
        If it is neither, cannot be reached, or was made by a later emotone.
    MissingExtraError
        For PostgreSQL without its package.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        try:
            self._migrate()
        except DBAPIError as error:
            self.engine.dispose()
            raise UsageError(
                f"the database cannot be used ({_first_line(error)})",
                source=make_url(url).render_as_string(hide_password=True),
                remedy="Check its address, that it runs, and that it may be written to.",
                code="no_database",
            ) from error
        except BaseException:
            self.engine.dispose()
            raise

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the store, whatever is written meanwhile."""
        if self.dialect == "sqlite":
            with self.engine.begin() as connection:
                yield connection
        else:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            with self.engine.connect().execution_options(**options) as connection:
                yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is kept whole at the end of the block, or not at all."""
        with (
            self.engine.connect().execution_options(**{_WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection

    def scrub(self) -> None:
        """Let SQLite write over what was deleted, in its log too.

        PostgreSQL does that by itself, by and by (autovacuum).
        """
        if self.dialect != "sqlite":
            return
        with self.writing() as connection:
            connection.execute(
                text("INSERT INTO analyses_words (analyses_words) VALUES ('optimize')")
            )
        raw = self.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        """Take the steps that are missing."""
        with self.reading() as connection:
            if _version(connection) == HEAD:
                return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        with self.writing() as connection:
            if self.dialect == "postgresql":
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATING}
                )
            config = Config()
            folder = Path(__file__).parent / "migrations"
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, HEAD)
            except CommandError as error:
                raise UsageError(
                    f"the store was made by a later emotone (step {_version(connection)})",
                    remedy="Upgrade with: pip install --upgrade 'emotone[server]'",
                    code="later_store",
                ) from error


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _engine(url: str) -> Engine:
    try:
        name = make_url(url).get_backend_name()
        if name not in ("sqlite", "postgresql"):
            raise UsageError(
                f"the store cannot be a database of {name}",
                remedy="Give postgresql://USER@HOST/NAME, or nothing for a file of SQLite.",
            )
        # Each thread that answers a request may need one.
        engine = create_engine(url, pool_size=10, max_overflow=50, pool_pre_ping=name != "sqlite")
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            "this is no address of a database", remedy="Give postgresql://USER@HOST/NAME."
        ) from error
    except ImportError as error:
        raise MissingExtraError("a store in PostgreSQL", "postgres") from error
    if name == "sqlite":
        _make_private(engine.url.database)
        event.listen(engine, "connect", _connected)
        event.listen(engine, "begin", _begun)
    return engine


def _make_private(file: str | None) -> None:
    """Make a database that is not there yet, for its owner alone, whatever the folder is for.

    SQLite gives the files beside it (the log of what is written) the same rights.
    """
    if file and file != ":memory:":
        with contextlib.suppress(OSError):  # which to open it will tell of
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _connected(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver would begin too late, see `_begun`
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # what was accepted is there after a power cut, too
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begun(connection: Connection) -> None:
    # A transaction that reads first and writes later fails when another wrote between.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _first_line(error: Exception) -> str:
    text_of = str(getattr(error, "orig", None) or error).strip().splitlines()
    return text_of[0][:200] if text_of else type(error).__name__
