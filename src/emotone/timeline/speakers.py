"""Who speaks when: the speech of a timeline, grouped by voice."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from emotone.audio import Source
from emotone.audio.limits import DEFAULT_LIMITS, Limits
from emotone.audio.preparation import fix_length
from emotone.audio.reading import blocks_if_silent_too
from emotone.audio.sources import is_pipe
from emotone.audio.waveform import FloatArray
from emotone.errors import UsageError
from emotone.speech import RATE, clustering, voices
from emotone.timeline.segments import Segment, Timeline
from emotone.timeline.smoothing import stretches

Speakers = int | Literal["auto"]

LEFT: Final = 0.82
PRIOR: Final = 100.0
"""What `clustering.count` believes in, chosen by ``benchmarks/voices.py --choose``."""

_SWITCH: Final = 3.0
"""Logarithm of the odds against another speaker from one half second to the next."""

_BLOCK_S: Final = 20.0

_ROUNDED: Final = RATE // 50
"""Samples that a recording may be shorter than its timeline, whose times may have been rounded."""
_LEAST_S: Final = 0.25
"""A segment is not cut so near to its ends."""

_TOGETHER_S: Final = 150.0
"""Utterances without a gap between them are one up to here: its sound is in memory. Longer than any
utterance by itself, but where speech or music goes on without a breath they follow each other."""

_APART: Final = round(voices.WINDOW_S / voices.STEP_S)
"""From one window to the next that shares no sound with it."""

Turn = tuple[float, float, int]
"""Start and end in seconds, and which speaker, from 0."""


def tell_apart(
    timeline: Timeline,
    source: Source,
    speakers: Speakers = "auto",
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[float, float], None] | None = None,
) -> Timeline:
    """The timeline with a speaker named in each segment of speech.

    The voice of every 3 s of speech is described (`emotone.speech.voices`) and those alike are
    grouped (`emotone.speech.clustering`), on each channel by itself. Segments in which the speaker
    changes are cut there, to half a second or so. How often this is wrong is in
    ``docs/timeline.md``.

    Parameters
    ----------
    timeline
        Of the recording.
    source
        The recording itself, which is read once more.
    speakers
        How many speak on each channel; ``"auto"`` to find out, which is far less sure. There are
        fewer where less than that many utterances are heard.
    limits
        Bounds on the audio.
    progress
        Called with seconds read, and of how many.

    Returns
    -------
    Timeline
        Speakers are named ``"speaker 1"``, ``"speaker 2"`` and so on as they appear, first those of
        the first channel; no two channels share one.

    Raises
    ------
    UsageError
        If `speakers` is below 1, or the recording can be read only once or is another one.
    AudioError
        If it cannot be read.
    """
    check(speakers, source)
    segments: list[Segment] = []
    known = 0
    total = timeline.duration_s * len(timeline.channels)
    for place, channel in enumerate(timeline.channels):
        mine = [segment for segment in timeline.segments if segment.channel == channel]
        spans = _utterances(mine)
        heard = []
        for (_, end), samples in zip(spans, _sounds(source, channel, spans, limits), strict=True):
            heard.append(voices.describe(samples))
            if progress is not None:
                progress(place * timeline.duration_s + end, total)
        found = turns(spans, heard, speakers)
        segments += _named(mine, found, known)
        known += 1 + max((who for _, _, who in found), default=-1)
    order = {channel: place for place, channel in enumerate(timeline.channels)}
    return replace(
        timeline,
        segments=tuple(sorted(segments, key=lambda s: (s.start, order[s.channel]))),
        settings={**timeline.settings, "speakers": speakers},
    )


def check(speakers: Speakers, source: Source) -> None:
    """Refuse what `tell_apart` would, before a long recording is heard for nothing."""
    whole = isinstance(speakers, int) and not isinstance(speakers, bool) and speakers >= 1
    if not whole and speakers != "auto":
        raise UsageError(
            f"the speakers are {speakers!r}", remedy="Give a whole number from 1, or auto."
        )
    once = source == "-" if isinstance(source, str) else hasattr(source, "read")
    if once or (isinstance(source, (str, os.PathLike)) and is_pipe(source)):
        raise UsageError(
            "speakers cannot be told apart in what can be read only once",
            remedy="Save it to a file first.",
        )


def turns(
    spans: Sequence[tuple[float, float]], heard: Sequence[FloatArray], speakers: Speakers
) -> list[Turn]:
    """Who speaks when in utterances.

    Parameters
    ----------
    spans
        Start and end of each utterance in seconds, in order.
    heard
        What `voices.describe` says of each.
    speakers
        As for `tell_apart`.

    Returns
    -------
    list
        In order; they cover the utterances. Speakers are numbered as they appear.
    """
    if not spans:
        return []
    apart = np.concatenate([rows[::_APART] for rows in heard]).astype(np.float64)
    tree = clustering.Tree(apart)
    count = clustering.count(tree, left=LEFT, prior=PRIOR) if speakers == "auto" else speakers
    labels = tree.labels(count)
    middles = np.stack([apart[labels == who].mean(axis=0) for who in range(int(labels.max()) + 1)])
    found: list[Turn] = []
    names: dict[int, int] = {}
    for (start, end), rows in zip(spans, heard, strict=True):
        parts = stretches(
            start,
            end,
            [tuple(span) for span in (start + voices.windows(end - start)).tolist()],
            _belonging(rows, middles),
            step=voices.STEP_S,
            switch=_SWITCH,
        )
        for part in parts:
            who = names.setdefault(part.emotion, len(names))
            found.append((part.start, part.end, who))
    return found


def _belonging(rows: FloatArray, middles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How probably each window is of each group, shape ``(windows, groups)``."""
    away = ((rows[:, None] - middles) ** 2).sum(axis=2) / 2
    chances: npt.NDArray[np.float64] = np.exp(away.min(axis=1, keepdims=True) - away)
    chances /= chances.sum(axis=1, keepdims=True)
    return chances


