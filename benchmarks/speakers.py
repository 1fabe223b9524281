"""Who speaks when in conversations whose speakers are known: how much of it is told wrongly.

    python benchmarks/speakers.py [--data CORPORA] [--conversations N] [--minutes M] [--json OUT]

A conversation is joined from clips of one to four speakers of RAVDESS or EmoDB: each in turn says
one to three clips of any emotions, with pauses of 0.3 s and more, now and then a start before the
other has ended, under white noise 60 dB (hardly any) or 25 dB below the speech. Nobody of these
corpora was heard when `benchmarks/voices.py` learned what tells voices apart.

- DER: missed speech, false alarms, and speech of the wrong speaker, over the time of speech, with
  the names matched to the speakers as well as can be. Nothing counts less than 0.25 s from where
  someone begins or ends. Speech is found as `emotone analyze` does. Where two speak at once, one
  is missed, since a segment has one speaker.
- Wrong speaker, given the speech: the share of the time in which one speaks that goes to another,
  when it is said beforehand where there is speech, but not where a speaker ends. Beside it the same
  if all is taken for one speaker, and if utterances are grouped by their pitch alone.
- Right number: how often ``--speakers auto`` finds as many as there are, and how many on average.

The numbers of speakers are told (``known``) or not (``auto``).
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

import _main
import _records
from emotone import audio, corpora
from emotone.audio import Preparation
from emotone.speech import RATE, clustering, voices
from emotone.timeline import Segment, Timeline
from emotone.timeline.cutting import Cutter, UtteranceEnded
from emotone.timeline.speakers import Speakers, Turn, tell_apart, turns

CORPORA = ("ravdess", "emodb")
PEOPLE = (1, 2, 3, 4)
FRAME = RATE // 100
COLLAR = 25
SNR_DB = (60.0, 25.0)

Clips = dict[str, Sequence[npt.NDArray[np.float32]]]
Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Conversation:
    """Sound, and who speaks in each frame of 10 ms: ``(speakers, frames)``."""

    samples: npt.NDArray[np.float32]
    speaks: Masks

    def spans(self) -> list[tuple[float, float]]:
        """Start and end of what is spoken without a gap, by whomever, in seconds."""
        edges = np.diff(np.concatenate([[0], self.speaks.any(axis=0), [0]]))
        starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
        return list(zip((starts / 100).tolist(), (ends / 100).tolist(), strict=True))


def read(data: Path, name: str) -> Clips:
    """The clips of each speaker."""
    paths: dict[str, list[Path]] = {}
    for utterance in corpora.load_many([f"{name}={data / name}"]).utterances:
        paths.setdefault(str(utterance.speaker), []).append(utterance.path)
    return {who: _Read(mine) for who, mine in paths.items()}


class _Read(Sequence[npt.NDArray[np.float32]]):
    """Clips without the silence at their ends, read when asked for: of most none is."""

    _preparation = Preparation(rate=RATE, trim_db=40.0)

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: Any) -> Any:
        return self._preparation.apply(audio.read(self._paths[place])).samples


def conversation(
    clips: Clips, people: int, minutes: float, seed: int, snr_db: float = SNR_DB[-1]
) -> Conversation:
    """Join clips of so many speakers."""
    generator = np.random.default_rng(seed)
    who = generator.permutation(sorted(clips))[:people].tolist()
    length = round(minutes * 60 * RATE)
    samples = np.zeros(length + 30 * RATE, np.float32)
    speaks = np.zeros((people, len(samples) // FRAME), dtype=bool)
    at, now = RATE, 0
    while at < length:
        for _ in range(int(generator.integers(1, 4))):
            clip = clips[who[now]][int(generator.integers(len(clips[who[now]])))]
            clip = clip * (0.1 / (np.sqrt(np.mean(clip**2)) + 1e-9))
            stop = min(at + len(clip), len(samples))
            samples[at:stop] += clip[: stop - at]
            speaks[now, at // FRAME : stop // FRAME] = True
            at = stop + round((0.3 + generator.exponential(0.3)) * RATE)
        if people > 1:
            now = (now + int(generator.integers(1, people))) % people
            if generator.random() < 0.1:
                at -= round(0.8 * RATE)  # before the other has ended
    size = min(at + RATE, len(samples)) // FRAME
    noise = generator.normal(scale=0.1 * 10 ** (-snr_db / 20), size=size * FRAME)
    mixed = samples[: size * FRAME] + noise
    peak = max(1.0, float(np.abs(mixed).max()))
    return Conversation((mixed / peak).astype(np.float32), speaks[:, :size])


def cut(samples: npt.NDArray[np.float32]) -> Timeline:
    """A timeline with the utterances that `emotone analyze` finds, without emotions."""
    cutter = Cutter()
    pieces = [*cutter.feed(samples), *cutter.finish()]
    segments = tuple(
        Segment.of_speech(piece.start / RATE, piece.end / RATE, {"neutral": 1.0})
        for piece in pieces
        if isinstance(piece, UtteranceEnded)
    )
    return Timeline(len(samples) / RATE, "none@0", ("neutral",), segments)


def masks(found: Sequence[Turn], frames: int) -> Masks:
    """Who is said to speak in each frame, ``(speakers, frames)``."""
    said = np.zeros((1 + max((who for _, _, who in found), default=-1), frames), dtype=bool)
    for start, end, who in found:
        said[who, round(100 * start) : round(100 * end)] = True
    return said


def matched(speaks: Masks, said: Masks) -> int:
    """Frames of the right speaker, where names and speakers are matched as well as can be."""
    together = speaks.astype(np.int64) @ said.T.astype(np.int64)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return int(together[rows, columns].sum())


def errors(speaks: Masks, said: Masks, collar: int = COLLAR) -> dict[str, float]:
    """Missed speech, false alarms, confusion, and their sum, over the time of speech.

    As md-eval of NIST: frames less than `collar` from a beginning or an end of a speaker's speech
    count for nothing.
    """
    changes = np.diff(np.pad(speaks, ((0, 0), (1, 1))).astype(np.int8), axis=1) != 0
    near = np.zeros(speaks.shape[1], dtype=bool)
    for place in np.flatnonzero(changes.any(axis=0)):
        near[max(0, place - collar) : place + collar] = True
    speaks, said = speaks[:, ~near], said[:, ~near]
    true, claimed = speaks.sum(axis=0), said.sum(axis=0)
    total = max(1, int(true.sum()))
    missed = int(np.maximum(true - claimed, 0).sum()) / total
    alarm = int(np.maximum(claimed - true, 0).sum()) / total
    wrong = (int(np.minimum(true, claimed).sum()) - matched(speaks, said)) / total
    return {
        "der": missed + alarm + wrong,
        "miss": missed,
        "false_alarm": alarm,
        "confusion": wrong,
    }


def confusion(speaks: Masks, said: Masks) -> float:
    """The share of the time in which one speaks that goes to another."""
    alone = speaks.sum(axis=0) == 1
    return 1 - matched(speaks[:, alone], said[:, alone]) / max(1, int(alone.sum()))


def pitch(samples: npt.NDArray[np.float32]) -> float:
    """The median pitch of speech in octaves, by the highest peak of the autocorrelation."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, 640)), 640)[::320]
    spectra = np.fft.rfft(frames * np.hanning(640), 2048)
    lags = np.fft.irfft(spectra.real**2 + spectra.imag**2)[:, :250]
    lags /= lags[:, :1] + 1e-9
    best = lags[:, 32:].argmax(axis=1) + 32
    voiced = lags[np.arange(len(best)), best] > 0.4
    return float(np.median(np.log2(RATE / best[voiced if voiced.any() else slice(None)])))


