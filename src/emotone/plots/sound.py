"""One clip: its waveform, its spectrum over time, and what the usual features make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import Waveform
from emotone.errors import UsageError
from emotone.plots.style import ACCENT, LINE, new_figure, set_title, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

WIDTH, HEIGHT = 8.0, 3.4
COLUMNS = 2400
"""More columns than this are finer than a page shows: they are pooled."""

FLOOR_DB = -80.0
"""Quieter than this below the loudest point is drawn as silence."""

PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


@styled
def waveform(wave: Waveform, *, title: str | None = None) -> Figure:
    """Amplitude over time; where samples are denser than the picture, their lowest and highest.

    Parameters
    ----------
    wave
        Mono audio, full scale from -1 to 1.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there are no samples.
    """
    _check(wave)
    figure = new_figure(WIDTH, 2.6)
    axes = figure.add_subplot()
    samples = wave.samples
    n = len(samples)
    peak = float(np.abs(samples).max())
    axes.axhline(0, color=LINE, linewidth=0.8, zorder=0)
    if n > COLUMNS:
        starts = np.linspace(0, n, COLUMNS, endpoint=False).astype(int)
        low = np.minimum.reduceat(samples, starts)
        high = np.maximum.reduceat(samples, starts)
        # Reaching into the next column closes the gaps of a slow wave, as a drawn line would.
        axes.fill_between(
            starts / wave.rate,
            np.minimum(low, np.append(high[1:], high[-1])),
            np.maximum(high, np.append(low[1:], low[-1])),
            color=ACCENT,
            linewidth=0.4,
        )
    else:
        axes.plot(np.arange(n) / wave.rate, samples, color=ACCENT, linewidth=1)
    limit = 1.05 if peak > 0.5 else max(1.15 * peak, 1e-3)
    axes.set_ylim(-limit, limit)
    axes.grid(axis="y")
    axes.set_ylabel("Amplitude\n(1 = full scale)")
    time_axis(axes, wave.duration_s)
    set_title(axes, title)
    return figure


@styled
def spectrogram(wave: Waveform, *, max_hz: float | None = None, title: str | None = None) -> Figure:
    """Level over time and frequency, in dB below the loudest point.

    The window is about 32 ms long, which shows the harmonics of a voice. In a long recording it
    steps further than it is long, so as to give no more columns than a page can show.

    Parameters
    ----------
    wave
        Mono audio.
    max_hz
        The highest frequency shown; None is half the rate, 8 kHz at the most.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there are no samples, or ``max_hz`` is not above 0.
    """
    from emotone.features.stft import stft_power

    _check(wave)
    nyquist = wave.rate / 2
    top = min(nyquist, 8000.0 if max_hz is None else max_hz)
    if not top > 0:
        raise UsageError("the highest frequency must be above 0 Hz")
    n_fft = 2 ** max(6, round(np.log2(0.032 * wave.rate)))
    hop = max(n_fft // 8, -(-len(wave) // COLUMNS))
    level = decibels(stft_power(wave.samples, n_fft, hop))
    step = nyquist / (level.shape[1] - 1)
    level = level[:, : int(np.ceil(top / step)) + 1]

    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    image = _heat(axes, level, hop / wave.rate, -step / 2000, step / 1000, "magma", FLOOR_DB, 0.0)
    axes.set_ylim(0, top / 1000)
    axes.set_ylabel("Frequency (kHz)")
    level_bar(figure, axes, image)
    time_axis(axes, wave.duration_s)
    set_title(axes, title)
    return figure


@styled
def mel_spectrogram(wave: Waveform, *, bands: int = 128, title: str | None = None) -> Figure:
    """Level over time and mel bands (frequency as the ear spaces it), in dB below the loudest.

    Parameters
    ----------
    wave
        Mono audio.
    bands
        How many mel bands between 0 Hz and half the rate; 128 is the feature ``mel``.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there are no samples.
    FeatureError
        If there is no such number of bands.
    """
    _check(wave)
    power, hop_s = _frames(wave, f"mel{bands}")
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    image = _heat(axes, decibels(power), hop_s, -0.5, 1.0, "magma", FLOOR_DB, 0.0)
    mel_axis(axes, bands, wave.rate)
    axes.set_ylabel("Frequency (kHz, mel scale)")
    level_bar(figure, axes, image)
    time_axis(axes, wave.duration_s)
    set_title(axes, title)
    return figure


@styled
def mfcc(wave: Waveform, *, count: int = 20, title: str | None = None) -> Figure:
    """Mel-frequency cepstral coefficients over time.

    Coefficients count from 1, as the names of the features do. The first follows the level and is
    far larger than the others, so it has a panel of its own.

    Parameters
    ----------
    wave
        Mono audio.
    count
        How many coefficients; 13, 20 and 40 are usual. At least 2.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there are no samples, or fewer than 2 coefficients are asked for.
    """
    _check(wave)
    if count < 2:
        raise UsageError("fewer than 2 coefficients make no picture", remedy="Ask for 13 or more.")
    values, hop_s = _frames(wave, f"mfcc{count}")
    figure = new_figure(WIDTH, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1, 3.2]})
    upper.plot(np.arange(len(values)) * hop_s, values[:, 0], color=ACCENT)
    upper.grid(axis="y")
    upper.set_ylabel("Coefficient 1")
    limit = max(float(np.percentile(np.abs(values[:, 1:]), 99)), 1e-6)
    image = _heat(lower, values[:, 1:], hop_s, 1.5, 1.0, "RdBu_r", -limit, limit)
    lower.set_ylabel("Coefficient")
    lower.set_ylim(1.5, count + 0.5)
    from matplotlib.ticker import MaxNLocator

    lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    bar = figure.colorbar(image, ax=lower, pad=0.015, extend="both", fraction=0.05)
    bar.set_label("Value")
    bar.outline.set_visible(False)
    time_axis(lower, wave.duration_s)
    upper.tick_params(length=0)
    figure.align_ylabels([upper, lower])
    set_title(upper, title)
    return figure


@styled
def chroma(wave: Waveform, *, title: str | None = None) -> Figure:
    """Energy of the twelve pitch classes over time, each frame scaled to a highest value of 1.

    Parameters
    ----------
    wave
        Mono audio.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there are no samples.
    """
    _check(wave)
    values, hop_s = _frames(wave, "chroma12")
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    image = _heat(axes, values, hop_s, -0.5, 1.0, "cividis", 0.0, 1.0)
    axes.set_yticks(range(12), PITCHES)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("Pitch class")
    bar = figure.colorbar(image, ax=axes, pad=0.015, ticks=[0, 0.5, 1], fraction=0.05)
    bar.set_label("Share of the strongest")
    bar.outline.set_visible(False)
    time_axis(axes, wave.duration_s)
    set_title(axes, title)
    return figure


def _check(wave: Waveform) -> None:
    if not len(wave):
        raise UsageError("there are no samples to plot", remedy="Give a clip with sound in it.")


def _frames(wave: Waveform, part: str) -> tuple[npt.NDArray[np.float32], float]:
    """A frame-level feature of the waveform, ``(frames, d)``, and the seconds between frames."""
    from emotone.features import frames
    from emotone.features.stft import HOP

    values, _ = frames((wave.samples, wave.rate), part)
    return values, HOP / wave.rate


def mel_axis(
    axes: Axes,
    bands: int,
    rate: int,
    ticks_hz: Sequence[int] = (0, 250, 500, 1000, 2000, 4000, 8000, 16000),
) -> None:
    """Frequencies on the vertical axis of mel bands, band k drawn from k - 0.5 to k + 0.5."""
    axes.set_ylim(-0.5, bands - 0.5)
    ticks = [hz for hz in ticks_hz if hz <= rate / 2]
    # Bands are centred between 0 Hz and half the rate, evenly in mel, both ends left out.
    places = (bands + 1) * _mel(np.array(ticks)) / _mel(np.array([rate / 2])) - 1
    shown = places > -0.5
    axes.set_yticks(
        places[shown],
        [f"{hz / 1000:g}" for hz, keep in zip(ticks, shown, strict=True) if keep],
    )


def _mel(hz: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Slaney's mel scale, linear below 1 kHz: the one the feature ``mel`` uses."""
    return np.where(
        hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)
    )


