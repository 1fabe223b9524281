"""The page: a template filled with data, and pictures that take their colours from it."""

from __future__ import annotations

import base64
import html
import math
import re
from typing import TYPE_CHECKING, Any

from emotone import emotions, plots
from emotone.metrics import Estimate, Evaluation
from emotone.plots.style import ACCENT, GRID, INK, LINE, MUTED, PAPER, SECOND
from emotone.report.data import PlayableClip, ReportData
from emotone.report.template import percent, template
from emotone.selective import TARGET_ACCURACY

if TYPE_CHECKING:
    import markupsafe
    from matplotlib.figure import Figure

    from emotone.training import History

RESPONSIBLE_USE = (
    "These figures hold for recordings like those of the test set. Acted speech is not life, and a "
    "model of it hears how a voice sounds, not what a person feels. In the European Union the AI "
    "Act bars recognising emotions at work and in schools, save for medical or safety reasons, and "
    "the GDPR makes a voice personal data. Tell the people who are recorded, let no decision about "
    "a person rest on this model alone, and let it answer “uncertain” where it is not sure."
)


def report_html(data: ReportData) -> str:
    """The report as one HTML page.

    Parameters
    ----------
    data
        What to show.

    Returns
    -------
    str
        A whole HTML document: write it to a file as UTF-8. The same data gives the same text.

    Raises
    ------
    MissingExtraError
        If jinja2 or matplotlib is not installed.

    Examples
    --------
    >>> page = report_html(ReportData("my-model", counts={"angry": 3, "sad": 2}))
    >>> page.startswith("<!doctype html>")
    True
    """
    evaluation = data.evaluation
    confused = [] if evaluation is None else evaluation.most_confused(10)
    page = template(
        "report.html.jinja",
        estimate=_estimate,
        interval=_interval,
        sentence=_sentence,
        data_uri=_data_uri,
    )
    return page.render(
        data=data,
        evaluation=evaluation,
        headlines=[] if evaluation is None else _headlines(evaluation),
        matrix=None if evaluation is None else _matrix(evaluation),
        confused=[
            {"true": true, "predicted": predicted, "clips": clips, "share": share}
            for true, predicted, clips, share in confused
        ],
        reliability=_reliability(evaluation),
        coverage=_coverage(evaluation),
        curve=_curve(data.history),
        total=sum(data.counts.values()),
        order=emotions.in_order(list(data.counts)),
        licences=sorted({row.licence for row in data.corpora if row.licence}),
        responsible_use=RESPONSIBLE_USE,
    )


def _estimate(estimate: Estimate) -> str:
    return percent(estimate.value)


