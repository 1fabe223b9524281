"""Windows that overlap, heard by a model: what they share is described once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from emotone.arrays import SHORTEST_S
from emotone.audio.preparation import fix_length
from emotone.audio.waveform import FloatArray
from emotone.errors import AudioWarning
from emotone.spectra import WindowFrames
from emotone.speech import RATE
from emotone.timeline.cutting import Window

if TYPE_CHECKING:
    from emotone.recognizer import Recognizer

Asked = Sequence[tuple[WindowFrames, Window]]
"""Windows to be heard, each with what is known of the frames of its utterance; those of one
utterance in order of time."""

T = TypeVar("T")


def warn_of_rate(recognizer: Recognizer) -> None:
    """Warn of a model that was trained on more than a timeline or a stream hears.

    Warns
    -----
    AudioWarning
        If its card says that clips have a higher rate than `RATE`.
    """
    card = recognizer.card
    rate = max(card.preparation.get("rate") or 0, card.input.rate or 0)
    if rate > RATE:
        warnings.warn(
            AudioWarning(
                f"{recognizer.model} was trained on sound of {rate} Hz, of which timelines and "
                f"streams hear {RATE} Hz: nothing above {RATE // 2000} kHz. So they may say other "
                f"than predict. Train it with --rate {RATE} for both."
            ),
            stacklevel=4,
        )


def prepared(recognizer: Recognizer, windows: Asked) -> list[FloatArray]:
    """What `heard` takes: described frames, or waveforms where the model hears these alone.

    Parameters
    ----------
    recognizer
        The model.
    windows
        Any number.
    """
    if not windows or not recognizer.takes_frames:
        return [_long_enough(window.samples) for _, window in windows]
    missing = [frames.missing(window.start, window.samples) for frames, window in windows]
    return _together(windows, _described(recognizer, missing))


def heard(recognizer: Recognizer, sounds: Sequence[FloatArray]) -> FloatArray:
    """The scores of what `prepared` gave, float32 ``(n, emotions)``."""
    if recognizer.takes_frames:
        return recognizer.hear_frames(sounds)
    return recognizer.hear(sounds, RATE)


def heard_of_each(recognizer: Recognizer, groups: Sequence[Asked]) -> list[FloatArray | Exception]:
    """The scores of the windows of several streams, all heard at once.

    Where that fails, those of each are heard by themselves: a window that the model cannot take, or
    for which there is no memory, costs no other stream anything.

    Parameters
    ----------
    recognizer
        The model.
    groups
        The windows of each stream.

    Returns
    -------
    list
        For each stream float32 ``(windows, emotions)``, or why there are none.
    """
    sounds: list[list[FloatArray] | Exception]
    if recognizer.takes_frames:
        missing = [[f.missing(window.start, window.samples) for f, window in g] for g in groups]
        described = _apart(missing, lambda some: _described(recognizer, some))
        sounds = [
            some if isinstance(some, Exception) else _whole(windows, some)
            for windows, some in zip(groups, described, strict=True)
        ]
    else:
        sounds = [[_long_enough(window.samples) for _, window in windows] for windows in groups]
    known = [some for some in sounds if not isinstance(some, Exception)]
    scores = iter(_apart(known, lambda some: list(heard(recognizer, some))))
    nothing = np.empty((0, len(recognizer.emotions)), dtype=np.float32)
    found: list[FloatArray | Exception] = []
    for some in sounds:
        rows = some if isinstance(some, Exception) else next(scores)
        found.append(rows if isinstance(rows, Exception) else np.stack(rows) if rows else nothing)
    return found


def _long_enough(samples: FloatArray) -> FloatArray:
    """The window of a very short utterance, with silence after it: a model needs so much."""
    return fix_length(samples, max(len(samples), math.ceil(SHORTEST_S * RATE)))


def _described(recognizer: Recognizer, missing: Sequence[FloatArray]) -> list[FloatArray]:
    """Frames of several windows, described at once."""
    whole = recognizer.describe(np.concatenate(missing))
    found, at = [], 0
    for some in missing:
        found.append(whole[:, at : at + len(some)])
        at += len(some)
    return found


def _together(windows: Asked, described: Sequence[FloatArray]) -> list[FloatArray]:
    """Windows of what was missing of them and what is known."""
    return [frames.window(each) for (frames, _), each in zip(windows, described, strict=True)]


def _whole(windows: Asked, described: Sequence[FloatArray]) -> list[FloatArray] | Exception:
    try:
        return _together(windows, described)
    except Exception as error:  # no memory
        return error


def _apart(
    groups: Sequence[Sequence[T]], work: Callable[[Sequence[T]], list[FloatArray]]
) -> list[list[FloatArray] | Exception]:
    """Some work on the items of all groups at once; where that fails, on those of each alone."""
    items = [item for group in groups for item in group]
    try:
        found = iter(work(items) if items else [])
    except Exception as error:
        if len(groups) == 1:
            return [error]
        return [each for group in groups for each in _apart([group], work)]
    return [[next(found) for _ in group] for group in groups]
