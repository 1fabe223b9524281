"""The folder of a service: recordings that wait or are kept, and what is on its way."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from emotone.errors import UsageError
from emotone.locks import lock

_NODE = "node"
_RECORDING = "recording"
_PROGRESS = "progress"
_RESULT = "result"
_LOCK = "lock"

_BACKUP = "backup-"
"""How the folders of backups on their way out begin; each is locked while its backup runs."""

_LOCKED_WITHIN_S = 60.0
"""By then a backup that runs has locked its folder."""


class Folder:
    """Where things lie, readable by their owner alone, and used by one service at a time.

    Parameters
    ----------
    path
        Made if it is not there.

    Attributes
    ----------
    node
        Stands for this folder in the store: recordings that lie here can be analysed from here
        alone.
    incoming
        For uploads on their way in, and results on their way out. At the start there is nothing in
        it, but for backups that are being made.

    Raises
    ------
    UsageError
        If it cannot be made or written to, or another service uses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.incoming = path / "incoming"
        self._recordings = path / "recordings"
        try:
            for folder in (path, self.incoming, self._recordings):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(path / _LOCK)
            self.node = _node(path / _NODE)
        except OSError as error:
            raise UsageError(
                f"the folder of the service cannot be used ({error.strerror})",
                source=error.filename or path,
                remedy="Choose another one with --folder.",
            ) from error
        for left in self.incoming.iterdir():  # of a service that was killed
            if not left.name.startswith(_BACKUP):
                remove(left)
        self.forget_backups()

    def place(self, id: str) -> Path:
        """The folder of an analysis; it need not exist."""
        return self._recordings / str(uuid.UUID(id))  # nothing else is a name here

    def recording(self, id: str) -> Path:
        """Where the recording of an analysis lies."""
        return self.place(id) / _RECORDING

    def progress(self, id: str) -> Path:
        """Where the progress of an analysis lies."""
        return self.place(id) / _PROGRESS

    def result(self, id: str) -> Path:
        """The folder for what comes of an analysis, until the store has it."""
        return self.place(id) / _RESULT

    def tidy(self, id: str) -> None:
        """Remove what was only there for the analysis."""
        remove(self.progress(id))
        remove(self.result(id))

    def ids(self) -> Iterator[str]:
        """The analyses that have a folder."""
        for entry in self._recordings.iterdir():
            yield entry.name

    def take_in(self, upload: Path, id: str) -> None:
        """Move what came in to where the recording of an analysis lies, there for good."""
        place = self.place(id)
        place.mkdir(mode=0o700)
        upload.replace(self.recording(id))
        _synced(place)
        _synced(self._recordings)

    def age_s(self, name: str) -> float:
        """Seconds since something was put into the folder of an analysis, or taken out."""
        try:
            return time.time() - (self._recordings / name).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def forget(self, name: str) -> None:
        """Remove the folder of an analysis and all that is in it."""
        remove(self._recordings / name)

    def forget_backups(self) -> None:
        """Remove what backups that were killed have gathered: links to recordings, and tables."""
        for place in self.incoming.glob(f"{_BACKUP}*"):
            try:
                if time.time() - place.stat().st_mtime < _LOCKED_WITHIN_S:
                    continue
                held = lock(place / _LOCK)
            except FileNotFoundError:  # the backup has come to its end just now
                continue
            if held is not None:
                held.close()
                remove(place)

    def become(self, node: str) -> None:
        """Take the place of another folder, whose recordings are here now."""
        self.node = str(uuid.UUID(node))
        (self.path / _NODE).write_text(self.node + "\n", encoding="ascii")

    def close(self) -> None:
        """Let another service use it."""
        self._lock.close()


@contextlib.contextmanager
def gathering(path: Path) -> Iterator[Path]:
    """A new folder in that of a service, for a backup to gather in; it is removed in the end.

    Where the backup is killed before, the service removes it (`Folder.forget_backups`).
    """
    place = path / "incoming" / f"{_BACKUP}{secrets.token_hex(16)}"
    place.mkdir(mode=0o700, parents=True)
    try:
        with contextlib.closing(_locked(place / _LOCK)):
            yield place
    finally:
        remove(place)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; neither need be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _synced(folder: Path) -> None:
    """Let a power cut not undo what was put into a folder."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _locked(path: Path) -> IO[bytes]:
    """A file that this process alone has locked, until it ends, however it ends."""
    file = lock(path)
    if file is None:
        raise UsageError(
            "another service uses this folder",
            source=path.parent,
            remedy="Stop it first, or choose another folder with --folder.",
            code="folder_in_use",
        )
    return file


def _node(path: Path) -> str:
    if path.is_file():
        return str(uuid.UUID(path.read_text(encoding="ascii").strip()))
    node = str(uuid.uuid4())
    path.write_text(node + "\n", encoding="ascii")
    return node
