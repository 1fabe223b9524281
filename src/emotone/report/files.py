"""What a training leaves beside its bundle: report, figures as JSON, curve, confusion matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from emotone import plots
from emotone.report.page import report_html
from emotone.report.run import report_from_run

if TYPE_CHECKING:
    import os

    from emotone.training import TrainingRun

CLIPS_PER_PAIR = 2
"""Clips to play for each of the most confused pairs, where they are asked for."""


def beside(bundle: str | os.PathLike[str]) -> list[Path]:
    """Where `write_beside` writes report, figures, curve and confusion matrix, in this order."""
    bundle = Path(bundle)
    stem = bundle.name.removesuffix(".emotone")
    endings = ("report.html", "json", "curve.png", "confusion.png")
    return [bundle.with_name(f"{stem}.{ending}") for ending in endings]


def write_beside(
    run: TrainingRun, bundle: str | os.PathLike[str], *, playable: bool = False
) -> list[Path]:
    """Write what there is to see of a training beside its bundle.

    Parameters
    ----------
    run
        What `emotone.training.train` returned.
    bundle
        Where its model was saved. For ``mine.emotone`` the files are ``mine.report.html``,
        ``mine.json`` (as `TrainingRun.to_dict`), ``mine.curve.png`` where there is a loss or
        learning curve, and ``mine.confusion.png`` where something was tested.
    playable
        Whether the report holds clips to listen to; see `report_from_run`.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    MissingExtraError
        If matplotlib or jinja2 is not installed.
    """
    at_page, at_figures, at_curve, at_matrix = beside(bundle)
    clips = CLIPS_PER_PAIR if playable else 0
    page = report_html(report_from_run(run, bundle=bundle, clips_per_pair=clips))
    figures = json.dumps(run.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    written = [at_page, at_figures]
    for path, text in zip(written, (page, figures + "\n"), strict=True):
        path.write_text(text, encoding="utf-8")
    if run.history is not None:
        written.append(plots.save(plots.history(run.history), at_curve))
    if run.evaluation is not None:
        matrix = plots.confusion(run.evaluation.confusion, run.evaluation.emotions)
        written.append(plots.save(matrix, at_matrix))
    return written
