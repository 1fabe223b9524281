"""The field's reference features, computed by openSMILE: eGeMAPS and ComParE.

openSMILE is not free software: audEERING licenses it for research and other non-commercial use,
and that covers the features and the models made with it. For a product, ask audEERING, or use a
feature set of emotone's own. It comes with the optional extra ``opensmile``.

References
----------
Eyben, Wöllmer, Schuller: "openSMILE", ACM Multimedia 2010.
Eyben et al.: "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS)", IEEE Transactions on
Affective Computing 7(2), 2016.
Schuller et al.: "The INTERSPEECH 2016 Computational Paralinguistics Challenge", Interspeech 2016.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emotone.audio import Waveform, resample
from emotone.audio.waveform import FloatArray
from emotone.errors import FeatureError, MissingExtraError

RATE = 16_000
"""In Hz. Fixed, since several of the features depend on the rate: the upper bands, say."""


@dataclass(frozen=True)
class OpenSmileSet:
    """The functionals of one of openSMILE's standard sets, over a whole clip at 16 kHz.

    Attributes
    ----------
    name
        The name it is asked for by.
    dimension
        Length of the row.
    configuration
        What openSMILE calls it.
    """

    name: str
    dimension: int
    configuration: str
    rate: int = RATE

    @property
    def version(self) -> str:
        """openSMILE's own version decides about the numbers, and so belongs to it."""
        return f"1-opensmile-{_import().__version__}"

    @property
    def names(self) -> tuple[str, ...]:
        """Such as ``F0semitoneFrom27.5Hz_sma3nz_amean``."""
        return tuple(self._smile.feature_names)

    def compute(self, waveform: Waveform) -> FloatArray:
        """The row of a waveform: float32, shape ``(dimension,)``.

        Raises
        ------
        FeatureError
            If the clip is too short for openSMILE, which needs about 0.1 s.
        """
        samples = resample(waveform.samples, waveform.rate, RATE)
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "Segment too short", said below
            row: FloatArray = np.asarray(self._smile(samples, RATE), dtype=np.float32).ravel()
        if row.shape != (self.dimension,) or not np.isfinite(row).all():
            raise FeatureError(
                f"openSMILE cannot compute {self.name} on {waveform.duration_s:.2f} s of audio",
                remedy="Use clips of at least 0.2 s, or leave this one out.",
            )
        return row

    @cached_property
    def _lock(self) -> threading.Lock:
        return threading.Lock()  # one openSMILE graph cannot run twice at once

    @cached_property
    def _smile(self) -> Any:
        opensmile = _import()
        return opensmile.Smile(
            feature_set=opensmile.FeatureSet[self.configuration],
            feature_level=opensmile.FeatureLevel.Functionals,
        )


def _import() -> Any:
    try:
        import opensmile
    except ImportError as error:
        raise MissingExtraError("openSMILE's feature sets", "opensmile") from error
    return opensmile


def egemaps() -> OpenSmileSet:
    """eGeMAPSv02: 88 functionals of a small set chosen for affect.

    Research licence; see the module.

    Raises
    ------
    MissingExtraError
        If opensmile is not installed.
    """
    _import()
    return OpenSmileSet("egemaps", 88, "eGeMAPSv02")


def compare() -> OpenSmileSet:
    """ComParE 2016: 6,373 functionals, the large set of the Interspeech challenges.

    Research licence; see the module.

    Raises
    ------
    MissingExtraError
        If opensmile is not installed.
    """
    _import()
    return OpenSmileSet("compare", 6373, "ComParE_2016")
