"""What is done to a waveform before features are taken, the same in training and prediction."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from emotone.audio.filters import band_pass
from emotone.audio.limits import check_rate
from emotone.audio.loudness import TARGET_LUFS, loudness
from emotone.audio.resampling import resample
from emotone.audio.waveform import FloatArray, Waveform
from emotone.errors import AudioError, MissingExtraError, UsageError

Normalization = Literal["peak", "loudness"]

_SILENCE = 2.0**-15
"""One step of 16 bits: a waveform that stays under it holds nothing to hear."""

_NOISE_DEVIATIONS = 1.0
"""The gate of each frequency lies so many standard deviations over its mean level. With white noise
on speech at 0 to 20 dB this keeps more of the speech than noisereduce's default of 1.5, and more
than its non-stationary gate."""

_FRAME = 2048
_HOP = 512
_HOPS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Preparation:
    """The steps that are on, applied in the order of the attributes.

    Attributes
    ----------
    rate
        Resample to this many Hz, from 8,000 to 192,000.
    denoise
        Share of the noise to take away, above 0 to 1, by spectral gating (`noisereduce`,
        stationary). Needs the extra ``train``.
    band_hz
        Keep the frequencies from the first to the second, in Hz.
    trim_db
        Cut what lies this many dB or more under the loudest frame off both ends, as
        ``librosa.effects.trim(top_db=trim_db)`` does. 30 suits speech.
    normalize
        ``"peak"`` scales the largest sample to 1; ``"loudness"`` scales to -23 LUFS (ITU-R
        BS.1770, EBU R 128), which may take peaks over 1.
    length_s
        Keep this many seconds from the start, and fill what is missing with silence at the end.

    Raises
    ------
    UsageError
        When a value is outside its range.

    Examples
    --------
    >>> preparation = Preparation(rate=16000, normalize="peak", length_s=3.0)
    >>> sound = Waveform(np.sin(np.arange(48000) / 9).astype(np.float32) / 2, 48000)
    >>> preparation.apply(sound).duration_s
    3.0
    """

    rate: int | None = None
    denoise: float | None = None
    band_hz: tuple[float, float] | None = None
    trim_db: float | None = None
    normalize: Normalization | None = None
    length_s: float | None = None

    def __post_init__(self) -> None:
        if self.rate is not None:
            _number(self.rate, "rate")
            check_rate(self.rate, "preparation rate")
        if self.denoise is not None and not 0 < _number(self.denoise, "denoise") <= 1:
            raise _refuse("denoise", self.denoise, "above 0, up to 1")
        if self.band_hz is not None:
            self._check_band(self.band_hz)
        if self.trim_db is not None and not 1 <= _number(self.trim_db, "trim_db") <= 200:
            raise _refuse("trim_db", self.trim_db, "from 1 to 200")
        if self.normalize is not None and self.normalize not in get_args(Normalization):
            raise _refuse("normalize", self.normalize, "'peak' or 'loudness'")
        if self.length_s is not None and not 0.1 <= _number(self.length_s, "length_s") <= 3600:
            raise _refuse("length_s", self.length_s, "from 0.1 to 3600")

    def _check_band(self, band: Any) -> None:
        try:
            low, high = band
        except (TypeError, ValueError):
            raise _refuse("band_hz", band, "two frequencies in Hz, low and high") from None
        if not 0 <= _number(low, "band_hz") < _number(high, "band_hz"):
            raise _refuse("band_hz", band, "two frequencies in Hz, low before high")
        if self.rate is not None and low >= self.rate / 2:
            raise _refuse("band_hz", band, f"under half the rate of {self.rate} Hz")
        object.__setattr__(self, "band_hz", (float(low), float(high)))

    def apply(self, waveform: Waveform) -> Waveform:
        """Apply every step that is on.

        Parameters
        ----------
        waveform
            Left as it is.

        Returns
        -------
        Waveform
            Mono float32 at `rate`, or at the waveform's own.

        Raises
        ------
        AudioError
            ``no_samples`` when there is nothing to prepare; ``silent`` when nothing is left to
            hear after filtering.
        MissingExtraError
            When `denoise` is on and noisereduce is not installed.
        """
        if not len(waveform):
            raise AudioError("there are no samples to prepare", code="no_samples")
        samples, rate = self._filtered(waveform)
        if samples is not waveform.samples and _is_silent(samples):
            raise AudioError(
                "nothing is left to hear after resampling, noise reduction and band-pass",
                remedy="Widen the band, or lower the share of noise taken away.",
                code="silent",
            )
        if self.trim_db is not None:
            samples = trim(samples, self.trim_db)
        if self.normalize is not None:
            samples = _scale(samples, rate, self.normalize)
        if self.length_s is not None:
            samples = fix_length(samples, round(self.length_s * rate))
        return Waveform(samples, rate)

    def apply_to_stretch(self, waveform: Waveform) -> Waveform:
        """Apply the steps to a stretch of a recording, which may be silent; nothing is cut off.

        Parameters
        ----------
        waveform
            One sample or more; left as it is.

        Returns
        -------
        Waveform
            As of `apply`, but for `trim_db` and for what `length_s` would cut.

        Raises
        ------
        MissingExtraError
            When `denoise` is on and noisereduce is not installed.
        """
        samples, rate = waveform.samples, waveform.rate
        if not _is_silent(samples):
            samples, rate = self._filtered(waveform)
            if self.normalize is not None:
                samples = _scale(samples, rate, self.normalize)
        elif self.rate is not None:
            samples, rate = resample(samples, rate, self.rate), self.rate
        if self.length_s is not None:
            samples = fix_length(samples, max(len(samples), round(self.length_s * rate)))
        return Waveform(samples, rate)

    @property
    def leaves_stretches(self) -> bool:
        """Whether `apply_to_stretch` does nothing but resample and scale."""
        return self.denoise is None and self.band_hz is None and self.length_s is None

    def _filtered(self, waveform: Waveform) -> tuple[FloatArray, int]:
        """The samples and their rate after the steps that do not depend on where a clip ends."""
        samples, rate = waveform.samples, waveform.rate
        if self.rate is not None:
            samples, rate = resample(samples, rate, self.rate), self.rate
        if self.denoise is not None:
            samples = _reduce_noise(samples, rate, self.denoise)
        if self.band_hz is not None:
            samples = band_pass(samples, rate, *self.band_hz)
        return samples, rate

    def to_dict(self) -> dict[str, Any]:
        """Every step as plain types for a card; None where it is off."""
        values = dataclasses.asdict(self)
        if self.band_hz is not None:
            values["band_hz"] = list(self.band_hz)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preparation:
        """The preparation that `to_dict` wrote.

        Raises
        ------
        UsageError
            When a step is unknown or a value outside its range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(str(key) for key in set(values) - known)
        if unknown:
            raise UsageError(
                f"unknown preparation: {', '.join(unknown)}",
                remedy=f"The steps are {', '.join(sorted(known))}.",
            )
        return cls(**values)


