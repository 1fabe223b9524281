"""A summary as tables: for the terminal, as CSV and as a page."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Container, Sequence
from pathlib import Path

from emotone.batch.summary import Summary
from emotone.errors import UsageError
from emotone.exports import replacing

Rows = list[list[str]]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
div { overflow-x: auto } table { border-collapse: collapse; margin: 1rem 0 }
caption { text-align: left; font-weight: 600; white-space: nowrap; padding-bottom: .25rem }
thead { border-bottom: 1px solid } th, td { padding: .25rem .75rem; white-space: nowrap }
th, td { text-align: right } th:first-child, .word { text-align: left } .off { font-weight: 600 }
:root { color-scheme: light dark; --bar: light-dark(#bcd3ec, #2b4a6b) }
"""
"""How the page looks. The share of a cell is its bar, from the left."""


INCOMPLETE = "The batch is not complete; --resume goes on with it."


def title(summary: Summary) -> str:
    """What the groups show."""
    of = "time" if summary.segments else "clips"
    return f"{summary.model}: share of {of} in %; low is confidence below {summary.low:g}"


def compared(summary: Summary) -> str:
    """What the drift is between."""
    before, after = summary.periods or ("", "")
    of = "segments" if summary.segments else "clips"
    n, m = summary.compared or (0, 0)
    return f"Population stability index, {before} ({n:,} {of}) against {after} ({m:,})"


def groups(summary: Summary) -> tuple[list[str], Rows]:
    """Headings and cells of the groups, shares in percent."""
    name = "Batch" if summary.by == "all" else summary.by.capitalize()
    columns = [name, "recordings", "failed", "hours", *summary.emotions, "low"]
    rows = []
    for group in summary.groups:
        cells = [group.name, f"{group.recordings:,}", f"{group.failed:,}"]
        shares = [_percent(group.shares.get(emotion)) for emotion in summary.emotions]
        rows.append([*cells, f"{group.speech_s / 3600:,.2f}", *shares, _percent(group.low)])
    return columns, rows


def drift(summary: Summary) -> tuple[list[str], Rows]:
    """Headings and cells of the drift."""
    rows = [[d.what, f"{d.psi:.3f}", f"{d.chance:.3f}", d.verdict] for d in summary.drift]
    return ["Of", "PSI", "by chance", "Verdict"], rows


def csv_text(summary: Summary) -> str:
    """A line for each group, shares from 0 to 1; or for each index, where periods are compared."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    about = ["yes" if summary.complete else "no", summary.out]
    if summary.periods is not None:
        columns = ["what", "psi", "by_chance", "verdict", "before", "after", "complete", "batch"]
        writer.writerow(columns)
        for d in summary.drift:
            psi, chance = round(d.psi, 4), round(d.chance, 4)
            writer.writerow([d.what, psi, chance, d.verdict, *(summary.compared or ()), *about])
        return stream.getvalue()
    counts = ["recordings", "failed", "speech_s"]
    writer.writerow([summary.by, *counts, *summary.emotions, "low", "complete", "batch"])
    for group in summary.groups:
        shares = [group.shares.get(name) for name in summary.emotions]
        numbers = [None if n is None else round(n, 4) for n in (*shares, group.low)]
        speech_s = round(group.speech_s, 3)
        writer.writerow([group.name, group.recordings, group.failed, speech_s, *numbers, *about])
    return stream.getvalue()


def html_text(summary: Summary) -> str:
    """A page that needs nothing else."""
    shares = range(4, 5 + len(summary.emotions))
    tables = _table(title(summary), *groups(summary), bars=shares)
    state = "" if summary.complete else f'<p class="off">{html.escape(INCOMPLETE)}</p>\n'
    if summary.periods is not None:
        tables += _table(compared(summary), *drift(summary), words=(3,))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Summary of a batch</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Summary of a batch</h1>\n<p>{html.escape(summary.out)}</p>\n{state}{tables}"
        "</body>\n</html>\n"
    )


def check(path: Path) -> None:
    """Refuse an output whose ending says no form.

    Raises
    ------
    UsageError
        If it is not ``.csv`` or ``.html``.
    """
    if path.suffix.lower() not in (".csv", ".html"):
        raise UsageError(
            f"no summary can be written as {path.suffix or 'a file without an ending'}",
            source=path,
            remedy="End its name with .csv or .html.",
        )


def write(summary: Summary, path: Path) -> None:
    """The summary in the form that the ending says."""
    check(path)
    text = html_text(summary) if path.suffix.lower() == ".html" else csv_text(summary)
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _table(
    caption: str,
    columns: Sequence[str],
    rows: Rows,
    *,
    bars: Container[int] = (),
    words: Container[int] = (),
) -> str:
    """A table; of the columns some are shares in percent with a bar, and some are words."""

    def dressed(place: int, cell: str) -> str:
        if place in words:
            return ' class="word"'
        if place not in bars or not cell[:1].isdigit():
            return ""
        return f' style="background: linear-gradient(to right, var(--bar) {cell}%, transparent 0)"'

    head = "".join(
        f'<th scope="col"{dressed(place, "")}>{html.escape(name)}</th>'
        for place, name in enumerate(columns)
    )
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(
            f"<td{dressed(place, cell)}>{html.escape(cell)}</td>"
            for place, cell in enumerate(row[1:], start=1)
        )
        + "</tr>\n"
        for row in rows
    )
    return (
        f"<div><table>\n<caption>{html.escape(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )
