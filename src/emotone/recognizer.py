"""From audio to its emotion: a bundle, run by ONNX Runtime.

This room needs numpy, soundfile, soxr and onnxruntime and nothing else; what a program imports
here is what it waits for before the first answer.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from emotone import arrays, audio, configuration
from emotone.answering import Progress, answers
from emotone.audio.limits import DEFAULT_LIMITS, Limits
from emotone.audio.sources import Source
from emotone.audio.waveform import FloatArray, Waveform
from emotone.bundle.choice import chosen
from emotone.bundle.model import Bundle
from emotone.bundle.registry import find
from emotone.bundle.storage import DEFAULT_MAX_BYTES
from emotone.errors import BundleError, UsageError
from emotone.features.job import check_count, cores
from emotone.frontend import FrontEnd
from emotone.prediction import UNCERTAIN, Failure, Prediction
from emotone.runtime import Runtime
from emotone.scoring import Scorer

if TYPE_CHECKING:
    from emotone.adaptation import FloatVector
    from emotone.timeline import Timeline
    from emotone.timeline.analysis import Channels
    from emotone.timeline.checkpoints import Checkpoint
    from emotone.timeline.settings import TimelineSettings
    from emotone.timeline.speakers import Speakers

Threshold = float | Literal["card"] | None
"""The least confidence from 0 to 1, the one that the model's card states, or what holds anyway."""


