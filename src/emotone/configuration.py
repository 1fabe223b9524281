"""Settings from files and the environment: what is in force, and where each value comes from.

One precedence for all of them, the first that says something wins:

1. an option on the command line, or an argument in Python;
2. a variable of the environment, ``EMOTONE_MODEL`` for the setting ``model``;
3. the project's file, ``emotone.toml`` in the working directory;
4. the user's file, ``emotone/config.toml`` in the platform's folder for configuration;
5. what emotone does by itself.

``EMOTONE_CONFIG`` names one file to be read in place of both; empty, none is read.

The settings in `SETTINGS` stand at the top of a file and hold for Python and the command line. The
options of a command stand in a table of its name, and hold for the command line alone::

    model = "mine.emotone"

    [predict]
    top = 3
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emotone.errors import UsageError

PROJECT_FILE = "emotone.toml"
"""The name of the project's file, in the working directory."""

USER_FILE = "config.toml"
"""The name of the user's file, in `user_folder`."""

VARIABLE = "EMOTONE_CONFIG"
"""Names the one file to be read; empty, none is."""

_LARGEST_FILE = 2**20

BUILT_IN = "built in"
"""The origin of what nobody has set."""

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that holds for Python and for every command.

    Attributes
    ----------
    name
        At the top of a file; the variable is ``EMOTONE_`` and the name in capitals.
    kind
        In words, for messages: ``"a whole number from 1"``.
    about
        What it decides.
    default
        What holds where nobody sets it.
    take
        Gives the value for one from a file, or a text; raises ValueError or TypeError for another.
    """

    name: str
    kind: str
    about: str
    default: Any
    take: Callable[[Any], Any]

    @property
    def variable(self) -> str:
        """The variable of the environment that sets it."""
        return variable(self.name)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or int(value) < 1:
        raise ValueError
    return int(value)


def _confidence(value: Any) -> float | Literal["card"]:
    if value == "card":
        return "card"
    if isinstance(value, bool) or not 0 <= float(value) <= 1:
        raise ValueError
    return float(value)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in (*_YES, *_NO):
        return value.strip().lower() in _YES
    raise ValueError


def _colour(value: Any) -> str:
    if value not in ("auto", "always", "never"):
        raise ValueError
    return str(value)


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("model", "a name or a path", "The model where none is named.", None, _text),
        Setting("threads", "a whole number from 1", "Cores that one answer may use.", 1, _whole),
        Setting(
            "threshold",
            'a number from 0 to 1, or "card"',
            "Below this confidence a clip's answer is 'uncertain'.",
            None,
            _confidence,
        ),
        Setting(
            "jobs", "a whole number from 1", "Files that a command works on at once.", None, _whole
        ),
        Setting("cache", "a folder", "Where features and progress are kept.", None, _text),
        Setting("models", "a folder", "Where models are found by name.", None, _text),
        Setting("colour", "auto, always or never", "Whether there are colours.", "auto", _colour),
        Setting("quiet", "true or false", "Whether to leave out comments.", False, _switch),
        Setting("verbose", "true or false", "Whether to tell details.", False, _switch),
    )
}
"""The settings that hold for Python and for every command, by name."""

_PATHS = ("cache", "models")


@dataclass(frozen=True, slots=True)
class Value:
    """What holds, and who says so.

    Attributes
    ----------
    value
        Of the setting's own type.
    origin
        A variable, a file, or `BUILT_IN`.
    """

    value: Any
    origin: str

    @property
    def is_set(self) -> bool:
        """Whether anybody has set it."""
        return self.origin != BUILT_IN


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """A file that was read.

    Attributes
    ----------
    path
        Where it is.
    role
        ``"project"``, ``"user"``, or ``"named"`` by ``EMOTONE_CONFIG``.
    content
        What it holds: settings at the top, and tables for commands.
    """

    path: Path
    role: Literal["project", "user", "named"]
    content: Mapping[str, Any]

    def options(self, words: Iterable[str]) -> Mapping[str, Any]:
        """The table of a command, ``("corpus", "check")``; empty where there is none."""
        found: Any = self.content
        for word in words:
            found = found.get(word) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that was read, ready to be asked.

    Attributes
    ----------
    files
        The files that are there, the stronger first.
    environment
        The variables.
    """

    files: tuple[ConfigurationFile, ...]
    environment: Mapping[str, str]

    def value(self, name: str) -> Value:
        """What holds for one of `SETTINGS`, command line and arguments aside.

        Raises
        ------
        UsageError
            If what somebody set is none of its values.
        """
        setting = SETTINGS[name]
        given = self.environment.get(setting.variable, "")
        if given:
            return Value(_taken(setting, given, setting.variable), setting.variable)
        for file in self.files:
            if name in file.content:
                value = _taken(setting, file.content[name], file.path)
                return Value(_from_folder(name, value, file.path), str(file.path))
        return Value(setting.default, BUILT_IN)


