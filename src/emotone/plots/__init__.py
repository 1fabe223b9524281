"""Pictures of sound, features, corpora and results; each function gives a matplotlib Figure.

Every function takes plain data and returns a `matplotlib.figure.Figure` made without pyplot, so
nothing is shown, no window opens and no global state is left behind; `save` writes it as PNG, SVG
or PDF, the same bytes for the same data.

>>> from emotone import plots
>>> figure = plots.confusion([[8, 2], [1, 9]], ["angry", "sad"])
>>> plots.save(figure, "confusion.svg")                # doctest: +SKIP

Needs matplotlib, in the extra ``report``.
"""

from __future__ import annotations

from emotone.plots.confidence import coverage, reliability
from emotone.plots.corpus import class_counts, embedding_map, feature_distributions
from emotone.plots.curves import history, learning_curve, loss
from emotone.plots.results import comparison, confusion
from emotone.plots.sound import chroma, mel_spectrogram, mfcc, spectrogram, waveform
from emotone.plots.style import FORMATS, render, save
from emotone.plots.timeline import timeline

__all__ = [
    "FORMATS",
    "chroma",
    "class_counts",
    "comparison",
    "confusion",
    "coverage",
    "embedding_map",
    "feature_distributions",
    "history",
    "learning_curve",
    "loss",
    "mel_spectrogram",
    "mfcc",
    "reliability",
    "render",
    "save",
    "spectrogram",
    "timeline",
    "waveform",
]
