"""What came out: confusion, and models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.plots.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    name_rows,
    new_figure,
    set_title,
    shorten,
    styled,
    text_on,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def confusion(
    matrix: npt.ArrayLike, emotions: Sequence[str], *, title: str | None = None
) -> Figure:
    """What was said against what was heard: a row per true emotion, shaded by its share.

    Parameters
    ----------
    matrix
        Counts, shape ``(k, k)``: row the true emotion, column the predicted one.
    emotions
        The k names, in the order of rows and columns.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If the matrix is not square, does not fit the names, or holds a negative count.
    """
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.asarray(matrix, dtype=float)
    k = len(emotions)
    if counts.shape != (k, k) or k == 0:
        raise UsageError(
            f"a confusion matrix of shape {counts.shape} does not fit {k} emotions",
            remedy="Give one row and one column per emotion.",
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise UsageError("a confusion matrix holds counts, none negative")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)

    shades = LinearSegmentedColormap.from_list(
        "emotone", ["#F6F9FB", "#CFE3EE", "#79B4D0", "#2B83AD", "#0B5478", "#062F47"]
    )
    # Two lines of text per cell while there is room; the share alone in a large matrix.
    cell = 0.78 if k <= 9 else 0.62
    names = [shorten(name) for name in emotions]
    longest = max(len(name) for name in names) * 0.085
    side = max(cell * k, 1.8)
    figure = new_figure(side + longest + 1.2, side + 0.9 + longest / 2 + (0.4 if title else 0))
    axes = figure.add_subplot()
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="equal")
    for row in range(k):
        for column in range(k):
            count = int(counts[row, column])
            if count == 0:
                continue
            ink = text_on(shades(float(shares[row, column])))
            percent = f"{100 * shares[row, column]:.0f} %"
            weight = "bold" if row == column else "normal"
            if k <= 9:
                axes.text(
                    column,
                    row - 0.13,
                    percent,
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize=10,
                    fontweight=weight,
                )
                axes.text(
                    column, row + 0.2, f"{count}", ha="center", va="center", color=ink, fontsize=7.5
                )
            else:
                axes.text(
                    column,
                    row,
                    percent,
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize=8,
                    fontweight=weight,
                )
    tilt = k > 1 and max(len(name) for name in names) * 0.075 > cell
    axes.set_xticks(
        range(k),
        names,
        rotation=38 if tilt else 0,
        ha="right" if tilt else "center",
        rotation_mode="anchor" if tilt else None,
    )
    axes.set_yticks(
        range(k), [f"{name}  ({int(n)})" for name, n in zip(names, totals[:, 0], strict=True)]
    )
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=PAPER, linewidth=2)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("Predicted emotion")
    axes.set_ylabel("True emotion (utterances)")
    set_title(axes, title)
    return figure


@styled
def comparison(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float] | None] | None = None,
    *,
    label: str = "Unweighted average recall (UA)",
    chance: float | None = None,
    title: str | None = None,
) -> Figure:
    """Models, families or corpora side by side: a bar each, with its 95 % interval.

    Parameters
    ----------
    names, values
        What is compared and its figure, from 0 to 1, drawn from top to bottom as given.
    intervals
        The 95 % interval of each, or None where there is none.
    label
        What the figure is, for the axis.
    chance
        What guessing gives, from 0 to 1, drawn as a line.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If nothing is given or the lengths differ.
    """
    bounds = list(intervals) if intervals is not None else [None] * len(names)
    if not names or not len(names) == len(values) == len(bounds):
        raise UsageError("a comparison needs one figure, and one interval or None, per name")
    figure = new_figure(7.2, 1.1 + 0.44 * len(names) + (0.3 if title else 0))
    axes = figure.add_subplot()
    rows = np.arange(len(names))
    best = int(np.argmax(values))
    axes.barh(rows, values, height=0.62, color=[ACCENT if i == best else "#9CC5D9" for i in rows])
    for row, value, bound in zip(rows, values, bounds, strict=True):
        end = value
        if bound is not None:
            low, high = bound
            axes.plot([low, high], [row, row], color=INK, linewidth=1.3)
            axes.plot([low, high], [row, row], "|", color=INK, markersize=7)
            end = max(value, high)
        axes.annotate(
            f"{100 * value:.1f}",
            (end, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            fontweight="bold" if row == best else "normal",
        )
    if chance is not None:
        axes.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    name_rows(axes, names, longest=36)
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.arange(0, 1.01, 0.2), [f"{p} %" for p in range(0, 101, 20)])
    notes = ["with 95 % interval"] if intervals is not None else []
    notes += [f"dashed: chance, {100 * chance:.3g} %"] if chance is not None else []
    axes.set_xlabel("\n".join([label, "; ".join(notes)]) if notes else label)
    set_title(axes, title)
    return figure
