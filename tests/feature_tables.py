"""Stored features as tests need them: of small clips that are extracted, and made up ones."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import soundfile

from emotone.audio import Preparation
from emotone.batch import run, vectors
from emotone.features import get, stored

SET = "rms:mean,std+centroid:mean,std+zcr"
PITCH_HZ = {"neutral": 300.0, "happy": 900.0, "angry": 2500.0}
RATE = 16_000


def tones(folder: Path, count: int = 72) -> Path:
    """Noisy tones, and a manifest of them: the emotion sets the pitch, the speaker the loudness."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        emotion, speaker = list(PITCH_HZ)[number % 3], f"{number // 3 % 6:02d}"
        time = np.arange(4800) / RATE
        pitch = PITCH_HZ[emotion] * rng.uniform(0.6, 1.6)
        samples = np.sin(2 * np.pi * pitch * time) * (0.1 + 0.1 * int(speaker))
        samples += rng.normal(scale=0.02, size=len(time))
        name = f"{speaker}_{emotion}_{number:03d}.wav"
        soundfile.write(folder / name, samples.astype(np.float32), RATE)
        rows.append((name, emotion, speaker, "tones", "en", "train"))
    manifest = folder / "tones.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "emotion", "speaker", "corpus", "language", "split"))
        writer.writerows(rows)
    return manifest


def extracted(source: Path, out: Path, feature_set: str = SET, **options: Any) -> Path:
    """The features of what a manifest or folder names, in parts."""
    task = vectors.task(feature_set, **options)
    run.run(run.prepare([source], out, task, jobs=1), jobs=1)
    return out


def made_up(
    path: Path,
    clips: int = 60,
    feature_set: str = SET,
    *,
    group: int = 1000,
    metadata: dict[str, Any] | None = None,
    **columns: Any,
) -> Path:
    """A file of random features that tell three emotions apart.

    Parameters
    ----------
    path, clips, feature_set
        Which.
    group
        Clips of a row group.
    metadata
        In place of what is said of the features.
    columns
        In place of those that there would be; None leaves one out.
    """
    found = get(feature_set)
    about = stored.Description.of(found, Preparation(rate=RATE)).to_dict() | (metadata or {})
    kind = pyarrow.list_(pyarrow.float32(), found.dimension)
    rng = np.random.default_rng(0)
    schema: Any = None
    with path.open("wb") as file:
        writer = None
        for start in range(0, clips, group):
            numbers = np.arange(start, min(start + group, clips))
            X = rng.random((len(numbers), found.dimension), dtype=np.float32)
            X[:, :40] += 0.3 * (numbers % 3)[:, None]
            arrays: dict[str, Any] = {
                "file": [f"{number}.wav" for number in numbers],
                "emotion": [list(PITCH_HZ)[number % 3] for number in numbers],
                "speaker": [f"s{number // 3 % 6}" for number in numbers],
                "corpus": ["made-up"] * len(numbers),
                "features": pyarrow.FixedSizeListArray.from_arrays(
                    pyarrow.array(X.ravel()), type=kind
                ),
            }
            given = {
                name: values for name, values in (arrays | columns).items() if values is not None
            }
            table = pyarrow.table(given).replace_schema_metadata({stored.KEY: json.dumps(about)})
            if writer is None:
                schema = table.schema
                writer = pyarrow.parquet.ParquetWriter(file, schema, compression="none")
            writer.write_table(table)
        assert writer is not None
        writer.close()
    return path
