"""Batches as tests need them: folders of clips, and all rows that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset
import soundfile

RATE = 16_000


def clip(path: Path, seed: int = 0, seconds: float = 0.4) -> Path:
    """Noise in a file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    soundfile.write(path, 0.1 * noise, RATE)
    return path


def clips(folder: Path, count: int) -> list[Path]:
    """So many clips of several lengths, in two folders."""
    return [
        clip(folder / f"{'ab'[number % 2]}/{number:04}.wav", number, 0.3 + number % 7 / 10)
        for number in range(count)
    ]


def rows(out: Path) -> list[dict[str, Any]]:
    """Everything that a batch wrote."""
    parts = sorted(str(path) for path in out.rglob("part-*.parquet"))
    found: list[dict[str, Any]] = (
        pyarrow.dataset.dataset(parts, partitioning=None).to_table().to_pylist()
    )
    return found
