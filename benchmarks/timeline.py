"""Timelines of conversations whose emotions are known: what is found, and how exactly.

    python benchmarks/timeline.py --model BUNDLE [--fold K] [--data CORPORA] [--minutes M]
                                  [--window S ...] [--switch X ...] [--json OUT]

A conversation is joined from test clips of an EmoBox fold of RAVDESS, CASIA or EMOVO: two speakers
in turn, one to three clips of one emotion in each turn, with pauses of 0.3 s and more, now and then
a start before the other has ended, under white noise 25 dB below the speech. The model must not
have heard the clips: give the bundle of the same fold, as
`emotone benchmark emobox --family hybrid --bundles DIR` leaves it.

- UA: mean over the emotions of the share of their time that is labelled so, by frames of 10 ms in
  which one voice speaks; all emotions that the model knows are open to it. Beside it, as what can
  be hoped for, the same from the clips themselves, each by its one prediction.
- Speech detection: the share of speech that is taken for none (miss), of everything else that is
  taken for speech (false alarm), and both together over the time of speech (detection error).
- Changes: for each change of emotion the distance to the nearest boundary between two emotions in
  the timeline: median, and the share within a second; and boundaries with none near, per minute.

Length of the windows and inertia were chosen on fold 2.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import _joint
import _main
import _records
from emotone.recognizer import Recognizer, load
from emotone.speech import RATE
from emotone.timeline import Timeline
from emotone.timeline.settings import TimelineSettings

CORPORA = ("ravdess", "casia", "emovo")
FRAME = RATE // 100
NEAR_S = 1.0
SNR_DB = 25.0
_NONE, _SEVERAL = -1, -2


@dataclass(frozen=True, eq=False)
class Conversation:
    """Sound, and for each frame of 10 ms which clip is heard: none (-1), several (-2), or its row.

    `clips` holds where each lies among the samples; `emotions` the emotion of each row.
    """

    samples: npt.NDArray[np.float32]
    frames: npt.NDArray[np.int64]
    clips: list[npt.NDArray[np.float32]]
    emotions: list[str]

    def changes(self) -> list[float]:
        """When one emotion follows another, in seconds: the middle between them."""
        spoken = np.flatnonzero(self.frames >= 0)
        found = []
        for one, other in itertools.pairwise(spoken.tolist()):
            before, after = self.frames[one], self.frames[other]
            if before != after and self.emotions[before] != self.emotions[after]:
                found.append((one + other + 1) / 2 * FRAME / RATE)
        return found


def conversation(
    material: _joint.Material, rows: npt.NDArray[np.intp], minutes: float, seed: int
) -> Conversation:
    """Join clips of two speakers."""
    generator = np.random.default_rng(seed)
    data = material.dataset
    speakers = sorted({str(data.speakers[row]) for row in rows})
    pair = generator.permutation(speakers)[:2]
    length = round(minutes * 60 * RATE)
    samples = np.zeros(length + 30 * RATE, dtype=np.float32)
    frames = np.full(len(samples) // FRAME, _NONE, dtype=np.int64)
    clips: list[npt.NDArray[np.float32]] = []
    emotions: list[str] = []
    at, turn = RATE, 0
    while at < length:
        mine = rows[data.speakers[rows] == pair[turn % len(pair)]]
        emotion = generator.choice(sorted(set(data.labels[mine].tolist())))
        choice = mine[data.labels[mine] == emotion]
        for row in generator.permutation(choice)[: int(generator.integers(1, 4))]:
            clip = material.waveform(int(row))
            clip = clip * (0.1 / (np.sqrt(np.mean(clip**2)) + 1e-9))
            stop = at + len(clip)
            if stop >= len(samples):
                break
            samples[at:stop] += clip
            inside = slice(at // FRAME, stop // FRAME)
            taken = frames[inside]
            frames[inside] = np.where(taken == _NONE, len(clips), _SEVERAL)
            clips.append(clip.astype(np.float32))
            emotions.append(str(emotion))
            at = stop + round((0.3 + generator.exponential(0.3)) * RATE)
        if generator.random() < 0.1:
            at -= round(0.8 * RATE)  # before the other has ended
        turn += 1
    samples = samples[: at + RATE]
    noise = generator.normal(scale=0.1 * 10 ** (-SNR_DB / 20), size=len(samples))
    mixed = (samples + noise).astype(np.float32)
    return Conversation(mixed / max(1.0, float(np.abs(mixed).max())),
                        frames[: len(samples) // FRAME], clips, emotions)  # fmt: skip


def labels_of(timeline: Timeline, count: int) -> list[str | None]:
    """The emotion of each frame; None without speech."""
    found: list[str | None] = [None] * count
    for segment in timeline.speech:
        first, last = (round(t * RATE / FRAME) for t in (segment.start, segment.end))
        found[first:last] = [segment.label] * (min(last, count) - first)
    return found[:count]


def figures(
    recognizer: Recognizer, talks: list[Conversation], settings: TimelineSettings
) -> dict[str, float]:
    """What the module's docstring names."""
    right: dict[str, list[float]] = {}
    alone: dict[str, list[float]] = {}
    missed = spoken = alarms = quiet = 0
    errors: list[float] = []
    false_changes, minutes = 0, 0.0
    for talk in talks:
        timeline = recognizer.timeline((talk.samples, RATE), settings=settings)
        labels = np.array([label or "" for label in labels_of(timeline, len(talk.frames))])
        for row, emotion in enumerate(talk.emotions):
            own = labels[talk.frames == row]
            right.setdefault(emotion, []).extend((own == emotion).tolist())
            said = recognizer.predict((talk.clips[row], RATE)).emotion
            alone.setdefault(emotion, []).extend([said == emotion] * len(own))
        speech = talk.frames != _NONE
        missed += int((speech & (labels == "")).sum())
        spoken += int(speech.sum())
        alarms += int((~speech & (labels != "")).sum())
        quiet += int((~speech).sum())
        parts = timeline.speech
        bounds = [
            (one.end + other.start) / 2
            for one, other in itertools.pairwise(parts)
            if one.label != other.label
        ]
        changes = talk.changes()
        errors += [min((abs(b - c) for b in bounds), default=np.inf) for c in changes]
        false_changes += sum(
            min((abs(b - c) for c in changes), default=np.inf) > NEAR_S for b in bounds
        )
        minutes += len(talk.samples) / RATE / 60
    recall = [float(np.mean(values)) for values in right.values()]
    of_clips = [float(np.mean(values)) for values in alone.values()]
    return {
        "ua": float(np.mean(recall)),
        "ua_of_clips": float(np.mean(of_clips)),
        "miss": missed / spoken,
        "false_alarm": alarms / max(1, quiet),
        "detection_error": (missed + alarms) / spoken,
        "boundary_error_s": float(np.median(errors)),
        "changes_within_1_s": float(np.mean(np.array(errors) <= NEAR_S)),
        "false_changes_per_minute": false_changes / minutes,
    }


