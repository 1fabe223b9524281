"""Every check of a bundle: what stands on disk, and whether it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotone import spectra
from emotone.bundle import checks
from emotone.bundle.checks import Check
from emotone.bundle.model import Bundle
from emotone.bundle.storage import DEFAULT_MAX_BYTES, REMEDY
from emotone.errors import BundleError, EmotoneError
from emotone.recognizer import Recognizer


def verify(path: str | Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> list[Check]:
    """Every check of a bundle, one by one: those of `emotone.bundle.verify`, and whether it runs.

    Returns
    -------
    list of Check
        In the order in which they are made, up to the first that fails. The last is ``runs``: this
        emotone has the feature set, the model loads, and its scores are probabilities.
    """
    found = checks.verify(path, max_bytes=max_bytes)
    if not all(check.passed for check in found):
        return found
    try:
        detail = _trial(Bundle.open(path, max_bytes=max_bytes))
    except EmotoneError as error:
        return [*found, Check("runs", False, str(error))]
    return [*found, Check("runs", True, detail)]


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
