"""All that a service keeps in one file, and back again, from any database to any other.

The file is a tar of tables, a row of JSON on each line, and of the recordings that wait or are
kept. Its last entry has a checksum of each other one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, func, select, text

import emotone
from emotone.errors import UsageError
from emotone.server.folder import Folder, gathering, remove
from emotone.server.store import search
from emotone.server.store.database import HEAD, Database
from emotone.server.store.tables import Moment, analyses, metadata

FORMAT = 1

_ABOUT, _CHECKSUMS = "backup.json", "checksums.json"
_ROWS, _LARGE_ROWS = 200, 4
"""Rows that are in memory at once: small ones, and those that hold timelines or pictures."""

_ROUNDS = 50
_PIECE = 1 << 20
_MOST_SMALL = 64 * _PIECE
_WAITS = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds.

    Attributes
    ----------
    created_at
        In UTC.
    version
        Of the emotone that made it.
    node
        The service whose recordings it has.
    rows
        By table.
    recordings
        How many.
    """

    created_at: str
    version: str
    node: str
    rows: Mapping[str, int]
    recordings: int


def back_up(database: Database, folder: Path, out: Path) -> Contents:
    """Write everything to a file, whether or not the service runs meanwhile.

    Parameters
    ----------
    database
        Of the service.
    folder
        Of the service.
    out
        The file, readable by its owner alone; what is there is replaced when the new one is
        complete.

    Raises
    ------
    UsageError
        If the folder is none of a service, the database has recordings of other services too, one
        that waits is not there, or the file cannot be written.
    """
    node = folder / "node"
    if not node.is_file():
        raise UsageError(
            "no service has run here yet, so there is nothing to back up",
            source=folder,
            remedy="Name its folder with --folder.",
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                contents = _write(database, folder, node.read_text("ascii").strip(), file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"the backup cannot be written ({error.strerror})",
            source=error.filename or out,
            remedy="Choose another place.",
        ) from error
    return contents


def check(file: Path) -> None:
    """Read a backup to its end, before there is anything that it could be put into.

    Raises
    ------
    UsageError
        If the file is no backup, damaged, or of another version.
    """
    _unpack(file, None)


def restore(file: Path, database: Database, folder: Folder) -> Contents:
    """Put back what a backup holds, into a service that has nothing yet.

    All of the file is checked before anything is put anywhere. What was being analysed when the
    backup was made is analysed anew.

    Parameters
    ----------
    file
        As `back_up` wrote it.
    database, folder
        Of the service, which must not run.

    Raises
    ------
    UsageError
        If the service has something, or the file is no backup, damaged, or of another version.
    """
    with database.reading() as connection:
        for table in metadata.sorted_tables:
            if connection.execute(select(func.count()).select_from(table)).scalar():
                raise UsageError(
                    "there is something in this store already",
                    remedy="Restore into an empty folder and an empty database.",
                    code="not_empty",
                )
    place = folder.incoming / secrets.token_hex(16)
    place.mkdir(mode=0o700)
    try:
        contents = _unpack(file, place)
        with database.writing() as connection:
            for table in metadata.sorted_tables:
                _fill(connection, table, place / "tables" / f"{table.name}.jsonl")
            _count_on(connection)
            for recording in (place / "recordings").iterdir():
                folder.take_in(recording, recording.name)
            folder.become(contents.node)
    finally:
        remove(place)
    return contents


def _write(database: Database, folder: Path, node: str, file: Any) -> Contents:
    with gathering(folder) as place:
        (place / "tables").mkdir()
        for _ in range(_ROUNDS):
            # One state of the database, and the recordings that belong to it. They are held before
            # the tables are written, which may take longer than an analysis: one may be through and
            # its recording gone even so, and then there is a later state to take.
            with database.reading() as connection:
                _check_whole(connection, node)
                held, missing = _gather(connection, node, folder, place)
                if not missing:
                    rows = {
                        table.name: _dump(
                            connection, table, place / "tables" / f"{table.name}.jsonl"
                        )
                        for table in metadata.sorted_tables
                    }
                    break
        else:
            raise UsageError(
                f"{missing} analyses wait whose recordings are not there",
                source=folder / "recordings",
                remedy="Try again while the service runs: it gives up what it cannot read.",
                code="no_recording",
            )
        contents = Contents(
            created_at=datetime.now(timezone.utc).isoformat(),
            version=emotone.__version__,
            node=node,
            rows=rows,
            recordings=len(held),
        )
        _pack(contents, place, held, file)
    return contents


def _check_whole(connection: Connection, node: str) -> None:
    """Refuse what would hold analyses without their recordings, which lie in other folders."""
    others = connection.execute(
        select(func.count(analyses.c.node.distinct())).where(
            analyses.c.node != node, analyses.c.has_audio | analyses.c.state.in_(_WAITS)
        )
    ).scalar_one()
    if others:
        raise UsageError(
            f"{others} other services with folders of their own use this database, and their "
            "recordings would be missing",
            remedy="Stop them all, then back up the database with pg_dump and copy each folder.",
            code="shared_database",
        )


def _gather(connection: Connection, node: str, folder: Path, place: Path) -> tuple[list[str], int]:
    """Hold the recordings that belong to a state; their ids, and how many that wait are gone."""
    waits = analyses.c.state.in_(_WAITS)
    wanted = connection.execute(
        select(analyses.c.id, waits)
        .where(analyses.c.node == node, analyses.c.has_audio | waits)
        .order_by(waits.desc(), analyses.c.number)  # first those that will be gone first
    ).all()
    held = {id: _hold(folder / "recordings" / id, place / id) for id, _ in wanted}
    missing = sum(waiting and not held[id] for id, waiting in wanted)
    return [id for id, there in held.items() if there], missing


def _hold(source: Path, target: Path) -> bool:
    """Keep a recording though it be deleted meanwhile; whether it was there."""
    if target.exists():
        return True
    recording = source / "recording"
    try:
        try:
            os.link(recording, target)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            shutil.copyfile(recording, target)
    except FileNotFoundError:
        return False
    return True


def _pack(contents: Contents, place: Path, held: Iterable[str], file: Any) -> None:
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w") as archive:
        about = {"format": FORMAT, "step": HEAD, **_plain(contents)}
        _add_bytes(archive, _ABOUT, json.dumps(about, indent=2).encode(), sums)
        for table in metadata.sorted_tables:
            name = f"tables/{table.name}.jsonl"
            _add_file(archive, name, place / name, sums)
        for id in held:
            _add_file(archive, f"recordings/{id}", place / id, sums)
        _add_bytes(archive, _CHECKSUMS, json.dumps(sums, indent=2).encode(), {})


def _plain(contents: Contents) -> dict[str, Any]:
    return {
        "created_at": contents.created_at,
        "version": contents.version,
        "node": contents.node,
        "rows": dict(contents.rows),
        "recordings": contents.recordings,
    }


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes, sums: dict[str, str]) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(data), 0o600
    archive.addfile(about, io.BytesIO(data))
    sums[name] = hashlib.sha256(data).hexdigest()


def _add_file(archive: tarfile.TarFile, name: str, path: Path, sums: dict[str, str]) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode = path.stat().st_size, 0o600
    with path.open("rb") as file:
        archive.addfile(about, file)
        file.seek(0)
        sums[name] = _sum(_pieces(file))


def _sum(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _dump(connection: Connection, table: Table, path: Path) -> int:
    """Write the rows of a table; says how many."""
    count = 0
    rows = connection.execute(
        select(table).order_by(*table.primary_key), execution_options={"yield_per": _at_once(table)}
    )
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(dict(row._mapping), default=_text) + "\n")
            count += 1
    return count


def _at_once(table: Table) -> int:
    return _LARGE_ROWS if any(isinstance(c.type, LargeBinary) for c in table.c) else _ROWS


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(type(value).__name__)


def _fill(connection: Connection, table: Table, path: Path) -> None:
    """Put the rows of a file into a table."""
    waiting: list[dict[str, Any]] = []
    most = _at_once(table)
    for row in _rows(table, path):
        waiting.append(row)
        if len(waiting) == most:
            connection.execute(table.insert(), waiting)
            waiting = []
        if table is analyses:
            search.index(connection, row["number"], row["words"])
    if waiting:
        connection.execute(table.insert(), waiting)


def _rows(table: Table, path: Path) -> Iterator[dict[str, Any]]:
    times = [column.name for column in table.c if isinstance(column.type, Moment)]
    binary = [column.name for column in table.c if isinstance(column.type, LargeBinary)]
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            for name in times:
                row[name] = None if row[name] is None else datetime.fromisoformat(row[name])
            for name in binary:
                row[name] = base64.b64decode(row[name], validate=True)
            if table is analyses and row["state"] == "running":
                row |= {"state": "queued", "run": None}
            yield row


def _count_on(connection: Connection) -> None:
    """Let PostgreSQL give the next analysis a number that none has."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text(
                "SELECT setval(pg_get_serial_sequence('analyses', 'number'), "
                "COALESCE((SELECT max(number) FROM analyses), 0) + 1, false)"
            )
        )


def _unpack(file: Path, place: Path | None) -> Contents:
    """Take a backup apart into a folder, where there is one, and check it."""
    if place is not None:
        for name in ("tables", "recordings"):
            (place / name).mkdir(mode=0o700)
    sums: dict[str, str] = {}
    small: dict[str, Any] = {}
    try:
        with tarfile.open(file, mode="r:") as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isfile() else None
                if source is None:
                    raise ValueError(f"has an entry {member.name!r} that is no file")
                if member.name in (_ABOUT, _CHECKSUMS):
                    data = source.read(min(member.size, _MOST_SMALL))
                    small[member.name] = json.loads(data)
                    sums[member.name] = hashlib.sha256(data).hexdigest()
                    continue
                name = _known(member.name)
                if name in sums:
                    raise ValueError(f"has more than one entry {name!r}")
                if place is None:
                    sums[name] = _sum(_pieces(source))
                else:
                    with (place / name).open("xb") as out:
                        sums[name] = _sum(_copied(source, out))
        about, expected = small[_ABOUT], small[_CHECKSUMS]
        del sums[_CHECKSUMS]
        if sums != expected:
            raise ValueError("is damaged: its checksums are others")
        return _contents(about, file)
    except FileNotFoundError as error:
        raise UsageError("there is no such file", source=file, remedy="Check the path.") from error
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError, OSError) as error:
        cause = str(error) if type(error) is ValueError else f"is no whole backup ({error})"
        raise UsageError(
            cause, source=file, remedy="Give a file that 'emotone server backup' wrote."
        ) from error


def _contents(about: Mapping[str, Any], file: Path) -> Contents:
    if about["format"] != FORMAT or about["step"] != HEAD:
        raise UsageError(
            f"the backup is of emotone {about['version']}, which keeps things in another form",
            source=file,
            remedy=f"Restore it with: pip install 'emotone[server]=={about['version']}'. Then "
            "upgrade.",
            code="other_version",
        )
    uuid.UUID(about["node"])
    return Contents(
        about["created_at"], about["version"], about["node"], about["rows"], about["recordings"]
    )


def _known(name: str) -> str:
    """A name that a backup may hold, which leads nowhere else."""
    folder, _, rest = name.partition("/")
    if folder == "tables" and rest in {f"{table.name}.jsonl" for table in metadata.sorted_tables}:
        return name
    if folder == "recordings":
        with contextlib.suppress(ValueError):
            if str(uuid.UUID(rest)) == rest:
                return name
    raise ValueError(f"has an entry {name!r} that belongs to no backup")


def _pieces(source: Any) -> Iterator[bytes]:
    return iter(lambda: source.read(_PIECE), b"")


def _copied(source: Any, out: Any) -> Iterator[bytes]:
    for piece in _pieces(source):
        out.write(piece)
        yield piece
