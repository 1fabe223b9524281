"""Several networks that hear the same clip, their answers averaged: one classifier, one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.clips import Clips
from emotone.errors import TrainingError
from emotone.models.calibration import FloatMatrix, fit_temperature, softmax
from emotone.models.neural.base import SoundClassifier
from emotone.models.neural.classifier import NeuralClassifier
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.parameters import member_params
from emotone.models.streamed import Features


class HybridClassifier(SoundClassifier):
    """The weighted geometric mean of several networks' calibrated probabilities.

    The networks learn one after the other, from the same clips, with the same ones held out. The
    mean of the logarithms of their scores takes the place of logits (Hinton's product of experts,
    2002) and is calibrated again: so are ``temperature_`` and ``calibration_`` of the mean. The
    curves are those of the first network.

    Attributes
    ----------
    members_
        The fitted classifiers.
    """

    members_: Sequence[NeuralClassifier] = ()

    @property
    def parameter_count(self) -> int:
        """Numbers that were learned, after `fit`."""
        return sum(member.parameter_count for member in self.members_)

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
    ) -> HybridClassifier:
        """Learn from labelled clips; see `NeuralClassifier.fit`."""
        from emotone.models import families

        files = files or TrainingFiles()
        members: list[NeuralClassifier] = []
        for name in self.family.members:
            member = NeuralClassifier(
                family=families.get(name),
                params=member_params(name, self.params),
                seed=self.seed,
                class_weight=self.class_weight,
                sampling=self.sampling,
            )
            member.fit(
                X,
                y,
                groups,
                watch if not members else None,
                corpora,
                files=files.part(name),
                progress=None if progress is None else _named(name, progress),
            )
            members.append(member)
        self._take(members)
        self._calibrate(X)
        return self

    def scores(self, X: Features, corpora: Sequence[str] | None = None) -> FloatMatrix:
        """Calibrated probabilities, shape ``(n, k)``; see `NeuralClassifier.scores`."""
        return softmax(self._logits(X, corpora), self.temperature_)

    def _logits(self, X: Features, corpora: Sequence[str] | None = None) -> FloatMatrix:
        if not self.members_:
            raise TrainingError("this classifier has not been fitted yet")
        logs = [member.log_scores(X, corpora) for member in self.members_]
        mean: FloatMatrix = np.average(logs, axis=0, weights=self._weights())
        return mean

    def _weights(self) -> list[float]:
        return [self.params[f"{name}.weight"] for name in self.family.members]

    def to_onnx(self) -> bytes:
        """The model as ONNX; see `NeuralClassifier.to_onnx`."""
        from emotone.models.neural.export import to_onnx

        if not self.members_:
            raise TrainingError("this classifier has not been fitted yet")
        weights = self._weights()
        # What a member's logits are divided by takes its weight in the mean with it.
        parts = [
            (member.fitted(), member.temperature_ * sum(weights) / len(weights) / weight)
            for member, weight in zip(self.members_, weights, strict=True)
        ]
        return to_onnx(parts, self.temperature_, self.rate)

    def _take(self, members: list[NeuralClassifier]) -> None:
        """Make the fitted networks this classifier's own, and tell of them."""
        first = members[0]
        self.members_ = members
        self.classes_, self.corpora_, self.rate = first.classes_, first.corpora_, first.rate
        self.loss_curve_ = first.loss_curve_
        self.validation_curve_ = first.validation_curve_
        self.watch_curve_ = first.watch_curve_
        self.params = {**self.params, "precision": first.params["precision"]}
        self.training_s_ = sum(member.training_s_ for member in members)

    def _calibrate(self, X: Features) -> None:
        fixed, first = self.params["temperature"], self.members_[0]
        self.temperature_ = 1.0  # a fixed one the members have applied
        self.calibration_ = dict(first.calibration_) | {"temperature": fixed or 1.0}
        if fixed is None and len(first.held_) and isinstance(X, Clips):
            self.temperature_ = fit_temperature(self._logits(X[first.held_]), first.held_labels_)
            self.calibration_["temperature"] = round(self.temperature_, 6)


def _named(name: str, progress: Callable[[int, int, str], None]) -> Callable[[int, int, str], None]:
    return lambda done, total, said: progress(done, total, f"{name}: {said}")
