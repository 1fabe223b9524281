"""Numbers that a caller gives a model in place of audio, checked before they are heard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emotone import spectra
from emotone.audio.waveform import FloatArray, Waveform, check_samples
from emotone.bundle.card import Card
from emotone.errors import AudioError, FeatureError

SHORTEST_S = 0.3
"""Of a stretch that can be heard, in seconds."""


def rows(features: npt.ArrayLike, card: Card) -> FloatArray:
    """Rows of the input of a model, float32, shape ``(n, dimension)``.

    Parameters
    ----------
    features
        Of that shape, or ``(dimension,)`` for one row; any number of columns for a model over the
        waveform.
    card
        Of the model.

    Raises
    ------
    FeatureError
        If the shape is another one, or numbers are not finite.
    """
    found = np.atleast_2d(np.asarray(features, dtype=np.float32))
    wanted = card.input.dimension
    if found.ndim != 2 or (wanted is not None and found.shape[1] != wanted):
        raise FeatureError(
            f"features of shape {np.shape(features)}, but {card.model} takes "
            f"(n, {wanted or 'samples'})",
            remedy=f"Compute them with the feature set {card.feature_set!r}.",
        )
    if not np.isfinite(found).all():
        raise FeatureError(
            "the features hold numbers that are not finite", remedy="Leave out those rows."
        )
    return found


def stretch(sound: npt.ArrayLike, rate: int) -> Waveform:
    """Mono sound from -1 to 1 that is to be heard as it is, of 0.3 s or more.

    Raises
    ------
    AudioError
        If it is shorter, has more than one dimension, or samples that are not finite.
    """
    samples = np.asarray(sound, dtype=np.float32)
    check_samples(samples)
    if len(samples) < SHORTEST_S * rate:
        raise AudioError(
            f"{len(samples) / rate:.3f} s of sound",
            remedy=f"Give {SHORTEST_S:g} s or more.",
            code="too_short",
        )
    return Waveform(samples, rate)


def frames(given: npt.ArrayLike) -> FloatArray:
    """Frames of sound that are to be described, float32, shape ``(k, 512)``, k from 1.

    Raises
    ------
    AudioError
        If they have another shape, or samples that are not finite.
    """
    samples = np.asarray(given, dtype=np.float32)
    if samples.ndim != 2 or samples.shape[1] != spectra.SIZE or not len(samples):
        raise AudioError(
            f"frames of the shape {samples.shape}",
            remedy=f"Give them as (k, {spectra.SIZE}), k from 1.",
            code="bad_shape",
        )
    if not np.isfinite(samples).all():
        raise AudioError(
            "not all samples of these frames are finite",
            remedy="Leave them out, or give silence in their place.",
            code="non_finite",
        )
    return samples


def described(window: npt.ArrayLike) -> FloatArray:
    """Described frames of a stretch of sound, float32, shape ``(rows, frames)``.

    Raises
    ------
    FeatureError
        If the shape is another one.
    """
    found = np.asarray(window, dtype=np.float32)
    if found.ndim != 2:
        raise FeatureError(
            f"described frames of the shape {found.shape}",
            remedy="Give what describe() makes, (rows, frames).",
        )
    return found
