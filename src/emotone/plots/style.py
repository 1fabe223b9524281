"""How every plot looks, and how it gets onto disk."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from emotone.errors import MissingExtraError, UsageError
from emotone.exports import replacing, unwritten

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

FORMATS: tuple[str, ...] = ("png", "svg", "pdf")
"""The formats a plot can be written in, by the suffix of the file."""

PAPER = "#FFFFFF"
INK = "#1F2933"
MUTED = "#616E7C"
LINE = "#C3CAD2"
GRID = "#E9ECF0"
ACCENT = "#0B6E99"
SECOND = "#D55E00"

MARKERS: tuple[tuple[str, float], ...] = (
    ("o", 1.0),
    ("s", 0.85),
    ("^", 1.1),
    ("D", 0.65),
    ("v", 1.1),
    ("P", 1.15),
    ("X", 1.1),
    ("<", 1.1),
    (">", 1.1),
    ("p", 1.15),
    ("h", 1.1),
    ("*", 1.7),
)
"""A shape per emotion beside its colour, so that no plot rests on colour alone; with the factor on
its area that makes all look alike in size."""

_RC: dict[str, Any] = {
    "figure.facecolor": PAPER,
    "figure.dpi": 100.0,
    "savefig.facecolor": PAPER,
    "savefig.edgecolor": "none",
    "savefig.bbox": None,
    "axes.facecolor": PAPER,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.0,
    "axes.labelpad": 6.0,
    "axes.titlesize": 12.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "grid.linestyle": "-",
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "legend.labelcolor": INK,
    "text.color": INK,
    # A label is data: "$" in it is a dollar sign, never mathematics.
    "text.parse_math": False,
    "text.usetex": False,
    # DejaVu Sans comes with matplotlib, so a plot looks the same on every machine.
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "image.interpolation": "nearest",
    "svg.fonttype": "path",
    "svg.hashsalt": "emotone",
    "pdf.fonttype": 42,
    "path.simplify": True,
}

_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Nothing in the file says when or by which version it was drawn: same data, same bytes."""

_lock = threading.RLock()


@contextmanager
def _look() -> Iterator[None]:
    """The style for as long as the block runs; matplotlib keeps it per process, hence the lock."""
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MissingExtraError("plotting", "report") from error
    with _lock, matplotlib.rc_context(_RC):  # type: ignore[arg-type]
        yield


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Draw inside the house style, and put the settings of the process back afterwards."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with _look():
            return function(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of the given size in inches, with room made for labels by itself."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=(width, height), layout=engine)


def set_title(axes: Axes, title: str | None, *, pad: float = 10.0) -> None:
    """Put the title on the left above the axes, wrapped, where there is one."""
    if title:
        import textwrap

        inches = axes.get_figure(root=True).get_size_inches()[0]  # type: ignore[union-attr]
        axes.set_title("\n".join(textwrap.wrap(title, max(20, int(inches * 9)))), pad=pad)


def set_note(axes: Axes, text: str) -> None:
    """A line above the drawing that says how to read it; the title then needs `pad=24`."""
    place: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 9, "color": MUTED}
    axes.text(0, 1.02, text, va="bottom", **place)


def name_rows(axes: Axes, names: Sequence[str], *, longest: int) -> None:
    """Name the rows of bars that lie at 0, 1, …, the first on top; names are cut to `longest`."""
    axes.set_yticks(range(len(names)), [shorten(name, longest) for name in names])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def in_percent(*sides: Axis) -> None:
    """Label shares from 0 to 1 along these sides of a plot in whole percent."""
    from matplotlib.ticker import PercentFormatter

    for side in sides:
        side.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def shorten(label: str, limit: int = 22) -> str:
    """The label, its middle cut out by an ellipsis where it is longer than the limit."""
    if len(label) <= limit:
        return label
    head = limit // 2
    return f"{label[:head]}…{label[len(label) - (limit - 1 - head) :]}"


def text_on(background: str | tuple[float, float, float, float]) -> str:
    """Ink or paper, whichever reads better on this background (WCAG relative luminance)."""
    from matplotlib.colors import to_rgb

    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(background)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return INK if luminance > 0.227 else PAPER


@styled
def render(figure: Figure, format: str, *, dpi: int = 150) -> bytes:
    """The figure as the bytes of a file.

    Parameters
    ----------
    figure
        What any function of `emotone.plots` returned.
    format
        One of `FORMATS`.
    dpi
        Dots per inch: the size of a PNG, the sharpness of the images inside an SVG or PDF.

    Raises
    ------
    UsageError
        If the format is none of `FORMATS`.
    """
    if format not in FORMATS:
        raise UsageError(
            f"a plot cannot be written as {format!r}",
            remedy=f"Choose one of: {', '.join(FORMATS)}.",
        )
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format=format,
        dpi=dpi,
        metadata=_METADATA[format],
        bbox_inches="tight",
        pad_inches=0.12,
    )
    return buffer.getvalue()


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 150) -> Path:
    """Write the figure; the suffix of the path (.png, .svg, .pdf) says how.

    Parameters
    ----------
    figure
        What any function of `emotone.plots` returned.
    path
        Where to write. An existing file is replaced.
    dpi
        As for `render`.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    UsageError
        If the suffix names no format that plots know, or the file cannot be written.
    EmotoneError
        If there is no space for it; what was there before stays.
    """
    target = Path(path)
    suffix = target.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise UsageError(
            f"a plot cannot be written as {target.suffix!r}"
            if suffix
            else "the file for the plot has no suffix to say its format",
            source=target,
            remedy=f"End the name in {', '.join('.' + name for name in FORMATS[:-1])} "
            f"or .{FORMATS[-1]}.",
        )
    data = render(figure, suffix, dpi=dpi)
    try:
        target.parent.stat()  # a folder that is misspelt is not made
        with replacing(target) as unfinished:
            unfinished.write_bytes(data)
    except OSError as error:
        raise unwritten(error, "the plot", target) from error
    return target
