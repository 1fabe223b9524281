"""One recording after the other to rows: decoded ahead by threads, clips heard many at a time.

This is the same wherever a batch runs: a process of this machine and an actor of a cluster both
make an `Analyst` and give it blocks of recordings.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import __version__, audio
from emotone.audio.waveform import FloatArray
from emotone.batch.ahead import Ahead
from emotone.batch.places import Place
from emotone.batch.sources import Recording
from emotone.errors import BundleError, EmotoneError, EmotoneWarning, UsageError
from emotone.features.job import as_error
from emotone.recognizer import load

if TYPE_CHECKING:
    from emotone.timeline.analysis import Channels

_CLIPS_TOGETHER = 512
"""Clips among which those of one length are looked for. Of 512 clips of one to four seconds, whose
ends are cut off in steps of 32 ms, five or so have the same length, and hearing five at once takes
two thirds of the time."""

_BYTES_TOGETHER = 64 * 1024**2
"""The same in bytes of what the model takes: a thousand seconds of sound."""

_READERS = 2
_READERS_OF_STORES = 16
"""Threads that read ahead. One keeps a core busy; a store takes its time and answers many."""

_TRIES = 3
_PAUSE_S = 1.0
"""How often a store is asked for a recording, and how long before the second time."""


@dataclass(frozen=True)
class Task:
    """What is done to each recording: all that a worker needs to know.

    Attributes
    ----------
    model
        Path of the bundle.
    digest
        `Recognizer.digest` of it: another model under the same path is refused.
    name, emotions
        Its name with version, and what it tells apart.
    segments
        Whether each recording becomes a timeline; else it is one clip.
    channels
        ``"mix"``, ``"split"`` (segments only), or one channel, from 0.
    settings
        Of timelines, as `TimelineSettings.to_dict` gives them; empty for clips.
    """

    model: str
    digest: str
    name: str
    emotions: tuple[str, ...]
    segments: bool = False
    channels: Channels = "mix"
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.channels == "split" and not self.segments:
            raise UsageError(
                "channels can be split for segments alone",
                remedy="Ask for segments too, or name one channel.",
            )

    def to_dict(self) -> dict[str, Any]:
        """The task as plain types, ready for JSON."""
        return dataclasses.asdict(self) | {"emotions": list(self.emotions)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Task:
        """The task that `to_dict` wrote."""
        return cls(**(values | {"emotions": tuple(values["emotions"])}))


@dataclass(frozen=True, slots=True)
class _Clip:
    """What was made of a file: what the model takes, or the file at hand, or an error."""

    index: int
    duration_s: float | None = None
    prepared: FloatArray | None = None
    path: Path | None = None
    error: EmotoneError | None = None
    warned: str | None = None

    @property
    def weight(self) -> int:
        """Bytes that it holds."""
        return 0 if self.prepared is None else self.prepared.nbytes


class Analyst:
    """Hears blocks of recordings; one for each process.

    Parameters
    ----------
    task
        What to do.
    root
        The folder that relative paths begin at; the working directory when None.
    jobs
        Cores that the timeline of one recording may use.

    Raises
    ------
    BundleError
        If the model does not load or is not the one that the batch was begun with.
    """

    def __init__(self, task: Task, root: str | None = None, *, jobs: int = 1) -> None:
        self.task = task
        self._root = root
        self._jobs = jobs
        self._recognizer = load(task.model)
        if self._recognizer.digest != task.digest:
            raise BundleError(
                "the model is not the one that the batch was begun with",
                source=task.model,
                remedy="Put the former model there again, or write to another folder.",
                code="other_model",
            )
        _notice_warnings()

    def rows(
        self,
        recordings: Sequence[Recording],
        *,
        started: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The rows of each recording, as they come.

        Parameters
        ----------
        recordings
            A block of them: what is read ahead is bounded, but the model hears those of one block
            together.
        started
            Called with the place of each recording before anything is done to it; they are then
            worked on one by one.

        Yields
        ------
        int, list of dict
            The place of a recording, and its rows: one for a clip, one for each segment, or one
            with an error. Their keys are the columns of `emotone.batch.parquet.schema`.

        Raises
        ------
        BundleError
            If the model fails. What is wrong with a recording never raises.
        """
        hear = self._timelines if self.task.segments else self._clips
        if started is not None:
            for index, recording in enumerate(recordings):
                started(index)
                with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
                    clip = self._read(index, recording, folder)
                    yield from hear(recordings, iter([clip]))
            return
        remote = any("://" in recording.file for recording in recordings)
        readers = min(len(recordings), _READERS_OF_STORES if remote else _READERS)
        with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
            ahead = Ahead(
                list(enumerate(recordings)),
                lambda item: self._read(*item, folder),
                weigh=lambda clip: clip.weight,
                threads=readers,
                # Copies of recordings lie on the disk: no more than the readers are busy with.
                most=readers if self.task.segments else _CLIPS_TOGETHER,
                weight=_BYTES_TOGETHER,
            )
            with ahead:
                yield from hear(recordings, iter(ahead))

    # -- one file, in a thread of its own

    def _read(self, index: int, recording: Recording, folder: str) -> _Clip:
        place, warned = None, _Noticed()
        try:
            place = Place(self._path(recording.file))
            with warned:
                if self.task.segments:
                    return _Clip(index, path=_patiently(lambda: place.bring(folder)))
                channel = self.task.channels if isinstance(self.task.channels, int) else None
                source = place.path if place.is_local else _patiently(lambda: _content(place))
                waveform = audio.read(source, channel=channel)
                prepared = self._recognizer.prepare(waveform)
            return _Clip(index, waveform.duration_s, prepared, warned=warned.text)
        except Exception as error:
            return _Clip(index, error=_named(error, recording.file), warned=warned.text)

    def _path(self, file: str) -> str:
        return file if self._root is None or "://" in file else os.path.join(self._root, file)  # noqa: PTH118

    # -- the model, in the caller's thread

    def _clips(
        self, recordings: Sequence[Recording], clips: Iterator[_Clip]
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        pool: list[_Clip] = []
        held = 0
        for clip in clips:
            if clip.error is not None:
                yield clip.index, [self._failed(recordings[clip.index], clip.error, clip.warned)]
                continue
            pool.append(clip)
            held += clip.weight
            if len(pool) == _CLIPS_TOGETHER or held >= _BYTES_TOGETHER:
                yield from self._heard(recordings, pool)
                pool, held = [], 0
        if pool:
            yield from self._heard(recordings, pool)

    def _heard(
        self, recordings: Sequence[Recording], pool: Sequence[_Clip]
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        prepared = [clip.prepared for clip in pool if clip.prepared is not None]
        scores = self._recognizer.hear_prepared(prepared)
        for clip, row, best in zip(pool, scores.tolist(), np.argmax(scores, axis=1), strict=True):
            yield (
                clip.index,
                [
                    {
                        **self._about(recordings[clip.index]),
                        "start": 0.0,
                        "end": clip.duration_s,
                        "channel": self._channel,
                        "emotion": self.task.emotions[best],
                        "confidence": row[best],
                        **dict(zip(self.task.emotions, row, strict=True)),
                        "duration_s": clip.duration_s,
                        "warning": clip.warned,
                    }
                ],
            )

    def _timelines(
        self, recordings: Sequence[Recording], clips: Iterator[_Clip]
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        from emotone.speech import UtteranceSettings
        from emotone.timeline.settings import TimelineSettings

        given = dict(self.task.settings)
        utterances = UtteranceSettings(**given.pop("utterances", {}))
        settings = TimelineSettings(**given, utterances=utterances)
        for clip in clips:
            recording, warned = recordings[clip.index], _Noticed()
            if clip.path is None:
                assert clip.error is not None
                yield clip.index, [self._failed(recording, clip.error, clip.warned)]
                continue
            try:
                with warned:
                    timeline = self._recognizer.timeline(
                        clip.path, channels=self.task.channels, settings=settings, jobs=self._jobs
                    )
            except BundleError:
                raise
            except Exception as error:
                failure = _named(error, recording.file)
                yield clip.index, [self._failed(recording, failure, warned.text)]
                continue
            finally:
                if "://" in recording.file:
                    clip.path.unlink(missing_ok=True)
            about = self._about(recording) | {
                "duration_s": timeline.duration_s,
                "warning": warned.text,
            }
            yield (
                clip.index,
                [
                    {**row, **about, "speaker": row["speaker"] or recording.speaker}
                    for row in timeline.rows()
                ],
            )

    @property
    def _channel(self) -> int | None:
        return self.task.channels if isinstance(self.task.channels, int) else None

    def _about(self, recording: Recording) -> dict[str, Any]:
        return _about(recording, self.task)

    def _failed(
        self, recording: Recording, error: EmotoneError, warned: str | None
    ) -> dict[str, Any]:
        return failed(recording, self.task, error) | {"warning": warned}


def failed(recording: Recording, task: Task, error: EmotoneError) -> dict[str, Any]:
    """The row of a recording that cannot be heard."""
    about = _about(recording, task)
    return about | {"error": _text(str(error)), "error_code": error.code}


def _about(recording: Recording, task: Task) -> dict[str, Any]:
    # Without a zone, which not every reader of Parquet can do without packages of its own.
    recorded = None if recording.recorded is None else recording.recorded.replace(tzinfo=None)
    return {
        "file": _text(recording.file),
        "speaker": recording.speaker,
        "recorded": recorded,
        "model": task.name,
        "version": __version__,
    }


def _text(name: str) -> str:
    """A name with the bytes in it that are no text written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _content(place: Place) -> bytes:
    with place.open() as stream:
        found: bytes = stream.read()
    return found


def _patiently(attempt: Callable[[], Any]) -> Any:
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


def _named(error: Exception, file: str) -> EmotoneError:
    """The error of a recording, under the name that it was given by."""
    if isinstance(error, OSError):
        from emotone.errors import AudioError

        missing = isinstance(error, FileNotFoundError)
        return AudioError(
            "there is no such file" if missing else f"it could not be read ({error})",
            source=file,
            remedy="Check the address." if missing else "Check the store, and try again.",
            code="missing_file" if missing else "unreadable_audio",
        )
    found = as_error(error, file)
    if found.source == file:
        return found
    return EmotoneError(found.cause, source=file, remedy=found.remedy, code=found.code)


# -- warnings, of which Python has one list for all threads

_heard_by = threading.local()


def _notice_warnings() -> None:
    """Give each thread the warnings that are issued in it; for a process of its own."""

    def notice(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        texts = getattr(_heard_by, "texts", None)
        if texts is not None and issubclass(category, EmotoneWarning):
            texts.append(str(message))

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", EmotoneWarning)
    warnings.showwarning = notice


class _Noticed:
    """The warnings of this thread while it is entered."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def __enter__(self) -> _Noticed:
        _heard_by.texts = self._texts
        return self

    def __exit__(self, *_: object) -> None:
        _heard_by.texts = None

    @property
    def text(self) -> str | None:
        """All of them, each once, in one text; None where there was none."""
        return _text(" ".join(dict.fromkeys(self._texts))) or None
