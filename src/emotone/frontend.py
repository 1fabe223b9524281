"""From a waveform to what a model takes: the preparation and the features of its card."""

from __future__ import annotations

import numpy as np

from emotone import audio, features
from emotone.audio.limits import Limits
from emotone.audio.preparation import Preparation
from emotone.audio.reading import SILENCE
from emotone.audio.waveform import FloatArray, Waveform
from emotone.bundle.card import Card
from emotone.bundle.model import Bundle
from emotone.errors import BundleError, EmotoneError
from emotone.features.job import Job

LONGEST_S = 20.0
"""A model over the waveform hears longer clips in windows of so many seconds, as few as cover them,
and answers with the mean of the scores of those in which there is something to hear. What it needs
grows with the square of the length."""


class FrontEnd:
    """What turns a waveform into the model's input, as its training did.

    Parameters
    ----------
    bundle
        The model.
    limits
        Bounds on the audio that is accepted.

    Raises
    ------
    BundleError
        If the bundle was made with a feature set or a preparation that this emotone does not have,
        or has in another version: its answers would be wrong.
    """

    def __init__(self, bundle: Bundle, limits: Limits) -> None:
        self._card: Card = bundle.card
        self._preparation, self._job = _checked(bundle, limits)

    @property
    def describes(self) -> bool:
        """Whether the model takes features, not waveforms."""
        return self._job is not None

    @property
    def leaves_stretches(self) -> bool:
        """Whether the model takes the waveform of a stretch as it is, at the rate of its card.

        How loud that is does not matter: no model over the waveform hears by the level.
        """
        return self._job is None and self._preparation.leaves_stretches

    def clip(self, waveform: Waveform) -> FloatArray:
        """One clip: ``(1, dimension)``, or ``(windows, samples)`` at the rate of the card.

        Windows of a long clip that are silent from end to end are left out.

        Raises
        ------
        AudioError, FeatureError
            If there is nothing to hear in it, or it cannot be described.
        """
        if self._job is not None:
            return self._job.row(waveform)[np.newaxis]
        prepared = self._preparation.apply(waveform)
        if prepared.rate != self._card.input.rate:
            prepared = audio.read(prepared, rate=self._card.input.rate)
        samples, longest = prepared.samples, round(LONGEST_S * prepared.rate)
        if len(samples) <= longest:
            return samples[np.newaxis]
        count = -(-len(samples) // longest)
        starts = np.linspace(0, len(samples) - longest, count).astype(int)
        windows = [samples[start : start + longest] for start in starts]
        # A clip that is silent is refused, so in a part of it that is there is nothing to hear.
        return np.stack([window for window in windows if np.ptp(window) > SILENCE] or windows)

    def stretch(self, waveform: Waveform) -> FloatArray:
        """A stretch of a recording, nothing cut off: ``(dimension,)`` or ``(samples,)``.

        Raises
        ------
        FeatureError
            If it cannot be described.
        """
        if self._job is not None:
            return self._job.row_of_stretch(waveform)
        prepared = self._preparation.apply_to_stretch(waveform)
        return audio.resample(
            prepared.samples, prepared.rate, self._card.input.rate or prepared.rate
        )


def _checked(bundle: Bundle, limits: Limits) -> tuple[Preparation, Job | None]:
    """What turns a waveform into the model's input; checked to be what training did."""
    card = bundle.card
    newer = "Upgrade with: pip install --upgrade emotone. Or train the model again."
    try:
        preparation = Preparation.from_dict(card.preparation)
        found = None if card.feature_set is None else features.get(card.feature_set)
    except EmotoneError as error:
        raise BundleError(
            f"it needs what this emotone does not have: {error.cause}",
            source=bundle.path,
            remedy=error.remedy or newer,
        ) from error
    if found is None:
        return preparation, None
    if found.version != card.feature_version or found.dimension != card.input.dimension:
        raise BundleError(
            f"it was trained on version {card.feature_version} of the feature set {found.name} "
            f"({card.input.dimension} numbers), but this emotone has version {found.version} "
            f"({found.dimension})",
            source=bundle.path,
            remedy=newer,
            code="other_features",
        )
    return preparation, Job(found.name, preparation, limits)
