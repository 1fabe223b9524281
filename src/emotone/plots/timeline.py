"""A recording's timeline: who sounds how when, under its waveform and spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import Waveform
from emotone.emotions import colour, in_order
from emotone.errors import UsageError
from emotone.plots.sound import COLUMNS, FLOOR_DB, decibels, level_bar, mel_axis, time_axis
from emotone.plots.style import (
    ACCENT,
    GRID,
    LINE,
    PAPER,
    SECOND,
    new_figure,
    set_title,
    shorten,
    styled,
    text_on,
)
from emotone.timeline.tracks import Curve, Track, curve, tracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emotone.features.overview import Overview
    from emotone.timeline import Timeline

FloatArray = npt.NDArray[np.float64]

WIDTH = 10.0
STEPS = 1200
"""Columns of bands and curves, about as many as the pixels that they take in an image."""

_SHARP: dict[str, Any] = {"linewidth": 0, "antialiased": False}
"""A pixel is painted where it was heard in its middle: an outline, or soft edges, would make many
short stretches longer than they are."""

_INCHES_PER_LETTER = 0.078
_OTHERS = "others"


@styled
def timeline(
    timeline: Timeline,
    sound: Overview | Waveform | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Segments as coloured bands and scores as curves, under the sound that they were heard in.

    From above: envelope and mel spectrogram; then for each channel a band of segments for each
    speaker, the scores of the windows stacked on each other, and valence and arousal. Emotions that
    never lead are joined into one. A long recording takes no more time to draw, or room in an SVG,
    than its pixels ask for.

    Parameters
    ----------
    timeline
        What to draw.
    sound
        The recording, or the overview of one too long to hold. None leaves out what shows it.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If the timeline lasts no time.

    Examples
    --------
    >>> from emotone import plots
    >>> from emotone.timeline import Segment, Timeline
    >>> speech = Segment.of_speech(0, 2, {"happy": 0.8, "sad": 0.2})
    >>> figure = plots.timeline(Timeline(2.0, "m@1", ("happy", "sad"), (speech,)))
    """
    if not timeline.duration_s > 0:
        raise UsageError("the timeline lasts no time", remedy="Give one of a recording.")
    found = tracks(timeline)
    channels = timeline.channels or (None,)
    curves = {channel: curve(timeline, channel) for channel in channels}
    shown = _leading(found, list(curves.values()))

    heights = [] if sound is None else [0.8, 1.3]
    for channel, scores in curves.items():
        bands = sum(track.channel == channel for track in found)
        heights += [0.3 * max(1, bands) + 0.05, *([1.0, 0.95] if len(scores.starts) else [])]
    figure = new_figure(WIDTH, sum(heights) + 0.15 * len(heights) + 1.0 + (0.3 if title else 0))
    rows = list(
        figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0]
    )
    panels = iter(rows)
    if sound is not None:
        overview = _seen(sound)
        _envelope(next(panels), overview)
        _spectrum(figure, next(panels), overview)
    for channel, scores in curves.items():
        mine = [track for track in found if track.channel == channel]
        _bands(next(panels), mine, timeline.duration_s)
        if len(scores.starts):
            edges, means = _steps(scores, timeline.duration_s)
            _stack(next(panels), edges, means, scores, shown)
            _circumplex(next(panels), edges, scores.circumplex(means))
    for axes in rows:
        axes.tick_params(axis="x", length=0, labelbottom=axes is rows[-1])
    rows[-1].tick_params(axis="x", length=3)
    time_axis(rows[-1], timeline.duration_s)
    figure.align_ylabels(rows)
    _legend(figure, found, shown, timeline)
    set_title(rows[0], title)
    return figure


def _seen(sound: Overview | Waveform) -> Overview:
    from emotone.features.overview import Overview, OverviewBuilder

    if isinstance(sound, Overview):
        return sound
    builder = OverviewBuilder(sound.rate)
    builder.add(sound.samples)
    return builder.finish()