def _utterances(segments: Sequence[Segment]) -> list[tuple[float, float]]:
    """Start and end of speech without a gap, up to a length."""
    found: list[tuple[float, float]] = []
    for segment in segments:
        if segment.kind != "speech":
            continue
        goes_on = found and segment.start - found[-1][1] < 1e-6
        if goes_on and segment.end - found[-1][0] <= _TOGETHER_S:
            found[-1] = (found[-1][0], segment.end)
        else:
            found.append((segment.start, segment.end))
    return found


def _sounds(
    source: Source,
    channel: int | None,
    spans: Sequence[tuple[float, float]],
    limits: Limits,
) -> Iterator[FloatArray]:
    """The samples of each utterance; of the recording no more than a block besides is held."""
    blocks = blocks_if_silent_too(
        source, block_s=_BLOCK_S, rate=RATE, channel=channel, limits=limits
    )
    held, first = np.empty(0, np.float32), 0
    with contextlib.closing(blocks):  # type: ignore[type-var]
        for start, end in ((round(a * RATE), round(b * RATE)) for a, b in spans):
            while first + len(held) < end and (block := next(blocks, None)) is not None:
                over = min(max(0, start - first), len(held))
                held, first = np.concatenate([held[over:], block.samples]), first + over
            samples = held[max(0, start - first) : end - first]
            if len(samples) < end - start - _ROUNDED:
                raise UsageError(
                    "the recording is shorter than its timeline",
                    remedy="Give the recording that the timeline was made of.",
                )
            yield fix_length(samples, end - start)


def _named(segments: Sequence[Segment], found: Sequence[Turn], known: int) -> Iterator[Segment]:
    """Segments with their speakers, cut where these change."""
    starts = [start for start, _, _ in found]
    for segment in segments:
        if segment.kind != "speech":
            yield segment
            continue
        low = bisect.bisect_right(starts, segment.start + _LEAST_S)
        high = bisect.bisect_left(starts, segment.end - _LEAST_S)
        for start, end in itertools.pairwise([segment.start, *starts[low:high], segment.end]):
            who = found[bisect.bisect_right(starts, (start + end) / 2) - 1][2]
            yield replace(segment, start=start, end=end, speaker=f"speaker {known + who + 1}")