def trim(samples: FloatArray, threshold_db: float) -> FloatArray:
    """Cut silence off both ends.

    A frame of 2048 samples every 512 counts as silent when its RMS lies ``threshold_db`` or more
    under that of the loudest, as in ``librosa.effects.trim``.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    threshold_db
        Above 0.

    Returns
    -------
    FloatArray
        A view of the samples; all of them when all are zero.
    """
    if not len(samples):
        return samples
    power = _frame_power(samples)
    loud = np.flatnonzero(power > power.max() * 10 ** (-threshold_db / 10))
    if not len(loud):
        return samples
    return samples[loud[0] * _HOP : (loud[-1] + 1) * _HOP]


def _frame_power(samples: FloatArray) -> npt.NDArray[np.float64]:
    """The energy of a frame around every `_HOP`-th sample, from the first to the end."""
    hops = -(-len(samples) // _HOP)
    energy = np.zeros(hops + _FRAME // _HOP)
    before = _FRAME // _HOP // 2
    step = _HOPS_AT_ONCE * _HOP
    for start in range(0, len(samples), step):
        # In double precision, but a stretch at a time: a recording may last for hours.
        squares = np.square(samples[start : start + step], dtype=np.float64)
        sums = np.add.reduceat(squares, np.arange(0, len(squares), _HOP))
        energy[before + start // _HOP :][: len(sums)] = sums
    windows = np.lib.stride_tricks.sliding_window_view(energy, _FRAME // _HOP)
    power: npt.NDArray[np.float64] = windows[: len(samples) // _HOP + 1].sum(axis=1)
    return power


def fix_length(samples: FloatArray, length: int) -> FloatArray:
    """The first ``length`` samples, with zeros after the last where there are fewer."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


def _scale(samples: FloatArray, rate: int, how: Normalization) -> FloatArray:
    if how == "peak":
        peak = float(np.abs(samples).max())
        return samples / np.float32(peak) if peak > 0 else samples
    gain_db = TARGET_LUFS - loudness(samples, rate)
    return samples * np.float32(10 ** (gain_db / 20)) if math.isfinite(gain_db) else samples


def _reduce_noise(samples: FloatArray, rate: int, share: float) -> FloatArray:
    try:
        import noisereduce
    except ImportError as error:
        raise MissingExtraError("noise reduction", "train") from error
    reduced = noisereduce.reduce_noise(
        y=samples,
        sr=rate,
        prop_decrease=share,
        n_fft=min(1024, 1 << (len(samples).bit_length() - 1)),
        stationary=True,
        n_std_thresh_stationary=_NOISE_DEVIATIONS,
    )
    return np.asarray(reduced, dtype=np.float32)


def _is_silent(samples: FloatArray) -> bool:
    return bool(np.abs(samples).max(initial=0) < _SILENCE)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refuse(name, value, "a number")
    return value


def _refuse(name: str, value: object, wanted: str) -> UsageError:
    return UsageError(f"preparation {name} is {value!r}", remedy=f"Give {wanted}.")
