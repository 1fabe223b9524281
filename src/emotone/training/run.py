"""A finished training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotone import bundle
from emotone.bundle import Card
from emotone.dataset import Dataset
from emotone.emotions import in_order
from emotone.evaluation import TestedClip, confused_pairs
from emotone.metrics import Evaluation
from emotone.models import AnyClassifier
from emotone.models.neural.shortcut import frames_model
from emotone.prediction import Failure
from emotone.training.history import History


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A finished training.

    Attributes
    ----------
    classifier
        The model that `save` writes.
    card
        Its card.
    dataset
        What it was trained on.
    evaluation
        Figures on the test parts, averaged over folds; None for the split ``none``.
    folds
        The folds with each one's own figures, by name.
    tested
        The answer to every test clip.
    history
        Loss or learning curve, or None.
    """

    classifier: AnyClassifier
    card: Card
    dataset: Dataset
    evaluation: Evaluation | None
    folds: dict[str, Evaluation]
    tested: tuple[TestedClip, ...]
    history: History | None

    @property
    def counts(self) -> dict[str, int]:
        """Clips per emotion, in the order of the vocabulary."""
        labels, counts = np.unique(self.dataset.labels, return_counts=True)
        by_name = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        return {name: by_name[name] for name in in_order(list(by_name))}

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Clips that could not be read and were left out."""
        return self.dataset.failures

    @property
    def warning(self) -> str | None:
        """One sentence to put beside every figure, where train and test share speakers."""
        return self.dataset.split.warning

    @property
    def modest(self) -> bool:
        """Whether the scores are too low for the test clips.

        They are calibrated for new voices, fewer of which are heard right than of those that train
        and test share.
        """
        shared = bool(self.dataset.split.shared_speakers)
        return shared and self.card.calibration.get("grouped_by") == "speaker"

    @property
    def caution(self) -> str | None:
        """One sentence where the scores are too high for the test clips, None where they are not.

        They are calibrated for known voices, more of which are heard right than of new ones.
        """
        known = self.card.training["voices"] == "known"
        if not known or self.evaluation is None or self.dataset.split.shared_speakers != 0:
            return None
        return (
            "The scores are calibrated for the voices that it learned from, and these figures are "
            "of others, of whom it is too sure."
        )

    def save(self, path: str | Path) -> Card:
        """Write the bundle, whole or not at all; see `emotone.bundle.write`."""
        model = self.classifier.to_onnx()
        frames = frames_model(model, self.card.input.rate)
        return bundle.write(path, model, self.card, frames=frames)

    def to_dict(self) -> dict[str, Any]:
        """The run without its clips, as plain types, ready for JSON."""
        figures = self.evaluation
        return {
            "card": self.card.to_dict(),
            "counts": self.counts,
            "evaluation": None if figures is None else figures.to_dict(),
            "most_confused": [] if figures is None else confused_pairs(figures),
            "folds": {name: fold.record() for name, fold in self.folds.items()},
            "history": None if self.history is None else self.history.to_dict(),
            "failures": [failure.to_dict() for failure in self.failures],
            "warning": self.warning,
        }
