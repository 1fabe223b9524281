"""The card: what a bundle says about its model.

`card.json` is data from outside, so reading it is strict: every field has a type and a range, an
unknown field is refused, and nothing in it is ever run. Three fields are free for whatever plain
data a trainer wants to leave behind (`training`, `metrics`, `notes`); the rest is fixed by
`FORMAT_VERSION`, which changes whenever a reader of the old form would misunderstand the new one.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from emotone.bundle.storage import FRAMES, REMEDY
from emotone.errors import BundleError

FORMAT_VERSION = 2
"""The newest form of bundle that this emotone reads. It writes the oldest that holds what there is:
1 for a model alone, 2 with a model of frames beside it."""

MAX_EMOTIONS = 256
MAX_DIMENSION = 1_000_000
"""Bounds on what a card may declare, far above any real model."""

_MAX_TEMPERATURE = 1e6

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = ("features", "waveform")


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What the model takes.

    Attributes
    ----------
    kind
        ``"features"``: a float32 matrix ``features`` of shape ``(n, dimension)``; or
        ``"waveform"``: a float32 matrix ``waveform`` of shape ``(n, samples)``, full scale from
        -1 to 1.
    dimension
        Numbers per clip, for features.
    rate
        Samples per second in Hz, for a waveform.
    """

    kind: str
    dimension: int | None = None
    rate: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The input as plain types, without what does not apply."""
        return {
            name: value for name, value in dataclasses.asdict(self).items() if value is not None
        }


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The size and the SHA-256 (hexadecimal) of one file of a bundle."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Card:
    """What a bundle says about its model.

    Attributes
    ----------
    name, version
        Which model this is, such as ``"emotone-default"`` and ``"1.0"``. Letters, digits, dot, dash
        and underscore.
    emotions
        What the columns of the scores mean, in order; canonical names.
    input
        What the model takes.
    feature_set, feature_version
        The named recipe that makes the features, and its version; None for a waveform.
    preparation
        What was done to each clip before, as `emotone.audio.preparation.Preparation.to_dict` gives.
    calibration
        How the scores were made probabilities, ``{"method": "temperature", "temperature": 1.3}``.
        The step itself is inside the model. Two entries may follow that are used outside of it:
        ``uncertain_below``, as `emotone.selective.uncertain_below` gives, the confidence below
        which the answer had better be "uncertain"; and ``adaptation``, as
        `emotone.adaptation.Adaptation.to_dict` gives.
    training
        How it was made: corpora with their licences, family, parameters, split, seed, counts.
    metrics
        What it reached, by benchmark.
    notes
        Anything else.
    created
        When, ISO 8601 in UTC, or None. The one field in which two trainings of one seed may differ.
    emotone_version
        The emotone that wrote it.
    files
        Size and SHA-256 of every other file of the bundle; `write` fills it in.
    """

    name: str
    version: str
    emotions: tuple[str, ...]
    input: ModelInput
    feature_set: str | None = None
    feature_version: str | None = None
    preparation: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    created: str | None = None
    emotone_version: str | None = None
    files: dict[str, FileRecord] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Name and version together, ``"emotone-default@1.0"``."""
        return f"{self.name}@{self.version}"

    def to_dict(self) -> dict[str, Any]:
        """The card as plain types, as they stand in ``card.json``."""
        return {
            "format_version": 2 if FRAMES in self.files else 1,
            "name": self.name,
            "version": self.version,
            "emotions": list(self.emotions),
            "input": self.input.to_dict(),
            "feature_set": self.feature_set,
            "feature_version": self.feature_version,
            "preparation": self.preparation,
            "calibration": self.calibration,
            "training": self.training,
            "metrics": self.metrics,
            "notes": self.notes,
            "created": self.created,
            "emotone_version": self.emotone_version,
            "files": {name: dataclasses.asdict(record) for name, record in self.files.items()},
        }

    def to_json(self) -> bytes:
        """The bytes of ``card.json``: indented UTF-8 with a final newline.

        Raises
        ------
        BundleError
            If a free field holds something that JSON cannot say (NaN, an array, an object).
        """
        try:
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
            return (text + "\n").encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise BundleError(
                f"the card holds something that JSON cannot ({error})",
                source=self.name,
                remedy="Use plain finite numbers, texts, lists and dicts in training, metrics "
                "and notes.",
            ) from error

    @classmethod
    def from_json(cls, data: bytes, *, source: object) -> Card:
        """The card in the bytes of a ``card.json``.

        Parameters
        ----------
        data
            The file's content.
        source
            The bundle, for messages.

        Raises
        ------
        BundleError
            If it is not JSON, of a newer format, or any field is missing, unknown or out of range.
        """
        try:
            values = json.loads(data.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"card.json is not valid JSON ({error})", source=source, remedy=REMEDY
            ) from error
        return cls.from_dict(values, source=source)

    @classmethod
    def from_dict(cls, values: object, *, source: object) -> Card:
        """The card in plain types; the same checks as `from_json`.

        Raises
        ------
        BundleError
            If something is missing, of another type, or out of range.
        """
        read = _Reader(values, source, "card.json")
        _check_format(read)
        card = cls(
            name=read.name("name"),
            version=read.name("version"),
            emotions=_emotions(read),
            input=_model_input(read),
            feature_set=read.optional_text("feature_set"),
            feature_version=read.optional_text("feature_version"),
            preparation=read.mapping("preparation"),
            calibration=read.mapping("calibration"),
            training=read.mapping("training"),
            metrics=read.mapping("metrics"),
            notes=read.mapping("notes", optional=True),
            created=read.optional_text("created"),
            emotone_version=read.optional_text("emotone_version"),
            files=_files(read),
        )
        read.nothing_left()
        if card.input.kind == "features" and (
            card.feature_set is None or card.feature_version is None
        ):
            raise read.refuse("a model over features must say its feature_set and feature_version")
        if card.input.kind == "waveform" and card.feature_set is not None:
            raise read.refuse("a model over the waveform cannot have a feature_set")
        _check_calibration(card, source)
        return card


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_printable(value: object) -> TypeGuard[str]:
    """Whether it is a text that steers no terminal and begins no new line of a table."""
    return isinstance(value, str) and value.isprintable()


