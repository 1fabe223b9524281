"""What a request asks of an analysis, as the library takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emotone.speech import UtteranceSettings
from emotone.timeline.settings import TimelineSettings


def settings_of(options: Mapping[str, Any]) -> TimelineSettings:
    """How a recording is heard.

    Parameters
    ----------
    options
        With ``window_s``, ``step_s``, ``switch`` and ``pause_s``.

    Raises
    ------
    UsageError
        If they make no sense together.
    """
    window_s, pause_s = options["window_s"], options["pause_s"]
    return TimelineSettings(
        window_s=window_s,
        step_s=options["step_s"],
        least_window_s=min(TimelineSettings.least_window_s, window_s),
        switch=options["switch"],
        utterances=UtteranceSettings(pause_s=pause_s, margin_s=min(0.1, pause_s)),
    )