def _interval(estimate: Estimate) -> str:
    if estimate.ci95 is None:
        return ""
    low, high = estimate.ci95
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _sentence(text: str) -> str:
    """A clause as a sentence: a capital first, a full stop last."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _data_uri(clip: PlayableClip) -> str:
    return f"data:{clip.media_type};base64,{base64.b64encode(clip.data).decode('ascii')}"


def _headlines(evaluation: Evaluation) -> list[dict[str, str]]:
    def share(short: str, name: str, estimate: Estimate, meaning: str) -> dict[str, str]:
        return {
            "short": short,
            "name": name,
            "value": percent(estimate.value),
            "interval": f"{_interval(estimate)} %" if estimate.ci95 else "",
            "meaning": meaning,
        }

    present = sum(1 for figures in evaluation.per_emotion.values() if figures.support)
    loss = evaluation.log_loss
    return [
        share(
            "UA",
            "Unweighted average recall",
            evaluation.ua,
            f"recall averaged over the emotions; guessing gives {percent(1 / max(present, 1))}",
        ),
        share("WA", "Accuracy", evaluation.wa, "share of all clips that is right"),
        share("F1", "Macro F1", evaluation.f1, "recall and precision, averaged over the emotions"),
        {
            "short": "Log loss",
            "name": "Log loss",
            "value": f"{loss.value:.3f}",
            "interval": f"{loss.ci95[0]:.3f} to {loss.ci95[1]:.3f}" if loss.ci95 else "",
            "meaning": f"in nats; lower is better, guessing gives {math.log(max(present, 1)):.3f}",
        },
        share(
            "ECE",
            "Expected calibration error",
            evaluation.ece,
            "how far confidence is from being right; lower is better",
        ),
    ]


def _matrix(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = []
    for name, counts in zip(evaluation.emotions, evaluation.confusion.tolist(), strict=True):
        total = sum(counts)
        rows.append(
            {
                "name": name,
                "total": total,
                "cells": [
                    {
                        "emotion": predicted,
                        "count": count,
                        "share": count / total if total else 0.0,
                        "right": predicted == name,
                    }
                    for predicted, count in zip(evaluation.emotions, counts, strict=True)
                ],
            }
        )
    return rows


def _reliability(evaluation: Evaluation | None) -> markupsafe.Markup | None:
    if evaluation is None or not any(bin.count for bin in evaluation.calibration):
        return None
    figure = plots.reliability(evaluation.calibration, ece=evaluation.ece.value)
    label = (
        f"Reliability diagram: expected calibration error {percent(evaluation.ece.value)}. "
        "The table below it gives each bin."
    )
    return _inline(figure, label, "reliability")


def _coverage(evaluation: Evaluation | None) -> markupsafe.Markup | None:
    if evaluation is None or evaluation.coverage is None:
        return None
    curve = evaluation.coverage
    half = min(curve.points, key=lambda point: abs(point.coverage - 0.5))
    label = (
        f"Accuracy-coverage curve: {percent(curve.points[-1].accuracy)} right of all answers, "
        f"{percent(half.accuracy)} of the surer half."
    )
    figure = plots.coverage(curve, target=TARGET_ACCURACY)
    return _inline(figure, label, "coverage")


def _curve(history: History | None) -> markupsafe.Markup | None:
    if history is None or not history.x:
        return None
    steps = "epochs" if history.kind == "epochs" else "clips"
    ends = "; ".join(
        f"{name} from {values[0]:.3g} to {values[-1]:.3g}"
        for name, values in history.curves.items()
        if values
    )
    figure = plots.history(history)
    figure.set_size_inches(5.4, 3.3)  # so that its labels can be read on a phone
    label = f"{history.measure} from {history.x[0]} to {history.x[-1]} {steps}: {ends}."
    return _inline(figure, label, "curve")


_THEME = {
    PAPER: "var(--panel)",
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    GRID: "var(--grid)",
    ACCENT: "var(--accent)",
    SECOND: "var(--second)",
}


def _inline(figure: Figure, label: str, prefix: str) -> markupsafe.Markup:
    """The figure as an ``<svg>`` element that takes its colours from the page.

    Every id gets a prefix, since two pictures in one page would otherwise share theirs.
    """
    from markupsafe import Markup

    svg = plots.render(figure, "svg").decode("utf-8")
    svg = svg[svg.index("<svg") :]
    # matplotlib repeats every text in a comment; its "--" is escaped, so the first "-->" ends it.
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.S)
    for colour, variable in _THEME.items():
        svg = svg.replace(colour.lower(), variable)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = svg.replace("url(#", f"url(#{prefix}-")
    width = re.search(r'viewBox="0 0 ([\d.]+)', svg)
    size = f"max-width:{float(width.group(1)) * 4 / 3:.0f}px" if width else ""
    opening = svg[: svg.index(">") + 1]
    box = re.search(r'viewBox="[^"]*"', opening)
    start = (
        f'<svg class="plot" role="img" aria-label="{html.escape(label)}" style="{size}" '
        f"{box.group(0) if box else ''} "
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    # Our own drawing: its texts are paths, so nothing of the data stands in it as markup.
    return Markup(start + svg[len(opening) :])