@dataclass(frozen=True, eq=False)
class Heard:
    """A conversation, and what does not depend on how many speakers are asked for."""

    talk: Conversation
    cut: Timeline
    spans: list[tuple[float, float]]
    voices: list[npt.NDArray[np.float32]]
    pitches: list[list[float]]

    @classmethod
    def of(cls, talk: Conversation) -> Heard:
        """Find speech; describe the voices and the pitch of what is said to be speech."""
        spans = talk.spans()
        sounds = [talk.samples[round(a * RATE) : round(b * RATE)] for a, b in spans]
        return cls(
            talk,
            cut(talk.samples),
            spans,
            [voices.describe(sound) for sound in sounds],
            [[pitch(sound)] for sound in sounds],
        )


def figures(heard: Sequence[Heard], asked: bool) -> dict[str, float]:
    """What the module's docstring names, the mean over conversations."""
    rows: list[dict[str, float]] = []
    for each in heard:
        speaks = each.talk.speaks
        people, frames = speaks.shape
        number: Speakers = people if asked else "auto"
        found = tell_apart(each.cut, (each.talk.samples, RATE), number).speech
        names = list(dict.fromkeys(segment.speaker for segment in found))
        said = [(s.start, s.end, names.index(s.speaker)) for s in found]
        given = turns(each.spans, each.voices, number)
        groups = clustering.Tree(each.pitches).labels(people).tolist()
        by_pitch = [(a, b, who) for (a, b), who in zip(each.spans, groups, strict=True)]
        rows.append(
            {
                **errors(speaks, masks(said, frames)),
                "wrong_given_speech": confusion(speaks, masks(given, frames)),
                "wrong_one_speaker": confusion(speaks, np.ones((1, frames), dtype=bool)),
                "wrong_pitch": confusion(speaks, masks(by_pitch, frames)),
                "found": float(len(names)),
                "right_number": float(len(names) == people),
            }
        )
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def main() -> None:
    """Join, tell apart, compare, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--conversations", type=int, default=10, help="per corpus and number")
    parser.add_argument("--people", type=int, nargs="+", default=PEOPLE)
    parser.add_argument("--snr", type=float, nargs="+", default=SNR_DB, help="in dB")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "speakers.json")
    options = parser.parse_args()
    records, commit = [], _records.commit()  # what runs, whatever is changed meanwhile
    heads = ("DER", "miss", "alarm", "confusion", "given", "one", "pitch", "found", "right")
    print(
        f"{'SNR':4}{'corpus':>10}{'speakers':>9}{'asked':>7}"
        + "".join(f"{head:>11}" for head in heads)
    )
    for snr_db, name, people in itertools.product(options.snr, CORPORA, options.people):
        if not (options.data / name).is_dir():
            continue
        clips = read(options.data, name)
        if len(clips) < people:
            continue
        talks = [
            Heard.of(conversation(clips, people, options.minutes, seed, snr_db))
            for seed in range(options.conversations)
        ]
        for asked in (True, False):
            found = figures(talks, asked)
            cells = "".join(
                f"{value:11.2f}" if key == "found" else f"{100 * value:9.1f} %"
                for key, value in found.items()
            )
            word = "known" if asked else "auto"
            print(f"{snr_db:4.0f}{name:>10}{people:9}{word:>7}{cells}", flush=True)
            records.append(
                {
                    "benchmark": "speakers",
                    "corpus": name,
                    "snr_db": snr_db,
                    "speakers": people,
                    "asked": word,
                    "conversations": options.conversations,
                    "minutes": options.minutes,
                    **{key: round(value, 6) for key, value in found.items()},
                    "commit": commit,
                    "seed": 0,
                    "machine": _records.machine(),
                }
            )
    _records.write(options.json, records)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
