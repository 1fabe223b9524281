"""Windows that overlap, heard by a model: what they share is described once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotone.audio.waveform import FloatArray
from emotone.spectra import WindowFrames
from emotone.speech import RATE
from emotone.timeline.cutting import Window

if TYPE_CHECKING:
    from emotone.recognizer import Recognizer


def prepared(
    recognizer: Recognizer, windows: Sequence[tuple[WindowFrames, Window]]
) -> list[FloatArray]:
    """What `heard` takes: described frames, or waveforms where the model hears these alone.

    Parameters
    ----------
    recognizer
        The model.
    windows
        Each with what is known of the frames of its utterance, those of one in order of time.
    """
    if not windows or not recognizer.takes_frames:
        return [window.samples for _, window in windows]
    missing = [frames.missing(window.start, window.samples) for frames, window in windows]
    described = recognizer.describe(np.concatenate(missing))
    found, at = [], 0
    for (frames, _), some in zip(windows, missing, strict=True):
        found.append(frames.window(described[:, at : at + len(some)]))
        at += len(some)
    return found


def heard(recognizer: Recognizer, sounds: Sequence[FloatArray]) -> FloatArray:
    """The scores of what `prepared` gave, float32 ``(n, emotions)``."""
    if recognizer.takes_frames:
        return recognizer.hear_frames(sounds)
    return recognizer.hear(sounds, RATE)
