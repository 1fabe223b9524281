"""Hear the emotion in a voice: which one, when it changes, and how sure the model is.

>>> import emotone
>>> recognizer = emotone.load()                       # doctest: +SKIP
>>> recognizer.predict("clip.wav")                    # doctest: +SKIP
Prediction(emotion='angry', confidence=0.81, ...)

Importing the package loads nothing heavy; each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone import audio, corpora, features
    from emotone.errors import EmotoneError, EmotoneWarning
    from emotone.prediction import Failure, Prediction
    from emotone.recognizer import Recognizer, load
    from emotone.stream import Stream
    from emotone.timeline import Timeline

__version__ = "0.1.0"

# ONNX Runtime tells its makers of every model that it runs, on Linux from 1.31 on, and keeps a
# number for this device. It asks for this when it is loaded, and nothing here may tell anybody.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_WHERE = {
    "EmotoneError": "emotone.errors",
    "EmotoneWarning": "emotone.errors",
    "Failure": "emotone.prediction",
    "Prediction": "emotone.prediction",
    "Recognizer": "emotone.recognizer",
    "Stream": "emotone.stream",
    "Timeline": "emotone.timeline",
    "load": "emotone.recognizer",
}
_ROOMS = ("audio", "corpora", "features")

__all__ = [
    "EmotoneError",
    "EmotoneWarning",
    "Failure",
    "Prediction",
    "Recognizer",
    "Stream",
    "Timeline",
    "audio",
    "corpora",
    "features",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"emotone.{name}")
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'emotone' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
