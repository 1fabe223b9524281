"""What the store gives: plain values, with no connection to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row

from emotone.server.packing import Packed

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """A recording that is, was, or will be analysed.

    Attributes
    ----------
    number
        In the order in which they came; for the store alone.
    id
        What the owner knows it by; nobody can guess it.
    owner
        Who may see it.
    name, notes
        The owner's own words.
    state
        How far it is.
    model
        Name and version of the model.
    options
        What was asked for, as plain types.
    progress
        From 0 to 1; None where it is not known.
    heard_s, duration_s
        Seconds of sound heard so far, those of all channels added up; and its length.
    created_at, started_at, finished_at, expires_at
        In UTC.
    error
        Why it failed: code, message and remedy.
    warnings
        What was wrong with the recording, though it could be analysed.
    summary, model_summary
        Of its timeline, with what people said in place of the model's answers; and without.
    corrected
        Segments that people called something else than the model did.
    keep_audio, has_audio, media_type
        Whether the recording is to stay, is there to be heard, and what it is.
    node
        The service whose folder the recording lies in.
    run
        Who works on it.
    crashes
        How often it took its process down.
    """

    number: int
    id: str
    owner: str
    name: str
    notes: str
    state: State
    model: str
    options: Mapping[str, Any]
    progress: float | None
    heard_s: float
    duration_s: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    error: Mapping[str, Any] | None
    warnings: Sequence[str]
    summary: Mapping[str, Any] | None
    model_summary: Mapping[str, Any] | None
    corrected: int
    keep_audio: bool
    has_audio: bool
    media_type: str | None
    node: str
    run: str | None
    crashes: int

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in ("queued", "running")


@dataclass(frozen=True, slots=True)
class NewAnalysis:
    """What is known of a recording when it comes in; see `Analysis`.

    Attributes
    ----------
    request_key
        A word of the owner's for this request: the same word again means the same analysis.
    request_digest
        Stands for all that was asked, the recording included.
    """

    id: str
    owner: str
    name: str
    notes: str
    model: str
    options: Mapping[str, Any]
    keep_audio: bool
    node: str
    created_at: datetime
    expires_at: datetime | None = None
    request_key: str | None = None
    request_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an analysis.

    Attributes
    ----------
    timeline
        Its timeline.
    tracks
        Pictures of the sound, packed; see `emotone.server.tracks`.
    warnings
        What was wrong with the recording.
    media_type
        Of the recording.
    """

    timeline: Packed
    tracks: bytes
    warnings: Sequence[str] = ()
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """An analysis with what came of it.

    Attributes
    ----------
    analysis
        How far it is.
    head
        Its timeline as plain types but for segments and measurements, see
        `emotone.server.packing`; None where there is none yet.
    changed
        What of the head is another with what people said in place of the model's answers.
    segments, measurements
        How many there are; `Results.lines` gives them.
    """

    analysis: Analysis
    head: dict[str, Any] | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)
    segments: int = 0
    measurements: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of a segment.

    Attributes
    ----------
    label
        What it is; None where there is a note alone.
    note
        In the person's words.
    labelled_at
        In UTC.
    """

    label: str | None
    note: str
    labelled_at: datetime


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says of a segment, beside what the model says.

    Attributes
    ----------
    analysis, name
        Id and name of the analysis.
    number
        Of the analysis, for the store alone.
    segment
        Its place in the timeline, from 0.
    label
        What it is; None where there is a note alone.
    note
        In the person's words.
    labelled_at
        In UTC.
    start_s, end_s, channel, speaker, emotion, confidence
        Of the segment, as the model has it.
    has_audio
        Whether the recording is there to be heard.
    """

    analysis: str
    name: str
    number: int
    segment: int
    label: str | None
    note: str
    labelled_at: datetime
    start_s: float
    end_s: float
    channel: int | None
    speaker: str | None
    emotion: str | None
    confidence: float | None
    has_audio: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """Which analyses a list is to have.

    Attributes
    ----------
    since, until
        When they came: from the first, and before the second.
    emotion
        One of their segments', with what people said in place of the model's answers; by any of its
        names, or as the model spells it.
    label
        One that a person gave a segment of them, by any of its names.
    state
        How far they are.
    name
        What is in their names, whatever the case of letters.
    query
        Words that begin words of their names or notes.
    """

    since: datetime | None = None
    until: datetime | None = None
    emotion: str | None = None
    label: str | None = None
    state: State | None = None
    name: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes
    ----------
    items
        What is on it.
    next
        What to ask for the next part with; None where there is none.
    total
        How many there are on all parts.
    """

    items: Sequence[Any]
    next: str | None
    total: int = field(default=0)


ANALYSIS_COLUMNS = tuple(field.name for field in fields(Analysis))


def analysis_of(row: Row[Any]) -> Analysis:
    """The analysis in a row."""
    values = row._mapping
    return Analysis(**{name: values[name] for name in ANALYSIS_COLUMNS})
