"""Which recordings there are: folders, patterns, lists and single files, local or in a store."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from emotone.audio.files import is_audio_path
from emotone.batch.places import Entry, Place
from emotone.errors import AudioError, EmotoneError, MissingExtraError, UsageError

MANIFESTS = (".txt", ".csv", ".tsv", ".jsonl", ".parquet")
"""Endings of files that list recordings, rather than being one."""

_OTHER_LISTS = (".list", ".lst", ".m3u", ".m3u8", ".pls", ".json", ".xls", ".xlsx", ".ods")
"""Endings of what is no recording either, but a list in a form that is not read."""

_PATHS = ("path", "file", "audio", "url")
_SPEAKERS = ("speaker", "agent", "caller")
_TIMES = ("recorded", "timestamp", "time", "date", "day")

LABELS = ("emotion", "label", "corpus", "language", "gender", "intensity", "sentence", "split")
"""Columns of a manifest that are kept for who makes features of the recordings."""

_WILD = re.compile(r"[*?\[]")
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_/]?)(\d\d)\2(\d\d)(?!\d)")
_SECONDS = re.compile(r"\d{9,11}(\.\d*)?")
"""Since 1970, as text; with fewer digits it is rather a day."""
_SPEAKER = re.compile(r"(?:^|/)speaker=([^/]+)/")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file to hear.

    Attributes
    ----------
    file
        Its path as it was given, or its address.
    speaker
        Who is heard; None where nobody says so.
    recorded
        When: as a manifest says, else the date in its path, else when the file was last changed;
        UTC where no zone is given. None where unknown.
    size
        In bytes; 0 where unknown.
    labels
        What else a manifest or corpus says of it: ``emotion``, ``corpus`` and so on, see `LABELS`.
    """

    file: str
    speaker: str | None = None
    recorded: datetime | None = None
    size: int = 0
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


def find(inputs: Iterable[str | os.PathLike[str]]) -> Iterator[Recording]:
    """The recordings that the inputs stand for, in their order, as they are found.

    Parameters
    ----------
    inputs
        Each a folder, walked to its bottom for audio files; a pattern (``calls/**/*.wav``); a
        manifest (CSV, TSV, JSONL or Parquet) with a column ``path`` and, if wanted, ``speaker`` and
        ``recorded``; a text file with a path a line; or a recording. All of these may be addresses
        such as ``s3://bucket/calls``. Linked folders are followed, and what is in one comes once.
        Paths in a manifest or text file begin at its folder.

    Yields
    ------
    Recording
        One that does not exist is told of too, so that reading it says what is wrong. The same file
        may come more than once.

    Raises
    ------
    UsageError
        If a manifest cannot be used, or an address has an unknown scheme.
    EmotoneError
        If a store does not answer.
    """
    for given in inputs:
        text = os.fspath(given)
        place = Place(text)
        if _is_pattern(place):
            yield from _matching(place)
        elif place.kind() == "folder":
            for entry in place.walk():
                if is_audio_path(entry.path):
                    yield _of_entry(place, entry)
        elif _ending(place) in MANIFESTS:
            yield from _listed(place)
        else:
            yield _of_entry(place, place.entry() or Entry(place.path, 0, None))


def base(place: Place) -> Place:
    """The folder that all matches of a pattern lie in; what is no pattern itself."""
    if not _is_pattern(place):
        return place
    parts = place.path.split("/")
    fixed = next(i for i, part in enumerate(parts) if _WILD.search(part))
    return place.at("/".join(parts[:fixed]) or ("/" if place.path.startswith("/") else "."))


