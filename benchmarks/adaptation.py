"""Speaker adaptation: the recall on one speaker's clips, after adapting to others of them.

    python benchmarks/adaptation.py --predictions CSV [--corpus ravdess ...] [--clips 1 5 20]
                                    [--repeats N] [--seed N] [--json OUT]

Works on the answers that `emotone benchmark emobox --predictions CSV` leaves, in which nobody is
tested by a model that was trained on them: no model is trained or run here. The scores of a fold
are calibrated by the other folds, as a bundle's are by other speakers. Of each test speaker, clips
are drawn at random, unlabelled ones of any emotion, or neutral ones; the scores are adapted to them
as `Recognizer.adapt` does, and the speaker's other clips are tested. The figure `plain_ua`
is that of the same clips without adapting. All is repeated with other draws; figures are means over
the folds, as in EmoBox, and their 95 % intervals are by bootstrap over speakers.

What adapting needs to know (how far to trust a few clips, how neutral clips score) is estimated for
each fold from the answers of the other folds, hence from other speakers. As in EmoBox the corpus of
a test clip is known, and scores are taken over its emotions.

Where a speaker has fewer neutral clips than are asked for, all but one are drawn: RAVDESS has four
of each. `clips_used` says how many were on average.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import _main
import _records
from emotone.adaptation import NEUTRAL, SIZES, Adaptation, adapted, estimate
from emotone.emotions import in_order
from emotone.errors import UsageError
from emotone.evaluation import TestedClip, read_predictions
from emotone.metrics import Evaluation, fold_mean
from emotone.models.calibration import fit_temperature, softmax

CORPORA = ("ravdess", "casia", "emovo")
"""Whose EmoBox folds share no speaker."""

REPEATS = 20
"""Draws for each speaker that the record is of."""

_FLOOR = 1e-7
"""Added to scores before their logarithm: predictions hold six digits."""

_Fold = tuple[list[str], list[npt.NDArray[np.float64]], list[str]]


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to the clips of a corpus.

    Attributes
    ----------
    emotions
        Of the corpus.
    truth, folds, speakers
        Of each of the n clips.
    scores
        Over the emotions of the corpus, shape ``(n, k)``; calibrated, those of each fold by the
        others.
    logits
        Those before the calibration.
    """

    emotions: list[str]
    truth: npt.NDArray[np.str_]
    folds: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]
    scores: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]

    @classmethod
    def of(cls, clips: list[TestedClip], corpus: str) -> Answers:
        """Those of one corpus; its clips without speaker or fold are of no use."""
        own = [c for c in clips if c.corpus == corpus and c.speaker and c.fold]
        emotions = in_order({clip.true for clip in own})
        scores = np.array([[clip.scores.get(name, 0.0) for name in emotions] for clip in own])
        logits = np.log(scores.reshape(len(own), len(emotions)) + _FLOOR)
        answers = cls(
            emotions,
            np.array([clip.true for clip in own], dtype=np.str_),
            np.array([clip.fold for clip in own], dtype=np.str_),
            np.array([clip.speaker for clip in own], dtype=np.str_),
            softmax(logits) if own else logits,
            logits,
        )
        for fold in np.unique(answers.folds).tolist():
            rows = answers.folds == fold
            answers.scores[rows] = softmax(logits[rows], answers.temperature(fold))
        return answers

    def temperature(self, fold: str) -> float:
        """The one for a fold, from the other folds."""
        others = self.others(fold)
        codes = [self.emotions.index(name) for name in self.truth[others].tolist()]
        return fit_temperature(self.logits[others], np.array(codes, dtype=np.int64))

    def others(self, fold: str) -> npt.NDArray[np.bool_]:
        """Which clips are of other folds, and of speakers whom the fold does not test."""
        test = set(self.speakers[self.folds == fold].tolist())
        others: npt.NDArray[np.bool_]
        others = (self.folds != fold) & ~np.isin(self.speakers, sorted(test))
        return others

    def settings(self, fold: str, seed: int) -> Adaptation:
        """What adapting in a fold needs to know, from the other folds.

        Their scores are calibrated by themselves: `scores` has heard of the labels of this fold.
        """
        others = self.others(fold)
        return (
            estimate(
                softmax(self.logits[others], self.temperature(fold)),
                self.truth[others],
                self.speakers[others].tolist(),
                self.emotions,
                seed=seed,
            )
            or Adaptation()
        )


