"""The melody and roughness of a voice: F0, voicing, harmonicity, jitter, shimmer, rhythm.

F0 follows Boersma, "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound" (IFA Proceedings 17, 1993): the autocorrelation of a
windowed frame divided by that of its window, a handful of candidates per frame, and the cheapest
path through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.features.functionals import percentiles

HOP_S = 0.01
"""Seconds between two frames of a pitch track."""

_FLOOR_HZ = 65.0
_CEILING_HZ = 600.0
_CANDIDATES = 4
# Boersma's constants: what it costs to be silent, to lower the octave, to change voicing, to leap.
_VOICING_THRESHOLD = 0.45
_SILENCE_THRESHOLD = 0.03
_OCTAVE_COST = 0.01
_VOICING_COST = 0.14
_LEAP_COST = 0.35


@dataclass(frozen=True, slots=True)
class PitchTrack:
    """The pitch of a voice, one value per frame.

    Attributes
    ----------
    f0_hz
        Fundamental frequency in Hz, shape ``(t,)``; 0 where the frame is unvoiced.
    strength
        Height of the normalised autocorrelation at the best period, from 0 to 1, shape ``(t,)``,
        also for unvoiced frames.
    hop_s
        Seconds between frames; frame i is centred at ``i * hop_s``.
    """

    f0_hz: FloatArray
    strength: FloatArray
    hop_s: float = HOP_S

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Which frames are voiced, shape ``(t,)``."""
        return np.asarray(self.f0_hz > 0)

    @property
    def hnr_db(self) -> FloatArray:
        """Harmonics-to-noise ratio in dB, shape ``(t,)``, from -20 to 40 (Boersma 1993, eq. 4)."""
        strength = np.clip(self.strength, 0.01, 0.9999)
        return np.asarray(10 * np.log10(strength / (1 - strength)), dtype=np.float32)


@lru_cache(maxsize=8)
def _pitch_window(rate: int) -> tuple[FloatArray, FloatArray, int, int, int]:
    """Hann window over three periods of the floor, its inverse autocorrelation, size, lag range."""
    length = round(3 * rate / _FLOOR_HZ)
    longest = int(rate / _FLOOR_HZ) + 2
    size = 1 << (length + longest - 1).bit_length()
    window = np.hanning(length + 2)[1:-1].astype(np.float32)
    spectrum = np.fft.rfft(window.astype(np.float64), size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)[: longest + 1]
    inverse = (correlation[0] / correlation).astype(np.float32)
    return window, inverse, size, int(rate / _CEILING_HZ), longest


