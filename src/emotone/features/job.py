"""One way to make a row of features from a clip, for prediction, training and workers alike."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emotone import audio
from emotone.audio import Preparation, Source, Waveform
from emotone.audio.limits import DEFAULT_LIMITS, Limits
from emotone.audio.waveform import FloatArray
from emotone.errors import EmotoneError, FeatureError, UsageError
from emotone.features.sets import FeatureSet, get


@dataclass(frozen=True)
class Job:
    """How to make a row of features from a file: all that a worker needs to know.

    Attributes
    ----------
    feature_set
        A named set or an expression such as ``mfcc40+chroma12``.
    preparation
        What is done to each clip first.
    limits
        Bounds on what is read.
    """

    feature_set: str
    preparation: Preparation
    limits: Limits = DEFAULT_LIMITS

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Job:
        """The job in plain types."""
        return cls(
            values["feature_set"],
            Preparation.from_dict(values["preparation"]),
            Limits(**values["limits"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """The job as plain types, ready for JSON."""
        return {
            "feature_set": self.feature_set,
            "preparation": self.preparation.to_dict(),
            "limits": dataclasses.asdict(self.limits),
        }

    @cached_property
    def features(self) -> FeatureSet:
        """The feature set itself.

        Raises
        ------
        FeatureError
            If there is none of that name.
        """
        return get(self.feature_set)

    @cached_property
    def recipe(self) -> bytes:
        """What the cache knows this job by."""
        found = self.features
        names = {"feature_set": found.name, "feature_version": found.version}
        text = json.dumps(self.to_dict() | names, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def read(self, source: Source) -> Waveform:
        """The waveform as it was recorded."""
        return audio.read(source, limits=self.limits)

    def row(self, waveform: Waveform) -> FloatArray:
        """The features of a waveform, shape ``(dimension,)``.

        Raises
        ------
        FeatureError
            If they cannot be computed, or are not finite.
        """
        return self._described(self.preparation.apply(waveform))

    def row_of_stretch(self, waveform: Waveform) -> FloatArray:
        """The same of a stretch of a recording, see `Preparation.apply_to_stretch`."""
        return self._described(self.preparation.apply_to_stretch(waveform))

    def _described(self, prepared: Waveform) -> FloatArray:
        found = self.features
        row = found.compute(prepared)
        if row.shape != (found.dimension,) or not np.isfinite(row).all():
            raise FeatureError(
                f"the features {found.name} came out with numbers missing or not finite",
                remedy="Report this, with the file.",
            )
        return row

    def attempt(self, path: Path) -> FloatArray | EmotoneError:
        """The row of a file, or why there is none."""
        try:
            return self.row(self.read(path))
        except Exception as error:
            return as_error(error, path)


def as_error(error: Exception, source: object) -> EmotoneError:
    """What went wrong with one input of many, as an error that names it.

    One bad input must not stop the others, so what nobody foresaw is reported in its row too.
    """
    if isinstance(error, EmotoneError):
        return error if error.source is not None else error.of(source)
    return EmotoneError(
        f"something unforeseen went wrong ({type(error).__name__}: {error})",
        source=source,
        remedy="Report this, with the file.",
        code="unforeseen",
    )


def check_count(name: str, count: int | None) -> None:
    """Refuse a number of threads, processes or cores below 1; None leaves it open and passes.

    Raises
    ------
    UsageError
        Which names the option.
    """
    if count is not None and count < 1:
        raise UsageError(f"{name} is {count}", remedy="Give a whole number from 1.")


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
