"""What classifiers of sound have in common: what they were asked for, and what a fit tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.models.calibration import FloatMatrix
from emotone.models.streamed import Features

if TYPE_CHECKING:
    from emotone.models.families import Family


class SoundClassifier(ABC):
    """Waveforms in, calibrated probabilities of each emotion out.

    Made by `emotone.models.build`. It has the face of `emotone.models.Classifier`, with `Clips` in
    place of a matrix of features.

    Attributes
    ----------
    family, params, seed, class_weight, sampling
        As given to `build`, defaults filled in; after `fit` with the precision that it ran in.
    classes_
        The emotions in the order of the scores' columns, that of the vocabulary, after `fit`.
    corpora_
        Names of the corpora that have a head of their own, after `fit`.
    rate
        Of the clips it hears, in Hz, after `fit`.
    temperature_
        What the general head's logits are divided by, after `fit`; 1 if it could not be fitted.
    calibration_
        How that came about, for the card.
    loss_curve_, validation_curve_, watch_curve_
        Training loss (smoothing, mixing and alteration of the clips included), log loss of the
        held-out clips and of the watched ones, after each epoch.
    training_s_
        Seconds that the training took, those before it was cut off included.
    """

    def __init__(
        self,
        *,
        family: Family,
        params: dict[str, Any],
        seed: int = 0,
        class_weight: str | None = None,
        sampling: str | None = None,
    ) -> None:
        self.family = family
        self.params = params
        self.seed = seed
        self.class_weight = class_weight
        self.sampling = sampling
        self.classes_: npt.NDArray[np.str_] = np.array([], dtype=np.str_)
        self.corpora_: list[str] = []
        self.rate = 0
        self.temperature_ = 1.0
        self.calibration_: dict[str, Any] = {}
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []
        self.watch_curve_: list[float] = []
        self.training_s_ = 0.0

    @property
    @abstractmethod
    def parameter_count(self) -> int:
        """Numbers that were learned, after `fit`."""

    @abstractmethod
    def scores(self, X: Features, corpora: Sequence[str] | None = None) -> FloatMatrix:
        """Calibrated probabilities, shape ``(n, k)``, columns in the order of `classes_`."""

    @abstractmethod
    def to_onnx(self) -> bytes:
        """The model as ONNX: ``waveform`` in, ``scores`` out."""

    def predict(self, X: Features) -> npt.NDArray[np.str_]:
        """The most probable emotion of each clip, shape ``(n,)``."""
        chosen: npt.NDArray[np.str_] = self.classes_[self.scores(X).argmax(axis=1)]
        return chosen