def is_name(text: str) -> bool:
    """Whether a text can be the name or the version on a card."""
    return _NAME.fullmatch(text) is not None


class _Reader:
    """Takes the fields out of a JSON object one by one, each by its type."""

    def __init__(self, values: object, source: object, where: str) -> None:
        self.source = source
        self.where = where
        if not isinstance(values, dict):
            raise self.refuse("it must be a JSON object")
        self.values = dict(values)

    def refuse(self, cause: str) -> BundleError:
        return BundleError(f"{self.where}: {cause}", source=self.source, remedy=REMEDY)

    def take(self, key: str) -> Any:
        if key not in self.values:
            raise self.refuse(f"the field {key!r} is missing")
        return self.values.pop(key)

    def name(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not is_name(value):
            raise self.refuse(f"{key} must be a short name of letters, digits, '.', '_' and '-'")
        return value

    def optional_text(self, key: str) -> str | None:
        value = self.values.pop(key, None)
        if value is not None and not (_is_printable(value) and 0 < len(value) <= 4096):
            raise self.refuse(f"{key} must be a printable text or null")
        return value

    def integer(self, key: str, lowest: int, highest: int) -> int:
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.refuse(f"{key} must be a whole number from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float, highest: float) -> float:
        value = self.take(key)
        if not _is_number(value) or not lowest <= value <= highest:
            raise self.refuse(f"{key} must be a number from {lowest:g} to {highest:g}")
        return float(value)

    def mapping(self, key: str, *, optional: bool = False) -> dict[str, Any]:
        value = self.values.pop(key, {}) if optional else self.take(key)
        if not isinstance(value, dict):
            raise self.refuse(f"{key} must be an object")
        return value

    def nothing_left(self) -> None:
        if self.values:
            unknown = ", ".join(repr(key) for key in sorted(self.values))
            raise self.refuse(f"unknown field {unknown}")


def _check_format(read: _Reader) -> None:
    version = read.take("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise read.refuse("format_version must be a whole number from 1")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"it was made by a newer emotone (bundle format {version}; this one reads up to "
            f"{FORMAT_VERSION})",
            source=read.source,
            remedy="Upgrade with: pip install --upgrade emotone",
            code="newer_bundle",
        )


def _emotions(read: _Reader) -> tuple[str, ...]:
    values = read.take("emotions")
    if (
        not isinstance(values, list)
        or not 2 <= len(values) <= MAX_EMOTIONS
        or not all(_is_printable(value) and 0 < len(value) <= 80 for value in values)
        or len(set(values)) != len(values)
    ):
        raise read.refuse(
            f"emotions must be a list of 2 to {MAX_EMOTIONS} distinct names in printable letters"
        )
    return tuple(values)


def _model_input(read: _Reader) -> ModelInput:
    inner = _Reader(read.take("input"), read.source, "card.json: input")
    kind = inner.take("kind")
    if kind not in _KINDS:
        raise inner.refuse(f"kind must be one of {', '.join(_KINDS)}")
    if kind == "features":
        result = ModelInput(kind, dimension=inner.integer("dimension", 1, MAX_DIMENSION))
    else:
        result = ModelInput(kind, rate=inner.integer("rate", 1_000, 384_000))
    inner.nothing_left()
    return result


def _files(read: _Reader) -> dict[str, FileRecord]:
    records = {}
    for name, value in read.mapping("files").items():
        inner = _Reader(value, read.source, f"card.json: files: {name}")
        sha256 = inner.take("sha256")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise inner.refuse("sha256 must be 64 hexadecimal digits")
        records[name] = FileRecord(sha256, inner.integer("bytes", 0, 2**40))
        inner.nothing_left()
    return records


def _check_calibration(card: Card, source: object) -> None:
    """Refuse entries that are used outside of the model and are not as they must be."""
    where = "card.json: calibration"
    temperature = card.calibration.get("temperature", 1.0)
    if not _is_number(temperature) or not 0.0 < temperature <= _MAX_TEMPERATURE:
        raise _Reader({}, source, "card.json").refuse(
            f"calibration.temperature must be a positive number up to {_MAX_TEMPERATURE:g}"
        )
    if "uncertain_below" in card.calibration:
        inner = _Reader(card.calibration["uncertain_below"], source, f"{where}: uncertain_below")
        for key in ("confidence", "target", "accuracy", "coverage"):
            inner.number(key, 0, 1)
        inner.integer("clips", 1, 2**40)
        inner.nothing_left()
    if "adaptation" in card.calibration:
        inner = _Reader(card.calibration["adaptation"], source, f"{where}: adaptation")
        inner.number("precision", 1e-3, 1e6)
        inner.integer("speakers", 0, 2**40)
        neutral = inner.take("neutral")
        inner.nothing_left()
        if neutral is not None:
            _check_neutral(_Reader(neutral, source, f"{where}: adaptation: neutral"), card)


def _check_neutral(read: _Reader, card: Card) -> None:
    logits = read.take("logits")
    if (
        not isinstance(logits, list)
        or len(logits) != len(card.emotions)
        or not all(_is_number(value) and abs(value) <= 100 for value in logits)
    ):
        raise read.refuse("logits must be a list of a number from -100 to 100 for each emotion")
    read.number("weight", 0, 1)
    read.number("prior_clips", 0, 1e6)
    read.nothing_left()
