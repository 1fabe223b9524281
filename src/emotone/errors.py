"""What a caller can catch.

Every error names what went wrong with which input, why, and what to do about it::

    clip.wav: the file holds no audio samples. Record or export it again.

A program switches on `EmotoneError.code`, a short stable word; a person reads the message.
"""

from __future__ import annotations


class EmotoneError(Exception):
    """The base of everything emotone raises on purpose.

    Parameters
    ----------
    cause
        What is wrong, as a clause without a final full stop.
    source
        The file, option or object it is wrong with, put in front of the message.
    remedy
        What the user can do about it, as a sentence.
    code
        A stable identifier for programs, such as ``"missing_file"``.
    """

    code = "error"

    def __init__(
        self,
        cause: str,
        *,
        source: object | None = None,
        remedy: str | None = None,
        code: str | None = None,
    ) -> None:
        self.cause = cause.rstrip(".")
        self.source = None if source is None else str(source)
        self.remedy = remedy
        if code is not None:
            self.code = code
        message = self.cause if self.source is None else f"{self.source}: {self.cause}"
        super().__init__(f"{message}. {remedy}" if remedy else f"{message}.")

    def of(self, source: object) -> EmotoneError:
        """The same error, of its class and with all that it says, of an input that it names."""
        found = type(self).__new__(type(self))  # whose own words for a constructor may be others
        found.__dict__.update(self.__dict__)
        EmotoneError.__init__(found, self.cause, source=source, remedy=self.remedy, code=self.code)
        return found

    def to_dict(self) -> dict[str, str]:
        """The error as it appears in machine output: ``{"code": ..., "message": ...}``."""
        return {"code": self.code, "message": str(self)}


class AudioError(EmotoneError):
    """Audio that cannot be read or holds nothing to hear.

    Codes: ``missing_file``, ``is_directory``, ``permission_denied``, ``empty_file``,
    ``unreadable_audio`` (not audio, or damaged beyond reading), ``no_channels``, ``no_samples``,
    ``non_finite`` (NaN or infinite samples), ``silent``, ``too_short``, ``too_large`` (past a bound
    on duration or bytes), ``bad_rate`` (outside 8 to 192 kHz), ``bad_samples`` (an array of the
    wrong shape or type).
    """

    code = "unreadable_audio"


class DeviceError(EmotoneError):
    """A microphone that is not there, cannot be opened, or went away.

    Codes: ``no_portaudio`` (its library is not installed), ``no_device``, ``device_refused`` (it is
    there and cannot be opened), ``device_lost`` (it went away while it was heard), ``too_slow``
    (hearing fell so far behind that it was given up).
    """

    code = "no_device"


class FeatureError(EmotoneError):
    """A feature set that does not exist or cannot be computed on this input."""

    code = "bad_feature_set"


class CorpusError(EmotoneError):
    """A corpus, manifest or download that cannot be used."""

    code = "bad_corpus"


class SplitError(EmotoneError):
    """A train/test split that cannot be made from these utterances."""

    code = "bad_split"


class TrainingError(EmotoneError):
    """A training or search that cannot start or cannot give a usable model."""

    code = "training_failed"


class BundleError(EmotoneError):
    """A model on disk that is refused: missing, damaged, tampered, too large or too new."""

    code = "bad_bundle"


class UsageError(EmotoneError):
    """Options that make no sense, alone or together."""

    code = "bad_usage"


class MissingExtraError(EmotoneError, ImportError):
    """A feature whose optional packages are not installed; the message names the extra."""

    code = "missing_extra"

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"{what} needs the optional extra '{extra}'",
            remedy=f"Install it with: pip install 'emotone[{extra}]'",
        )


class EmotoneWarning(UserWarning):
    """Something was off with an input, and the result is still usable."""


class AudioWarning(EmotoneWarning):
    """Audio that was read, but is not what its file promised (truncated, say)."""
