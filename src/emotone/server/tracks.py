"""Pictures of the sound of a recording, small enough to keep when the sound itself is not."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio import Source
from emotone.audio.limits import Limits
from emotone.audio.reading import blocks_if_silent_too
from emotone.features.overview import RATE, Overview, OverviewBuilder

POINTS = 1 << 14
"""The most bins of an envelope: of five minutes they are 20 ms long, of an hour 320 ms."""

SPECTRA = 1 << 10
_RANGE_DB = 80.0
_FULL = 127
_FLOOR = 1e-10


def draw(
    source: Source,
    channels: Sequence[int | None],
    limits: Limits,
    *,
    progress: Callable[[], None] | None = None,
) -> bytes:
    """The pictures of a recording, packed.

    Parameters
    ----------
    source
        One that can be read again.
    channels
        Those that were heard, ``(None,)`` for all together. The spectrogram is of the first.
    limits
        Bounds on the audio.
    progress
        Called for each block of each channel that was read, half a minute or less.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    for place, channel in enumerate(channels):
        builder = OverviewBuilder(RATE, points=POINTS, spectra=SPECTRA)
        for block in blocks_if_silent_too(source, rate=RATE, channel=channel, limits=limits):
            builder.add(block.samples)
            if progress is not None:
                progress()
        overview = builder.finish()
        arrays[f"low{place}"] = _scaled(overview.low)
        arrays[f"high{place}"] = _scaled(overview.high)
        if place == 0:
            arrays["mel"] = _decibels(overview.mel)
            arrays["steps"] = np.array(
                [overview.duration_s, overview.step_s, overview.mel_step_s], np.float64
            )
    arrays["channels"] = np.array([-1 if c is None else c for c in channels], np.int16)
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def document(packed: bytes) -> dict[str, Any]:
    """What `draw` gave, as plain types for a page: numbers of one byte in base64."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        duration_s, step_s, mel_step_s = arrays["steps"].tolist()
        frames, bands = arrays["mel"].shape
        return {
            "duration_s": round(duration_s, 3),
            "channels": [
                {
                    "channel": None if channel < 0 else channel,
                    "step_s": step_s,
                    "low": _base64(arrays[f"low{place}"]),
                    "high": _base64(arrays[f"high{place}"]),
                }
                for place, channel in enumerate(arrays["channels"].tolist())
            ],
            "mel": {
                "step_s": mel_step_s,
                "bands": bands,
                "frames": frames,
                "low_hz": 0,
                "high_hz": RATE // 2,
                "low_db": -_RANGE_DB,
                "data": _base64(arrays["mel"]),
            },
        }


def overview(packed: bytes) -> Overview:
    """The overview of the first channel, as exact as it was kept."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        duration_s, step_s, mel_step_s = arrays["steps"].tolist()
        decibels = (arrays["mel"].astype(np.float32) / 255 - 1) * _RANGE_DB
        return Overview(
            duration_s=duration_s,
            low=arrays["low0"].astype(np.float32) / _FULL,
            high=arrays["high0"].astype(np.float32) / _FULL,
            step_s=step_s,
            mel=np.asarray(10 ** (decibels / 10), np.float32),
            mel_step_s=mel_step_s,
            rate=RATE,
        )


def _scaled(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    return np.round(np.clip(samples, -1, 1) * _FULL).astype(np.int8)


def _decibels(power: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """From 0, that many dB and more below the loudest, to 255, the loudest."""
    loudest = max(float(power.max()), _FLOOR)
    decibels = 10 * np.log10(np.maximum(power, loudest * 10 ** (-_RANGE_DB / 10)) / loudest)
    return np.round(255 * (1 + decibels / _RANGE_DB)).astype(np.uint8)


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
