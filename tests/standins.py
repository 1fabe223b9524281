"""Small stand-ins for RAVDESS and EmoDB, for where the corpora are not: their names and layout.

They are the voices of examples/, made higher or lower, faster or slower, louder or softer by
speaker and by emotion. A model can learn them, and what is learnt says nothing about any voice.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 16_000
_SECONDS = 2.5

_ALTERED: dict[str, tuple[str, float, float, float]] = {
    "neutral": ("low-voice", 1.00, 0.30, 0.0),
    "calm": ("low-voice", 0.95, 0.20, 0.0),
    "happy": ("raised-voice", 1.15, 0.50, 3.0),
    "sad": ("low-voice", 0.88, 0.15, 1.0),
    "angry": ("raised-voice", 1.00, 0.90, 0.0),
    "fearful": ("raised-voice", 1.25, 0.40, 7.0),
    "disgust": ("low-voice", 1.08, 0.60, 0.0),
    "surprised": ("raised-voice", 1.35, 0.60, 0.0),
    "boredom": ("low-voice", 0.82, 0.20, 0.0),
}
"""By emotion: the voice, by how much it is faster and so higher, its peak, a tremolo in Hz."""

_RAVDESS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_EMODB = {"W": "angry", "L": "boredom", "E": "disgust", "A": "fearful", "F": "happy", "T": "sad",
          "N": "neutral"}  # fmt: skip
_SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")


def ravdess(folder: Path, examples: Path, actors: Iterable[int]) -> None:
    """One sentence, said once, of each emotion and strength by each actor, as WAV."""
    voices = _voices(examples)
    for actor in actors:
        place = folder / f"Actor_{actor:02}"
        place.mkdir(parents=True)
        for code, emotion in enumerate(_RAVDESS, 1):
            for strength in (1,) if emotion == "neutral" else (1, 2):
                name = f"03-01-{code:02}-{strength:02}-01-01-{actor:02}.wav"
                _write(place / name, voices, emotion, actor, strength)


def emodb(folder: Path, examples: Path) -> None:
    """One sentence of each emotion by each speaker, as WAV."""
    voices = _voices(examples)
    folder.mkdir(parents=True)
    for number, speaker in enumerate(_SPEAKERS):
        for letter, emotion in _EMODB.items():
            _write(folder / f"{speaker}a01{letter}a.wav", voices, emotion, number + 20, 1)


def _voices(examples: Path) -> dict[str, npt.NDArray[np.float32]]:
    found = {}
    for name in ("low-voice", "raised-voice"):
        found[name], rate = soundfile.read(examples / f"{name}.flac", dtype="float32")
        assert rate == RATE
    return found


def _write(
    path: Path,
    voices: dict[str, npt.NDArray[np.float32]],
    emotion: str,
    speaker: int,
    strength: int,
) -> None:
    name, speed, peak, tremolo = _ALTERED[emotion]
    rng = np.random.default_rng([speaker, strength, sorted(_ALTERED).index(emotion)])
    speed *= (0.9 + 0.05 * (speaker % 5)) * (1.0 + 0.03 * (strength - 1)) * rng.uniform(0.98, 1.02)
    voice = voices[name]
    # Read faster or slower: pitch, formants and pace go up or down together.
    places = np.arange(min(round(_SECONDS * RATE), int((len(voice) - 1) / speed))) * speed
    samples = np.interp(places, np.arange(len(voice)), voice)
    if tremolo:
        samples *= 0.75 + 0.25 * np.sin(2 * np.pi * tremolo * np.arange(len(samples)) / RATE)
    samples *= peak * (0.9 if strength == 1 else 1.0) / np.abs(samples).max()
    soundfile.write(path, samples + rng.normal(scale=1e-4, size=len(samples)), RATE)
