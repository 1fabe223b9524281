"""The progress of a timeline, kept in a small file, so that one that was stopped can go on.

What was heard so far is kept to the last bit, and how the cutting of the sound goes on from there;
what comes of both is what would have come without the stop.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.errors import EmotoneWarning

EVERY_S = 15.0
"""Between one writing and the next, on the clock."""

KEPT_DAYS = 30
"""Progress that was not gone on with for so long is removed from the cache."""

_DAY_S = 86_400

_MAGIC = b"emotone progress 1\n"
_DIGEST = 32

_DIFFERENCES = {
    "version": "another version of emotone or its libraries",
    "recording": "another recording, or another state of it",
    "model": "another model",
    "channels": "other channels",
    "settings": "other settings",
}


class Told(NamedTuple):
    """A gap, or an utterance whose windows are scored.

    Attributes
    ----------
    place
        Which of the channels that are heard, from 0.
    start, end
        In samples.
    silent
        Whether a gap is; None for an utterance.
    spans
        First sample and end of each window, int64, shape ``(n, 2)``.
    scores
        Of each window, float32, shape ``(n, emotions)``.
    """

    place: int
    start: int
    end: int
    silent: bool | None
    spans: npt.NDArray[np.int64]
    scores: FloatArray


@dataclass(frozen=True)
class Reached:
    """How far a timeline came.

    Attributes
    ----------
    lengths
        Samples of each channel that is through.
    told
        Everything up to here. The list may have grown since; `count` of them belong to this.
    count
        How many were told of.
    cutter
        State of the cutter of the channel after those; None at its beginning.
    heard_s
        Seconds heard, those of all channels added up.
    """

    lengths: tuple[int, ...]
    told: Sequence[Told]
    count: int
    cutter: Mapping[str, npt.NDArray[Any]] | None
    heard_s: float = field(default=0.0)


class Checkpoint:
    """A file with the progress of one timeline.

    It is written every so often, when the work is stopped, and at the end of long work, whole or
    not at all, for its owner's eyes alone. A file that is damaged, or of another recording, model
    or setting, is not used; a warning says so.

    Parameters
    ----------
    path
        Where to keep it.
    every_s
        Seconds on the clock between one writing and the next.

    Attributes
    ----------
    saved_s
        Seconds of sound heard up to what the file holds; None while it holds nothing.
    """

    def __init__(self, path: str | os.PathLike[str], *, every_s: float = EVERY_S) -> None:
        self.path = Path(path)
        self.every_s = every_s
        self.saved_s: float | None = None
        self._about: Mapping[str, Any] = {}
        self._reached: Reached | None = None
        self._began = self._written = time.monotonic()
        self._fails = False

    def begin(self, about: Mapping[str, Any]) -> Reached | None:
        """Where an earlier run of the same stopped; None to begin at the beginning.

        Parameters
        ----------
        about
            What the results depend on, as plain types: recording, model, settings and so on.
        """
        self._about = json.loads(json.dumps(about))
        self._began = self._written = time.monotonic()
        try:
            data = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._warn(f"progress cannot be read there ({error.strerror})")
            return None
        start = len(_MAGIC) + _DIGEST
        if data[: len(_MAGIC)] != _MAGIC or _digest(data[start:]) != data[len(_MAGIC) : start]:
            self._warn("the progress of an earlier run is damaged, so this one begins anew")
            return None
        with np.load(io.BytesIO(data[start:]), allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            differing = [name for name in self._about if header["about"].get(name)
                         != self._about[name]]  # fmt: skip
            if differing:
                what = _DIFFERENCES.get(differing[0], "something else")
                self._warn(f"an earlier run was stopped, but it was of {what}; this begins anew")
                return None
            found = _unpacked(header, arrays)
        self._reached, self.saved_s = found, found.heard_s
        return found

    def reached(self, reached: Reached) -> None:
        """Remember how far it came, and write it down where it is time."""
        self._reached = reached
        if time.monotonic() - self._written >= self.every_s:
            self.write()

    def finish(self) -> None:
        """All of it is heard: write that down where hearing it took long."""
        if self.saved_s is not None or time.monotonic() - self._began >= self.every_s:
            self.write()

    def write(self) -> None:
        """Write down how far it came. What stands in the way is a warning, not an error."""
        self._written = time.monotonic()
        if self._reached is None or self._fails:
            return
        packed = _packed(self._reached, self._about)
        try:
            _replace(self.path, _MAGIC + _digest(packed) + packed)
        except OSError as error:
            self._fails = True
            self._warn(
                f"progress cannot be kept there ({error.strerror}), so a run that is stopped "
                "begins anew"
            )
            return
        self.saved_s = self._reached.heard_s

    def remove(self) -> None:
        """Forget it all."""
        self._reached = self.saved_s = None
        try:
            self.path.unlink(missing_ok=True)
        except NotADirectoryError:
            pass  # no folder, so nothing in it
        except OSError as error:
            self._warn(f"it cannot be removed ({error.strerror})")

    def _warn(self, text: str) -> None:
        warnings.warn(EmotoneWarning(f"{self.path}: {text}."), stacklevel=4)


def remove_old(folder: Path) -> None:
    """Remove progress files, unfinished ones too, that nothing was written to for `KEPT_DAYS`.

    Parameters
    ----------
    folder
        One in which only such files end in ``.progress``; it need not be there.
    """
    for path in folder.glob("*.progress"):
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours to remove
            if path.stat().st_mtime < time.time() - KEPT_DAYS * _DAY_S:
                path.unlink()


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner alone: it holds sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _packed(reached: Reached, about: Mapping[str, Any]) -> bytes:
    told = reached.told[: reached.count]
    scored = [each for each in told if len(each.spans)]
    kinds = {None: -1, False: 0, True: 1}
    header = {
        "about": about,
        "lengths": reached.lengths,
        "heard_s": reached.heard_s,
        "cutter": reached.cutter is not None,
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "told": np.array(
            [(t.place, t.start, t.end, kinds[t.silent], len(t.spans)) for t in told], np.int64
        ).reshape(-1, 5),
        "spans": np.concatenate([np.empty((0, 2), np.int64), *(t.spans for t in scored)]),
        "scores": np.concatenate([t.scores for t in scored]) if scored else np.empty((0, 0), "f4"),
    }
    for name, array in (reached.cutter or {}).items():
        arrays[f"cutter.{name}"] = array
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _unpacked(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Reached:
    kinds = {-1: None, 0: False, 1: True}
    told: list[Told] = []
    spans, scores, at = arrays["spans"], arrays["scores"], 0
    for place, start, end, kind, count in arrays["told"].tolist():
        rows = slice(at, at + count)
        told.append(Told(place, start, end, kinds[kind], spans[rows], scores[rows]))
        at += count
    cutter = {
        name.removeprefix("cutter."): arrays[name] for name in arrays if name.startswith("cutter.")
    }
    return Reached(
        lengths=tuple(header["lengths"]),
        told=told,
        count=len(told),
        cutter=cutter if header["cutter"] else None,
        heard_s=header["heard_s"],
    )


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()
