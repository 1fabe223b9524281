"""One recording after the other to rows: decoded ahead by threads, clips heard many at a time.

This is the same wherever a batch runs: a process of this machine and an actor of a cluster both
make an `Analyst` and give it blocks of recordings.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import __version__, audio, scoring
from emotone.batch.alike import Alike
from emotone.batch.parquet import schema
from emotone.batch.reading import (
    Clip,
    Noticed,
    Reader,
    Rows,
    as_text,
    named,
)
from emotone.batch.sources import Recording
from emotone.batch.tasks import AnyTask
from emotone.errors import BundleError, EmotoneError, UsageError
from emotone.recognizer import load

if TYPE_CHECKING:
    from emotone.timeline.analysis import Channels


_CLIPS = 512
"""Clips that wait for others of their length. Of 512 clips of one to four seconds, whose ends are
cut off in steps of 32 ms, ten or so have the commonest length, and hearing them at once takes two
thirds of the time."""

_BYTES = 64 * 1024**2
"""The same in bytes of what is read: a thousand seconds of sound."""


@dataclass(frozen=True)
class Task(AnyTask):
    """Hearing each recording by a model.

    Attributes
    ----------
    model
        Path of the bundle.
    digest
        `Recognizer.digest` of it: another model under the same path is refused.
    name, emotions
        Its name with version, and the emotions that can occur.
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

    def settled(self, files: Iterator[str]) -> Task:
        """The task itself.

        Raises
        ------
        UsageError
            If the channel that is wanted is in none of these, so that every row would be an error.
        """
        if not isinstance(self.channels, int):
            return self
        most = 0
        for file in files:
            if "://" in file:
                continue
            with contextlib.suppress(EmotoneError):  # what is wrong with it will be in its row
                most = max(most, audio.probe(file).channels)
            if most > self.channels:
                return self
        if most:
            raise UsageError(
                f"no recording that was looked at has a channel {self.channels}",
                remedy="Channels count from 0, and these have "
                f"{most}{' at most' if most > 1 else ''}.",
            )
        return self

    def asked(self) -> dict[str, Any]:
        """As `to_dict`, but the model is the same wherever it lies."""
        return {
            "model": self.digest,
            "emotions": list(self.emotions),
            "segments": self.segments,
            "channels": self.channels,
            "settings": self.settings,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Task:
        """The task that `to_dict` wrote."""
        return cls(**(values | {"emotions": tuple(values["emotions"])}))

    def bundle(self) -> str:
        """The path of the model."""
        return self.model

    def moved(self, bundle: str) -> Task:
        """The task with its model, the same one, under another path."""
        return dataclasses.replace(self, model=bundle)

    def schema(self) -> Any:
        """See `emotone.batch.parquet.schema`."""
        return schema(self.emotions)

    def about(self) -> dict[str, Any]:
        """The model."""
        return {"model": self.name}

    def reader(self, root: str | None = None, *, jobs: int = 1) -> Analyst:
        """An `Analyst`."""
        return Analyst(self, root, jobs=jobs)

    def failed(self, recording: Recording, error: EmotoneError) -> dict[str, Any]:
        """The row of a recording that cannot be heard."""
        return _about(recording, self) | {"error": as_text(str(error)), "error_code": error.code}


class Analyst(Reader):
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
        super().__init__(root, whole=task.segments)
        self.task = task
        self._jobs = jobs
        self._recognizer = load(task.model)
        if self._recognizer.digest != task.digest:
            raise BundleError(
                "the model is not the one that the batch was begun with",
                source=task.model,
                remedy="Put the former model there again, or write to another folder.",
                code="other_model",
            )
        if task.emotions != self._recognizer.emotions:
            self._recognizer = load(task.model, emotions=task.emotions)

    def _clip(self, index: int, source: str | bytes) -> Clip:
        waveform = audio.read(source, channel=self._channel)
        return Clip(index, waveform.duration_s, self._recognizer.prepare(waveform))

    def _rows(self, recordings: Sequence[Recording], clips: Iterator[Clip]) -> Rows:
        hear = self._timelines if self.task.segments else self._clips
        yield from hear(recordings, clips)

    # -- the model, in the caller's thread

    def _clips(self, recordings: Sequence[Recording], clips: Iterator[Clip]) -> Rows:
        framed = self._recognizer.takes_frames
        waiting = Alike(most=_CLIPS, weight=_BYTES)
        for clip in clips:
            if clip.prepared is None:
                assert clip.error is not None
                yield clip.index, [self._failed(recordings[clip.index], clip.error, clip.warned)]
                continue
            windows = len(clip.prepared)
            waiting.add(clip, (windows, scoring.length(clip.prepared, framed=framed)))
            while waiting.full:
                yield from self._heard(recordings, waiting.take(scoring.WINDOWS_AT_ONCE))
        while waiting:
            yield from self._heard(recordings, waiting.take(scoring.WINDOWS_AT_ONCE))

    def _heard(self, recordings: Sequence[Recording], pool: Sequence[Clip]) -> Rows:
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

    def _timelines(self, recordings: Sequence[Recording], clips: Iterator[Clip]) -> Rows:
        from emotone.speech import UtteranceSettings
        from emotone.timeline.settings import TimelineSettings

        given = dict(self.task.settings)
        utterances = UtteranceSettings(**given.pop("utterances", {}))
        settings = TimelineSettings(**given, utterances=utterances)
        for clip in clips:
            recording, warned = recordings[clip.index], Noticed()
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
                failure = named(error, recording.file)
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
        return self.task.failed(recording, error) | {"warning": warned}


def _about(recording: Recording, task: Task) -> dict[str, Any]:
    # Without a zone, which not every reader of Parquet can do without packages of its own.
    recorded = None if recording.recorded is None else recording.recorded.replace(tzinfo=None)
    return {
        "file": as_text(recording.file),
        "speaker": recording.speaker,
        "recorded": recorded,
        "model": task.name,
        "version": __version__,
    }
