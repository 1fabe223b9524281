"""Features of the magnitude spectrum."""

from __future__ import annotations

from emotone.features.stft import stft, stft_magnitude, stft_power

__all__ = ["stft", "stft_magnitude", "stft_power"]