def decibels(power: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Power in dB below its highest value, not under `FLOOR_DB`; all floor where all is silent."""
    highest = float(power.max())
    if highest <= 0:
        return np.full(power.shape, FLOOR_DB)
    return np.asarray(10 * np.log10(np.maximum(power / highest, 10 ** (FLOOR_DB / 10))))


def _heat(
    axes: Axes,
    values: npt.NDArray[np.floating],
    hop_s: float,
    bottom: float,
    step: float,
    shades: str,
    low: float,
    high: float,
) -> AxesImage:
    """Draw ``(frames, d)`` values with time to the right; frame t lies around ``t * hop_s``."""
    frames, rows = values.shape
    group = -(-frames // COLUMNS)
    if group > 1:
        padded = np.pad(values, ((0, -frames % group), (0, 0)), mode="edge")
        pooled = padded.reshape(-1, group, rows)
        values = np.take_along_axis(pooled, np.abs(pooled).argmax(1)[:, None], 1)[:, 0]
        if low < high <= 0:
            values = pooled.max(axis=1)
    right = (len(values) * group - 0.5) * hop_s
    return axes.imshow(
        values.T,
        origin="lower",
        aspect="auto",
        cmap=shades,
        vmin=low,
        vmax=high,
        extent=(-0.5 * hop_s, right, bottom, bottom + rows * step),
    )


def level_bar(figure: Figure, axes: Axes, image: AxesImage) -> None:
    """The scale of an image of levels, to the right of its axes."""
    bar = figure.colorbar(image, ax=axes, pad=0.015, ticks=[-80, -60, -40, -20, 0], fraction=0.05)
    bar.set_label("Level (dB)")
    bar.outline.set_visible(False)


def time_axis(axes: Axes, duration_s: float) -> None:
    """The time axis, in milliseconds, seconds, minutes or hours as the duration asks for."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    axes.set_xlim(0, duration_s)
    if duration_s < 0.3:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{1000 * t:g}"))
        axes.set_xlabel("Time (ms)")
        return
    if duration_s < 120:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9))
        axes.set_xlabel("Time (s)")
        return
    steps = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 36000)
    step = next((step for step in steps if duration_s / step <= 8), 86400)
    hours = duration_s >= 3600
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(
        FuncFormatter(
            lambda t, _: (
                f"{int(t) // 3600}:{int(t) // 60 % 60:02}"
                if hours
                else f"{int(t) // 60}:{int(t) % 60:02}"
            )
        )
    )
    axes.set_xlabel("Time (h:min)" if hours else "Time (min:s)")