def variable(*words: str) -> str:
    """The variable for a setting, or for a command and its option: ``EMOTONE_PREDICT_TOP``."""
    return "_".join(("EMOTONE", *words)).upper().replace("-", "_")


def user_folder() -> Path:
    """Where the user's file is looked for; it need not exist.

    That is ``emotone`` in ``XDG_CONFIG_HOME`` or ``~/.config``, in ``~/Library/Application
    Support``, or in ``%APPDATA%``.
    """
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "emotone"


def places() -> list[tuple[Path, Literal["project", "user", "named"]]]:
    """The files that are looked for, the stronger first; they need not exist."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return [(Path(named).expanduser(), "named")] if named else []
    found: list[tuple[Path, Literal["project", "user", "named"]]] = [
        (Path(PROJECT_FILE), "project")
    ]
    with contextlib.suppress(RuntimeError):  # which says that there is no home
        found.append((user_folder() / USER_FILE, "user"))
    return found


def read() -> Configuration:
    """What the files and the environment say now.

    Raises
    ------
    UsageError
        If a file cannot be read or is no TOML, or a setting at its top is unknown.
    """
    files = []
    for path, role in places():
        if role == "named" or os.path.lexists(path):
            files.append(ConfigurationFile(path, role, _content(path)))
    return Configuration(tuple(files), os.environ)


def value(name: str) -> Any:
    """What holds for one of `SETTINGS`; see `Configuration.value`."""
    return read().value(name).value


def suggestion(name: str, known: Iterable[str]) -> str:
    """``"Did you mean 'model'?"``, or all that there are, where none is alike."""
    import difflib

    known = list(known)
    close = difflib.get_close_matches(name.replace("_", "-"), known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are {', '.join(known)}." if known else "There is none."


def _content(path: Path) -> dict[str, Any]:
    def refused(cause: str, remedy: str) -> UsageError:
        return UsageError(cause, source=path, remedy=remedy, code="bad_configuration")

    again = f"Mend it, or name another file with {VARIABLE} (empty for none)."
    try:
        if not path.is_file():
            exists = os.path.lexists(path)
            cause = "this is no regular file" if exists else "there is no such file"
            raise refused(f"{cause} to read the configuration from", again)
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise refused(f"the configuration cannot be read ({error.strerror})", again) from error
    if len(data) > _LARGEST_FILE:
        raise refused("the configuration is larger than 1 MiB", again)
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # of TOML or of UTF-8
        raise refused(f"this is no TOML ({error})", again) from error
    for name, given in content.items():
        if name not in SETTINGS and not isinstance(given, dict):
            raise refused(
                f"there is no setting {name!r}",
                f"{suggestion(name, SETTINGS)} Options of a command go into its table: [predict].",
            )
    return content


def _taken(setting: Setting, given: Any, origin: str | Path) -> Any:
    try:
        return setting.take(given)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{setting.name} is {given!r}",
            source=origin,
            remedy=f"Give {setting.kind}.",
            code="bad_configuration",
        ) from error


def _from_folder(name: str, value: Any, file: Path) -> Any:
    """A path in a file counts from the folder of the file; so does a model that lies there."""
    if name in _PATHS or (name == "model" and (file.parent / value).expanduser().exists()):
        return str(file.parent / Path(value).expanduser())
    return value