def _envelope(axes: Axes, overview: Overview) -> None:
    group = -(-len(overview.low) // COLUMNS)
    starts = np.arange(0, len(overview.low), group)
    low = np.minimum.reduceat(overview.low, starts)
    high = np.maximum.reduceat(overview.high, starts)
    peak = float(np.maximum(-low, high).max()) or 1.0
    axes.fill_between(
        (starts + group / 2) * overview.step_s, low, high, color=ACCENT, linewidth=0.4, step="mid"
    )
    axes.axhline(0, color=LINE, linewidth=0.6, zorder=0)
    axes.set_ylim(-1.05 * peak, 1.05 * peak)
    axes.set_yticks([-peak, 0, peak], [f"−{peak:.2g}", "0", f"{peak:.2g}"])
    axes.set_ylabel("Amplitude")


def _spectrum(figure: Figure, axes: Axes, overview: Overview) -> None:
    mel = overview.mel
    group = -(-len(mel) // COLUMNS)
    starts = np.arange(0, len(mel), group)
    level = decibels(np.maximum.reduceat(mel, starts, axis=0))
    image = axes.imshow(
        level.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=FLOOR_DB,
        vmax=0,
        extent=(0, len(starts) * group * overview.mel_step_s, -0.5, mel.shape[1] - 0.5),
    )
    mel_axis(axes, mel.shape[1], overview.rate, (500, 1000, 2000, 4000))
    axes.set_ylabel("kHz, mel scale")
    level_bar(figure, axes, image)


def _bands(axes: Axes, mine: list[Track], duration_s: float) -> None:
    """A row of coloured segments for each track, with names where they fit."""
    edges = np.linspace(0, duration_s, STEPS + 1)
    for row, track in enumerate(mine):
        runs = track.runs(edges)
        for label in dict.fromkeys(label for _, _, label in runs):
            spans = [(start, end - start) for start, end, name in runs if name == label]
            bar = (row - 0.42, 0.84)
            if label == "silence":
                axes.broken_barh(spans, (row - 0.06, 0.12), color=GRID, linewidth=0)
            elif label == "non-speech":
                axes.broken_barh(
                    spans, bar, facecolor=PAPER, edgecolor=LINE, hatch="////", linewidth=0
                )
            else:
                axes.broken_barh(spans, bar, color=colour(label), **_SHARP)
        per_second = (WIDTH - 1.6) / duration_s
        for start, end, label in runs:
            text = shorten(label, 16)
            room = (end - start) * per_second
            if label in ("silence", "non-speech") or len(text) * _INCHES_PER_LETTER + 0.06 > room:
                continue
            axes.text(
                (start + end) / 2,
                row,
                text,
                ha="center",
                va="center",
                fontsize=8,
                color=text_on(colour(label)),
                clip_on=True,
            )
    names = [shorten(track.name, 22) or "emotion" for track in mine] or ["no speech"]
    axes.set_yticks(range(len(names)), [name[:1].upper() + name[1:] for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _steps(scores: Curve, duration_s: float) -> tuple[FloatArray, FloatArray]:
    """Edges and mean scores: of the steps themselves where they are few, else of equal columns."""
    own = np.unique(np.concatenate([scores.starts, scores.ends]))
    if 2 <= len(own) <= STEPS:
        return own, scores.means(own)
    edges = np.linspace(0, duration_s, STEPS + 1)
    return edges, scores.columns(edges)


def _stack(
    axes: Axes, edges: FloatArray, means: FloatArray, scores: Curve, shown: list[str]
) -> None:
    """The scores on top of each other, up to 1."""
    corners = np.repeat(edges, 2)[1:-1]
    bottom = np.zeros(len(means))
    # A person may have named one that the model does not know, and so has no scores for.
    known = [name for name in shown if name in scores.emotions]
    parts = [(means[:, scores.emotions.index(name)], colour(name)) for name in known]
    rest = [i for i, name in enumerate(scores.emotions) if name not in shown]
    if rest:
        parts.append((means[:, rest].sum(axis=1), GRID))
    for part, shade in parts:
        top = bottom + part
        axes.fill_between(corners, np.repeat(bottom, 2), np.repeat(top, 2), color=shade, **_SHARP)
        bottom = top
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_ylabel("Scores")


def _circumplex(axes: Axes, edges: FloatArray, values: FloatArray) -> None:
    from matplotlib.path import Path

    # A line is wider than a step of a long recording, and must not run on into a pause.
    heard = np.flatnonzero(np.diff(np.isnan(values[:, 0]), prepend=True, append=True))
    stretches = Path.make_compound_path(
        *(Path([(a, -2), (a, 2), (b, 2), (b, -2), (a, -2)]) for a, b in edges[heard].reshape(-1, 2))
    )
    axes.axhline(0, color=LINE, linewidth=0.8, zorder=0)
    for column, (name, shade, dashes) in enumerate(
        (("valence", ACCENT, "-"), ("arousal", SECOND, (0, (3, 1))))
    ):
        line = axes.stairs(
            values[:, column], edges, baseline=None, color=shade, linestyle=dashes, label=name,
            linewidth=1.4,
        )  # fmt: skip
        line.set_clip_path(stretches, axes.transData)
    axes.set_ylim(-1, 1)
    axes.set_yticks([-1, 0, 1], ["−1", "0", "1"])
    axes.set_ylabel("Circumplex")
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.98),
        ncols=2,
        borderpad=0,
        borderaxespad=0,
        fontsize=8,
    )


def _leading(found: list[Track], curves: list[Curve]) -> list[str]:
    """The emotions of segments, and those most probable in a window."""
    names = {s.label for track in found for s in track.segments if s.kind == "speech"}
    for scores in curves:
        names |= {scores.emotions[i] for i in np.unique(scores.scores.argmax(axis=1))}
    return in_order(names)


def _legend(figure: Figure, found: list[Track], shown: list[str], timeline: Timeline) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour(name), label=shorten(name)) for name in shown]
    if shown and set(timeline.emotions) - set(shown):
        handles.append(Patch(color=GRID, label=_OTHERS))
    kinds = {segment.kind for track in found for segment in track.segments}
    if "non-speech" in kinds:
        handles.append(Patch(facecolor=PAPER, edgecolor=LINE, hatch="////", label="non-speech"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 9))
