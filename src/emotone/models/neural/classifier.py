"""A classifier of emotions from the sound itself: a neural network with calibrated scores."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.audio.clips import Clips
from emotone.errors import EmotoneWarning, MissingExtraError, TrainingError
from emotone.models.calibration import FloatMatrix, fit_temperature
from emotone.models.labels import encode
from emotone.models.neural.base import SoundClassifier
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.settings import CLOSED_FORM, Settings
from emotone.models.streamed import Features

if TYPE_CHECKING:
    import torch

    from emotone.models.neural.data import LabelledClips
    from emotone.models.neural.network import Network


_ALIKE = 0.8
"""From here on two names of corpora are one, mistyped: of the nine known ones none are so alike."""


class NeuralClassifier(SoundClassifier):
    """One network that hears waveforms.

    Attributes
    ----------
    held_, held_labels_
        Positions of the validation part among the clips, and the indices of their emotions.
    network_
        The PyTorch module, after `fit`.
    """

    network_: Network | None = None
    held_: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    held_labels_: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    _own_temperature = 1.0

    def fit(
        self,
        X: Features,
        y: Sequence[str] | npt.NDArray[Any],
        groups: Sequence[str | None] | None = None,
        watch: tuple[Features, Sequence[str] | npt.NDArray[Any]] | None = None,
        corpora: Sequence[str] | None = None,
        *,
        files: TrainingFiles | None = None,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> NeuralClassifier:
        """Learn from labelled clips.

        Parameters
        ----------
        X
            The n clips.
        y
            The emotion of each.
        groups
            The speaker of each, None where unknown: for the validation part, and for what is shrunk
            because it tells speakers apart.
        watch
            Clips and emotions whose loss is followed in `watch_curve_`. They are only looked at:
            nothing is fitted to them and nothing stops because of them.
        corpora
            The corpus of each clip. Where there are several, each has a head over its own emotions
            beside the general one over all.
        files
            Where to keep the state after each epoch, and logs; see `TrainingFiles`.
        progress
            Called with steps done, of how many, and a word on epoch and losses.

        Returns
        -------
        NeuralClassifier
            Itself.

        Raises
        ------
        TrainingError
            If the data cannot be learned from: features in place of clips, fewer than two emotions,
            lengths that differ; or `files` holds the checkpoint of another training.
        MissingExtraError
            If PyTorch or Lightning is not installed.
        """
        try:
            import torch

            from emotone.models.neural import bodies, ridge, trainer
            from emotone.models.neural.data import LabelledClips, TrainingData, hold_out
            from emotone.models.neural.descriptions import standardise
            from emotone.models.neural.devices import flushed_denormals, settled
            from emotone.models.neural.export import round_weights
            from emotone.models.neural.network import Network
        except ImportError as error:
            raise MissingExtraError("training a neural model", "train") from error
        clips = _clips(X)
        labels = np.asarray(y, dtype=np.str_)
        names = np.asarray([""] * len(clips) if corpora is None else corpora, dtype=np.str_)
        speakers = len(clips) if groups is None else len(groups)
        if not len(labels) == len(names) == speakers == len(clips):
            raise TrainingError(
                f"{len(clips)} clips for {len(labels)} labels, {speakers} speakers and "
                f"{len(names)} corpora",
                remedy="Give one of each for every clip.",
            )
        self.classes_, codes = encode(labels)
        if len(self.classes_) < 2:
            raise TrainingError(
                f"there are clips of {len(self.classes_)} emotion",
                remedy="Train on clips of two emotions or more.",
            )
        settings = settled(Settings.of(self.family.name, self.params))
        self.params = {**self.params, "precision": settings.training.precision}
        self.corpora_ = np.unique(names).tolist()
        self._check_names(settings)
        homes = np.searchsorted(self.corpora_, names).astype(np.int64)
        weights = np.ones(len(codes), dtype=np.float32)
        if self.class_weight is not None:
            counts = np.bincount(codes)
            weights = (len(codes) / (len(counts) * counts))[codes].astype(np.float32)
        known = LabelledClips(clips, codes, homes, weights, _numbered(groups))

        held, disjoint = np.empty(0, dtype=np.int64), False
        share = settings.training.validation
        if share:
            people = groups if settings.training.hold_out == "speakers" else None
            held, disjoint = hold_out(codes, homes, people, share, self.seed)
            if not len(held):
                warnings.warn(
                    f"{len(clips)} clips are too few to hold some out, which would say when to "
                    "stop and calibrate the scores",
                    EmotoneWarning,
                    stacklevel=2,
                )
        rest = np.setdiff1d(np.arange(len(clips)), held)
        has = np.zeros((len(self.corpora_), len(self.classes_)), dtype=bool)
        has[homes, codes] = True
        training = known.take(rest)

        with torch.random.fork_rng([]):
            torch.manual_seed(self.seed)
            network = Network(bodies.make(settings, clips.rate), torch.from_numpy(has))
        with flushed_denormals():
            standardise(network, training, self.seed)
            data = TrainingData(
                training=training,
                validation=known.take(held) if len(held) else None,
                watched=None if watch is None else self._watched(watch),
                corpora=self.corpora_,
                balanced=self.sampling is not None,
            )
            if self.family.name in CLOSED_FORM:
                outcome = ridge.fit(network, data, settings, seed=self.seed, progress=progress)
            else:
                outcome = trainer.fit(
                    network,
                    data,
                    settings,
                    seed=self.seed,
                    files=files or TrainingFiles(),
                    progress=progress,
                )
        network.load_state_dict(outcome.weights)
        self.network_ = network.cpu().eval()
        round_weights(self.network_)
        self.rate = clips.rate
        self.loss_curve_ = outcome.training
        self.validation_curve_ = outcome.validation
        self.watch_curve_ = outcome.watched
        self.training_s_ = outcome.seconds
        self.held_, self.held_labels_ = held, codes[held]
        self._calibrate(known.take(held), disjoint, settings)
        return self

    def scores(self, X: Features, corpora: Sequence[str] | None = None) -> FloatMatrix:
        """Calibrated probabilities, shape ``(n, k)``, columns in the order of `classes_`.

        Parameters
        ----------
        X
            Clips at the rate of those that were learned from.
        corpora
            The corpus of each, where it is known: then the scores are the mean of its own head's
            and the general head's (the former alone where they are solved for together), over the
            emotions of the corpus. The exported model has the general head only.
        """
        scores: FloatMatrix = np.exp(self.log_scores(X, corpora))
        return scores

    def log_scores(self, X: Features, corpora: Sequence[str] | None = None) -> FloatMatrix:
        """Logarithms of the `scores`, ``-inf`` for emotions that a clip's corpus does not have."""
        clips = _clips(X)
        general, own = self._logits(clips)
        logs = _log_softmax(general / self.temperature_)
        if corpora is None or self.network_ is None:
            return logs
        names = list(corpora)
        if len(names) != len(clips):
            raise TrainingError(f"{len(names)} corpora for {len(clips)} clips")
        has = self.network_.has.numpy()
        for row, name in enumerate(names):
            if name not in self.corpora_:
                continue
            home = self.corpora_.index(name)
            inside = has[home]
            heads = [general[row, inside] / self.temperature_]
            if own is not None:
                heads.append(own[row, home, inside] / self._own_temperature)
            if own is not None and self.family.name in CLOSED_FORM:
                heads = heads[1:]  # that of a corpus knows all that is known of the others
            logs[row] = -np.inf
            mean = np.logaddexp.reduce([_log_softmax(logits) for logits in heads])
            logs[row, inside] = mean - np.log(len(heads))
        return logs

    def to_onnx(self) -> bytes:
        """The model as ONNX: ``waveform`` float32 (n, samples) in, ``scores`` float32 (n, k) out.

        Front end, general head, temperature and softmax are inside. It agrees with `scores` within
        1e-4. The same training gives the same bytes.

        Raises
        ------
        TrainingError
            If it was not fitted.
        """
        from emotone.models.neural.export import to_onnx

        return to_onnx([(self.fitted(), self.temperature_)], 1.0, self.rate)

    @property
    def parameter_count(self) -> int:
        """Numbers that were learned, after `fit`."""
        return sum(values.numel() for values in self.fitted().parameters())

    def fitted(self) -> Network:
        """The network.

        Raises
        ------
        TrainingError
            If there is none yet.
        """
        if self.network_ is None:
            raise TrainingError("this classifier has not been fitted yet")
        return self.network_

    def _check_names(self, settings: Settings) -> None:
        wanted = settings.training.clips_per_epoch
        if wanted and not set(wanted) & set(self.corpora_):
            raise TrainingError(
                f"clips_per_epoch names {', '.join(wanted)}, and none of them is trained on",
                remedy=f"The corpora are {', '.join(self.corpora_)}.",
            )
        # A recipe may speak of corpora that are not there; a slip of the pen is another thing.
        wanted = wanted or {}
        unnamed = [name for name in self.corpora_ if name not in wanted]
        for name in wanted.keys() - set(self.corpora_):
            close = difflib.get_close_matches(name, unnamed, n=1, cutoff=_ALIKE)
            if close:
                raise TrainingError(
                    f"clips_per_epoch names {name}, which is not trained on",
                    remedy=f"Did you mean {close[0]!r}?",
                )

    def _watched(
        self, watch: tuple[Features, Sequence[str] | npt.NDArray[Any]]
    ) -> LabelledClips | None:
        """The watched clips of known emotions; their corpora do not matter."""
        from emotone.models.neural.data import LabelledClips

        clips, labels = _clips(watch[0]), np.asarray(watch[1], dtype=np.str_)
        rows = np.flatnonzero(np.isin(labels, self.classes_))
        if not len(rows):
            return None
        codes = (labels[rows, None] == self.classes_[None, :]).argmax(axis=1).astype(np.int64)
        nowhere = np.zeros(len(rows), dtype=np.int64)
        return LabelledClips(clips[rows], codes, nowhere, np.ones(len(rows), dtype=np.float32))

    def _logits(self, clips: Clips) -> tuple[FloatMatrix, npt.NDArray[np.float64] | None]:
        """Of the general head (n, k), and of each corpus's own (n, corpora, k) if there are any."""
        network = self.fitted()
        import torch

        from emotone.models.neural.data import even_batches, padded
        from emotone.models.neural.devices import device

        if clips.rate != self.rate:
            raise TrainingError(
                f"the clips are at {clips.rate} Hz and the model hears {self.rate} Hz"
            )
        where = device(self.params["accelerator"])
        general = np.zeros((len(clips), len(self.classes_)))
        own = None if network.own is None else np.zeros((len(clips), *network.has.shape))
        network.to(where)
        try:
            with torch.inference_mode():
                for rows in even_batches(clips):
                    waveforms, lengths = padded([clips[int(row)] for row in rows])
                    logits = network(waveforms.to(where), lengths.to(where))
                    general[rows] = _numpy(logits.general)
                    if own is not None:
                        own[rows] = _numpy(logits.own)
        finally:
            network.cpu()
        return general, own

    def _calibrate(self, held: LabelledClips, disjoint: bool, settings: Settings) -> None:
        """Take the temperatures from the settings or fit them to the held-out clips."""
        fixed = settings.training.temperature
        self.temperature_ = self._own_temperature = 1.0 if fixed is None else fixed
        if fixed is not None or not len(held):
            method = "none" if fixed is None else "fixed"
            self.calibration_ = {"method": method, "temperature": self.temperature_}
            return
        general, own = self._logits(held.clips)
        self.temperature_ = fit_temperature(general, held.labels)
        self.calibration_ = {
            "method": "temperature",
            "temperature": round(self.temperature_, 6),
            "clips": len(held),
            "grouped_by": "speaker" if disjoint else "nothing",
        }
        if own is not None:
            rows = np.arange(len(held))
            has = self.fitted().has.numpy()[held.corpora]
            logits = np.where(has, own[rows, held.corpora], -np.inf)
            self._own_temperature = fit_temperature(logits, held.labels)


def _numbered(groups: Sequence[str | None] | None) -> npt.NDArray[np.int64] | None:
    """An index for each speaker, -1 where unknown."""
    if groups is None:
        return None
    places: dict[str, int] = {}
    numbers = [-1 if name is None else places.setdefault(name, len(places)) for name in groups]
    return np.array(numbers, dtype=np.int64)


def _clips(X: Features) -> Clips:
    if not isinstance(X, Clips):
        raise TrainingError(
            "a neural family hears clips, not features",
            remedy="Give it emotone.audio.clips.Clips.",
        )
    return X


def _numpy(values: torch.Tensor | None) -> npt.NDArray[np.float64]:
    assert values is not None
    array: npt.NDArray[np.float64] = values.double().cpu().numpy()
    return array


def _log_softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    apart = logits - logits.max(axis=-1, keepdims=True)
    result: npt.NDArray[np.float64] = apart - np.log(np.exp(apart).sum(axis=-1, keepdims=True))
    return result
