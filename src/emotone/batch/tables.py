"""A summary as tables: for the terminal, as CSV and as a page."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path

from emotone.batch.summary import Summary
from emotone.errors import UsageError
from emotone.exports import replacing

Rows = list[list[str]]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
div { overflow-x: auto } table { border-collapse: collapse; margin: 1rem 0 }
caption { text-align: left; font-weight: 600 } thead { border-bottom: 1px solid }
th, td { padding: .25rem .75rem; text-align: right; white-space: nowrap }
th:first-child, td:last-child.word { text-align: left } :root { color-scheme: light dark }
"""


def title(summary: Summary) -> str:
    """What the groups show."""
    of = "time" if summary.segments else "clips"
    return f"{summary.model}: share of {of} in %; low is confidence below {summary.low:g}"


def compared(summary: Summary) -> str:
    """What the drift is between."""
    before, after = summary.periods or ("", "")
    return f"Population stability index, {before} against {after}"


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
    return ["Of", "PSI", ""], [[d.what, f"{d.psi:.3f}", d.verdict] for d in summary.drift]


def csv_text(summary: Summary) -> str:
    """A line for each group, shares from 0 to 1; or for each index, where periods are compared."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if summary.periods is not None:
        writer.writerow(["what", "psi", "verdict"])
        writer.writerows([d.what, round(d.psi, 4), d.verdict] for d in summary.drift)
        return stream.getvalue()
    writer.writerow([summary.by, "recordings", "failed", "speech_s", *summary.emotions, "low"])
    for group in summary.groups:
        shares = [group.shares.get(name) for name in summary.emotions]
        numbers = [None if n is None else round(n, 4) for n in (*shares, group.low)]
        speech_s = round(group.speech_s, 3)
        writer.writerow([group.name, group.recordings, group.failed, speech_s, *numbers])
    return stream.getvalue()


def html_text(summary: Summary) -> str:
    """A page that needs nothing else."""
    tables = _table(title(summary), *groups(summary))
    if summary.periods is not None:
        tables += _table(compared(summary), *drift(summary))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Summary of a batch</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Summary of a batch</h1>\n{tables}</body>\n</html>\n"
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


def _table(caption: str, columns: Sequence[str], rows: Rows) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    return (
        f"<div><table>\n<caption>{html.escape(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )
