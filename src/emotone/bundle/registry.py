"""The models at hand: the one that ships with the package, and those in the user's folder."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from emotone import configuration
from emotone.bundle import storage
from emotone.errors import BundleError
from emotone.home import home

DEFAULT = "default"
"""The name of the model that ships with the package."""

_ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that can be asked for by name.

    Attributes
    ----------
    name
        What to ask for: the name of its file or folder, without ``.emotone``.
    path
        Where it is.
    bundled
        Whether it ships with the package.
    """

    name: str
    path: Path
    bundled: bool


def user_folder() -> Path:
    """Where the user's own models are looked for; it need not exist.

    The setting ``models`` (``EMOTONE_MODELS``), else ``emotone/models`` in the platform's folder:
    ``XDG_DATA_HOME`` or ``~/.local/share``, ``~/Library/Application Support``, ``%LOCALAPPDATA%``.
    """
    chosen = configuration.value("models")
    return Path(chosen).expanduser() if chosen else data_folder() / "models"


def data_folder() -> Path:
    """Where the platform keeps the data of this package for this user; it need not exist."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home() / ".local" / "share")
    return base / "emotone"


def installed() -> list[Installed]:
    """Every model that can be asked for by name: the bundled first, then the user's, by name.

    A model of the user's that has the name of a bundled one is left out; the bundled one wins.
    """
    found: dict[str, Installed] = {}
    for folder, bundled in ((_ASSETS, True), (user_folder(), False)):
        for path in _bundles_in(folder):
            name = path.name.removesuffix(storage.SUFFIX)
            found.setdefault(name, Installed(name, path, bundled))
    return list(found.values())


def _bundles_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        path
        for path in entries
        if not path.name.startswith(".")
        and (path.suffix == storage.SUFFIX or (path / storage.CARD).is_file())
    ]


def find(model: str | Path | None = None) -> Path:
    """Where a model is.

    Parameters
    ----------
    model
        None for the setting ``model``, else the one that ships with the package; the name of an
        installed one; or a path. A text is taken as a name first.

    Raises
    ------
    BundleError
        If there is none of that name and nothing at that path.
    """
    origin = ""
    if model is None:
        chosen = configuration.read().value("model")
        model = chosen.value or DEFAULT
        origin = f", which {chosen.origin} asks for" if chosen.is_set else ""
    if isinstance(model, str):
        if model == DEFAULT:  # the usual way: no need to look around
            default = _ASSETS / f"{DEFAULT}{storage.SUFFIX}"
            if default.is_file():
                return default
        for candidate in installed():
            if candidate.name == model:
                return candidate.path
    path = Path(model)
    if path.exists():
        return path
    names = ", ".join(candidate.name for candidate in installed()) or "none"
    raise BundleError(
        f"there is no model of that name or at that path{origin}",
        source=model,
        remedy=f"Installed models: {names}. Give one of these, or a path to a bundle.",
        code="missing_bundle",
    )
