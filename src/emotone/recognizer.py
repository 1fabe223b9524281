"""From audio to its emotion: a bundle, run by ONNX Runtime.

This room needs numpy, soundfile, soxr and onnxruntime and nothing else; what a program imports
here is what it waits for before the first answer.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from emotone import audio, features, spectra
from emotone.audio.limits import DEFAULT_LIMITS, Limits
from emotone.audio.preparation import Preparation
from emotone.audio.sources import Source, source_name
from emotone.audio.waveform import FloatArray, Waveform, check_samples
from emotone.bundle.model import Bundle
from emotone.bundle.registry import find
from emotone.bundle.storage import DEFAULT_MAX_BYTES, REMEDY
from emotone.errors import AudioError, BundleError, EmotoneError, FeatureError, UsageError
from emotone.features.job import Job, as_error, cores
from emotone.prediction import UNCERTAIN, Failure, Prediction
from emotone.runtime import Runtime

if TYPE_CHECKING:
    from emotone.adaptation import FloatVector
    from emotone.bundle.checks import Check
    from emotone.timeline import Timeline
    from emotone.timeline.analysis import Channels
    from emotone.timeline.checkpoints import Checkpoint
    from emotone.timeline.settings import TimelineSettings
    from emotone.timeline.speakers import Speakers

Progress = Callable[[int, int], None]
"""Called with how many inputs are answered and how many there are."""

Threshold = float | Literal["card"] | None
"""The least confidence from 0 to 1, the one that the model's card states, or none at all."""

LONGEST_S = 20.0
"""A model over the waveform hears longer clips in windows of so many seconds, as few as cover them,
and answers with the mean of their scores. What it needs grows with the square of the length."""

SHORTEST_S = 0.3
"""Of a stretch that can be heard, in seconds."""

_WINDOWS_AT_ONCE = 16
"""Stretches of one length that are heard at once: more take more memory and no less time."""

_PARTS_AT_ONCE = 8
"""The same for the parts of a long clip, which are longer."""

_WAITING_PER_JOB = 4
"""Clips in work or answered ahead of the reader, per thread."""


