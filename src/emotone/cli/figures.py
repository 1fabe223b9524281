"""Figures of merit in the terminal and as CSV, the same for every command that has some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotone.cli import output

if TYPE_CHECKING:
    from emotone.metrics import Estimate, Evaluation

_HEADLINES = (
    ("UA", "ua", True, "mean recall of the emotions"),
    ("WA", "wa", True, "share of clips that are right"),
    ("F1", "f1", True, "macro average"),
    ("Log loss", "log_loss", False, "nats; lower is better"),
    ("ECE", "ece", True, "calibration error; lower is better"),
)
"""Name, attribute of `Evaluation`, whether it is a percentage, and what it means."""


def value(estimate: Estimate, *, in_percent: bool = True) -> str:
    """``73.1`` or ``0.842``."""
    if in_percent:
        return output.percent(estimate.value)
    return f"{estimate.value:.3f}"


def interval(estimate: Estimate, *, in_percent: bool = True, between: str = " to ") -> str:
    """``70.2 to 75.9``, or with something else between the ends; empty without a bootstrap."""
    if estimate.ci95 is None:
        return ""
    low, high = estimate.ci95
    if in_percent:
        return f"{100 * low:.1f}{between}{100 * high:.1f}"
    return f"{low:.3f}{between}{high:.3f}"


def cells(estimate: Estimate) -> list[object]:
    """Value, low and high for CSV, each empty where there is none."""
    if estimate.value != estimate.value:
        return ["", "", ""]
    ends = ["", ""] if estimate.ci95 is None else [round(end, 6) for end in estimate.ci95]
    return [round(estimate.value, 6), *ends]


def print_headlines(title: str, evaluation: Evaluation) -> None:
    """UA, WA, F1, log loss and ECE with their intervals."""
    tested = output.counted(evaluation.clips, "clip")
    if evaluation.speakers:
        tested += f", {output.counted(evaluation.speakers, 'speaker')}"
    output.show(f"[bold]{title}[/] on {tested}")
    table = output.table("Figure", "Value", "95 % interval", "", numbers=["Value", "95 % interval"])
    for name, attribute, in_percent, meaning in _HEADLINES:
        estimate: Estimate = getattr(evaluation, attribute)
        table.add_row(
            name,
            value(estimate, in_percent=in_percent) + (" %" if in_percent else "  "),
            interval(estimate, in_percent=in_percent),
            f"[dim]{meaning}[/]",
        )
    output.show(table)


def print_emotions(evaluation: Evaluation) -> None:
    """Recall and precision of each emotion with their intervals."""
    table = output.table(
        "Emotion",
        "Clips",
        "Recall %",
        "95 %",
        "Precision %",
        " 95 %",
        numbers=["Clips", "Recall %", "95 %", "Precision %", " 95 %"],
    )
    for emotion, found in evaluation.per_emotion.items():
        table.add_row(
            output.painted(emotion),
            f"{found.support:,}",
            value(found.recall),
            f"[dim]{interval(found.recall)}[/]",
            value(found.precision),
            f"[dim]{interval(found.precision)}[/]",
        )
    output.show(table)


def print_confused(evaluation: Evaluation, count: int = 3) -> None:
    """The commonest mistakes, on one line each."""
    from rich.text import Text

    for true, predicted, clips, share in evaluation.most_confused(count):
        output.show(
            Text.assemble(
                f"{100 * share:.0f} % of ",
                output.painted(true),
                " taken for ",
                output.painted(predicted),
                f" ({output.counted(clips, 'clip')})",
            )
        )


def write_csv(evaluation: Evaluation) -> None:
    """Every figure as a row: figure, emotion, value, low, high."""
    rows: list[list[object]] = [
        [attribute, "", *cells(getattr(evaluation, attribute))] for _, attribute, _, _ in _HEADLINES
    ]
    for emotion, found in evaluation.per_emotion.items():
        rows.append(["recall", emotion, *cells(found.recall)])
        rows.append(["precision", emotion, *cells(found.precision)])
        rows.append(["f1", emotion, *cells(found.f1)])
        rows.append(["support", emotion, found.support, "", ""])
    output.write_csv(["figure", "emotion", "value", "low", "high"], rows)
