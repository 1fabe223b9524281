"""`emotone serve`: the service and its page."""

from __future__ import annotations

import os
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from emotone.cli import messages
from emotone.errors import MissingExtraError, UsageError

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `emotone predict`

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, metavar="N", help="0 for a free one.")
    ] = 8000,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where results and uploads are kept. Else among your data."
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="EMOTONE_DATABASE", help="PostgreSQL in place of a file."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="One more model to choose. May be repeated."),
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option(metavar="N", help="Delete results after so many days. Else never."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Recordings heard at once.")
    ] = 1,
    live_each: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Live sessions of one key at once. Else 128."),
    ] = None,
    live_all: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Live sessions at once. Else 256.")
    ] = None,
    live_threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Cores for live sessions. Else all, up to four."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let anyone who reaches it in, without a key.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            envvar="EMOTONE_HOSTS",
            help="One more name that it is reached by. May be repeated.",
        ),
    ] = None,
    log: Annotated[
        str,
        typer.Option(
            metavar="quiet|text|json", envvar="EMOTONE_LOG", help="What it says of itself."
        ),
    ] = "quiet",
    log_details: Annotated[
        bool, typer.Option("--log-details", help="Log names, paths and addresses of clients, too.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """Run the service and open its page.

    It listens on this machine alone, keeps what it is given in a folder of
    yours, and sends nothing anywhere. Recordings are deleted when they are
    analysed, unless they are to be kept. Ctrl-C stops it: analyses that are
    not through go on when it starts again.

    Examples:
      emotone serve
      emotone serve --no-browser --port 9000 --keep-days 30
      emotone serve --model mine=mine.emotone
      emotone serve --host 0.0.0.0 --database postgresql://emotone@db/emotone
    """
    try:
        from emotone.server import logs
        from emotone.server.app import create_app
        from emotone.server.running import Server
        from emotone.server.settings import ServerSettings, default_folder
    except ImportError as error:
        raise MissingExtraError("The service", "server") from error

    live = {"live_each": live_each, "live_all": live_all}
    settings = ServerSettings(
        folder=folder or default_folder(),
        database=database,
        host=host,
        port=port,
        insecure=insecure,
        names=tuple(allow_host or ()),
        log_details=log_details,
        models=_models(model or []),
        results_days=keep_days,
        jobs_at_once=jobs,
        live_threads=live_threads,
        **{name: value for name, value in live.items() if value is not None},
    )
    logs.start(logs.check(log), details=log_details)
    service = create_app(settings)
    if not settings.loopback and not insecure and not service.state.keyring.usable:
        raise UsageError(
            "beyond this machine the service asks for a key, and there is none",
            source=f"--host {host}",
            remedy="Make one first (emotone server keys create NAME), or give --insecure.",
            code="no_key",
        )

    def started(address: str) -> None:
        also = ", at every address of this machine," if settings.everywhere else ""
        messages.note(f"emotone runs at {address}{also} and keeps its data in {settings.folder}")
        messages.note("Ctrl-C stops it")
        if browser:
            # On a thread: a browser in the terminal would keep the service from answering it.
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    Server(service, settings, started).serve_until_stopped()
    messages.note("Stopped")


def _models(given: list[str]) -> dict[str, Path]:
    """Paths by name."""
    found = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not (equals and name.strip() and path):
            raise UsageError(f"--model {each} is no pair", remedy="Write it as --model NAME=PATH.")
        found[name.strip()] = Path(path)
    return found