def check(inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse inputs that do not exist, or list recordings in a form that is not read.

    A pattern may stand for nothing.

    Raises
    ------
    AudioError
        If one is not there: ``missing_file``.
    UsageError
        If one is a list in another form.
    EmotoneError
        If a store does not answer.
    """
    for given in inputs:
        place = Place(os.fspath(given))
        if _is_pattern(place):
            continue
        kind = place.kind()
        if kind == "missing":
            raise AudioError(
                "there is no such file or folder",
                source=place.address,
                remedy="Check the path.",
                code="missing_file",
            )
        if kind != "folder" and _ending(place) in _OTHER_LISTS:
            raise UsageError(
                "it is no recording, nor a list in a form that is read",
                source=place.address,
                remedy="List recordings in a .txt with a path a line, "
                "or in a .csv, .tsv, .jsonl or .parquet with a column path.",
            )


def _ending(place: Place) -> str:
    return os.path.splitext(place.path)[1].lower()  # noqa: PTH122


def _is_pattern(place: Place) -> bool:
    # A name with brackets in it is a pattern only where there is no such file.
    wild = _WILD.search(place.path) is not None
    return wild and (not place.is_local or place.kind() == "missing")


def _matching(place: Place) -> Iterator[Recording]:
    """Files below the part of a pattern that has no wildcard."""
    top = base(place)
    wanted = re.compile(_expression(place.path))
    ending = os.path.splitext(place.path.rpartition("/")[2])[1]  # noqa: PTH122
    named = not _WILD.search(ending or "*")

    def matches(path: str) -> bool:
        found = wanted.fullmatch(path.replace(os.sep, "/")) is not None
        return found and (named or is_audio_path(path))

    names = _Names(top, matches) if top.is_local else None
    # A pattern may fit only one of the names of a linked folder, whichever that is.
    for entry in top.walk(again=True):
        path = entry.path.removeprefix("./") if top.path == "." else entry.path
        if matches(path) and (names is None or names.first(path)):
            yield _of_entry(place, entry._replace(path=path))


class _Names:
    """Tells which of the names of a file in a linked folder is the one that it goes by.

    Parameters
    ----------
    top
        A folder.
    matches
        Whether a name that begins with that of the folder is wanted.
    """

    def __init__(self, top: Place, matches: Callable[[str], bool]) -> None:
        self._top = "" if top.path == "." else top.path
        self._real = os.path.realpath(top.path)
        self._matches = matches
        self._folder: str | None = None
        self._inside = ""
        self._own: str | None = None
        self._firsts: dict[str, str] = {}

    def first(self, path: str) -> bool:
        """Whether it is its own name, or else the first that is wanted of a file without one."""
        folder, name = os.path.split(path)
        if folder != self._folder:
            self._folder, self._inside = folder, os.path.realpath(folder)
            self._own = self._own_name()
        if self._own == folder:
            return True
        if self._own is not None and self._matches(os.path.join(self._own, name)):  # noqa: PTH118
            return False
        return self._firsts.setdefault(self._inside, folder) == folder

    def _own_name(self) -> str | None:
        """Of the folder: the one without links, where a walk comes to that."""
        if self._inside == self._real:
            return self._top
        below = os.path.join(self._real, "")  # noqa: PTH118
        path = self._inside.removeprefix(below)
        hidden = f"{os.sep}." in f"{os.sep}{path}"
        if hidden or not self._inside.startswith(below):
            return None
        return os.path.join(self._top, path)  # noqa: PTH118


def _expression(pattern: str) -> str:
    """A pattern of a shell as a regular expression; ``**`` stands for any folders."""
    found, at = "", 0
    while at < len(pattern):
        character = pattern[at]
        if pattern.startswith("**/", at):
            found, at = found + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            found, at = found + ".*", at + 2
        elif character == "*":
            found, at = found + "[^/]*", at + 1
        elif character == "?":
            found, at = found + "[^/]", at + 1
        elif character == "[" and (end := pattern.find("]", at + 2)) > 0:
            inside = pattern[at + 1 : end].replace("\\", "\\\\")
            found += "[" + ("^" + inside[1:] if inside.startswith("!") else inside) + "]"
            at = end + 1
        else:
            found, at = found + re.escape(character), at + 1
    return found


def _of_entry(place: Place, entry: Entry) -> Recording:
    file = entry.path if place.is_local else place.at(entry.path).address
    recorded = _day_in(entry.path)
    if recorded is None and entry.changed is not None:
        recorded = datetime.fromtimestamp(entry.changed, timezone.utc)
    speaker = _SPEAKER.search(entry.path.replace(os.sep, "/"))
    return Recording(file, speaker[1] if speaker else None, recorded, entry.size)


def _day_in(path: str) -> datetime | None:
    """The last date in a path, as ``2026-11-21``, ``20261121`` or ``2026/11/21``."""
    for year, _, month, day in reversed(_DAY.findall(path.replace(os.sep, "/"))):
        try:
            return datetime(int(year), int(month), int(day), tzinfo=timezone.utc)
        except ValueError:
            continue
    return None


# -- manifests


def _listed(manifest: Place) -> Iterator[Recording]:
    ending = _ending(manifest)
    rows = _parquet_rows if ending == ".parquet" else _text_rows
    names: dict[str, str | None] | None = None
    try:
        for number, row in rows(manifest, ending):
            cells = {str(key).strip().lower(): value for key, value in row.items() if key}
            if names is None or ending == ".jsonl":  # where each line has names of its own
                names = {
                    "path": next((name for name in _PATHS if name in cells), None),
                    "speaker": next((name for name in _SPEAKERS if name in cells), None),
                    "recorded": next((name for name in _TIMES if name in cells), None),
                }
            if names["path"] is None:
                raise _unusable(manifest, f"row {number} has no column path", "Add one.")
            given = str(cells.get(names["path"]) or "").strip()
            if not given:
                raise _unusable(manifest, f"row {number} names no file", "Fill the column path.")
            file = _beside(manifest, given)
            speaker = cells.get(names["speaker"] or "")
            recorded = _time(cells.get(names["recorded"] or ""), manifest, number)
            yield Recording(
                file,
                None if speaker in (None, "") else str(speaker),
                _day_in(file) if recorded is None else recorded,
                labels={
                    name: text for name in LABELS if (text := str(cells.get(name) or "").strip())
                },
            )
    except OSError as error:
        raise _unusable(
            manifest, f"it cannot be read ({error.strerror or error})", "Check the path."
        ) from error


def _beside(manifest: Place, given: str) -> str:
    """A path of a manifest, which begins at the manifest's folder."""
    if given.lower().startswith("file://"):
        return Place(given).path  # one name for one file
    if "://" in given or os.path.isabs(given):  # noqa: PTH117
        return given
    if manifest.is_local:
        return os.path.join(os.path.dirname(manifest.path), given)  # noqa: PTH118, PTH120
    return (manifest.at(manifest.path.rpartition("/")[0]) / given).address


def _text_rows(manifest: Place, ending: str) -> Iterator[tuple[int, dict[Any, Any]]]:
    with manifest.open() as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as lines:
        try:
            if ending == ".txt":
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield number, {"path": line}
                return
            if ending == ".jsonl":
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        row = json.loads(line)
                        if not isinstance(row, dict):
                            raise ValueError("it is no JSON object")
                        yield number, row
                return
            header = lines.readline()
            lines.seek(0)
            comma = ";" if ";" in header and "," not in header else ","
            reader = csv.DictReader(lines, delimiter="\t" if ending == ".tsv" else comma)
            for row in reader:
                yield reader.line_num, row
        except (ValueError, csv.Error, RecursionError) as error:
            raise _unusable(manifest, f"it cannot be read ({error})", "Write it again.") from error


def _parquet_rows(manifest: Place, _: str) -> Iterator[tuple[int, dict[Any, Any]]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet", "batch") from error
    try:
        with manifest.open() as stream:
            file = pyarrow.parquet.ParquetFile(stream)
            known = {*_PATHS, *_SPEAKERS, *_TIMES, *LABELS}
            columns = [n for n in file.schema_arrow.names if n.strip().lower() in known]
            number = 0
            for batch in file.iter_batches(batch_size=4096, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowInvalid as error:
        raise _unusable(manifest, f"it is no Parquet ({error})", "Write it again.") from error


def _time(value: Any, manifest: Place, number: int) -> datetime | None:
    """A date and time of a manifest: ISO 8601, seconds since 1970, or typed already."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, timezone.utc)
        if not isinstance(value, datetime):
            if _SECONDS.fullmatch(str(value).strip()):
                return datetime.fromtimestamp(float(value), timezone.utc)
            # Python 3.10 reads no Z, and needs the time of a date.
            value = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        raise _unusable(
            manifest, f"row {number} has no date in {str(value)!r}", "Write it as 2026-11-21."
        ) from None
    found: datetime = value
    if found.tzinfo is None:
        return found.replace(tzinfo=timezone.utc)
    return found.astimezone(timezone.utc)


def _unusable(manifest: Place, cause: str, remedy: str) -> EmotoneError:
    return UsageError(
        f"the list of recordings cannot be used: {cause}", source=manifest.address, remedy=remedy
    )
