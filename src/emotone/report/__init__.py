"""One self-contained HTML page about a training run.

The page needs nothing but itself: style, curves and, where asked for, clips are inside it; it has
no script and makes no request. Everything that comes from data (file names, labels, settings) is
escaped.

>>> from emotone.report import report_from_run, report_html
>>> page = report_html(report_from_run(run))               # doctest: +SKIP
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
