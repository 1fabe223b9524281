"""Made-up speakers: voiced sound whose pitch, its movement and its brightness tell the emotion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from emotone.audio.clips import Clips

RATE = 16000
EMOTIONS = ("neutral", "happy", "sad", "angry")


def voice(emotion: str, speaker: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Half a second and more of a buzzing voice."""
    pitch, glide, falloff = {
        "neutral": (140.0, 0.0, 1.2),
        "happy": (260.0, 0.6, 0.9),
        "sad": (110.0, -0.3, 2.2),
        "angry": (220.0, -0.5, 0.4),
    }[emotion]
    seconds = rng.uniform(0.5, 0.9)
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = pitch * (0.8 + 0.1 * speaker) * np.exp(glide * time / seconds)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    sound = sum(np.sin(k * phase) / k**falloff for k in range(1, 16))
    sound = sound * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)) + rng.normal(size=len(time)) * 0.02
    scaled: npt.NDArray[np.float32] = (sound / np.abs(sound).max()).astype(np.float32)
    return scaled


def clips(
    n: int = 48, speakers: int = 4, seed: int = 0
) -> tuple[Clips, list[str], list[str | None]]:
    """Clips, their emotions and speakers."""
    rng = np.random.default_rng(seed)
    emotions = [EMOTIONS[i % 4] for i in range(n)]
    who = [(i // 4) % speakers for i in range(n)]
    waves = [voice(emotion, number, rng) for emotion, number in zip(emotions, who, strict=True)]
    return Clips.of(waves, RATE), emotions, [f"s{number}" for number in who]


def corpus(folder: Path, n: int = 48, speakers: int = 4) -> Path:
    """The same as a folder with a manifest, `manifest.csv`; gives the manifest."""
    waves, emotions, who = clips(n, speakers)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,emotion,speaker"]
    for i in range(n):
        soundfile.write(folder / f"{i:03d}.wav", waves[i], RATE)
        lines.append(f"{i:03d}.wav,{emotions[i]},{who[i]}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest
