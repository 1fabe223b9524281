"""A recording of any length as a picture needs it: its envelope and its spectrum, in few bins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from emotone.audio import Source
from emotone.audio.limits import DEFAULT_LIMITS, Limits, check_rate
from emotone.audio.reading import blocks_if_silent_too
from emotone.audio.waveform import FloatArray
from emotone.errors import UsageError
from emotone.features import spectral
from emotone.features.stft import stft_power

RATE = 16_000
BANDS = 64

POINTS = 1 << 18
"""The most bins of an envelope: of an hour they are 20 ms long, of ten hours 160 ms."""

SPECTRA = 1 << 12
"""The most bins of a spectrogram, more than a page has pixels."""

_BIN_S = 0.01
_FRAME_S = 0.032
_FRAMES = 16
"""Of a long bin this many frames are transformed, evenly spread, and not all."""

_AT_ONCE = 1024
"""Bins worked out together: bounds the memory where much sound comes in one piece."""


@dataclass(frozen=True)
class Overview:
    """A recording seen from afar.

    Attributes
    ----------
    duration_s
        Its length in seconds.
    low, high
        Lowest and highest sample of each bin, float32, shape ``(n,)``, n at most `POINTS`; full
        scale from -1 to 1.
    step_s
        Length of those bins in seconds. The last may reach past the end.
    mel
        Mean power in each mel band, 0 Hz to half the rate, float32, shape ``(m, bands)``, m at most
        `SPECTRA`.
    mel_step_s
        Length of those bins in seconds.
    rate
        In Hz.
    """

    duration_s: float
    low: FloatArray = field(repr=False)
    high: FloatArray = field(repr=False)
    step_s: float
    mel: FloatArray = field(repr=False)
    mel_step_s: float
    rate: int

    @classmethod
    def of(
        cls,
        source: Source,
        *,
        rate: int = RATE,
        channel: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Overview:
        """The overview of a source, read in blocks; one that is silent has one too.

        Parameters
        ----------
        source, channel, limits
            As for `emotone.audio.read_blocks`.
        rate
            To look at it at, in Hz.

        Raises
        ------
        AudioError, UsageError
            As `emotone.audio.read_blocks`.

        Examples
        --------
        >>> import numpy as np
        >>> overview = Overview.of((np.sin(np.arange(16000)), 16000))
        >>> overview.low.shape, overview.mel.shape
        ((100,), (100, 64))
        """
        builder = OverviewBuilder(rate)
        for block in blocks_if_silent_too(source, rate=rate, channel=channel, limits=limits):
            builder.add(block.samples)
        return builder.finish()


class OverviewBuilder:
    """Makes an overview of sound that comes in pieces, whose length nobody knows beforehand.

    Where the bins become too many, each two are joined and the next are twice as long. So the
    memory does not grow, nor does the work for the spectrum, and how the sound is cut into pieces
    does not change the result.

    Parameters
    ----------
    rate
        Of the sound, in Hz, from 8,000 to 192,000.
    points, spectra
        The most bins of the envelope and of the spectrum; even, 2 at least.
    bands
        Mel bands.

    Raises
    ------
    UsageError
        If the rate or a number of bins is outside its range.

    Examples
    --------
    >>> builder = OverviewBuilder(16000)
    >>> for _ in range(3):
    ...     builder.add(np.zeros(8000, np.float32))
    >>> builder.finish().duration_s
    1.5
    """

    def __init__(
        self, rate: int, *, points: int = POINTS, spectra: int = SPECTRA, bands: int = BANDS
    ) -> None:
        self._rate = check_rate(rate)
        for name, most in (("points", points), ("spectra", spectra)):
            if most < 2 or most % 2:
                raise UsageError(f"{name} is {most}", remedy="Give an even number from 2.")
        self._envelope = _Envelope(rate, points)
        self._spectrum = _Spectrum(rate, spectra, bands)

    def add(self, samples: FloatArray) -> None:
        """Take the next samples, mono float32, shape ``(n,)``, n from 0."""
        self._envelope.add(samples)
        self._spectrum.add(samples)

    def finish(self) -> Overview:
        """The overview of all that was added; nothing can be added after it.

        Raises
        ------
        UsageError
            If nothing was.
        """
        total = self._envelope.total
        if not total:
            raise UsageError("there are no samples to look at", remedy="Give sound with samples.")
        envelope, mel = self._envelope.finish(), self._spectrum.finish()
        return Overview(
            duration_s=total / self._rate,
            low=envelope[:, 0],
            high=envelope[:, 1],
            step_s=self._envelope.width / self._rate,
            mel=mel,
            mel_step_s=self._spectrum.width / self._rate,
            rate=self._rate,
        )


class _Bins(ABC):
    """Bins of equal width, joined two by two where they become too many.

    Attributes
    ----------
    width
        Of a bin, in samples.
    total
        Samples that came.
    """

    def __init__(self, width: int, most: int, columns: int, before: int, after: int) -> None:
        """With bins of `columns` numbers that need samples from before and after them."""
        self.width, self.total = width, 0
        self._bins = np.zeros((most, columns), np.float32)
        self._count = 0
        self._after = after
        self._held: list[FloatArray] = [np.zeros(before, np.float32)]
        self._waiting = before

    def add(self, samples: FloatArray) -> None:
        self._held.append(np.array(samples, np.float32))
        self._waiting += len(samples)
        self.total += len(samples)
        if self._waiting >= self.width + self._after:
            self._measure_whole()

    def finish(self) -> FloatArray:
        """All bins, the last one of what is left."""
        self._held.append(np.zeros(self._after, np.float32))
        self._measure_whole()
        left = self.total - self._count * self.width
        if left:
            padded = np.concatenate([*self._held, np.zeros(self.width, np.float32)])
            last = self._measure(padded[: self.width + self._after], 1)
            self._bins[self._count] = self._of_part(last[0], left / self.width)
            self._count += 1
        return self._bins[: self._count]

    def _measure_whole(self) -> None:
        """Measure the bins that are complete."""
        waiting = np.concatenate(self._held)
        start = 0
        while True:
            fit = min(
                (len(waiting) - start - self._after) // self.width,
                self.total // self.width - self._count,
                len(self._bins) - self._count,
                _AT_ONCE,
            )
            if fit <= 0:
                break
            end = start + fit * self.width
            self._bins[self._count : self._count + fit] = self._measure(
                waiting[start : end + self._after], fit
            )
            self._count += fit
            start = end
            if self._count == len(self._bins):
                self._count //= 2
                self._bins[: self._count] = self._joined(self._bins[0::2], self._bins[1::2])
                self.width *= 2
        # A copy, or the rest would keep all of it alive.
        self._held = [waiting[start:].copy()]
        self._waiting = len(waiting) - start

    @abstractmethod
    def _measure(self, samples: FloatArray, count: int) -> FloatArray:
        """So many bins, shape ``(count, columns)``."""

    @abstractmethod
    def _joined(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Neighbours as one."""

    @abstractmethod
    def _of_part(self, last: FloatArray, share: float) -> FloatArray:
        """The last bin, ``(columns,)``, of which only a share is sound and the rest is zeros."""


