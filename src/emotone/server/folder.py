"""The folder of a service: recordings that wait or are kept, and what is on its way."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from emotone.errors import UsageError

_NODE = "node"
_RECORDING = "recording"
_PROGRESS = "progress"
_RESULT = "result"


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
        For uploads on their way in, and results on their way out. It is empty at the start.

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
            self._lock = _locked(path / "lock")
            self.node = _node(path / _NODE)
        except OSError as error:
            raise UsageError(
                f"the folder of the service cannot be used ({error.strerror})",
                source=error.filename or path,
                remedy="Choose another one with --folder.",
            ) from error
        for left in self.incoming.iterdir():  # of a service that was killed
            remove(left)

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

    def become(self, node: str) -> None:
        """Take the place of another folder, whose recordings are here now."""
        self.node = str(uuid.UUID(node))
        (self.path / _NODE).write_text(self.node + "\n", encoding="ascii")

    def close(self) -> None:
        """Let another service use it."""
        self._lock.close()


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
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UsageError(
            "another service uses this folder",
            source=path.parent,
            remedy="Stop it first, or choose another folder with --folder.",
            code="folder_in_use",
        ) from None
    return file


def _node(path: Path) -> str:
    if path.is_file():
        return str(uuid.UUID(path.read_text(encoding="ascii").strip()))
    node = str(uuid.uuid4())
    path.write_text(node + "\n", encoding="ascii")
    return node