@dataclass(frozen=True)
class Outcome:
    """Figures with and without adapting, on the same clips."""

    plain: Evaluation
    adapted: Evaluation
    clips_used: float


def measure(
    answers: Answers,
    settings: dict[str, Adaptation],
    size: int,
    *,
    neutral: bool,
    repeats: int,
    seed: int,
) -> Outcome | None:
    """Adapt to `size` clips of each test speaker, so many times; None where none can be."""
    generator = np.random.default_rng(seed)
    plain: list[_Fold] = []
    better: list[_Fold] = []
    used: list[int] = []
    for fold, known in settings.items():
        truth: list[str] = []
        before: list[npt.NDArray[np.float64]] = []
        after: list[npt.NDArray[np.float64]] = []
        voices: list[str] = []
        for speaker in np.unique(answers.speakers[answers.folds == fold]).tolist():
            own = np.flatnonzero((answers.folds == fold) & (answers.speakers == speaker))
            pool = own[answers.truth[own] == NEUTRAL] if neutral else own
            count = min(size, len(pool) - 1)
            if count < 1 or (neutral and known.neutral is None):
                continue
            for _ in range(repeats):
                drawn = generator.permutation(pool)[:count]
                rest = np.setdiff1d(own, drawn)
                find = known.neutral_offset if neutral else known.offset
                before.append(answers.scores[rest])
                after.append(adapted(answers.scores[rest], find(answers.scores[drawn])))
                truth += answers.truth[rest].tolist()
                voices += [speaker] * len(rest)
                used.append(count)
        if truth:
            plain.append((truth, before, voices))
            better.append((truth, after, voices))
    if not plain:
        return None
    return Outcome(_figures(plain, answers), _figures(better, answers), float(np.mean(used)))


def _figures(folds: list[_Fold], answers: Answers) -> Evaluation:
    return fold_mean([(y, np.concatenate(s), who) for y, s, who in folds], answers.emotions)


def main() -> None:
    """Adapt, test, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--corpus", nargs="+", default=list(CORPORA))
    parser.add_argument("--clips", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=REPEATS, help="draws for each speaker")
    parser.add_argument("--model", default="emotone", help="what the records say was measured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="default: the record, of a whole run alone")
    options = parser.parse_args()
    if min([*options.clips, options.repeats]) < 1:
        parser.error("--clips and --repeats are whole numbers from 1")
    try:
        clips = read_predictions(options.predictions)
    except UsageError as error:
        parser.error(str(error))
    records = []
    print(f"{'UA in %':10}{'clips':>8} {'of':10}{'plain':>8}{'adapted':>9}{'gain':>7}")
    for corpus in options.corpus:
        answers = Answers.of(clips, corpus)
        folds = np.unique(answers.folds).tolist()
        settings = {fold: answers.settings(fold, options.seed) for fold in folds}
        for kind in ("any", NEUTRAL):
            for size in options.clips:
                outcome = measure(
                    answers,
                    settings,
                    size,
                    neutral=kind == NEUTRAL,
                    repeats=options.repeats,
                    seed=options.seed,
                )
                if outcome is None:
                    continue
                about = {
                    "benchmark": "adaptation",
                    "corpus": corpus,
                    "model": options.model,
                    "fold": "mean",
                    "adapted_to": kind,
                    "adapted_clips": size,
                    "clips_used": round(outcome.clips_used, 2),
                    "repeats": options.repeats,
                    "commit": _records.commit(),
                    "seed": options.seed,
                    "machine": _records.machine(),
                }
                plain, better = outcome.plain.ua, outcome.adapted.ua
                records.append(
                    outcome.adapted.record(**about)
                    | {
                        "plain_ua": round(plain.value, 6),
                        "plain_ci95": plain.to_dict()["ci95"],
                        "plain_ece": round(outcome.plain.ece.value, 6),
                    }
                )
                print(
                    f"{corpus:10}{size:8} {kind:10}{100 * plain.value:8.2f}"
                    f"{100 * better.value:9.2f}{100 * (better.value - plain.value):+7.2f}",
                    flush=True,
                )
    if not records:
        parser.error(f"{options.predictions} tells of no clip of {', '.join(options.corpus)}")
    whole = not set(CORPORA) - set(options.corpus) and not set(SIZES) - set(options.clips)
    whole = whole and options.repeats >= REPEATS
    _records.keep(_records.place(options.json, "adaptation", whole=whole), records)


if __name__ == "__main__":
    _main.run(main)