class _Envelope(_Bins):
    """Lowest and highest sample of each bin."""

    def __init__(self, rate: int, most: int) -> None:
        super().__init__(round(_BIN_S * rate), most, 2, 0, 0)

    def _measure(self, samples: FloatArray, count: int) -> FloatArray:
        bins = samples.reshape(count, self.width)
        return np.stack([bins.min(axis=1), bins.max(axis=1)], axis=1)

    def _joined(self, first: FloatArray, second: FloatArray) -> FloatArray:
        low, high = np.minimum(first[:, 0], second[:, 0]), np.maximum(first[:, 1], second[:, 1])
        return np.stack([low, high], axis=1)

    def _of_part(self, last: FloatArray, share: float) -> FloatArray:
        return last


class _Spectrum(_Bins):
    """Mean mel power of each bin."""

    def __init__(self, rate: int, most: int, bands: int) -> None:
        self._rate, self._bands = rate, bands
        self._hop = round(_BIN_S * rate)
        self._n_fft = 2 ** round(np.log2(_FRAME_S * rate))
        # The first frame of a bin lies around its first step.
        super().__init__(self._hop, most, bands, (self._n_fft - self._hop) // 2, self._n_fft)

    def _measure(self, samples: FloatArray, count: int) -> FloatArray:
        frames = min(_FRAMES, self.width // self._hop)
        stride = self.width // frames
        within = samples[: (count * frames - 1) * stride + self._n_fft]
        power = stft_power(within, self._n_fft, stride, center=False)
        mel = spectral.mel(power, self._rate, self._bands)
        return np.asarray(mel.reshape(count, frames, self._bands).mean(axis=1), np.float32)

    def _joined(self, first: FloatArray, second: FloatArray) -> FloatArray:
        return np.asarray((first + second) / 2, np.float32)

    def _of_part(self, last: FloatArray, share: float) -> FloatArray:
        frames = min(_FRAMES, self.width // self._hop)
        return np.asarray(last * (frames / max(1, np.ceil(share * frames))), np.float32)
