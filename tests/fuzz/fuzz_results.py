"""Results that are read again: timelines, evaluations, kept progress, drawn tracks."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import refusals

import timelines
from emotone.cli import plot
from emotone.errors import EmotoneError
from emotone.metrics import metrics
from emotone.timeline import checkpoints, exports

_KEPT = tempfile.TemporaryDirectory(prefix="emotone-fuzz-")
_FOLDER = Path(_KEPT.name)


def _evaluation() -> dict[str, Any]:
    truth = ["happy", "sad", "happy", "sad"]
    return metrics(
        truth, [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]], ("happy", "sad")
    ).to_dict()


def seeds() -> list[bytes]:
    """The first byte says what the rest is: a timeline, an evaluation, or progress."""
    timeline = json.dumps(timelines.call().to_dict()).encode()
    evaluation = json.dumps(_evaluation()).encode()
    path = _FOLDER / "seed.progress"
    kept = checkpoints.Checkpoint(path)
    kept.begin({"rate": 16_000})
    kept.reached(checkpoints.Reached((1,), [], 0, None, 1.0))
    kept.write()
    return [b"\0" + timeline, b"\1" + evaluation, b"\2" + path.read_bytes()]


def one_input(data: bytes) -> None:
    """A result is read and written again, or refused by an `EmotoneError`."""
    kind, data = (data[0] % 3, data[1:]) if data else (0, b"")
    path = _FOLDER / "result"
    path.write_bytes(data)
    try:
        if kind == 0:
            timeline = exports.read(path)
            for form in ("csv", "srt", "textgrid", "eaf", "audacity", "rttm"):
                exports.content(timeline, form)
        elif kind == 1:
            plot._evaluation(path).to_dict()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                checkpoints.Checkpoint(path).begin({"rate": 16_000})
    except EmotoneError as error:
        refusals.check(error)