def main() -> None:
    """Join, hear, compare, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--model", required=True, help="a bundle")
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--conversations", type=int, default=4, help="per corpus")
    parser.add_argument("--window", type=float, nargs="+", default=[TimelineSettings().window_s])
    parser.add_argument("--switch", type=float, nargs="+", default=[TimelineSettings().switch])
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "timeline.json")
    options = parser.parse_args()
    recognizer = load(options.model)
    names = [
        name
        for name in _joint.testable(options.data, CORPORA, None, [options.fold])
        if options.fold <= _joint.fold_count(options.data, name)
    ]
    material = _joint.material(options.data, names)
    talks = {}
    for name in names:
        rows = material.test(name, options.fold)
        assert rows is not None
        talks[name] = [
            conversation(material, rows, options.minutes, seed)
            for seed in range(options.conversations)
        ]
    records = []
    heads = ("UA", "of clips", "miss", "alarm", "error", "boundary", "within 1 s", "false/min")
    print(f"{'corpus':10}{'window':>8}{'switch':>8}" + "".join(f"{head:>11}" for head in heads))
    for window, switch in itertools.product(options.window, options.switch):
        settings = TimelineSettings(window_s=window, switch=switch)
        for name in names:
            found = figures(recognizer, talks[name], settings)
            cells = "".join(
                f"{value:10.2f} " if key in ("boundary_error_s", "false_changes_per_minute")
                else f"{100 * value:9.1f} %" for key, value in found.items()
            )  # fmt: skip
            print(f"{name:10}{window:8.1f}{switch:8.1f}{cells}", flush=True)
            records.append(
                {
                    "benchmark": "timeline",
                    "corpus": name,
                    "fold": str(options.fold),
                    "model": recognizer.model,
                    "window_s": window,
                    "switch": switch,
                    "minutes": options.minutes * options.conversations,
                    **{key: round(value, 6) for key, value in found.items()},
                    "commit": _records.commit(),
                    "seed": 0,
                    "machine": _records.machine(),
                }
            )
    _records.write(options.json, records)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
