"""What a corpus holds: counts, feature distributions, and a map of its utterances."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from emotone.emotions import canonical, colour, in_order
from emotone.errors import MissingExtraError, UsageError
from emotone.plots.style import (
    INK,
    MARKERS,
    MUTED,
    PAPER,
    name_rows,
    new_figure,
    set_title,
    shorten,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIN_FOR_TSNE = 5


@styled
def class_counts(
    emotions: Sequence[str] | Mapping[str, int], *, title: str | None = None
) -> Figure:
    """How many utterances there are of each emotion.

    Parameters
    ----------
    emotions
        The emotion of every utterance, or counts by emotion.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If there is no utterance.
    """
    counts = dict(emotions) if isinstance(emotions, Mapping) else Counter(emotions)
    total = sum(counts.values())
    if total <= 0:
        raise UsageError("there is no utterance to count")
    order = in_order(list(counts))
    figure = new_figure(6.4, 1.0 + 0.36 * len(order) + (0.3 if title else 0))
    axes = figure.add_subplot()
    rows = np.arange(len(order))
    values = [counts[name] for name in order]
    axes.barh(rows, values, height=0.68, color=[colour(name) for name in order])
    for row, value in zip(rows, values, strict=True):
        axes.annotate(
            f"{value:,}  ({100 * value / total:.0f} %)",
            (value, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    name_rows(axes, order, longest=30)
    axes.set_xlim(0, max(values) * 1.22)
    axes.set_xlabel(f"Utterances ({total:,} in all)")
    _whole_thousands(axes)
    set_title(axes, title)
    return figure


def _whole_thousands(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _checked(
    matrix: npt.ArrayLike, emotions: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(emotions) or values.shape[1] == 0:
        raise UsageError(
            f"a feature matrix of shape {values.shape} does not fit {len(emotions)} utterances",
            remedy="Give one row of features per utterance.",
        )
    if not np.isfinite(values).all():
        raise UsageError(
            "the feature matrix holds NaN or infinite values",
            remedy="Leave those utterances out, or extract their features again.",
        )
    return values, np.array([canonical(name) for name in emotions])


def anova_f(matrix: npt.ArrayLike, emotions: Sequence[str]) -> npt.NDArray[np.float64]:
    """The F value of a one-way analysis of variance per feature: how well it parts the emotions.

    Parameters
    ----------
    matrix
        Features, shape ``(n, d)``.
    emotions
        The emotion of each of the n utterances.

    Returns
    -------
    numpy.ndarray
        Shape ``(d,)``, from 0; variance between the emotions over variance within them, each by
        its degrees of freedom (Fisher 1925). 0 where a feature does not vary at all, infinite
        where it varies between the emotions alone.

    Raises
    ------
    UsageError
        If the shapes do not fit, a value is not finite, or there are fewer than two emotions or
        no more utterances than emotions.
    """
    values, labels = _checked(matrix, emotions)
    groups = [values[labels == name] for name in np.unique(labels)]
    n, k = len(values), len(groups)
    if k < 2 or n <= k:
        raise UsageError(
            f"{n} utterances of {k} emotion{'s' if k != 1 else ''} cannot be compared",
            remedy="Give at least two emotions and more utterances than emotions.",
        )
    centre = values.mean(axis=0)
    between = sum(len(group) * (group.mean(axis=0) - centre) ** 2 for group in groups) / (k - 1)
    within = sum(((group - group.mean(axis=0)) ** 2).sum(axis=0) for group in groups) / (n - k)
    # What rounding leaves of a constant feature is no variance.
    floor = (1e-12 * np.abs(values).max(axis=0)) ** 2
    result = np.where(between > floor, np.inf, 0.0)
    np.divide(between, within, out=result, where=within > floor)
    return result


@styled
def feature_distributions(
    matrix: npt.ArrayLike,
    names: Sequence[str],
    emotions: Sequence[str],
    *,
    which: int | Sequence[str] = 6,
    kind: Literal["violin", "box"] = "violin",
    title: str | None = None,
) -> Figure:
    """How features are distributed within each emotion, one panel per feature.

    Parameters
    ----------
    matrix
        Features, shape ``(n, d)``.
    names
        The d feature names, as `emotone.features.FeatureSet.names` gives them.
    emotions
        The emotion of each of the n utterances.
    which
        A number: the features that part the emotions best, by `anova_f`, best first. Names: those.
    kind
        ``"violin"`` (shape of the distribution, with its quartiles) or ``"box"``.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If shapes do not fit, a name is unknown, or there is too little to compare.
    """
    values, labels = _checked(matrix, emotions)
    if len(names) != values.shape[1]:
        raise UsageError(f"{len(names)} names do not fit {values.shape[1]} features")
    if kind not in ("violin", "box"):
        raise UsageError(
            f"there is no {kind!r} plot of distributions", remedy="Choose violin or box."
        )
    scores: npt.NDArray[np.float64] | None = None
    if isinstance(which, int):
        if which < 1:
            raise UsageError("at least one feature is needed", remedy="Ask for 1 or more.")
        scores = anova_f(values, emotions)
        columns = [int(i) for i in np.argsort(-scores, kind="stable")[:which]]
    else:
        place = {name: i for i, name in enumerate(names)}
        unknown = [name for name in which if name not in place]
        if unknown or not which:
            raise UsageError(
                f"no feature is called {unknown[0]!r}" if unknown else "no feature is named",
                remedy=f"Names look like: {', '.join(list(names)[:5])}.",
            )
        columns = [place[name] for name in which]

    order = in_order(set(labels.tolist()))
    across = min(3 if len(order) <= 8 else 2, len(columns))
    down = -(-len(columns) // across)
    panel = max(2.6, 0.42 * len(order) + 0.9)
    figure = new_figure(max(panel * across, 4.0), 2.6 * down + 1.0 + (0.3 if title else 0))
    panels = figure.subplots(down, across, squeeze=False)
    for i, axes in enumerate(panels.flat):
        if i >= len(columns):
            axes.set_visible(False)
            continue
        column = columns[i]
        groups = [values[labels == name, column] for name in order]
        draw = _violins if kind == "violin" else _boxes
        draw(axes, groups, [colour(name) for name in order])
        last_of_column = i + across >= len(columns)
        axes.set_xticks(
            range(len(order)),
            [shorten(name, 16) for name in order] if last_of_column else [""] * len(order),
            rotation=45,
            ha="right",
            rotation_mode="anchor",
        )
        axes.set_xlim(-0.65, len(order) - 0.35)
        axes.tick_params(length=0)
        axes.grid(axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_title(shorten(names[column], 34), fontsize=10, pad=6)
        if scores is not None:
            axes.set_title(
                f"F {_compact(scores[column])}",
                loc="right",
                fontsize=8.5,
                pad=6,
                color=MUTED,
                fontweight="normal",
            )
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _compact(value: float) -> str:
    return "∞" if np.isinf(value) else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _violins(axes: Axes, groups: list[npt.NDArray[np.float64]], colours: list[str]) -> None:
    for place, (group, shade) in enumerate(zip(groups, colours, strict=True)):
        # A density needs spread; without it the points themselves are the honest picture.
        if len(group) >= 5 and np.ptp(group) > 1e-9 * max(1.0, float(np.abs(group).max())):
            body = axes.violinplot([group], positions=[place], widths=0.86, showextrema=False)
            for part in body["bodies"]:  # type: ignore[attr-defined]
                part.set(facecolor=shade, edgecolor=shade, alpha=0.55, linewidth=1)
        else:
            axes.plot([place] * len(group), group, "o", color=shade, markersize=4)
        low, middle, high = np.percentile(group, [25, 50, 75])
        axes.plot([place, place], [low, high], color=INK, linewidth=3.2, solid_capstyle="butt")
        axes.plot(place, middle, "o", markersize=4.5, markerfacecolor=PAPER, markeredgecolor=INK)


def _boxes(axes: Axes, groups: list[npt.NDArray[np.float64]], colours: list[str]) -> None:
    drawn = axes.boxplot(
        groups,
        positions=range(len(groups)),
        widths=0.62,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": INK, "linewidth": 1.6},
        whiskerprops={"color": MUTED},
        capprops={"color": MUTED},
        flierprops={
            "marker": "o",
            "markersize": 2.5,
            "markerfacecolor": MUTED,
            "markeredgecolor": "none",
            "alpha": 0.5,
        },
    )
    for box, shade in zip(drawn["boxes"], colours, strict=True):
        box.set(facecolor=shade, alpha=0.6, edgecolor=shade)


@styled
def embedding_map(
    matrix: npt.ArrayLike,
    emotions: Sequence[str],
    *,
    method: Literal["tsne", "pca"] = "tsne",
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """Utterances on a plane, the alike near each other, each in the colour of its emotion.

    Parameters
    ----------
    matrix
        Features, shape ``(n, d)``; every feature is scaled to unit variance first.
    emotions
        The emotion of each of the n utterances.
    method
        ``"tsne"`` (van der Maaten & Hinton 2008: neighbourhoods are true, distances are not) or
        ``"pca"`` (the two directions of most variance, which the axes state).
    seed
        Same seed, same map.
    title
        Text above the plot.

    Raises
    ------
    UsageError
        If shapes do not fit, the method is unknown, or there are too few utterances (5 for t-SNE,
        3 for PCA).
    MissingExtraError
        If scikit-learn is not installed and t-SNE is asked for.
    """
    values, labels = _checked(matrix, emotions)
    if method not in ("tsne", "pca"):
        raise UsageError(f"there is no {method!r} map", remedy="Choose tsne or pca.")
    least = MIN_FOR_TSNE if method == "tsne" else 3
    if len(values) < least:
        raise UsageError(
            f"{len(values)} utterances are too few for a map", remedy=f"Give at least {least}."
        )
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    # Signs of singular vectors are arbitrary: fix them, so that a map never comes out mirrored.
    u, s, vt = np.linalg.svd(scaled, full_matrices=False)
    signs = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])
    components = u * s * np.where(signs == 0, 1.0, signs)
    if method == "tsne":
        points = _tsne(components[:, :50], seed)
        labels_of_axes = ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)")
    else:
        points = np.pad(components[:, :2], ((0, 0), (0, max(0, 2 - components.shape[1]))))
        shares = np.pad(s**2 / max(float((s**2).sum()), 1e-300), (0, 2))
        labels_of_axes = (
            f"Component 1 ({100 * shares[0]:.0f} % of variance)",
            f"Component 2 ({100 * shares[1]:.0f} % of variance)",
        )

    order = in_order(set(labels.tolist()))
    figure = new_figure(7.4, 5.4)
    axes = figure.add_subplot()
    size = float(np.clip(16000 / len(points), 12, 60))
    # Drawn in a shuffled order, or the last emotion would hide the others.
    shuffled = np.random.default_rng(seed).permutation(len(points))
    for part in np.array_split(shuffled, min(12, len(points))):
        for i, name in enumerate(order):
            chosen = part[labels[part] == name]
            shape, area = MARKERS[i % len(MARKERS)]
            axes.scatter(
                points[chosen, 0],
                points[chosen, 1],
                s=size * area,
                c=colour(name),
                marker=shape,
                alpha=0.78,
                edgecolors=PAPER,
                linewidths=0.4,
            )
    handles = [
        axes.scatter(
            [],
            [],
            s=46 * MARKERS[i % len(MARKERS)][1],
            c=colour(name),
            marker=MARKERS[i % len(MARKERS)][0],
            label=f"{shorten(name, 20)} ({int((labels == name).sum())})",
        )
        for i, name in enumerate(order)
    ]
    axes.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        handletextpad=0.4,
        labelspacing=0.7,
    )
    axes.set_xlabel(labels_of_axes[0])
    axes.set_ylabel(labels_of_axes[1])
    axes.set_xticks([])
    axes.set_yticks([])
    set_title(axes, title)
    return figure


def _tsne(points: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError as error:
        raise MissingExtraError("a t-SNE map", "train") from error
    # The usual 30 neighbours, fewer where there are not that many utterances.
    perplexity = min(30.0, (len(points) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=FutureWarning)
        placed = TSNE(
            n_components=2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1
        ).fit_transform(points)
    return np.asarray(placed, dtype=np.float64)
