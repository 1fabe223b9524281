"""Whether somebody looks for an error of emotone itself."""

from __future__ import annotations

import os


def debugging() -> bool:
    """Whether ``EMOTONE_DEBUG`` asks for tracebacks, libraries' warnings and workers' words.

    ``""`` and ``"0"`` mean no.
    """
    return os.environ.get("EMOTONE_DEBUG", "") not in ("", "0")
