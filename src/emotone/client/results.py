"""What a service answers, as types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from emotone.prediction import Prediction
from emotone.timeline import Timeline

State = Literal["queued", "running", "done", "failed", "cancelled"]

OVER: tuple[State, ...] = ("done", "failed", "cancelled")
"""States that do not change any more."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A recording that is, was, or will be analysed.

    Attributes
    ----------
    id
        To ask for it by.
    name, notes
        Those that a person gave it; the name is else that of the file.
    state
        ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``.
    progress
        From 0 to 1; None where it is not known.
    heard_s, duration_s
        Seconds of sound heard so far, and in all where that is known.
    created_at, started_at, finished_at, expires_at
        When; None for what has not come or will not.
    model
        Name and version.
    options
        What it was asked for with.
    has_audio
        Whether the recording is kept.
    error
        Code, message and remedy of a failed one.
    warnings
        What is wrong with a recording that was analysed all the same.
    summary, model_summary
        As `emotone.timeline.Summary.to_dict` gives it, with what people said in place of the
        model's answers, and without; None until it is done.
    corrected
        Segments that people called something else than the model did.
    timeline
        Its segments, as the model has them, and measurements; None until it is done, and in lists.
    labels
        What people said of segments, by index.
    """

    id: str
    name: str
    notes: str
    state: State
    progress: float | None
    heard_s: float
    duration_s: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    model: str
    options: Mapping[str, Any]
    has_audio: bool
    error: Mapping[str, Any] | None
    warnings: tuple[str, ...]
    summary: Mapping[str, Any] | None = field(repr=False)
    model_summary: Mapping[str, Any] | None = field(default=None, repr=False)
    corrected: int = 0
    timeline: Timeline | None = field(default=None, repr=False)
    labels: Mapping[int, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Analysis:
        """The analysis of an answer."""
        timeline = values.get("timeline")
        segments = [] if timeline is None else timeline["segments"]
        return cls(
            id=values["id"],
            name=values["name"],
            notes=values["notes"],
            state=values["state"],
            progress=values["progress"],
            heard_s=values["heard_s"],
            duration_s=values["duration_s"],
            created_at=_time(values["created_at"]) or datetime.min,
            started_at=_time(values["started_at"]),
            finished_at=_time(values["finished_at"]),
            expires_at=_time(values["expires_at"]),
            model=values["model"],
            options=values["options"],
            has_audio=values["has_audio"],
            error=values["error"],
            warnings=tuple(values.get("warnings", ())),
            summary=values["summary"],
            model_summary=values["model_summary"],
            corrected=values["corrected"],
            timeline=None if timeline is None else Timeline.from_dict(timeline),
            labels={each["index"]: each["label"] for each in segments if each.get("label")},
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of analyses.

    Attributes
    ----------
    items
        The analyses, the latest first.
    next
        The cursor of the next part; None where this is the last.
    total
        How many there are in all parts.
    """

    items: tuple[Analysis, ...]
    next: str | None
    total: int


def prediction(values: Mapping[str, Any]) -> Prediction:
    """The prediction of an answer."""
    return Prediction(
        emotion=values["emotion"],
        confidence=values["confidence"],
        scores=dict(values["scores"]),
        duration_s=values["duration_s"],
        model=values["model"],
        file=values["file"],
    )


def _time(text: str | None) -> datetime | None:
    # Python 3.10 does not read the Z.
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))
