"""What came out: loss curves, confusion, reliability, families side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.errors import UsageError
from emotone.plots.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    SECOND,
    new_figure,
    set_title,
    shorten,
    styled,
    text_on,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emotone.metrics import CalibrationBin
    from emotone.selective import CoverageCurve
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
    axes.legend(loc="upper right", ncols=1 + len(named) // 8)
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
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(6.4, 3.8)
    axes = figure.add_subplot()
    _lines(axes, sizes, curves)
    axes.set_ylim(0, 1.03)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
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
    upper.text(
        0,
        1.02,
        "; ".join([*notes, "below the dashed line: too sure"]),
        transform=upper.transAxes,
        fontsize=9,
        color=MUTED,
        va="bottom",
    )
    upper.set_xlim(0, 1)
    upper.set_ylim(0, 1.02)
    upper.grid()
    upper.set_ylabel("Share that is right")
    width = min(0.08, 0.8 * float(np.min(np.diff(confidence)))) if len(confidence) > 1 else 0.08
    lower.bar(confidence, counts, width=width, color=ACCENT)
    lower.set_ylabel("Utterances")
    lower.set_xlabel("Confidence")
    lower.grid(axis="y")
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
    upper.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    lower.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
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
    from matplotlib.ticker import PercentFormatter

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
    axes.text(
        0,
        1.02,
        f"Area above the curve {100 * curve.area:.1f} %; dashed: all answers, "
        f"{100 * everything:.0f} % right",
        transform=axes.transAxes,
        fontsize=9,
        color=MUTED,
        va="bottom",
    )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.03)
    axes.grid()
    axes.set_xlabel("Share of clips answered, the surest first")
    axes.set_ylabel("Share of those that is right")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    set_title(axes, title, pad=24)
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
    axes.set_yticks(rows, [shorten(name, 36) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.arange(0, 1.01, 0.2), [f"{p} %" for p in range(0, 101, 20)])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    notes = ["with 95 % interval"] if intervals is not None else []
    notes += [f"dashed: chance, {100 * chance:.3g} %"] if chance is not None else []
    axes.set_xlabel("\n".join([label, "; ".join(notes)]) if notes else label)
    set_title(axes, title)
    return figure
