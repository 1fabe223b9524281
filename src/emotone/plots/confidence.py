"""Whether a model is right as often as it is sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import UsageError
from emotone.plots.style import (
    ACCENT,
    MUTED,
    PAPER,
    SECOND,
    in_percent,
    new_figure,
    set_note,
    set_title,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from emotone.metrics import CalibrationBin
    from emotone.selective import CoverageCurve


@styled
def reliability(
    bins: Sequence[CalibrationBin],
    *,
    ece: float | None = None,
    title: str | None = None,
) -> Figure:
    """How often the model is right when it says it is this sure, beside how often it says so.

    Parameters
    ----------
    bins
        Clips grouped by confidence, as `emotone.metrics.Evaluation.calibration` holds them. Empty
        ones are left out.
    ece
        Expected calibration error, from 0 to 1, written into the plot.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If no bin holds an utterance.
    """
    filled = sorted((bin.confidence, bin.accuracy, bin.count) for bin in bins if bin.count > 0)
    if not filled:
        raise UsageError("there is no prediction to draw a reliability diagram from")
    confidence = np.array([c for c, _, _ in filled])
    accuracy = np.array([a for _, a, _ in filled])
    counts = np.array([n for _, _, n in filled])

    figure = new_figure(5.0, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    # Wilson's 95 % interval: bins are often small, and a normal one would leave 0 to 1.
    z = 1.96
    centre = (accuracy + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = (
        z
        / (1 + z**2 / counts)
        * np.sqrt(accuracy * (1 - accuracy) / counts + z**2 / (4 * counts**2))
    )
    upper.vlines(confidence, centre - half, centre + half, color=ACCENT, linewidth=1.2, alpha=0.6)
    upper.fill_between(confidence, confidence, accuracy, color=SECOND, alpha=0.14, linewidth=0)
    upper.plot(confidence, accuracy, "-o", color=ACCENT, markersize=6)
    notes = [] if ece is None else [f"Expected calibration error {100 * ece:.1f} %"]
    set_note(upper, "; ".join([*notes, "below the dashed line: too sure"]))
    upper.set_xlim(0, 1)
    upper.set_ylim(0, 1.02)
    upper.grid()
    upper.set_ylabel("Share that is right")
    width = min(0.08, 0.8 * float(np.min(np.diff(confidence)))) if len(confidence) > 1 else 0.08
    lower.bar(confidence, counts, width=width, color=ACCENT)
    lower.set_ylabel("Utterances")
    lower.set_xlabel("Confidence")
    lower.grid(axis="y")
    from matplotlib.ticker import MaxNLocator

    lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
    in_percent(upper.yaxis, lower.xaxis)
    figure.align_ylabels([upper, lower])
    set_title(upper, title, pad=24)
    return figure


@styled
def coverage(
    curve: CoverageCurve, *, target: float | None = None, title: str | None = None
) -> Figure:
    """How often the answers are right when only the surest are given, the rest being uncertain.

    Parameters
    ----------
    curve
        As `emotone.selective.coverage_curve` gives.
    target
        An accuracy from 0 to 1: the widest coverage that reaches it is marked, with the least
        confidence that is answered there.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If the curve has no point.
    """
    if not curve.points:
        raise UsageError("there is no prediction to draw a coverage curve from")
    figure = new_figure(5.6, 4.0)
    axes = figure.add_subplot()
    everything = curve.points[-1].accuracy
    axes.axhline(everything, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(
        [point.coverage for point in curve.points],
        [point.accuracy for point in curve.points],
        color=ACCENT,
        marker="o" if len(curve.points) <= 25 else None,
        markersize=4,
    )
    found = None if target is None else curve.reaching(target)
    if found is not None:
        axes.plot(
            found.coverage,
            found.accuracy,
            "o",
            markersize=8,
            markerfacecolor=PAPER,
            markeredgecolor=SECOND,
            markeredgewidth=1.8,
        )
        right = found.coverage < 0.6
        axes.annotate(
            f"confidence {found.confidence:.2f}:\n{100 * found.coverage:.0f} % answered, "
            f"{100 * found.accuracy:.0f} % right",
            (found.coverage, found.accuracy),
            xytext=(8 if right else -8, 10),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom",
            fontsize=9,
        )
    set_note(
        axes,
        f"Area above the curve {100 * curve.area:.1f} %; dashed: all answers, "
        f"{100 * everything:.0f} % right",
    )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.03)
    axes.grid()
    axes.set_xlabel("Share of clips answered, the surest first")
    axes.set_ylabel("Share of those that is right")
    in_percent(axes.xaxis, axes.yaxis)
    set_title(axes, title, pad=24)
    return figure
