"""The features as the RAVDESS tutorials compute them: the oracle, and the mark for speed.

The code is the tutorials', brought to librosa 0.11's keyword arguments.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

GROUPS = {
    "mfcc": slice(0, 40),
    "chroma": slice(40, 52),
    "mel": slice(52, 180),
    "contrast": slice(180, 187),
    "tonnetz": slice(187, 193),
}
"""Where each feature lies in the row of `tutorial_193`; `tutorial_180` ends after ``mel``."""


def samples_of(path: Path) -> tuple[np.ndarray, int]:
    """Mono float32 samples at the file's own rate, and the rate."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    return (samples.mean(axis=1) if samples.ndim > 1 else samples), rate


def tutorial_180(path: Path) -> np.ndarray:
    """Means of 40 MFCC, 12 chroma and 128 mel bands."""
    return tutorial_180_of(*samples_of(path))


def tutorial_180_of(X: np.ndarray, rate: int) -> np.ndarray:
    """The same of samples."""
    import librosa

    stft = np.abs(librosa.stft(X))
    mfccs = np.mean(librosa.feature.mfcc(y=X, sr=rate, n_mfcc=40).T, axis=0)
    chroma = np.mean(librosa.feature.chroma_stft(S=stft, sr=rate).T, axis=0)
    mel = np.mean(librosa.feature.melspectrogram(y=X, sr=rate).T, axis=0)
    return np.hstack((mfccs, chroma, mel))


def tutorial_193(path: Path) -> np.ndarray:
    """`tutorial_180`, and means of 7 bands of contrast and 6 tonal centroids."""
    import librosa

    X, rate = samples_of(path)
    stft = np.abs(librosa.stft(X))
    mfccs = np.mean(librosa.feature.mfcc(y=X, sr=rate, n_mfcc=40).T, axis=0)
    chroma = np.mean(librosa.feature.chroma_stft(S=stft, sr=rate).T, axis=0)
    mel = np.mean(librosa.feature.melspectrogram(y=X, sr=rate).T, axis=0)
    contrast = np.mean(librosa.feature.spectral_contrast(S=stft, sr=rate).T, axis=0)
    tonnetz = np.mean(librosa.feature.tonnetz(y=librosa.effects.harmonic(X), sr=rate).T, axis=0)
    return np.hstack((mfccs, chroma, mel, contrast, tonnetz))


RECIPES = {"tutorial-180": tutorial_180, "tutorial-193": tutorial_193}
"""librosa's way to each feature set."""


def differences(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """The relative difference in each group of features.

    The largest absolute difference in the group over the largest magnitude in it: single values of
    a group may pass through zero, where a relative difference of their own says nothing.
    """
    return {
        name: float(np.abs(ours[part] - theirs[part]).max() / np.abs(theirs[part]).max())
        for name, part in GROUPS.items()
        if part.stop <= len(theirs)
    }
