"""What pictures of a timeline are drawn from: a track for each voice, and curves of the scores."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from emotone.emotions import EMOTIONS
from emotone.timeline.exports.names import place, plain
from emotone.timeline.segments import Measurement, Segment, Timeline

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Track:
    """The segments of one voice, which never overlap.

    Attributes
    ----------
    channel
        From 0; None where all were heard together.
    speaker
        Who speaks, where speakers were told apart.
    name
        ``"channel 0, A"``, or as much of it as there is.
    segments
        In order of time. Silence and other sound are on the tracks of all speakers of the channel.
    """

    channel: int | None
    speaker: str | None
    name: str
    segments: tuple[Segment, ...] = field(repr=False)

    def runs(self, edges: FloatArray) -> list[tuple[float, float, str]]:
        """Start, end and label of what is heard between edges, with few enough to draw.

        Where there are more segments than columns, speech has as many columns as it takes time (see
        `filled`). Such a column shows the emotion that takes most of it, any other shows what else
        does, and neighbours of one label are one run.

        Parameters
        ----------
        edges
            Of columns of equal width, rising, shape ``(columns + 1,)``, in seconds.
        """
        if len(self.segments) < len(edges):
            return [(s.start, s.end, s.label) for s in self.segments]
        kinds = list(dict.fromkeys((s.kind == "speech", s.label) for s in self.segments))
        labels = [label for _, label in kinds]
        taken = np.stack(
            [
                _covered(edges, [s for s in self.segments if (s.kind == "speech", s.label) == kind])
                for kind in kinds
            ]
        )
        spoken = np.array([speech for speech, _ in kinds])[:, None]
        taken[spoken != filled(edges, (taken * spoken).sum(axis=0))] = 0
        column = np.where(taken.max(axis=0) > 0, taken.argmax(axis=0), -1)
        bounds = np.concatenate(([0], np.flatnonzero(np.diff(column)) + 1, [len(column)]))
        return [
            (float(edges[first]), float(edges[last]), labels[column[first]])
            for first, last in itertools.pairwise(bounds)
            if column[first] >= 0
        ]


def tracks(timeline: Timeline) -> list[Track]:
    """A track for each channel, or for each of its speakers where they were told apart."""
    found = []
    for channel in timeline.channels:
        here = [segment for segment in timeline.segments if segment.channel == channel]
        speakers = list(dict.fromkeys(s.speaker for s in here if s.kind == "speech")) or [None]
        for speaker in speakers:
            mine = tuple(s for s in here if s.kind != "speech" or s.speaker == speaker)
            who = None if speaker is None else plain(speaker) or None
            if who is None and len(speakers) > 1:
                who = "unknown speaker"
            found.append(Track(channel, speaker, place(channel, who), mine))
    return found


@dataclass(frozen=True, slots=True)
class Curve:
    """The scores of one channel over time, as steps that never overlap; gaps where nobody speaks.

    Attributes
    ----------
    starts, ends
        Of each step in seconds, rising, shape ``(n,)``.
    scores
        Shape ``(n, emotions)``.
    emotions
        Names of the columns.
    """

    starts: FloatArray
    ends: FloatArray
    scores: FloatArray
    emotions: tuple[str, ...]

    def means(self, edges: FloatArray) -> FloatArray:
        """Mean scores between edges, over what is covered by steps; NaN where nothing is.

        Parameters
        ----------
        edges
            Rising, shape ``(columns + 1,)``, in seconds.

        Returns
        -------
        numpy.ndarray
            Shape ``(columns, emotions)``.
        """
        found = np.full((len(edges) - 1, len(self.emotions)), np.nan)
        if not len(self.starts):
            return found
        parts = self._integrals(edges)
        heard = parts[0] > 1e-9
        found[heard] = (parts[1:, heard] / parts[0, heard]).T
        return found

    def columns(self, edges: FloatArray) -> FloatArray:
        """As `means`, but with NaN in as much of the columns as nobody speaks for; see `filled`.

        Parameters
        ----------
        edges
            Of columns of equal width, rising, shape ``(columns + 1,)``, in seconds.
        """
        found = self.means(edges)
        if len(self.starts):
            found[~filled(edges, self._integrals(edges)[0])] = np.nan
        return found

    def _integrals(self, edges: FloatArray) -> FloatArray:
        """Of 1 and of each score over the steps between edges, ``(1 + emotions, columns)``."""
        lengths = (self.ends - self.starts)[:, None]
        # The integral rises within a step and rests between: exact at any edge by interpolation.
        times = np.stack([self.starts, self.ends], axis=1).ravel()
        integral = np.repeat(
            np.cumsum(lengths * np.c_[np.ones(len(lengths)), self.scores], 0), 2, 0
        )
        integral = np.concatenate([np.zeros((1, integral.shape[1])), integral[:-1]])
        return np.diff([np.interp(edges, times, column) for column in integral.T], axis=1)

    def circumplex(self, scores: FloatArray) -> FloatArray:
        """Valence and arousal of scores ``(n, emotions)``, shape ``(n, 2)``, each from -1 to 1.

        As `emotone.timeline.segments.circumplex`.
        """
        known = [i for i, name in enumerate(self.emotions) if name in EMOTIONS]
        places = [EMOTIONS[self.emotions[i]] for i in known]
        at = np.array([(place.valence, place.arousal) for place in places]).reshape(-1, 2)
        total = scores[:, known].sum(axis=1, keepdims=True)
        return np.asarray(scores[:, known] @ at / np.where(total == 0, 1, total))


def filled(edges: FloatArray, heard_s: FloatArray) -> npt.NDArray[np.bool_]:
    """The columns to paint so that, up to any of them, as much is painted as was heard.

    To half a column: speech that is shorter than that would else take a whole one, or none.

    Parameters
    ----------
    edges
        Of columns of equal width, rising, shape ``(columns + 1,)``, in seconds.
    heard_s
        Seconds that were heard of each.

    Returns
    -------
    numpy.ndarray
        Of bool, shape ``(columns,)``; never True where nothing was heard.
    """
    columns = np.concatenate([[0.0], np.cumsum(heard_s)]) / (edges[1] - edges[0])
    # A column that is heard whole must not be lost to the rounding of sums.
    return np.asarray(np.diff(np.floor(columns + 0.5 + 1e-6)) > 0)


def curve(timeline: Timeline, channel: int | None) -> Curve:
    """The scores of a channel: its measurements or, where there are none, its segments.

    Windows overlap. Each stands for the part of it that lies nearer to its middle than to that of
    its neighbours.
    """
    heard: Sequence[Measurement | Segment]
    heard = [m for m in timeline.measurements if m.channel == channel]
    if not heard:
        heard = [s for s in timeline.segments if s.channel == channel and s.scores]
    spans = np.array([(each.start, each.end) for each in heard], np.float64).reshape(-1, 2)
    scores = np.array(
        [[each.scores.get(name, 0.0) for name in timeline.emotions] for each in heard], np.float64
    ).reshape(len(heard), len(timeline.emotions))
    order = np.argsort(spans.mean(axis=1), kind="stable")
    spans, scores = spans[order], scores[order]
    middles = spans.mean(axis=1)
    between = (middles[1:] + middles[:-1]) / 2
    starts, ends = spans[:, 0].copy(), spans[:, 1].copy()
    overlap = starts[1:] < ends[:-1]
    starts[1:][overlap] = ends[:-1][overlap] = between[overlap]
    return Curve(starts, ends, scores, timeline.emotions)


def _covered(edges: FloatArray, segments: list[Segment]) -> FloatArray:
    """Seconds that segments take between edges."""
    times = np.array([(s.start, s.end) for s in segments])
    sums = np.cumsum(times[:, 1] - times[:, 0])
    integral = np.stack([np.concatenate(([0.0], sums[:-1])), sums], axis=1)
    return np.diff(np.interp(edges, times.ravel(), integral.ravel()))