def load(
    model: str | Path | None = None,
    *,
    threads: int | None = None,
    threshold: Threshold = None,
    emotions: Sequence[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Recognizer:
    """Open a model.

    What is None is looked up in the configuration, see `emotone.configuration`.

    Parameters
    ----------
    model
        None for the one that is configured, else the one that ships with the package; the name of
        an installed one; or the path of a bundle.
    threads
        Cores that one answer may use, 1 where nobody says otherwise; see `Recognizer`.
    threshold
        What `Recognizer.predict` does without one of its own.
    emotions
        Those that can occur; see `Recognizer`.
    limits
        Bounds on the audio that is accepted.
    max_bytes
        The most that the model may hold.

    Raises
    ------
    BundleError
        If there is none, or it is refused; see `Bundle.open` and `Recognizer`.
    UsageError
        If the configuration cannot be read; the model does not know the emotions; or the threshold
        is not from 0 to 1.

    Examples
    --------
    >>> recognizer = load()                                 # doctest: +SKIP
    >>> recognizer.predict("clip.wav").emotion              # doctest: +SKIP
    'angry'
    """
    bundle = Bundle.open(find(model), max_bytes=max_bytes)
    if threads is None or threshold is None:
        found = configuration.read()
        threads = found.value("threads").value if threads is None else threads
        threshold = found.value("threshold").value if threshold is None else threshold
    return Recognizer(
        bundle, threads=threads, threshold=threshold, emotions=emotions, limits=limits
    )


class Recognizer:
    """Names the emotion of clips. It may be used from several threads at once.

    Parameters
    ----------
    bundle
        The model.
    threads
        Cores that one answer may use. A clip takes milliseconds, so 1 is mostly best; for many
        clips see `predict_many`.
    threshold
        What `predict` and `predict_many` do without one of their own.
    emotions
        Those that can occur, two or more that the model knows, by any of their names; None for all.
        The answer is one of them, and the scores say how likely each is among them: in each of the
        windows that a clip of more than 20 s is heard in. The calibration is that of all emotions
        together.
    limits
        Bounds on the audio that is accepted.

    Raises
    ------
    BundleError
        If the bundle was made with a feature set or a preparation that this emotone does not have,
        or has in another version: its answers would be wrong.
    UsageError
        If the threshold is not from 0 to 1; or the model does not know one of the emotions, or they
        are fewer than two.

    Notes
    -----
    ONNX Runtime is imported and the model is loaded with the first answer.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        threshold: Threshold = None,
        emotions: Sequence[str] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        check_count("threads", threads)
        self.card = bundle.card
        self._source = bundle.path
        self._runtime = Runtime(bundle, threads)
        self._limits = limits
        self._front_end = FrontEnd(bundle, limits)
        self._emotions = bundle.card.emotions
        if emotions is not None:
            self._emotions = chosen(bundle.card, emotions)
        # Of a configured one nothing is to be heard where nobody asks for it: in a timeline, say,
        # where a clip has a threshold of its own, or before this is adapted.
        lasting = threshold == "card"
        self._least: Threshold = threshold if lasting else self._least_confidence(threshold)
        self._scorer = Scorer(self._runtime, bundle.card, emotions=self._emotions)
        self._adapted_clips = 0

    @property
    def emotions(self) -> tuple[str, ...]:
        """What the columns of the scores mean, in order: those that can occur."""
        return self._emotions

    @property
    def model(self) -> str:
        """Name and version of the model, ``"emotone-default@1.0"``."""
        return self.card.model

    @property
    def digest(self) -> str:
        """Stands for all that an answer depends on, in 64 hexadecimal digits.

        That is the model, its card, the emotions that can occur, and what it is adapted to.
        """
        offset = self._scorer.offset
        adapted = b"" if offset is None else offset.tobytes()
        some = "" if self._emotions == self.card.emotions else " ".join(self._emotions)
        return hashlib.sha256(self.card.to_json() + adapted + some.encode()).hexdigest()

    @property
    def adapted_clips(self) -> int:
        """How many clips of a speaker it is adapted to; 0 where it is not."""
        return self._adapted_clips

    @property
    def uncertain_below(self) -> float | None:
        """The confidence below which the card says that an answer had better be "uncertain".

        At it the answers given reached a stated accuracy on held-out clips, which stand beside it
        in ``card.calibration["uncertain_below"]``. They were given without adapting; how often
        adapted answers of that confidence are right was not measured. None where the card says
        nothing, or where only some of its emotions can occur: one is surer of fewer.
        """
        stated = self.card.calibration.get("uncertain_below")
        if stated is None or self._emotions != self.card.emotions:
            return None
        return float(stated["confidence"])

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
            for the one that the model's card states, see `uncertain_below`. None for that of the
            recognizer, which by itself has none; 0 for none.
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
        least = self._least_confidence(self._least if threshold is None else threshold)
        waveform = audio.read(source, channel=channel, limits=self._limits)
        scores = self._scorer.clip(self.prepare(waveform))
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
        sources: Source | Iterable[Source],
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
            As for `predict`, one or several; a folder stands for all audio files below it.
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
        least = self._least_confidence(self._least if threshold is None else threshold)
        check_count("jobs", jobs)
        self._runtime.load()

        def answer(clip: Source) -> Prediction:
            return self.predict(clip, threshold=least, channel=channel)

        several = [sources] if _is_one(sources) else sources
        return answers(several, answer, jobs=jobs, progress=progress)  # type: ignore[arg-type]

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
        known = known.among([self.card.emotions.index(name) for name in self.emotions])
        if neutral and known.neutral is None:
            raise BundleError(
                "the model does not say how neutral clips score, so it cannot adapt to them",
                source=self._source,
                remedy="Adapt to clips of all emotions, or train it again with neutral clips and a "
                "split by speaker, such as speakers:5.",
                code="not_adaptable",
            )
        plain = self._adapted_by(None, 0)
        found = list(
            plain.predict_many(
                clips,
                threshold=0,
                channel=channel,
                jobs=jobs,
                progress=progress,
            )
        )
        failures = [answer for answer in found if isinstance(answer, Failure)]
        if failures:
            raise UsageError(
                f"{len(failures)} of {len(found)} clips to adapt to cannot be read: "
                + "; ".join(str(failure.error).rstrip(".") for failure in failures[:5]),
                remedy="Leave them out, or repair them.",
            )
        scores = np.array(
            [
                [answer.scores[name] for name in self.emotions]
                for answer in found
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
        rows = arrays.rows(features, self.card)
        if not len(rows):
            return np.empty((0, len(self.emotions)), dtype=np.float32)
        return self._scorer.rows(rows)

    def hear(self, sounds: Sequence[npt.ArrayLike], rate: int) -> FloatArray:
        """The calibrated probabilities for stretches of a recording.

        What the card says is done to a clip is done to each, but nothing is cut off its ends and
        nothing refused for being silent. Those of one length are answered together, which takes
        less time.

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
        waveforms = [arrays.stretch(sound, rate) for sound in sounds]
        rows = [self._front_end.stretch(each) for each in waveforms]
        if rows and self._front_end.describes:
            return self._scorer.rows(np.stack(rows))
        return self._scorer.stretches(rows)

    @property
    def takes_frames(self) -> bool:
        """Whether `describe` and `hear_frames` are there: the bundle has a model of frames.

        And its card has nothing done to the sound before, such as a band limit, which would be
        passed over.
        """
        return self._runtime.takes_frames and self._front_end.leaves_stretches

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
        return self._runtime.describe(arrays.frames(frames))

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
        return self._scorer.described([arrays.described(window) for window in windows])

    def _check_takes_frames(self) -> None:
        if not self.takes_frames:
            raise UsageError(
                f"{self.model} takes no described frames",
                remedy="Give the sound itself to hear().",
            )

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

        check_count("jobs", jobs)
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
            the clip is not longer than `emotone.frontend.LONGEST_S`.

        Raises
        ------
        AudioError, FeatureError
            If there is nothing to hear in it, or it cannot be described.
        """
        return self._front_end.clip(waveform)

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
        return self._scorer.clips(clips, framed=self.takes_frames)

    # -- within

    def _adapted_by(self, offset: FloatVector | None, clips: int) -> Recognizer:
        """The same model with this offset taken out of its scores."""
        other = copy.copy(self)
        other._scorer = Scorer(self._runtime, self.card, offset, emotions=self._emotions)
        other._adapted_clips = clips
        return other

    def _least_confidence(self, threshold: Threshold) -> float | None:
        if threshold == "card":
            if self._emotions != self.card.emotions:
                raise UsageError(
                    f"the confidence that the card of {self.model} states is one among all its "
                    "emotions, not for some of them alone",
                    remedy="Let all emotions occur, or give a threshold from 0 to 1 in its place "
                    "(--threshold 0.5 for --uncertain).",
                )
            if self.uncertain_below is None:
                raise UsageError(
                    f"the card of {self.model} states no confidence to be uncertain below",
                    remedy="Give a threshold from 0 to 1, such as 0.5.",
                )
            return self.uncertain_below
        if threshold is not None and not (
            isinstance(threshold, (int, float, np.number)) and 0 <= threshold <= 1
        ):
            raise UsageError(
                f"the threshold is {threshold!r}",
                remedy="Give a confidence from 0 to 1, such as 0.5.",
            )
        return threshold


def _is_one(clips: Source | Iterable[Source]) -> bool:
    """Whether this is a single clip, not several."""
    if isinstance(clips, tuple):  # sound and its rate, or so many clips
        return len(clips) == 2 and isinstance(clips[1], (int, float, np.number))
    if isinstance(clips, np.ndarray):  # sound without a rate, which is refused, or paths
        return clips.dtype.kind not in "OU" or clips.ndim == 0
    single = (str, os.PathLike, bytes, bytearray, memoryview, Waveform)
    return isinstance(clips, single) or hasattr(clips, "read")
