"""How a model did on labelled clips: figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.selective import CoverageCurve

IntArray = npt.NDArray[np.int64]
"""Counts."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes
    ----------
    value
        The figure on the whole test set; NaN where it is undefined (recall of an absent emotion).
    ci95
        Lower and upper end of the bootstrap percentile interval, or None without a bootstrap.
    """

    value: float
    ci95: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """``{"value": ..., "ci95": [low, high] or None}``; undefined figures are None."""
        value = None if np.isnan(self.value) else round(self.value, 6)
        return {"value": value, "ci95": None if self.ci95 is None else rounded(self.ci95)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimate:
        """The inverse of `to_dict`."""
        value, ci95 = data["value"], data["ci95"]
        return cls(
            float("nan") if value is None else float(value),
            None if ci95 is None else (float(ci95[0]), float(ci95[1])),
        )


@dataclass(frozen=True, slots=True)
class EmotionFigures:
    """How well one emotion is found: recall, precision and F1, and how many clips hold it."""

    recall: Estimate
    precision: Estimate
    f1: Estimate
    support: int


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Clips whose confidence lies in ``(low, high]``: how many, how sure, how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model did on labelled clips.

    Attributes
    ----------
    emotions
        The names behind the rows and columns of `confusion`.
    clips, speakers
        How many were tested; speakers is None where they are not known.
    resampled
        What the bootstrap drew with replacement: ``"speakers"`` (whole speakers, since clips of
        one speaker are alike) or ``"clips"``.
    ua, wa, f1
        Unweighted average recall (balanced accuracy), accuracy, and F1 averaged over emotions;
        from 0 to 1. UA and F1 average over the emotions present in the test set.
    log_loss
        Mean negative log of the probability given to the true emotion, in nats.
    ece
        Expected calibration error over 15 equal-width bins of confidence, from 0 to 1.
    per_emotion
        Recall, precision, F1 and support of each emotion.
    confusion
        Counts, shape ``(k, k)``: rows are the true emotion, columns the predicted one.
    calibration
        The bins of the reliability diagram.
    coverage
        Accuracy against the share of clips answered, over all clips together. None where it was
        read from the JSON of an emotone that did not keep it.
    """

    emotions: tuple[str, ...]
    clips: int
    speakers: int | None
    resampled: str
    ua: Estimate
    wa: Estimate
    f1: Estimate
    log_loss: Estimate
    ece: Estimate
    per_emotion: dict[str, EmotionFigures]
    confusion: IntArray
    calibration: tuple[CalibrationBin, ...]
    coverage: CoverageCurve | None = None

    def most_confused(self, count: int = 5) -> list[tuple[str, str, int, float]]:
        """The commonest mistakes: (true, predicted, clips, share of the true emotion's clips)."""
        support = self.confusion.sum(axis=1)
        pairs = [
            (self.emotions[i], self.emotions[j], int(hits), float(hits / support[i]))
            for (i, j), hits in np.ndenumerate(self.confusion)
            if i != j and hits > 0
        ]
        return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:count]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain types, ready for JSON; `from_dict` reads it back."""
        return {
            "emotions": list(self.emotions),
            "clips": self.clips,
            "speakers": self.speakers,
            "resampled": self.resampled,
            **{name: getattr(self, name).to_dict() for name in HEADLINES},
            "per_emotion": {
                name: {
                    "recall": figures.recall.to_dict(),
                    "precision": figures.precision.to_dict(),
                    "f1": figures.f1.to_dict(),
                    "support": figures.support,
                }
                for name, figures in self.per_emotion.items()
            },
            "confusion": self.confusion.tolist(),
            "calibration": [
                {
                    "low": bin.low,
                    "high": bin.high,
                    "count": bin.count,
                    "confidence": round(bin.confidence, 6),
                    "accuracy": round(bin.accuracy, 6),
                }
                for bin in self.calibration
            ],
            "coverage": None if self.coverage is None else self.coverage.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """An evaluation from what `to_dict` gave.

        Raises
        ------
        UsageError
            If the data is not an evaluation.
        """
        try:
            curve = data.get("coverage")
            return cls(
                emotions=tuple(data["emotions"]),
                clips=int(data["clips"]),
                speakers=None if data["speakers"] is None else int(data["speakers"]),
                resampled=str(data["resampled"]),
                per_emotion={
                    name: EmotionFigures(
                        recall=Estimate.from_dict(figures["recall"]),
                        precision=Estimate.from_dict(figures["precision"]),
                        f1=Estimate.from_dict(figures["f1"]),
                        support=int(figures["support"]),
                    )
                    for name, figures in data["per_emotion"].items()
                },
                confusion=np.asarray(data["confusion"], dtype=np.int64),
                calibration=tuple(CalibrationBin(**bin) for bin in data["calibration"]),
                coverage=None if curve is None else CoverageCurve.from_dict(curve),
                **{name: Estimate.from_dict(data[name]) for name in HEADLINES},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"this is not an evaluation ({type(error).__name__}: {error})",
                remedy="Give the JSON that 'emotone evaluate --json' or 'emotone train' wrote.",
            ) from error

    def record(self, **about: Any) -> dict[str, Any]:
        """A flat benchmark record: what ``about`` says, then the figures; ``ci95`` is that of UA.

        >>> record = evaluation.record(benchmark="emobox", corpus="ravdess")  # doctest: +SKIP
        """
        flat: dict[str, Any] = dict(about)
        flat["clips"], flat["speakers"], flat["resampled"] = (
            self.clips,
            self.speakers,
            self.resampled,
        )
        for name in HEADLINES:
            estimate: Estimate = getattr(self, name)
            flat[name] = None if np.isnan(estimate.value) else round(estimate.value, 6)
            key = "ci95" if name == "ua" else f"{name}_ci95"
            flat[key] = None if estimate.ci95 is None else rounded(estimate.ci95)
        return flat


HEADLINES = ("ua", "wa", "f1", "log_loss", "ece")
"""The names of the figures over all emotions, in the order they are shown."""


def rounded(ends: tuple[float, float]) -> list[float]:
    """The ends of an interval as they are written."""
    return [round(ends[0], 6), round(ends[1], 6)]
