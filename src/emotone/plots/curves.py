"""How a training went: its loss, and what more data brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.plots.style import (
    ACCENT,
    MUTED,
    PAPER,
    SECOND,
    in_percent,
    new_figure,
    set_title,
    shorten,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emotone.training import History


CURVES = (ACCENT, SECOND, "#117733", "#882255", "#999933", "#332288")
"""Of things that are no emotions, so no colour of one (after Tol 2021, told apart by most)."""
DASHES = ("-", "--", "-.", ":")


@styled
def loss(
    curves: Sequence[float] | Mapping[str, Sequence[float]], *, title: str | None = None
) -> Figure:
    """Loss over the epochs of a training, one line per curve, its lowest point marked.

    Parameters
    ----------
    curves
        The loss after each epoch, or several named ones (``{"training": [...], "test": [...]}``).
        NaN leaves a gap.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there is no value at all.
    """
    named = curves if isinstance(curves, Mapping) else {"training": curves}
    figure = new_figure(6.4, 3.8)
    axes = figure.add_subplot()
    lowest = np.inf
    for values, colour in _lines(axes, None, named):
        best = int(np.nanargmin(values))
        lowest = min(lowest, float(values[best]))
        axes.plot(
            best + 1,
            values[best],
            "o",
            markersize=7,
            markerfacecolor=PAPER,
            markeredgecolor=colour,
            markeredgewidth=1.6,
        )
    ring: dict[str, Any] = {"markerfacecolor": PAPER, "markeredgecolor": MUTED, "markersize": 7}
    axes.plot([], [], "o", label="lowest", **ring)
    axes.legend(loc="best", ncols=1 + len(named) // 8)  # out of the way of the lines
    if lowest >= 0:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("Epoch")
    axes.set_ylabel("Loss")
    _whole_ticks(axes)
    set_title(axes, title)
    return figure


@styled
def learning_curve(
    sizes: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    *,
    label: str = "UA",
    title: str | None = None,
) -> Figure:
    """What models reach that were trained on growing parts of the data.

    Parameters
    ----------
    sizes
        Training clips of each model.
    curves
        Named figures from 0 to 1, one per size: ``{"training": [...], "test": [...]}``.
    label
        What the figure is, for the axis.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there is no value, or a curve is not as long as the sizes.
    """
    if any(len(values) != len(sizes) for values in curves.values()):
        raise UsageError("a learning curve needs one figure per size")
    figure = new_figure(6.4, 3.8)
    axes = figure.add_subplot()
    _lines(axes, sizes, curves)
    axes.set_ylim(0, 1.03)
    axes.set_xlim(left=0)
    in_percent(axes.yaxis)
    axes.legend(loc="lower right")
    axes.set_xlabel("Training clips")
    axes.set_ylabel(label)
    _whole_ticks(axes)
    set_title(axes, title)
    return figure


def history(history: History, *, title: str | None = None) -> Figure:
    """The curve a training kept: its loss where it has epochs, else a learning curve.

    Parameters
    ----------
    history
        As `emotone.training.TrainingRun.history` holds it.
    title
        Text above the plot.
    """
    if history.kind == "epochs":
        return loss(history.curves, title=title)
    label = history.measure.upper() if len(history.measure) <= 3 else history.measure
    return learning_curve(history.x, history.curves, label=label, title=title)


def _lines(
    axes: Axes, x: Sequence[int] | None, curves: Mapping[str, Sequence[float]]
) -> list[tuple[npt.NDArray[np.float64], str]]:
    """Draw named curves (over 1, 2, ... where x is None); gives the values and colour of each."""
    drawn: list[tuple[npt.NDArray[np.float64], str]] = []
    for name, given in curves.items():
        values = np.asarray(given, dtype=np.float64)
        if not np.isfinite(values).any():
            continue
        colour = CURVES[len(drawn) % len(CURVES)]
        axes.plot(
            np.arange(1, len(values) + 1) if x is None else x,
            values,
            color=colour,
            linestyle=DASHES[(len(drawn) // len(CURVES)) % len(DASHES)],
            # A short curve shows its points, or a single value would show nothing.
            marker="o" if len(values) <= 25 else None,
            markersize=4,
            label=shorten(name, 30),
        )
        drawn.append((values, colour))
    if not drawn:
        raise UsageError(
            "there is no curve to plot", remedy="Only a training with a test or epochs keeps one."
        )
    axes.grid(axis="y")
    return drawn


def _whole_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
