"""What a model answers to many rows: those of one length together, adapted to a speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotone import spectra
from emotone.audio.waveform import FloatArray
from emotone.bundle.card import Card
from emotone.frontend import LONGEST_S
from emotone.runtime import Runtime

if TYPE_CHECKING:
    from emotone.adaptation import FloatVector

WINDOWS_AT_ONCE = 16
"""Stretches of one length that are heard at once: more take more memory and no less time."""

_PARTS_AT_ONCE = 8
"""The same for the parts of a long clip, which are longer."""

_ROUND, _ROUND_LONG = 151, 51
"""Described windows are padded to a multiple of so many frames, where the model ignores that: those
of up to 3 s to 1.5 or 3 s, longer ones to less beyond what they have."""


def length(row: FloatArray, *, framed: bool = False) -> int:
    """What windows must have in common to be heard at once; with ``framed`` by `Scorer.clips`."""
    # Far more clips have as many frames as have as many samples.
    samples: int = row.shape[-1]
    return 1 + samples // spectra.HOP if framed else samples


class Scorer:
    """The scores of a model. It may be used from several threads at once.

    Parameters
    ----------
    runtime
        The model.
    card
        What it says of itself.
    offset
        What is taken out of the scores, shape ``(emotions,)``; see `emotone.adaptation`.
    emotions
        Those of the card's that can occur, in its order; None for all.
    """

    def __init__(
        self,
        runtime: Runtime,
        card: Card,
        offset: FloatVector | None = None,
        *,
        emotions: Sequence[str] | None = None,
    ) -> None:
        self._runtime = runtime
        self._card = card
        self.offset = offset
        chosen = card.emotions if emotions is None else tuple(emotions)
        self._columns = [card.emotions.index(name) for name in chosen]

    def rows(self, rows: FloatArray) -> FloatArray:
        """Of the model's input, ``(n, ...)``: ``(n, emotions)``."""
        return self._told(self._runtime.scores(rows))

    def clip(self, rows: FloatArray) -> FloatArray:
        """Of one clip, ``(emotions,)``: their mean over the windows of a long one."""
        parts = [
            self.rows(rows[start : start + _PARTS_AT_ONCE])
            for start in range(0, len(rows), _PARTS_AT_ONCE)
        ]
        mean: FloatArray = np.concatenate(parts).mean(axis=0)
        return mean

    def clips(self, clips: Sequence[FloatArray], *, framed: bool) -> FloatArray:
        """Of many clips as `FrontEnd.clip` gives them, ``(n, emotions)``.

        With ``framed`` each frame of them is described once.
        """
        windows = [window for clip in clips for window in clip]
        if framed:
            scores = self._alike(windows, lambda w: length(w, framed=True), self._framed)
        else:
            scores = self.stretches(windows)
        found = np.empty((len(clips), len(self._columns)), dtype=np.float32)
        at = 0
        for place, clip in enumerate(clips):
            found[place] = scores[at : at + len(clip)].mean(axis=0)
            at += len(clip)
        return found

    def stretches(self, stretches: Sequence[FloatArray]) -> FloatArray:
        """Of stretches of sound, those of one length at once."""
        return self._together(stretches, self.rows)

    def described(self, windows: Sequence[FloatArray]) -> FloatArray:
        """Of stretches whose frames are described, ``(rows, frames)`` each.

        Where the model ignores padding, those of nearly one length are heard together. How far a
        window is padded depends on itself alone, so that others beside it change nothing.
        """
        if self._runtime.ignores_padding:
            windows = [_padded(window) for window in windows]
        return self._together(windows, self._scores_of_frames)

    def _together(
        self, rows: Sequence[FloatArray], answer: Callable[[FloatArray], FloatArray]
    ) -> FloatArray:
        return self._alike(rows, length, lambda some: answer(np.stack(some)))

    def _alike(
        self,
        rows: Sequence[FloatArray],
        length_of: Callable[[FloatArray], int],
        answer: Callable[[Sequence[FloatArray]], FloatArray],
    ) -> FloatArray:
        """Scores of rows, those that are equally long at once."""
        found = np.empty((len(rows), len(self._columns)), dtype=np.float32)
        of_length: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            of_length.setdefault(length_of(row), []).append(place)
        long = LONGEST_S / 2 * (self._card.input.rate or np.inf)
        for places in of_length.values():
            most = _PARTS_AT_ONCE if rows[places[0]].shape[-1] > long else WINDOWS_AT_ONCE
            for start in range(0, len(places), most):
                some = places[start : start + most]
                found[some] = answer([rows[place] for place in some])
        return found

    def _framed(self, windows: Sequence[FloatArray]) -> FloatArray:
        """Scores of waveforms of as many frames, whatever their last samples are."""
        framed = [spectra.framed(window) for window in windows]
        described = self._runtime.describe(np.concatenate(framed))
        each = described.reshape(len(described), len(windows), -1).transpose(1, 0, 2)
        return self._scores_of_frames(np.ascontiguousarray(each))

    def _scores_of_frames(self, windows: FloatArray) -> FloatArray:
        return self._told(self._runtime.scores_of_frames(windows))

    def _told(self, scores: FloatArray) -> FloatArray:
        """What the model says, among the emotions that can occur and for the speaker."""
        if len(self._columns) < scores.shape[1]:
            # Where it gives none of them anything, it does not prefer one.
            scores = scores[:, self._columns] + np.finfo(np.float32).tiny
            scores = scores / scores.sum(axis=1, keepdims=True)
        if self.offset is None:
            return scores
        from emotone.adaptation import adapted

        return adapted(scores, self.offset).astype(np.float32)


def _padded(window: FloatArray) -> FloatArray:
    """Described frames with columns of zeros after them."""
    rows, frames = window.shape
    size = _ROUND if frames <= 2 * _ROUND else _ROUND_LONG
    longer = -(-frames // size) * size
    # Beside padding, digital silence would be the loudest that there is, and padding as loud.
    if longer == frames or _is_constant(window):
        return window
    found: FloatArray = np.empty((rows, longer), dtype=np.float32)
    found[:, :frames] = window
    found[:, frames:] = 0
    return found


def _is_constant(window: FloatArray) -> bool:
    """Whether all frames may be alike, as they are in digital silence."""
    first, middle, last = (window[:, place] for place in (0, window.shape[1] // 2, -1))
    return bool((first == middle).all() and (first == last).all())
