"""Self-contained HTML pages: one about a training run, one about a recording.

A page needs nothing but itself: style, curves and, where asked for, sound are inside it, and it
makes no request. The one about a training run has no script. Everything that comes from data (file
names, labels, settings) is escaped.

>>> from emotone.report import recording, report_from_run, report_html
>>> page = report_html(report_from_run(run))               # doctest: +SKIP
>>> recording.write(timeline, "talk.html", source="talk.mp3")  # doctest: +SKIP
"""

from __future__ import annotations

from emotone.report.data import CorpusRow, FoldRow, Mistake, PlayableClip, ReportData
from emotone.report.page import report_html
from emotone.report.run import report_from_run

__all__ = [
    "CorpusRow",
    "FoldRow",
    "Mistake",
    "PlayableClip",
    "ReportData",
    "report_from_run",
    "report_html",
]
