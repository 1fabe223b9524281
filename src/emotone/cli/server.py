"""`emotone server`: what is done to a service besides running it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli import messages, options, output
from emotone.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from emotone.server.settings import ServerSettings
    from emotone.server.store.backup import Contents
    from emotone.server.store.database import Database as OpenDatabase
    from emotone.server.store.keys import StoredKeys

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="""Keys, backups and the rest of a service's care.

    Examples:
      emotone server keys create laptop
      emotone server backup emotone.tar
      emotone server restore emotone.tar --folder /srv/emotone
    """,
)
keys = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="""Make, list and revoke API keys.

    Examples:
      emotone server keys create laptop
      emotone server keys list
      emotone server keys revoke 3f8a12c09b4d
    """,
)
app.add_typer(keys, name="keys")

Folder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The folder of the service, as for 'emotone serve'."),
]
Database = Annotated[
    str | None,
    typer.Option(metavar="URL", envvar="EMOTONE_DATABASE", help="As for 'emotone serve'."),
]


@app.command(no_args_is_help=True)
def backup(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    folder: Folder = None,
    database: Database = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there.")
    ] = False,
) -> None:
    """Write all that the service keeps to one file, while it runs or not.

    It holds results, corrections, kept audio, what waits to be analysed, and
    the digests of keys: keep it as safe as the service itself.

    Examples:
      emotone server backup emotone-2026-03-01.tar
    """
    with _opened(folder, database, within=True) as (settings, opened):
        from emotone.server.store.backup import back_up

        if out.exists() and not overwrite:
            raise UsageError(
                "there is such a file",
                source=out,
                remedy="Give another name, or replace it with --overwrite.",
            )
        contents = back_up(opened, settings.folder, out)
    messages.note(f"Written: {out} ({_counted(contents)})")


@app.command(no_args_is_help=True)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'backup' wrote.")],
    folder: Folder = None,
    database: Database = None,
) -> None:
    """Put a backup back, into a service that has nothing yet.

    The database may be another kind: this is also the way from a file to
    PostgreSQL and back.

    Examples:
      emotone server restore emotone-2026-03-01.tar --folder /srv/emotone
      emotone server restore emotone.tar --database postgresql://me@db/emotone
    """
    try:
        from emotone.server import folder as folders
        from emotone.server.store import backup as backups
    except ImportError as error:
        raise MissingExtraError("The service", "server") from error

    backups.check(file)  # before there is a folder
    with _opened(folder, database, new=True) as (settings, opened):
        place = folders.Folder(settings.folder)
        try:
            contents = backups.restore(file, opened, place)
        finally:
            place.close()
    messages.note(f"Restored into {settings.folder}: {_counted(contents)}")


@keys.command(no_args_is_help=True)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")],
    scopes: Annotated[
        str, typer.Option(metavar="A,B,...", help="What it may do, of read, write and admin.")
    ] = "read,write",
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER", help="Whose analyses it sees; keys of one owner share them. Else new."
        ),
    ] = None,
    per_minute: Annotated[
        int | None,
        typer.Option(metavar="N", help="Requests a minute. Else the service's own limit."),
    ] = None,
    days: Annotated[
        float | None, typer.Option(metavar="N", help="Days until it expires. Else never.")
    ] = None,
    folder: Folder = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Make a key, and print it, this once.

    Only a digest of it is kept. The first key closes the service to everyone
    without one; what was analysed before belongs to the owner 'local'. It may
    be made before the service runs; a folder of your own must be there then.

    Examples:
      emotone server keys create laptop
      emotone server keys create old-results --owner local
      emotone server keys create monitor --scopes admin --days 90
    """
    with _stored(folder, database, new=folder is None or _empty(folder)) as stored:
        from emotone.server.security.keys import make

        key, token = make(
            name, options.names(scopes) or [], owner=owner, per_minute=per_minute, days=days
        )
        stored.add(key)
    if as_json:
        output.write_json({**key.to_dict(), "key": token})
        return
    print(token)
    messages.note(f"Key {key.id} ({name}). It is not shown again, so put it in a safe place now.")


@keys.command("list")
def list_keys(
    folder: Folder = None, database: Database = None, as_json: options.Json = False
) -> None:
    """List all keys, revoked ones too.

    Examples:
      emotone server keys list
    """
    with _stored(folder, database) as stored:
        rows = [key.to_dict() for key in stored.all()]
    if as_json:
        output.write_json(rows)
        return
    from rich.text import Text

    table = output.table("Id", "Name", "Owner", "Scopes", "State", "Last used")
    for row in rows:
        used = (row["used_at"] or "never").replace("+00:00", "Z")
        name, owner = messages.printable(row["name"]), messages.printable(row["owner"])
        scopes = ", ".join(row["scopes"])
        table.add_row(row["id"], Text(name), Text(owner), scopes, row["state"], used)
    output.show(table)


@keys.command(no_args_is_help=True)
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As 'keys list' shows it.")],
    folder: Folder = None,
    database: Database = None,
) -> None:
    """Revoke a key, at once and for good.

    The analyses of its owner stay; a new key with --owner sees them.

    Examples:
      emotone server keys revoke 3f8a12c09b4d
    """
    with _stored(folder, database) as stored:
        key = stored.revoke(key_id)
    if key is None:
        raise UsageError(
            "there is no such key", source=key_id, remedy="'emotone server keys list' shows all."
        )
    messages.note(f"Key {key.id} ({messages.printable(key.name)}) opens nothing any more.")


@contextlib.contextmanager
def _stored(
    folder: Path | None, database: str | None, *, new: bool = False
) -> Iterator[StoredKeys]:
    """The keys of the service that the options name, whether or not it runs."""
    with _opened(folder, database, new=new) as (_, opened):
        from emotone.server.store.keys import StoredKeys

        yield StoredKeys(opened)


@contextlib.contextmanager
def _opened(
    folder: Path | None, database: str | None, *, new: bool = False, within: bool = False
) -> Iterator[tuple[ServerSettings, OpenDatabase]]:
    """The database of the service that the options name, whether or not it runs.

    Unless it may be a new one, nothing is made where there is none. The folder of a service with a
    database elsewhere matters only for what is done within it.
    """
    try:
        from emotone.server.settings import ServerSettings, default_folder
        from emotone.server.store.database import Database
    except ImportError as error:
        raise MissingExtraError("The service", "server") from error

    settings = ServerSettings(folder=folder or default_folder(), database=database)
    if not new and (database is None or within):
        _check(settings.folder)
    if database is None:
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = Database(settings.database_url)
    try:
        yield settings, opened
    finally:
        opened.close()


def _check(folder: Path) -> None:
    """Raise if a folder is none of a service."""
    if not any((folder / name).is_file() for name in ("node", "emotone.db")):
        raise UsageError(
            "no service has run here yet, so there is nothing to back up or to change",
            source=folder,
            remedy="Name its folder with --folder, or start one: emotone serve --folder DIR",
            code="no_service",
        )


def _empty(folder: Path) -> bool:
    """Whether a folder is there, with nothing in it."""
    return folder.is_dir() and not any(folder.iterdir())


def _counted(contents: Contents) -> str:
    """What a backup holds, in a few words."""
    found = contents.rows["analyses"]
    return (
        f"{output.counted(found, 'analysis', 'analyses')}, "
        f"{output.counted(contents.recordings, 'recording')}"
    )
