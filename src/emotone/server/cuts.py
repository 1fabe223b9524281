"""Stretches cut from a recording, each as a clip of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from emotone.audio.clips import to_int16
from emotone.audio.limits import Limits
from emotone.audio.reading import blocks_if_silent_too
from emotone.audio.waveform import FloatArray
from emotone.speech import RATE


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch.

    Attributes
    ----------
    start_s, end_s
        From the beginning of the recording.
    channel
        From 0; None for all together.
    file
        Name of the clip.
    """

    start_s: float
    end_s: float
    channel: int | None
    file: str


def cut(recording: Path, cuts: Sequence[Cut], folder: Path, limits: Limits) -> None:
    """Write stretches of a recording as WAV files of 16 bits at the rate that models hear.

    The recording is read once for each channel, in blocks, to the end of the last stretch.

    Parameters
    ----------
    recording
        A file.
    cuts
        They may overlap.
    folder
        Where the clips go; it is there.
    limits
        Bounds on the audio.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    for channel in dict.fromkeys(each.channel for each in cuts):
        mine = sorted((c for c in cuts if c.channel == channel), key=lambda c: c.start_s)
        parts: dict[str, list[FloatArray]] = {each.file: [] for each in mine}
        at = 0
        for block in blocks_if_silent_too(recording, rate=RATE, channel=channel, limits=limits):
            end = at + len(block)
            for each in mine:
                first, last = round(each.start_s * RATE), round(each.end_s * RATE)
                if first < end and last > at:
                    parts[each.file].append(block.samples[max(0, first - at) : last - at].copy())
                if last <= end and parts[each.file]:
                    _write(folder / each.file, parts[each.file])
            mine = [each for each in mine if round(each.end_s * RATE) > end]
            if not mine:
                break
            at = end
        for each in mine:  # to the very end, which rounding may put a sample too far
            if parts[each.file]:
                _write(folder / each.file, parts[each.file])


def _write(path: Path, parts: list[FloatArray]) -> None:
    soundfile.write(path, to_int16(np.concatenate(parts)), RATE, subtype="PCM_16", format="WAV")
