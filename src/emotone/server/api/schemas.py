"""What requests bring and answers hold, as OpenAPI tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emotone.errors import UsageError
from emotone.prediction import UNCERTAIN
from emotone.server.api import examples
from emotone.server.errors import RequestError, invalid
from emotone.timeline.exports.names import plain, writable

_LONGEST_NAME = 200
_LONGEST_NOTES = 10_000


def _line(text: str) -> str:
    return plain(text)


def _lines(text: str) -> str:
    """Without controls but for the ends of lines."""
    return "\n".join(writable(line, " ").rstrip() for line in text.splitlines()).strip()


def _writable(text: str) -> str:
    if writable(text) != text:
        raise ValueError("has characters that are none to read")
    return text


def _word_or_number(words: tuple[str, ...], least: int, most: int) -> BeforeValidator:
    """One of the words, or a number, which may come as text; what is neither is told in one."""
    told = f"should be {', '.join(words)} or a number from {least} to {most}"

    def check(value: object) -> object:
        if value is None or (isinstance(value, str) and value in words):
            return value
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
            value = int(value)
        if not isinstance(value, int) or not least <= value <= most:
            raise ValueError(told)
        return value

    return BeforeValidator(check)


Line = Annotated[str, Field(max_length=_LONGEST_NAME), AfterValidator(_line)]
Lines = Annotated[str, Field(max_length=_LONGEST_NOTES), AfterValidator(_lines)]
KeepDays = Annotated[float, Field(gt=0, le=36_500)]
Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_writable)]
Channels = Annotated[
    Literal["mix", "split"] | Annotated[int, Field(ge=0, le=63)],
    _word_or_number(("mix", "split"), 0, 63),
]
SpeakerCount = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=1, le=20)], _word_or_number(("auto",), 1, 20)
]


class Form(BaseModel):
    """Fields of a form, which come as text."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class PredictForm(Form):
    """What a clip is heard with."""

    model: Word | None = Field(
        None, description="A name of `GET /v1/models`.", examples=["default"]
    )
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description=f"The least confidence of an answer; below it the emotion is `{UNCERTAIN}`.",
        examples=[0.5],
    )


class AnalysisForm(Form):
    """How a recording is heard, and what it is called."""

    name: Line = Field("", description="Else the name of the file.", examples=["Interview 4"])
    notes: Lines = Field("", examples=["Second visit, noisy room."])
    model: Word | None = Field(
        None, description="A name of `GET /v1/models`.", examples=["default"]
    )
    keep_audio: bool = Field(
        False, description="Keep the recording, to listen to it later. Else it is deleted."
    )
    keep_days: KeepDays | None = Field(
        None,
        description="Days after which all of it is deleted; sooner where the service keeps nothing "
        "for so long. Else as the service has it.",
        examples=[30],
    )
    channels: Channels = Field(
        "mix",
        description="`mix` hears all channels together, `split` each by itself, a number that one.",
        examples=["mix"],
    )
    speakers: SpeakerCount | None = Field(
        None, description="Tell so many voices of a channel apart: experimental.", examples=[2]
    )
    window_s: float = Field(3.0, ge=0.3, le=30, description="Length of what the model hears.")
    step_s: float = Field(0.5, ge=0.05, le=30, description="From one window to the next.")
    switch: float = Field(
        2.0, ge=0, le=1000, description="Inertia: 0 lets each step have its own emotion."
    )
    pause_s: float = Field(
        0.5, ge=0.05, le=10, description="A pause of this length ends an utterance."
    )


class AnalysisPatch(BaseModel):
    """What of an analysis can be changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Visit 2"}})

    name: Annotated[Line, Field(min_length=1)] | None = None
    notes: Lines | None = None
    keep_audio: Literal[False] | None = Field(None, description="`false` deletes kept audio.")
    keep_days: KeepDays | None = Field(
        None, description="Days from now after which it is deleted; `null` as the service has it."
    )


class SegmentPatch(BaseModel):
    """What a person says of a segment."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"label": "happy", "note": "She laughs."}}
    )

    label: Word | None = Field(description="An emotion; `null` takes the label back.")
    note: Lines | None = None


class ErrorBody(BaseModel):
    """Why a request was refused."""

    code: str = Field(examples=["unreadable_audio"])
    message: str = Field(examples=["talk.wav: it is not audio, or is damaged beyond reading."])
    remedy: str | None = Field(examples=["Check that it plays elsewhere."])


class Error(BaseModel):
    """The one shape of every error."""

    error: ErrorBody


class Prediction(BaseModel):
    """The emotion of a clip."""

    file: str = Field(examples=["clip.wav"])
    emotion: str = Field(examples=["angry"])
    confidence: float = Field(ge=0, le=1, examples=[0.81])
    scores: dict[str, float] = Field(examples=[{"angry": 0.81, "happy": 0.1, "neutral": 0.09}])
    duration_s: float = Field(examples=[2.967])
    model: str = Field(examples=["emotone-default@1.5"])


class Peak(BaseModel):
    """Where an emotion was surest; on which channel, where they were heard by themselves."""

    emotion: str
    time: float
    confidence: float
    channel: int | None = None


class Summary(BaseModel):
    """A timeline in a few numbers."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SUMMARY]})

    duration_s: float
    speech_s: float
    shares: dict[str, float]
    changes_per_minute: float
    valence: float | None
    arousal: float | None
    peaks: list[Peak]


State = Literal["queued", "running", "done", "failed", "cancelled"]


class Analysis(BaseModel):
    """A recording that is, was, or will be analysed."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ANALYSIS]})

    id: str = Field(examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])
    name: str = Field(examples=["Interview 4"])
    notes: str
    state: State
    progress: float | None = Field(description="From 0 to 1; `null` where it is not known.")
    heard_s: float = Field(description="Seconds of sound heard, all channels added up.")
    duration_s: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When it is deleted; `null` for never.")
    model: str = Field(examples=["emotone-default@1.5"])
    options: dict[str, Any]
    has_audio: bool
    error: ErrorBody | None
    warnings: list[str] = Field(description="What is wrong with a recording that was analysed.")
    summary: Summary | None = Field(
        description="With what people said in place of the model's answers."
    )
    model_summary: Summary | None = Field(description="Of the model's answers alone.")
    corrected: int = Field(description="Segments that people called something else than the model.")


class Segment(BaseModel):
    """A stretch of one emotion, or of none; with a person's label beside the model's answer."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [examples.SEGMENT]})

    index: int
    start: float
    end: float
    kind: Literal["speech", "silence", "non-speech"]
    channel: int | None = None
    speaker: str | None = None
    emotion: str | None = None
    confidence: float | None = None
    scores: dict[str, float] | None = None
    label: str | None
    label_note: str
    labelled_at: datetime | None


class Timeline(BaseModel):
    """As `emotone analyze -o OUT.json` writes it, each segment with what a person says of it."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [examples.TIMELINE]})

    format: int
    file: str | None
    duration_s: float
    model: str
    emotions: list[str]
    settings: dict[str, Any]
    summary: Summary
    segments: list[Segment]
    measurements: list[dict[str, Any]]


class FullAnalysis(Analysis):
    """An analysis with its timeline."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FULL_ANALYSIS]})

    timeline: Timeline | None


class Analyses(BaseModel):
    """A part of a list."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ANALYSES]})

    items: list[Analysis]
    next: str | None = Field(description="What to ask for the next part with, as `cursor`.")
    total: int


class Correction(BaseModel):
    """What a person says of a segment."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CORRECTION]})

    analysis: str
    name: str
    segment: int
    start: float
    end: float
    channel: int | None
    speaker: str | None
    emotion: str | None
    confidence: float | None
    label: str | None
    note: str
    labelled_at: datetime
    has_audio: bool


class Corrections(BaseModel):
    """A part of a list."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CORRECTIONS]})

    items: list[Correction]
    next: str | None
    total: int


class Envelope(BaseModel):
    """The loudness of a channel: lowest and highest sample of each step, int8 in base64."""

    channel: int | None
    step_s: float
    low: str
    high: str


class Mel(BaseModel):
    """A mel spectrogram: uint8 in base64, frame after frame, from `low_db` to the loudest."""

    step_s: float
    bands: int
    frames: int
    low_hz: int
    high_hz: int
    low_db: float
    data: str


class Tracks(BaseModel):
    """Pictures of the sound."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TRACKS]})

    duration_s: float
    channels: list[Envelope]
    mel: Mel


class Model(BaseModel):
    """One that can be chosen."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.MODEL]})

    name: str = Field(examples=["default"])
    model: str = Field(examples=["emotone-default@1.5"])
    emotions: list[str]
    default: bool
    uncertain_below: float | None = Field(
        description="The confidence below which an answer had better be called uncertain."
    )
    figures: dict[str, Any] = Field(description="What its card says of it, by benchmark.")


class Models(BaseModel):
    """All that can be chosen."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.MODELS]})

    items: list[Model]


class Place(BaseModel):
    """Where an emotion is in the circumplex, each from -1 to 1."""

    valence: float
    arousal: float


class Limits(BaseModel):
    """The largest and longest that is taken: clips at once, and recordings."""

    model_config = ConfigDict(extra="allow")

    max_clip_bytes: int
    max_clip_s: float
    max_upload_bytes: int
    max_recording_s: float


class Retention(BaseModel):
    """How long results stay; `null` for until somebody deletes them."""

    results_days: float | None
    keeps_audio_by_default: bool


class Auth(BaseModel):
    """Whether there must be a key, and what the caller may do."""

    required: bool
    scopes: list[Literal["read", "write", "admin"]]


class Service(BaseModel):
    """What the service is and allows."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SERVICE]})

    version: str
    api: Literal["v1"]
    emotions: list[str]
    colours: dict[str, str]
    places: dict[str, Place]
    limits: Limits
    retention: Retention
    auth: Auth
    export_formats: list[str]
    responsible_use: str


def checked(kind: type[Form], fields: Mapping[str, str]) -> Any:
    """The fields of a form as what they mean.

    Raises
    ------
    RequestError
        If one makes no sense.
    """
    try:
        return kind.model_validate(dict(fields))
    except ValidationError as error:
        raise RequestError(invalid(error.errors()), status=400, code="bad_request") from error
    except UsageError as error:
        raise RequestError(str(error), status=400, code="bad_request") from error


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides: errors in the one shape."""
    return {status: {"model": Error} for status in (400, 401, 403, *statuses, 429)}
