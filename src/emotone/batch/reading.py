"""Recordings read ahead by threads for one process that makes rows of them, whatever the rows hold.

This is the same wherever a batch runs: a process of this machine and an actor of a cluster both
have a `Reader` of their own and give it blocks of recordings.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotone.audio.waveform import FloatArray
from emotone.batch.ahead import Ahead
from emotone.batch.places import Place
from emotone.batch.scratch import scratch
from emotone.batch.sources import Recording
from emotone.errors import EmotoneError, EmotoneWarning
from emotone.features.job import as_error

_CLIPS = 64
_BYTES = 16 * 1024**2
"""What may wait between those who read and who makes rows of it."""

_READERS = 2
_READERS_OF_STORES = 16
"""Threads that read ahead. One keeps a core busy; a store takes its time and answers many."""

_TRIES = 3
_PAUSE_S = 1.0
"""How often a store is asked for a recording, and how long before the second time."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What was made of a file: samples, or the file at hand, or an error.

    Attributes
    ----------
    index
        Its place in the block.
    duration_s
        Of the recording, where it was decoded.
    prepared
        Samples, as whoever makes rows of them wants them.
    rate
        Of these, in Hz; 0 where that is understood.
    path
        The file, or a copy of it, where it is not decoded yet.
    error
        Why there is neither.
    warned
        What was off with it.
    """

    index: int
    duration_s: float | None = None
    prepared: FloatArray | None = None
    rate: int = 0
    path: Path | None = None
    error: EmotoneError | None = None
    warned: str | None = None

    @property
    def weight(self) -> int:
        """Bytes that it holds."""
        return 0 if self.prepared is None else self.prepared.nbytes


Rows = Iterator[tuple[int, list[dict[str, Any]]]]
"""The place of a recording in its block, and its rows."""


class Reader(ABC):
    """Makes rows of blocks of recordings; one for each process.

    Parameters
    ----------
    root
        The folder that relative paths begin at; the working directory when None.
    whole
        Whether each recording is worked on by itself, as a file, rather than many together.
    """

    def __init__(self, root: str | None, *, whole: bool = False) -> None:
        self._root = root
        self._whole = whole
        notice_warnings()

    def rows(
        self,
        recordings: Sequence[Recording],
        *,
        started: Callable[[int], None] | None = None,
    ) -> Rows:
        """The rows of each recording, as they come.

        Parameters
        ----------
        recordings
            A block of them: what is read ahead is bounded, but those of one block may be worked on
            together.
        started
            Called with the place of each recording before anything is done to it; they are then
            worked on one by one.

        Yields
        ------
        int, list of dict
            The place of a recording, and its rows: one for a clip, one for each segment, or one
            with an error. Their keys are columns of the task's schema.

        Raises
        ------
        EmotoneError
            If nothing can be made of any recording, since the model fails, say. What is wrong with
            a recording never raises.
        """
        if started is not None:
            for index, recording in enumerate(recordings):
                started(index)
                with scratch() as folder:
                    clip = self._read(index, recording, folder)
                    yield from self._rows(recordings, iter([clip]))
            return
        remote = any("://" in recording.file for recording in recordings)
        readers = min(len(recordings), _READERS_OF_STORES if remote else _READERS)
        with scratch() as folder:
            ahead = Ahead(
                list(enumerate(recordings)),
                lambda item: self._read(*item, folder),
                weigh=lambda clip: clip.weight,
                threads=readers,
                # Copies of recordings lie on the disk: no more than the readers are busy with.
                most=readers if self._whole else _CLIPS,
                weight=_BYTES,
            )
            with ahead:
                yield from self._rows(recordings, iter(ahead))

    @abstractmethod
    def _clip(self, index: int, source: str | bytes) -> Clip:
        """What is made of one file in a thread that reads ahead; it may raise."""

    @abstractmethod
    def _rows(self, recordings: Sequence[Recording], clips: Iterator[Clip]) -> Rows:
        """Rows of clips, in the caller's thread."""

    # -- one file, in a thread of its own

    def _read(self, index: int, recording: Recording, folder: Path) -> Clip:
        warned = Noticed()
        try:
            place = Place(self._path(recording.file))
            with warned:
                if self._whole:
                    return Clip(index, path=patiently(lambda: place.bring(str(folder))))
                source = place.path if place.is_local else patiently(lambda: content(place))
                clip = self._clip(index, source)
            return replace(clip, warned=warned.text)
        except Exception as error:
            return Clip(index, error=named(error, recording.file), warned=warned.text)

    def _path(self, file: str) -> str:
        return file if self._root is None or "://" in file else os.path.join(self._root, file)  # noqa: PTH118


def as_text(name: str) -> str:
    """A name with the bytes in it that are no text written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def content(place: Place) -> bytes:
    """All bytes of a file."""
    with place.open() as stream:
        found: bytes = stream.read()
    return found


def patiently(attempt: Callable[[], Any]) -> Any:
    """What a store gives, asked again where it fails for now; a file that is not there stays so."""
    for number in range(1, _TRIES + 1):
        try:
            return attempt()
        except (FileNotFoundError, PermissionError):
            raise
        except OSError:
            if number == _TRIES:
                raise
            time.sleep(_PAUSE_S * 2 ** (number - 1))


def named(error: Exception, file: str) -> EmotoneError:
    """The error of a recording, under the name that it was given by."""
    if isinstance(error, OSError):
        from emotone.errors import AudioError

        missing = isinstance(error, FileNotFoundError)
        return AudioError(
            "there is no such file" if missing else f"it could not be read ({error})",
            source=file,
            remedy="Check the address." if missing else "Check the store; then --retry-failed.",
            code="missing_file" if missing else "store_failed",
        )
    found = as_error(error, file)
    if found.source == file:
        return found
    return EmotoneError(found.cause, source=file, remedy=found.remedy, code=found.code)


# -- warnings, of which Python has one list for all threads

_heard_by = threading.local()


def notice_warnings() -> None:
    """Give each thread the warnings that are issued in it; for a process of its own."""

    def notice(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        texts = getattr(_heard_by, "texts", None)
        if texts is not None and issubclass(category, EmotoneWarning):
            texts.append(str(message))

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", EmotoneWarning)
    warnings.showwarning = notice


class Noticed:
    """The warnings of this thread while it is entered."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def __enter__(self) -> Noticed:
        _heard_by.texts = self._texts
        return self

    def __exit__(self, *_: object) -> None:
        _heard_by.texts = None

    @property
    def text(self) -> str | None:
        """All of them, each once, in one text; None where there was none."""
        return as_text(" ".join(dict.fromkeys(self._texts))) or None
