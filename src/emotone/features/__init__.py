"""Numbers from sound: spectral, harmonic and voice features, and the named sets made of them.

>>> import numpy as np
>>> from emotone import features
>>> samples = np.sin(np.arange(16000) / 5).astype(np.float32)
>>> features.extract((samples, 16000), "tutorial-180").shape
(180,)
"""

from __future__ import annotations

from emotone import audio
from emotone.audio import Preparation, Source
from emotone.audio.waveform import FloatArray
from emotone.errors import FeatureError
from emotone.features.sets import FeatureSet, NamedSet, PartsSet, available, get

__all__ = ["FeatureSet", "NamedSet", "available", "extract", "frames", "get"]


def extract(
    source: Source, feature_set: str = "tutorial-180", *, preparation: Preparation | None = None
) -> FloatArray:
    """The features of one clip.

    Parameters
    ----------
    source
        A path, bytes, a binary file object, ``"-"``, or ``(samples, rate)``.
    feature_set
        A named set (see `available`) or a recipe: parts joined by ``+``, each with its number of
        values and, after a colon, statistics over time: ``"mfcc40:mean,std+chroma12+rms"``.
    preparation
        What is done to the waveform first.

    Returns
    -------
    float32, shape ``(dimension,)``; `get` ``(feature_set).names`` names the values.

    Raises
    ------
    AudioError
        If the source cannot be read.
    FeatureError
        If there is no such feature set, or the clip's rate is too low for it.

    Examples
    --------
    >>> import numpy as np
    >>> samples = np.sin(np.arange(16000) / 5).astype(np.float32)
    >>> extract((samples, 16000), "centroid+rms:mean,max").shape
    (3,)
    """
    found = get(feature_set)
    waveform = audio.read(source)
    if preparation is not None:
        waveform = preparation.apply(waveform)
    return found.compute(waveform)


def frames(
    source: Source, parts: str, *, preparation: Preparation | None = None
) -> tuple[FloatArray, tuple[str, ...]]:
    """Frame-level features: one row per frame of 2048 samples, 512 samples apart.

    Parameters
    ----------
    source
        As for `extract`.
    parts
        Parts joined by ``+``, without statistics: ``"mfcc40+rms"``.
    preparation
        What is done to the waveform first.

    Returns
    -------
    The values, float32, shape ``(t, d)``, and the d names. Frame i is centred at ``i * 512 / rate``
    seconds.

    Raises
    ------
    AudioError
        If the source cannot be read.
    FeatureError
        If a part is unknown, or the recipe holds statistics or has no frames.

    Examples
    --------
    >>> import numpy as np
    >>> values, names = frames((np.sin(np.arange(16000) / 5), 16000), "mfcc13")
    >>> values.shape
    (32, 13)
    """
    found = get(parts)
    if not isinstance(found, PartsSet) or any(t.statistics != ("mean",) for t in found.terms):
        raise FeatureError(
            f"{parts!r} has no frames to show",
            remedy="Name parts without statistics, such as 'mfcc40+chroma12'.",
        )
    waveform = audio.read(source)
    if preparation is not None:
        waveform = preparation.apply(waveform)
    names = tuple(name for term in found.terms for name in term.part.names(term.size))
    return found.frames(waveform), names
