"""Real speech for the tests that need some seconds of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

REPO = Path(__file__).resolve().parent.parent
CLIP = REPO / "examples" / "raised-voice.flac"

RATE = 16_000
_CLIPS = [f"Actor_{actor:02d}/03-01-{emotion}-01-01-01-{actor:02d}" for actor, emotion in (
    (1, "05"), (2, "03"), (1, "04"), (2, "08"), (1, "01"), (2, "06"), (1, "07"),
)]  # fmt: skip
"""Of RAVDESS: angry, happy, sad, surprised, neutral, fearful, disgust."""


def clips() -> list[Path]:
    """Clips of one emotion each: of RAVDESS or, where that is not, the package's two examples."""
    folder = Path(os.environ.get("EMOTONE_CORPORA", REPO.parent / "shared" / "data")) / "ravdess"
    found = [folder / f"{clip}.flac" for clip in _CLIPS]
    return [path for path in found if path.is_file()] or sorted((REPO / "examples").glob("*.flac"))


def conversation(path: Path, seconds: float, channels: int = 1) -> Path:
    """A WAV file with as many clips after each other, half a second apart; two channels overlap."""
    parts: list[npt.NDArray[np.float32]] = []
    while sum(map(len, parts)) < RATE * seconds:
        for clip in clips():
            samples, rate = soundfile.read(clip, dtype="float32", always_2d=True)
            parts += [
                soxr.resample(samples.mean(axis=1), rate, RATE),
                np.zeros(RATE // 2, np.float32),
            ]
    whole = np.concatenate(parts)[: round(RATE * seconds)]
    shifted = [np.roll(whole, -2 * RATE * channel) for channel in range(channels)]
    soundfile.write(path, np.stack(shifted, axis=1), RATE)
    return path
