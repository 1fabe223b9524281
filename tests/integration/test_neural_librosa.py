"""The front end of the neural families beside librosa 0.11."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emotone import audio
from emotone.models.neural.frontend import FrontEnd, dct_matrix

librosa = pytest.importorskip("librosa", exc_type=ImportError)

CLIP = Path(__file__).resolve().parents[2] / "examples" / "raised-voice.flac"


def test_mel_bands_are_librosas() -> None:
    samples = audio.read(CLIP, rate=16000).samples
    found = FrontEnd(16000).analyse(torch.from_numpy(samples)[None], None)
    bank = librosa.filters.mel(
        sr=16000, n_fft=512, n_mels=64, fmin=40, fmax=7800, htk=True, norm=None
    )
    bank /= bank.sum(axis=1, keepdims=True)
    power = np.abs(librosa.stft(samples, n_fft=512, hop_length=160, pad_mode="constant")) ** 2
    theirs = np.log10(bank @ power / float(found.level) * 257 + 1e-5)
    np.testing.assert_allclose(found.log[0].numpy(), theirs, atol=0.001)


def test_cepstra_are_librosas() -> None:
    bands = np.random.default_rng(0).normal(size=(64, 5))
    theirs = librosa.feature.mfcc(S=bands, n_mfcc=13)
    np.testing.assert_allclose(dct_matrix(13, 64) @ bands, theirs, atol=1e-5)
