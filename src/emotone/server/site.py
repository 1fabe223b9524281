"""The page: what Vite built of ``web/``, served as it lies in the package."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse

FOLDER = Path(__file__).resolve().parent / "page"

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".md": "text/plain; charset=utf-8",
}
"""By the ending, and not by what the machine's own list says: on Windows a script may be text."""


def install(app: FastAPI, folder: Path = FOLDER) -> None:
    """A route for each file of the page, and the page itself at ``/``.

    What is not there stays an error of the one shape, and no path leads out of the folder.
    """
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        _add(app, "/" if name == "index.html" else f"/{name}", file)


def _add(app: FastAPI, path: str, file: Path) -> None:
    # The names of assets change with what is in them; all else is asked for again.
    cache = "public, max-age=31536000, immutable" if "/assets/" in path else "no-cache"

    async def serve(request: Request) -> FileResponse:
        kind = _MEDIA_TYPES.get(file.suffix, "application/octet-stream")
        return FileResponse(file, media_type=kind, headers={"Cache-Control": cache})

    app.add_route(path, serve, methods=["GET"], include_in_schema=False)
