"""One clip under analysis: what several features need, computed once and when first asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from emotone.audio.waveform import FloatArray, Waveform
from emotone.features import constantq, harmonic, spectral, tuning
from emotone.features.stft import HOP, N_FFT, ComplexArray, stft, stft_magnitude
from emotone.features.voice import Voice


class Analysis:
    """The shared intermediates of a clip's features.

    Parameters
    ----------
    waveform
        The clip.
    keep_spectrum
        Whether a feature will ask for the complex spectrum. Keeping it costs time and twice the
        memory of its magnitude, and asking for it later a second transform.

    Attributes
    ----------
    samples, rate
        The clip's float32 samples ``(n,)`` and their rate in Hz.
    hop_s
        Seconds between frames; frame t is centred at ``t * hop_s``.
    """

    def __init__(self, waveform: Waveform, *, keep_spectrum: bool = False) -> None:
        self.samples = np.ascontiguousarray(waveform.samples, np.float32)
        self.rate = waveform.rate
        self.hop_s = HOP / waveform.rate
        self._keep_spectrum = keep_spectrum
        self._mel: dict[int, FloatArray] = {}

    @cached_property
    def spectrum(self) -> ComplexArray:
        """Short-time Fourier transform, complex64, ``(t, 1025)``."""
        return stft(self.samples, N_FFT, HOP)

    @cached_property
    def magnitude(self) -> FloatArray:
        """Magnitude of the spectrum, ``(t, 1025)``."""
        if self._keep_spectrum:
            return np.abs(self.spectrum)
        return stft_magnitude(self.samples, N_FFT, HOP)

    @cached_property
    def power(self) -> FloatArray:
        """Squared magnitude of the spectrum, ``(t, 1025)``."""
        return np.square(self.magnitude)

    def mel(self, n_mels: int = 128) -> FloatArray:
        """Mel power spectrum, ``(t, n_mels)``."""
        if n_mels not in self._mel:
            self._mel[n_mels] = spectral.mel(self.power, self.rate, n_mels)
        return self._mel[n_mels]

    @cached_property
    def mel_decibels(self) -> FloatArray:
        """The 128 mel bands in dB, at most 80 dB below the loudest, ``(t, 128)``."""
        return spectral.decibels(self.mel(128))

    @cached_property
    def tuning(self) -> float:
        """Deviation from A440 in fractions of a semitone."""
        return tuning.estimate_tuning(self.magnitude, self.rate)

    @cached_property
    def harmonic_chroma(self) -> FloatArray:
        """Constant-Q magnitude per pitch class of the harmonic part, ``(t, 12)``.

        The pitch bins are shifted to the harmonic part's own tuning.
        """
        samples = harmonic.harmonic_part(self.spectrum, self.magnitude, len(self.samples))
        shift = tuning.estimate_tuning(
            stft_magnitude(samples, N_FFT, HOP), self.rate, constantq.BINS_PER_OCTAVE
        )
        return constantq.constant_q_chroma(samples, self.rate, shift)

    @cached_property
    def voice(self) -> Voice:
        """Pitch and voice quality."""
        return Voice(self.samples, self.rate, self.hop_s)