def load(
    model: str | Path | None = None,
    *,
    threads: int = 1,
    limits: Limits = DEFAULT_LIMITS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Recognizer:
    """Open a model.

    Parameters
    ----------
    model
        None for the one that ships with the package; the name of an installed one; or the path of
        a bundle.
    threads
        Cores that one answer may use; see `Recognizer`.
    limits
        Bounds on the audio that is accepted.
    max_bytes
        The most that the model may hold.

    Raises
    ------
    BundleError
        If there is none, or it is refused; see `Bundle.open` and `Recognizer`.

    Examples
    --------
    >>> recognizer = load()                                 # doctest: +SKIP
    >>> recognizer.predict("clip.wav").emotion              # doctest: +SKIP
    'angry'
    """
    bundle = Bundle.open(find(model), max_bytes=max_bytes)
    return Recognizer(bundle, threads=threads, limits=limits)


class Recognizer:
    """Names the emotion of clips. It may be used from several threads at once.

    Parameters
    ----------
    bundle
        The model.
    threads
        Cores that one answer may use. A clip takes milliseconds, so 1 is mostly best; for many
        clips see `predict_many`.
    limits
        Bounds on the audio that is accepted.

    Raises
    ------
    BundleError
        If the bundle was made with a feature set or a preparation that this emotone does not have,
        or has in another version: its answers would be wrong.

    Notes
    -----
    ONNX Runtime is imported and the model is loaded with the first answer.
    """

    def __init__(
        self, bundle: Bundle, *, threads: int = 1, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        if threads < 1:
            raise UsageError(f"threads is {threads}", remedy="Give a whole number from 1.")
        self.card = bundle.card
        self._source = bundle.path
        self._runtime = Runtime(bundle, threads)
        self._limits = limits
        self._preparation, self._job = _front_end(bundle, limits)
        self._offset: FloatVector | None = None
        self._adapted_clips = 0

    @property
    def emotions(self) -> tuple[str, ...]:
        """What the columns of the scores mean, in order."""
        return self.card.emotions

    @property
    def model(self) -> str:
        """Name and version of the model, ``"emotone-default@1.0"``."""
        return self.card.model

    @property
    def digest(self) -> str:
        """Stands for the model, its card, and what it is adapted to, in 64 hexadecimal digits."""
        offset = b"" if self._offset is None else self._offset.tobytes()
        return hashlib.sha256(self.card.to_json() + offset).hexdigest()

    @property
    def adapted_clips(self) -> int:
        """How many clips of a speaker it is adapted to; 0 where it is not."""
        return self._adapted_clips

    @property
    def uncertain_below(self) -> float | None:
        """The confidence below which the card says that an answer had better be "uncertain".

        At it the answers given reached a stated accuracy on held-out clips, which stand beside it
        in ``card.calibration["uncertain_below"]``. None where the card says nothing.
        """
        stated = self.card.calibration.get("uncertain_below")
        return None if stated is None else float(stated["confidence"])

    def __repr__(self) -> str:
        adapted = f", adapted to {self.adapted_clips} clips" if self.adapted_clips else ""
        return f"Recognizer({self.model}, emotions={', '.join(self.emotions)}{adapted})"

    def predict(
        self, source: Source, *, threshold: Threshold = None, channel: int | None = None
    ) -> Prediction:
        """The emotion of one clip.

        Parameters
        ----------
        source
            A path, bytes, a binary file object, ``"-"`` for standard input, or
            ``(samples, rate)``.
        threshold
            The least confidence, from 0 to 1; below it the answer is ``"uncertain"``. ``"card"``
            for the one that the model's card states, see `uncertain_below`.
        channel
            Listen to this channel alone, counted from 0; to the mean of all when None.

        Raises
        ------
        AudioError
            If there is nothing to hear in it.
        UsageError
            If the threshold is not from 0 to 1, or the card is to state it and does not.
        BundleError
            If the model does not load or does not answer as its card says.

        Examples
        --------
        >>> recognizer.predict((samples, 16000), threshold=0.5)      # doctest: +SKIP
        Prediction(emotion='uncertain', confidence=0.38, ...)
        """
        least = self._least_confidence(threshold)
        waveform = audio.read(source, channel=channel, limits=self._limits)
        scores = self._heard(self.prepare(waveform))
        order = np.argsort(-scores, kind="stable")
        ranked = {self.emotions[i]: float(scores[i]) for i in order}
        emotion, confidence = next(iter(ranked.items()))
        if least is not None and confidence < least:
            emotion = UNCERTAIN
        return Prediction(
            emotion=emotion,
            confidence=confidence,
            scores=ranked,
            duration_s=waveform.duration_s,
            model=self.model,
            file=os.fspath(source) if isinstance(source, (str, os.PathLike)) else None,
            adapted_clips=self._adapted_clips,
        )

    def predict_many(
        self,
        sources: Iterable[Source],
        *,
        threshold: Threshold = None,
        channel: int | None = None,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Prediction | Failure]:
        """The emotions of many clips, in their order, as they come.

        Parameters
        ----------
        sources
            As for `predict`; a folder stands for all audio files below it.
        threshold, channel
            As for `predict`.
        jobs
            Clips worked on at once; as many as there are cores when None.
        progress
            Called with how many are answered, and of how many.

        Yields
        ------
        Prediction or Failure
            One for each clip. What cannot be read gives a `Failure` and the others are answered.

        Raises
        ------
        UsageError
            If the threshold is not from 0 to 1, or the card is to state it and does not; or `jobs`
            is below 1.
        BundleError
            If the model does not load.
        """
        least = self._least_confidence(threshold)
        if jobs is not None and jobs < 1:
            raise UsageError(f"jobs is {jobs}", remedy="Give a whole number from 1.")
        clips = list(_expand(sources))
        self._runtime.load()
        workers = min(cores() if jobs is None else jobs, max(1, len(clips)))

        def attempt(clip: Source | Failure) -> Prediction | Failure:
            if isinstance(clip, Failure):
                return clip
            try:
                return self.predict(clip, threshold=least, channel=channel)
            except Exception as error:
                name = source_name(clip)
                return Failure(name, as_error(error, name))

        answers = map(attempt, clips) if workers == 1 else _in_order(attempt, clips, workers)
        return _counted(answers, len(clips), progress)

    def adapt(
        self,
        clips: Source | Iterable[Source],
        *,
        neutral: bool = False,
        channel: int | None = None,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> Recognizer:
        """A recognizer for one speaker, who is heard as angry, or sad, more often than need be.

        What the model hears of this voice in every clip is taken out of its scores; see
        `emotone.adaptation` for how. The more clips the better: one helps little, twenty help.

        Parameters
        ----------
        clips
            Clips of the speaker, as for `predict_many`, of all emotions about equally often and
            unlabelled; or all neutral. Where some emotions are rare in them, those are heard more
            often than they should be.
        neutral
            Whether the clips are all neutral. For this the card must say how neutral clips of other
            speakers score; models trained with a split by speaker do.
        channel, jobs, progress
            As for `predict_many`.

        Returns
        -------
        Recognizer
            For clips of this speaker. It shares the loaded model; this one stays as it is. A
            recognizer that is adapted is adapted anew, from its model.

        Raises
        ------
        UsageError
            If there is no clip, or one of them cannot be read.
        BundleError
            If the model cannot be adapted to neutral clips.

        Examples
        --------
        >>> hers = recognizer.adapt(["a.wav", "b.wav", "c.wav"])      # doctest: +SKIP
        >>> hers.predict("d.wav").emotion                             # doctest: +SKIP
        'neutral'
        """
        from emotone.adaptation import Adaptation

        stated = self.card.calibration.get("adaptation")
        known = Adaptation() if stated is None else Adaptation.from_dict(stated)
        if neutral and known.neutral is None:
            raise BundleError(
                "the model does not say how neutral clips score, so it cannot adapt to them",
                source=self._source,
                remedy="Adapt to clips of all emotions, or train it again with neutral clips and a "
                "split by speaker, such as speakers:5.",
                code="not_adaptable",
            )
        one = isinstance(clips, (str, os.PathLike, bytes, tuple)) or hasattr(clips, "read")
        plain = self._adapted_by(None, 0)
        answers = list(
            plain.predict_many(
                [clips] if one else clips,  # type: ignore[arg-type, list-item]
                channel=channel,
                jobs=jobs,
                progress=progress,
            )
        )
        failures = [answer for answer in answers if isinstance(answer, Failure)]
        if failures:
            raise UsageError(
                f"{len(failures)} of {len(answers)} clips to adapt to cannot be read: "
                + "; ".join(str(failure.error).rstrip(".") for failure in failures[:5]),
                remedy="Leave them out, or repair them.",
            )
        scores = np.array(
            [
                [answer.scores[name] for name in self.emotions]
                for answer in answers
                if isinstance(answer, Prediction)
            ]
        )
        if not len(scores):
            raise UsageError(
                "there is no clip to adapt to", remedy="Give at least one clip of the speaker."
            )
        offset = known.neutral_offset(scores) if neutral else known.offset(scores)
        return self._adapted_by(offset, len(scores))

    def scores(self, features: npt.ArrayLike) -> FloatArray:
        """The calibrated probabilities for rows that were computed before.

        Parameters
        ----------
        features
            Shape ``(n, dimension)``, or ``(dimension,)`` for one clip: the feature set of the card,
            computed after the preparation of the card. For a model over the waveform: ``(n,
            samples)`` at the rate of the card.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(n, emotions)``; each row sums to 1.

        Raises
        ------
        FeatureError
            If the shape is another one, or numbers are not finite.
        """
        rows = np.atleast_2d(np.asarray(features, dtype=np.float32))
        wanted = self.card.input.dimension
        if rows.ndim != 2 or (wanted is not None and rows.shape[1] != wanted):
            raise FeatureError(
                f"features of shape {np.shape(features)}, but {self.model} takes "
                f"(n, {wanted or 'samples'})",
                remedy=f"Compute them with the feature set {self.card.feature_set!r}.",
            )
        if not np.isfinite(rows).all():
            raise FeatureError(
                "the features hold numbers that are not finite", remedy="Leave out those rows."
            )
        if not len(rows):
            return np.empty((0, len(self.emotions)), dtype=np.float32)
        return self._scores(rows)

    def hear(self, sounds: Sequence[npt.ArrayLike], rate: int) -> FloatArray:
        """The calibrated probabilities for stretches of sound, as they are.

        Nothing is cut off their ends and nothing refused for being silent. Those of one length are
        answered together, which takes less time.

        Parameters
        ----------
        sounds
            n waveforms, mono and from -1 to 1, of 0.3 s or more.
        rate
            Of all of them, in Hz.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(n, emotions)``; each row sums to 1.

        Raises
        ------
        AudioError
            If one is shorter than 0.3 s, has more than one dimension or samples that are not
            finite, or a model over features cannot describe it.
        BundleError
            If the model does not load or does not answer as its card says.
        """
        waveforms = [_stretch(sound, rate) for sound in sounds]
        if self._job is not None:
            if not waveforms:
                return np.empty((0, len(self.emotions)), dtype=np.float32)
            return self._scores(np.stack([self._job.row(each) for each in waveforms]))
        wanted = self.card.input.rate or rate
        samples = [audio.resample(each.samples, rate, wanted) for each in waveforms]
        return self._together(samples, self._scores)

    @property
    def takes_frames(self) -> bool:
        """Whether `describe` and `hear_frames` are there: the bundle has a model of frames."""
        return self._runtime.takes_frames

    def describe(self, frames: npt.ArrayLike) -> FloatArray:
        """Frames of sound as the model sees them, each by itself.

        Windows that overlap share frames, so what is known of them need not be found again:
        `emotone.spectra.WindowFrames` says which are missing, and puts windows together.

        Parameters
        ----------
        frames
            Samples at 16 kHz, shape ``(k, 512)``, k from 1.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(rows, k)``.

        Raises
        ------
        UsageError
            If the model hears waveforms alone, see `takes_frames`.
        AudioError
            If the frames have another shape, or samples that are not finite.
        BundleError
            If a model does not load or does not answer as it should.
        """
        self._check_takes_frames()
        samples = np.asarray(frames, dtype=np.float32)
        if samples.ndim != 2 or samples.shape[1] != spectra.SIZE or not len(samples):
            raise AudioError(
                f"frames of the shape {samples.shape}",
                remedy=f"Give them as (k, {spectra.SIZE}), k from 1.",
                code="bad_shape",
            )
        if not np.isfinite(samples).all():
            raise AudioError(
                "not all samples of these frames are finite",
                remedy="Leave them out, or give silence in their place.",
                code="non_finite",
            )
        return self._runtime.describe(samples)

    def hear_frames(self, windows: Sequence[FloatArray]) -> FloatArray:
        """The calibrated probabilities for stretches of sound whose frames are described.

        The same as `hear` for their waveforms, up to rounding, in two thirds of the time.

        Parameters
        ----------
        windows
            n descriptions of all frames of a stretch of 0.3 s or more, float32
            ``(rows, frames)``, as `describe` makes them.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(n, emotions)``; each row sums to 1.

        Raises
        ------
        UsageError
            If the model hears waveforms alone, see `takes_frames`.
        FeatureError
            If a window is no such description.
        BundleError
            If the model does not load or does not answer as its card says.
        """
        self._check_takes_frames()
        found = [np.asarray(window, dtype=np.float32) for window in windows]
        for window in found:
            if window.ndim != 2:
                raise FeatureError(
                    f"described frames of the shape {window.shape}",
                    remedy="Give what describe() makes, (rows, frames).",
                )
        return self._together(found, self._scores_of_frames)

    def _check_takes_frames(self) -> None:
        if not self.takes_frames:
            raise UsageError(
                f"{self.model} takes no described frames",
                remedy="Give the sound itself to hear().",
            )

    def _together(
        self, rows: Sequence[FloatArray], answer: Callable[[FloatArray], FloatArray]
    ) -> FloatArray:
        """Scores of rows, those of one length at once."""
        return self._alike(rows, lambda row: row.shape[-1], lambda some: answer(np.stack(some)))

    def _alike(
        self,
        rows: Sequence[FloatArray],
        length: Callable[[FloatArray], int],
        answer: Callable[[Sequence[FloatArray]], FloatArray],
    ) -> FloatArray:
        """Scores of rows, those that are equally long at once."""
        found = np.empty((len(rows), len(self.emotions)), dtype=np.float32)
        of_length: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            of_length.setdefault(length(row), []).append(place)
        long = LONGEST_S / 2 * (self.card.input.rate or np.inf)
        for places in of_length.values():
            most = _PARTS_AT_ONCE if rows[places[0]].shape[-1] > long else _WINDOWS_AT_ONCE
            for start in range(0, len(places), most):
                some = places[start : start + most]
                found[some] = answer([rows[place] for place in some])
        return found

    def _scores_framed(self, windows: Sequence[FloatArray]) -> FloatArray:
        """Scores of waveforms of as many frames, whatever their last samples are."""
        framed = [spectra.framed(window) for window in windows]
        described = self._runtime.describe(np.concatenate(framed))
        each = described.reshape(len(described), len(windows), -1).transpose(1, 0, 2)
        return self._scores_of_frames(np.ascontiguousarray(each))

    def timeline(
        self,
        source: Source,
        *,
        channels: Channels = "mix",
        settings: TimelineSettings | None = None,
        jobs: int | None = None,
        progress: Callable[[float, float | None], None] | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        speakers: Speakers | None = None,
    ) -> Timeline:
        """The emotions of a recording of any length: which one when, and silence between.

        Speech is found and cut into utterances at pauses; windows of each are heard, smoothed, and
        joined into segments. The memory it takes does not grow with the sound.

        Parameters
        ----------
        source
            As for `predict`.
        channels
            ``"mix"`` hears all channels together; ``"split"`` each by itself, such as agent and
            customer of a call; a number that channel alone, from 0.
        settings
            Length and step of the windows, and so on.
        jobs
            Cores to use; as many as there are when None.
        progress
            Called with seconds heard, and of how many where that is known; first of all with where
            it begins: 0, or where an earlier run stopped.
        checkpoint
            Where to keep the progress, so that the same call goes on where one before was stopped,
            by Ctrl-C or by force, and gives the same to the last bit. The file is removed when the
            timeline is complete; of a `Checkpoint` the caller does that, who may first want to have
            the timeline safe. It holds up to a few seconds of the sound. Recordings that are files
            only.
        speakers
            How many people speak on each channel, to have them told apart; ``"auto"`` to find out,
            which is far less sure. See `emotone.timeline.speakers.tell_apart`, which does it for a
            timeline that there is. The recording is read twice.

        Raises
        ------
        AudioError
            If it cannot be read.
        UsageError
            If there are no such channels, `jobs` or `speakers` is below 1, the progress of what is
            no file is to be kept, or speakers told apart in what can be read only once.
        BundleError
            If the model does not load or does not answer as its card says.

        Examples
        --------
        >>> recognizer.timeline("meeting.mp3").summary().shares         # doctest: +SKIP
        {'neutral': 0.71, 'happy': 0.18, 'angry': 0.11}
        """
        from emotone.timeline.analysis import analyze

        if jobs is not None and jobs < 1:
            raise UsageError(f"jobs is {jobs}", remedy="Give a whole number from 1.")
        if speakers is not None:
            from emotone.timeline.speakers import check, tell_apart

            check(speakers, source)
        self._runtime.load()
        timeline = analyze(
            self,
            source,
            channels=channels,
            settings=settings,
            jobs=jobs or cores(),
            limits=self._limits,
            progress=progress,
            checkpoint=checkpoint,
        )
        if speakers is None:
            return timeline
        return tell_apart(timeline, source, speakers, limits=self._limits)

    def prepare(self, waveform: Waveform) -> FloatArray:
        """What the model takes for one clip, for `hear_prepared`.

        Parameters
        ----------
        waveform
            As `emotone.audio.read` gives it.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(1, dimension)`` or ``(windows, samples)``; there is one window where
            the clip is not longer than `LONGEST_S`.

        Raises
        ------
        AudioError, FeatureError
            If there is nothing to hear in it, or it cannot be described.
        """
        if self._job is not None:
            return self._job.row(waveform)[np.newaxis]
        prepared = self._preparation.apply(waveform)
        if prepared.rate != self.card.input.rate:
            prepared = audio.read(prepared, rate=self.card.input.rate)
        samples, longest = prepared.samples, round(LONGEST_S * prepared.rate)
        if len(samples) <= longest:
            return samples[np.newaxis]
        windows = -(-len(samples) // longest)
        starts = np.linspace(0, len(samples) - longest, windows).astype(int)
        return np.stack([samples[start : start + longest] for start in starts])

    def hear_prepared(self, clips: Sequence[FloatArray]) -> FloatArray:
        """The calibrated probabilities for clips that are prepared.

        The same as `predict` gives for each, up to rounding. Windows of one length are answered
        together, which takes less time, so give many clips at once.

        Parameters
        ----------
        clips
            What `prepare` made of each of n clips.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(n, emotions)``; each row sums to 1.

        Raises
        ------
        BundleError
            If the model does not load or does not answer as its card says.
        """
        windows = [window for clip in clips for window in clip]
        if self.takes_frames:
            # Far more clips have as many frames as have as many samples.
            scores = self._alike(windows, lambda w: 1 + len(w) // spectra.HOP, self._scores_framed)
        else:
            scores = self._together(windows, self._scores)
        found = np.empty((len(clips), len(self.emotions)), dtype=np.float32)
        at = 0
        for place, clip in enumerate(clips):
            found[place] = scores[at : at + len(clip)].mean(axis=0)
            at += len(clip)
        return found

    # -- within

    def _heard(self, rows: FloatArray) -> FloatArray:
        """The scores of one clip, ``(emotions,)``: their mean over the windows of a long one."""
        parts = [
            self._scores(rows[start : start + _PARTS_AT_ONCE])
            for start in range(0, len(rows), _PARTS_AT_ONCE)
        ]
        mean: FloatArray = np.concatenate(parts).mean(axis=0)
        return mean

    def _scores(self, rows: FloatArray) -> FloatArray:
        return self._adapted(self._runtime.scores(rows))

    def _scores_of_frames(self, windows: FloatArray) -> FloatArray:
        return self._adapted(self._runtime.scores_of_frames(windows))

    def _adapted(self, scores: FloatArray) -> FloatArray:
        if self._offset is None:
            return scores
        from emotone.adaptation import adapted

        return adapted(scores, self._offset).astype(np.float32)

    def _adapted_by(self, offset: FloatVector | None, clips: int) -> Recognizer:
        """The same model with this offset taken out of its scores."""
        other = copy.copy(self)
        other._offset, other._adapted_clips = offset, clips
        return other

    def _least_confidence(self, threshold: Threshold) -> float | None:
        if threshold == "card":
            if self.uncertain_below is None:
                raise UsageError(
                    f"the card of {self.model} states no confidence to be uncertain below",
                    remedy="Give a threshold from 0 to 1, such as 0.5.",
                )
            return self.uncertain_below
        _check_threshold(threshold)
        return threshold


def verify(path: str | Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> list[Check]:
    """Every check of a bundle, one by one: those of `emotone.bundle.verify`, and whether it runs.

    Returns
    -------
    list of Check
        In the order in which they are made, up to the first that fails. The last is ``runs``: this
        emotone has the feature set, the model loads, and its scores are probabilities.
    """
    from emotone.bundle.checks import Check
    from emotone.bundle.checks import verify as verify_bundle

    checks = verify_bundle(path, max_bytes=max_bytes)
    if not all(check.passed for check in checks):
        return checks
    try:
        detail = _trial(Bundle.open(path, max_bytes=max_bytes))
    except EmotoneError as error:
        return [*checks, Check("runs", False, str(error))]
    return [*checks, Check("runs", True, detail)]


def _trial(bundle: Bundle) -> str:
    recognizer = Recognizer(bundle)
    width = bundle.card.input.dimension or bundle.card.input.rate or 1
    rows = np.random.default_rng(0).normal(size=(3, width)).astype(np.float32)
    scores = recognizer.scores(rows)
    if scores.min() < 0 or abs(scores.sum(axis=1) - 1).max() > 1e-3:
        raise BundleError(
            "the scores of the model are not probabilities", source=bundle.path, remedy=REMEDY
        )
    if recognizer.takes_frames:
        for samples in (9000, 48_000):
            sound = 0.1 * np.random.default_rng(1).standard_normal(samples).astype(np.float32)
            described = recognizer.describe(spectra.framed(sound))
            seen = recognizer.hear_frames([described])
            if abs(seen - recognizer.hear([sound], spectra.RATE)).max() > 1e-3:
                raise BundleError(
                    "with frames.onnx the model does not answer as without it",
                    source=bundle.path,
                    remedy=REMEDY,
                )
    return f"{len(rows)} random rows in, {scores.shape[1]} probabilities each out"


def _front_end(bundle: Bundle, limits: Limits) -> tuple[Preparation, Job | None]:
    """What turns a waveform into the model's input; checked to be what training did."""
    card = bundle.card
    newer = "Upgrade with: pip install --upgrade emotone. Or train the model again."
    try:
        preparation = Preparation.from_dict(card.preparation)
        found = None if card.feature_set is None else features.get(card.feature_set)
    except EmotoneError as error:
        raise BundleError(
            f"it needs what this emotone does not have: {error.cause}",
            source=bundle.path,
            remedy=error.remedy or newer,
        ) from error
    if found is None:
        return preparation, None
    if found.version != card.feature_version or found.dimension != card.input.dimension:
        raise BundleError(
            f"it was trained on version {card.feature_version} of the feature set {found.name} "
            f"({card.input.dimension} numbers), but this emotone has version {found.version} "
            f"({found.dimension})",
            source=bundle.path,
            remedy=newer,
            code="other_features",
        )
    return preparation, Job(found.name, preparation, limits)


def _stretch(sound: npt.ArrayLike, rate: int) -> Waveform:
    """Sound to be heard as it is, checked."""
    samples = np.asarray(sound, dtype=np.float32)
    check_samples(samples)
    if len(samples) < SHORTEST_S * rate:
        raise AudioError(
            f"{len(samples) / rate:.3f} s of sound",
            remedy=f"Give {SHORTEST_S:g} s or more.",
            code="too_short",
        )
    return Waveform(samples, rate)


def _check_threshold(threshold: float | None) -> None:
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(
            f"the threshold is {threshold}", remedy="Give a confidence from 0 to 1, such as 0.5."
        )


def _expand(sources: Iterable[Source]) -> Iterator[Source | Failure]:
    """The clips that the sources stand for; an empty folder is a failure of its own."""
    for source in sources:
        if not isinstance(source, (str, os.PathLike)) or not Path(source).is_dir():
            yield source
            continue
        try:
            yield from audio.find_audio([source])
        except AudioError as error:
            yield Failure(os.fspath(source), error)


def _counted(
    answers: Iterable[Prediction | Failure], total: int, progress: Progress | None
) -> Iterator[Prediction | Failure]:
    for done, answer in enumerate(answers, start=1):
        if progress is not None:
            progress(done, total)
        yield answer


def _in_order(
    attempt: Callable[[Source | Failure], Prediction | Failure],
    clips: list[Source | Failure],
    workers: int,
) -> Iterator[Prediction | Failure]:
    """Answers in the order of the clips, a bounded number of them worked on ahead."""
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="emotone") as pool:
        try:
            for clip in clips:
                waiting.append(pool.submit(attempt, clip))
                if len(waiting) >= workers * _WAITING_PER_JOB:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