def frame(samples: FloatArray, length: int, hop: int) -> FloatArray:
    """Frames of a signal, frame i centred at sample ``i * hop``, zeros beyond the ends.

    Returns
    -------
    A view of shape ``(1 + n // hop, length)``.
    """
    padded = np.pad(samples, (length // 2, length))
    count = 1 + len(samples) // hop
    return np.lib.stride_tricks.sliding_window_view(padded, length)[: count * hop : hop]


def track_pitch(samples: FloatArray, rate: int) -> PitchTrack:
    """The F0 of a voice between 65 and 600 Hz, every 10 ms.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    rate
        Samples per second; 8 kHz or more.

    Returns
    -------
    A track of ``1 + n // round(rate * 0.01)`` frames.
    """
    window, inverse, size, shortest, longest = _pitch_window(rate)
    frames = frame(samples, len(window), round(rate * HOP_S))
    frames = frames - frames.mean(axis=1, keepdims=True)
    peak = np.abs(frames[:, len(window) // 4 : -len(window) // 4]).max(axis=1)
    spectrum = np.fft.rfft(frames * window, size, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    correlation = np.fft.irfft(power, size, axis=1)[:, : longest + 1]
    correlation *= inverse / np.maximum(correlation[:, :1], 1e-12)

    inner = correlation[:, 1:-1]
    rises = (inner > correlation[:, :-2]) & (inner >= correlation[:, 2:]) & (inner > 0)
    rises[:, : shortest - 1] = False
    # A small cost for long periods keeps the octave below the voice from winning ties.
    lags = np.arange(1, longest, dtype=np.float32)
    octave = (_OCTAVE_COST * np.log2(_FLOOR_HZ * lags / rate)).astype(np.float32)
    ranked = np.where(rises, inner - octave, -1.0)
    best = np.argpartition(ranked, -_CANDIDATES, axis=1)[:, -_CANDIDATES:]
    found = np.take_along_axis(rises, best, axis=1)

    # A parabola through the three values around each peak refines period and height.
    rows = np.arange(len(best))[:, None]
    left, centre, right = (correlation[rows, best + k] for k in range(3))
    bend = left - 2 * centre + right
    shift = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0)
    shift = np.clip(shift, -0.5, 0.5)
    height = np.clip(centre - 0.25 * (left - right) * shift, 0.0, 1.0)
    f0 = rate / (best + 1 + shift)
    height = np.where(found, height, 0.0)

    loudest = max(float(peak.max(initial=0.0)), 1e-9)
    silence = (peak / loudest) / (_SILENCE_THRESHOLD / (1 + _VOICING_THRESHOLD))
    unvoiced = _VOICING_THRESHOLD + np.maximum(0.0, 2.0 - silence)
    gain = np.where(
        found, height - _OCTAVE_COST * np.log2(_FLOOR_HZ / np.maximum(f0, 1.0)), -np.inf
    )
    gain = np.concatenate([unvoiced[:, None], gain], axis=1)
    pitch = np.concatenate([np.zeros((len(f0), 1)), np.where(found, f0, 0.0)], axis=1)
    chosen = _cheapest_path(gain, pitch)
    rows1 = np.arange(len(chosen))
    strength = np.where(chosen > 0, height[rows1, np.maximum(chosen - 1, 0)], height.max(axis=1))
    return PitchTrack(
        f0_hz=pitch[rows1, chosen].astype(np.float32), strength=strength.astype(np.float32)
    )


def _cheapest_path(
    gain: npt.NDArray[np.float64], pitch: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Viterbi through the candidates: index of the chosen one per frame (0 is unvoiced)."""
    count, width = gain.shape
    octaves = np.log2(np.maximum(pitch, 1.0))
    voiced = pitch > 0
    both = voiced[1:, :, None] & voiced[:-1, None, :]
    either = voiced[1:, :, None] ^ voiced[:-1, None, :]
    leap = np.abs(octaves[1:, :, None] - octaves[:-1, None, :])
    cost = np.where(both, _LEAP_COST * leap, np.where(either, _VOICING_COST, 0.0))
    came_from = np.zeros((count, width), dtype=np.int64)
    total = gain[0]
    columns = np.arange(width)
    for i in range(1, count):
        options = total - cost[i - 1]
        came_from[i] = options.argmax(axis=1)
        total = options[columns, came_from[i]] + gain[i]
    path = np.empty(count, dtype=np.int64)
    path[-1] = int(total.argmax())
    for i in range(count - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path


@dataclass(frozen=True, slots=True)
class Perturbation:
    """Irregularity of the glottal cycles of a voice.

    Attributes
    ----------
    jitter
        Mean absolute difference of consecutive periods over the mean period (Praat's "local"),
        as a ratio; 0 where no two cycles follow each other.
    shimmer
        The same of the cycles' peak amplitudes.
    cycles
        How many cycles were measured.
    """

    jitter: float
    shimmer: float
    cycles: int


def perturbation(samples: FloatArray, rate: int, track: PitchTrack) -> Perturbation:
    """Jitter and shimmer from the peaks of consecutive cycles in the voiced stretches.

    Each next peak is looked for within 15 % of the tracked period after the last one, with the
    polarity of the stretch's larger peaks, and refined by a parabola.

    Parameters
    ----------
    samples
        float32, shape ``(n,)``.
    rate
        Samples per second.
    track
        The pitch of the same samples.
    """
    hop = round(rate * track.hop_s)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], track.voiced.astype(np.int8), [0]])))
    smooth = np.convolve(samples, _peak_smoother(rate), mode="same").astype(np.float64)
    period_changes: list[npt.NDArray[np.float64]] = []
    height_changes: list[npt.NDArray[np.float64]] = []
    periods_seen: list[npt.NDArray[np.float64]] = []
    heights_seen: list[npt.NDArray[np.float64]] = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        stretch = smooth[start * hop : min(stop * hop, len(smooth))]
        if stop - start < 4 or len(stretch) < 3:
            continue
        if -stretch.min() > stretch.max():
            stretch = -stretch
        f0 = track.f0_hz[start:stop].astype(np.float64)
        times, heights = _cycle_peaks(stretch, rate / f0, hop)
        periods = np.diff(times)
        if len(periods) < 2:
            continue
        # Praat's limits: a pair of cycles further apart than this is a slip, not a perturbation.
        even = np.maximum(periods[1:], periods[:-1]) < 1.3 * np.minimum(periods[1:], periods[:-1])
        larger = np.maximum(heights[1:], heights[:-1])
        level = (larger < 1.6 * np.minimum(heights[1:], heights[:-1])) & (larger > 0)
        period_changes.append(np.abs(np.diff(periods))[even])
        height_changes.append(np.abs(np.diff(heights))[level])
        periods_seen.append(periods)
        heights_seen.append(np.abs(heights))
    cycles = sum(len(periods) for periods in periods_seen)
    if cycles == 0:
        return Perturbation(0.0, 0.0, 0)
    jumps, steps = np.concatenate(period_changes), np.concatenate(height_changes)
    mean_height = max(float(np.concatenate(heights_seen).mean()), 1e-12)
    return Perturbation(
        jitter=float(jumps.mean() / np.concatenate(periods_seen).mean()) if len(jumps) else 0.0,
        shimmer=float(steps.mean()) / mean_height if len(steps) else 0.0,
        cycles=cycles,
    )


@lru_cache(maxsize=8)
def _peak_smoother(rate: int) -> npt.NDArray[np.float64]:
    """A 1 ms Hann window: it rounds the peak of a cycle so that noise does not move it."""
    window = np.hanning(max(round(rate * 0.001), 1) + 2)[1:-1]
    return np.asarray(window / window.sum())


def _cycle_peaks(
    stretch: npt.NDArray[np.float64], period: npt.NDArray[np.float64], hop: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Times (in samples) and heights of one peak per cycle."""
    times: list[float] = []
    heights: list[float] = []
    first = int(period[0])
    at = int(stretch[:first].argmax()) if first > 0 else 0
    while True:
        a, b, c = (float(stretch[min(max(at + k, 0), len(stretch) - 1)]) for k in (-1, 0, 1))
        bend = a - 2 * b + c
        shift = 0.5 * (a - c) / bend if bend < -1e-12 else 0.0
        times.append(at + shift)
        heights.append(b - 0.25 * (a - c) * shift)
        step = float(period[min(at // hop, len(period) - 1)])
        low, high = at + int(0.85 * step), at + int(1.15 * step) + 1
        if high >= len(stretch) or low <= at:
            break
        at = low + int(stretch[low:high].argmax())
    return np.array(times), np.array(heights)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How fast and how broken the speech is: proxies for the speaking rate.

    Attributes
    ----------
    syllables_per_s
        Intensity peaks in voiced frames per second of clip (after de Jong & Wempe 2009).
    voiced_share
        Share of frames that are voiced, from 0 to 1.
    voiced_mean_s, voiced_std_s
        Mean and standard deviation of the length of voiced stretches, in seconds.
    pause_mean_s
        Mean length of the unvoiced stretches between voiced ones, in seconds.
    stretches_per_s
        Voiced stretches per second.
    """

    syllables_per_s: float
    voiced_share: float
    voiced_mean_s: float
    voiced_std_s: float
    pause_mean_s: float
    stretches_per_s: float


def rhythm(loudness_db: FloatArray, track: PitchTrack) -> Rhythm:
    """Speaking-rate proxies from a loudness contour and a pitch track of the same frames.

    Parameters
    ----------
    loudness_db
        Level per frame in dB, shape ``(t,)``.
    track
        The pitch track, ``t`` frames.
    """
    count = min(len(loudness_db), len(track.f0_hz))
    level, voiced = loudness_db[:count], track.voiced[:count]
    seconds = max(count * track.hop_s, track.hop_s)
    smooth = np.convolve(level, np.hanning(9)[1:-1] / np.hanning(9)[1:-1].sum(), mode="same")
    syllables = 0
    if count > 2:
        rises = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:])
        peaks = np.flatnonzero(rises & voiced[1:-1]) + 1
        floor = float(percentiles(smooth, (98.0,))[0]) - 25.0
        previous = 0
        for peak in peaks.tolist():
            dip = float(smooth[previous : peak + 1].min())
            # A syllable is 2 dB above the dip before it (de Jong & Wempe 2009).
            if smooth[peak] > floor and smooth[peak] - dip > 2.0:
                syllables += 1
                previous = peak
    edges = np.flatnonzero(np.diff(np.concatenate([[0], voiced.astype(np.int8), [0]])))
    lengths = (edges[1::2] - edges[::2]) * track.hop_s
    pauses = (edges[2::2] - edges[1:-1:2]) * track.hop_s
    return Rhythm(
        syllables_per_s=syllables / seconds,
        voiced_share=float(voiced.mean()) if count else 0.0,
        voiced_mean_s=float(lengths.mean()) if len(lengths) else 0.0,
        voiced_std_s=float(lengths.std()) if len(lengths) else 0.0,
        pause_mean_s=float(pauses.mean()) if len(pauses) else 0.0,
        stretches_per_s=len(lengths) / seconds,
    )
