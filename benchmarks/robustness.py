"""The same clips through noise, rooms, telephone lines, codecs, gain, silence and clipping.

    python benchmarks/robustness.py [--data CORPORA] [--model BUNDLE ... | --family FAMILY]
                                    [--fold K] [--corpus ravdess ...] [--condition babble ...]
                                    [--features SET] [--param A=B ...] [--clips N]
                                    [--json OUT] [--plot OUT.png]

Tests the test clips of one EmoBox fold of every corpus, each clip under every condition of
benchmarks/_conditions.py, and compares with the clean clip: UA, and the drop in points with a 95 %
interval by a paired bootstrap (the same speakers, or clips where a corpus has one known speaker at
most, drawn for both).

The clips must be new to the model. With --family one is trained here, on the training parts of that
fold of all corpora in the folder (and on all of nEMO, which EmoBox does not have). A bundle given
with --model must have been trained likewise; where its card says otherwise, a warning stands beside
the figures and in the records.

Two figures are given. In `ua` the model may answer any emotion that it knows, also one that the
clip's corpus does not have, as in the default_model benchmark; in `ua_restricted` it chooses among
the emotions of the corpus only. The mean is that over the corpora.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import _joint
import _main
import _recipe
import _records
import emotone
from _conditions import (
    CLEAN,
    CONDITIONS,
    RATE,
    Babble,
    Clip,
    Condition,
    TooFewVoicesError,
    generator,
)
from default_model import PREPARATION
from emobox import CORPORA
from emotone import audio, corpora, plots
from emotone.cli.options import parameters
from emotone.corpora import Utterance
from emotone.errors import AudioError, CorpusError, EmotoneError, UsageError
from emotone.features.cache import FeatureCache
from emotone.features.job import cores
from emotone.metrics import metrics
from emotone.models import FAMILIES
from emotone.recognizer import Recognizer
from emotone.training import train

BOOTSTRAP = 1000
CLIPS = 300
"""At most of each corpus, that the record is of."""

VOICES = 40
"""Test clips of each corpus that the babble is mixed from."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shares:
    """UA under each of c conditions, and under b resamples of the same speakers or clips.

    Attributes
    ----------
    value
        Shape ``(c,)``, from 0 to 1; the first condition is the clean one.
    draws
        Shape ``(b, c)``.
    """

    value: Matrix
    draws: Matrix

    def figures(self, condition: int, suffix: str = "") -> dict[str, Any]:
        """UA and drop under one condition, as fields of a record."""
        drops = self.draws[:, 0] - self.draws[:, condition]
        return {
            f"ua{suffix}": round(float(self.value[condition]), 6),
            f"ci95{suffix}": _interval(self.draws[:, condition]),
            f"drop{suffix}": round(float(self.value[0] - self.value[condition]), 6),
            f"drop_ci95{suffix}": _interval(drops),
        }


def mean(parts: Sequence[Shares]) -> Shares:
    """The mean over corpora, each resampled by itself."""
    return Shares(
        np.mean([part.value for part in parts], axis=0),
        np.mean([part.draws for part in parts], axis=0),
    )


def shares(
    truth: Sequence[str],
    hits: npt.NDArray[np.bool_],
    units: Sequence[object],
    seed: Sequence[int],
) -> Shares:
    """UA under every condition, resampled alike for all.

    Parameters
    ----------
    truth
        The emotion of each of n clips.
    hits
        Whether it was named, shape ``(c, n)``.
    units
        What the bootstrap draws: the speaker of each clip, or a name of its own.
    seed
        Of the bootstrap; the numbers differ between corpora, which are drawn apart.
    """
    _, emotion = np.unique(np.asarray(truth), return_inverse=True)
    names, unit = np.unique(np.asarray(units, dtype=np.str_), return_inverse=True)
    k, u, c = emotion.max() + 1, len(names), len(hits)
    support, right = np.zeros((u, k)), np.zeros((u, c, k))
    np.add.at(support, (unit, emotion), 1)
    for condition, row in enumerate(hits):
        np.add.at(right[:, condition], (unit, emotion), row)
    random = np.random.default_rng(seed)
    weights = np.stack(
        [np.ones(u)]
        + [np.bincount(random.integers(u, size=u), minlength=u) for _ in range(BOOTSTRAP)]
    )
    drawn = weights @ support
    found = (weights @ right.reshape(u, -1)).reshape(-1, c, k)
    there = drawn[:, np.newaxis] > 0
    recall = np.divide(found, drawn[:, np.newaxis], out=np.zeros(found.shape), where=there)
    ua = recall.sum(axis=2) / there.sum(axis=2)
    return Shares(ua[0], ua[1:])


def units_of(utterances: Sequence[Utterance]) -> list[object]:
    """Speakers where all are known and there are two or more, else clips; as `emotone.metrics`."""
    speakers = [utterance.speaker_key for utterance in utterances]
    if None not in speakers and len(set(speakers)) > 1:
        return list(speakers)
    return [f"{i:09}" for i in range(len(utterances))]


def answers(
    recognizers: Sequence[Recognizer],
    clips: Sequence[Clip],
    conditions: Sequence[Condition],
    babble: Babble,
    jobs: int,
) -> list[Matrix]:
    """For each model the scores of every clip under every condition, shape ``(c, n, k)``.

    A row of NaN stands for an answer that the model refused.
    """

    def hear(clip: Clip) -> list[Matrix]:
        rows = [np.full((len(conditions), len(r.emotions)), np.nan) for r in recognizers]
        for c, condition in enumerate(conditions):
            heard = condition.apply(clip, babble)
            for recognizer, scores in zip(recognizers, rows, strict=True):
                try:
                    answer = recognizer.predict((heard.samples, heard.rate))
                except AudioError:
                    continue
                scores[c] = [answer.scores[name] for name in recognizer.emotions]
        return rows

    heard = []
    with ThreadPoolExecutor(jobs) as pool:
        for rows in pool.map(hear, clips):
            heard.append(rows)
            if len(heard) % 100 == 0 or len(heard) == len(clips):
                tell(f"{clips[0].corpus}: {len(heard)} of {len(clips)} clips")
    return [np.stack(rows, axis=1) for rows in zip(*heard, strict=True)]


class Tally:
    """What one model did on every corpus.

    Attributes
    ----------
    recognizer
        The model.
    seen
        Why it may know the test clips, or None.
    records
        One for each corpus and condition, and for the mean.
    """

    def __init__(self, recognizer: Recognizer, seen: str | None, about: dict[str, Any]) -> None:
        self.recognizer = recognizer
        self.seen = seen
        self.records: list[dict[str, Any]] = []
        self._about = about | {"model": recognizer.model, "seen": seen}
        self._free: list[Shares] = []
        self._restricted: list[Shares] = []

    def add(
        self,
        name: str,
        emotions: set[str],
        utterances: Sequence[Utterance],
        conditions: Sequence[Condition],
        scores: Matrix,
        seconds: float,
    ) -> None:
        """The figures of one corpus, from scores of shape ``(c, n, k)``; NaN is a refusal."""
        names = list(self.recognizer.emotions)
        known = [i for i, utterance in enumerate(utterances) if utterance.emotion in names]
        if not known:
            tell(f"{self.recognizer.model} knows no emotion of {name}")
            return
        tested = [utterances[i] for i in known]
        truth = [utterance.emotion for utterance in tested]
        codes = np.array([names.index(emotion) for emotion in truth])
        scores = scores[:, known]
        refused = np.isnan(scores[..., 0])
        # A refusal is a wrong answer: it gives all to the other emotions.
        wrong = (1 - np.eye(len(names))[codes]) / max(1, len(names) - 1)
        scores = np.where(refused[..., np.newaxis], wrong, scores)
        own = np.array([emotion in emotions for emotion in names])
        units, seed = units_of(tested), (self._about["seed"], CORPORA.index(name))
        hits = [
            (given.argmax(axis=2) == codes) & ~refused
            for given in (scores, np.where(own, scores, -1.0))
        ]
        free, restricted = (shares(truth, right, units, seed) for right in hits)
        self._free.append(free)
        self._restricted.append(restricted)
        speakers = [utterance.speaker_key for utterance in tested]
        for c, condition in enumerate(conditions):
            figures = metrics(
                truth,
                scores[c] / scores[c].sum(axis=1, keepdims=True),
                names,
                speakers=speakers,
                bootstrap=0,
            )
            self.records.append(
                self._head(name, condition, seconds)
                | figures.record()
                | free.figures(c)
                | restricted.figures(c, "_restricted")
                | {"refused": int(refused[c].sum())}
            )

    def close(self, conditions: Sequence[Condition], seconds: float) -> None:
        """Add the means over the corpora."""
        for c, condition in enumerate(conditions if self._free else ()):
            clips = sum(r["clips"] for r in self.records if r["condition"] == condition.name)
            self.records.append(
                self._head("mean", condition, seconds)
                | {"clips": clips}
                | mean(self._free).figures(c)
                | mean(self._restricted).figures(c, "_restricted")
            )

    def _head(self, name: str, condition: Condition, seconds: float) -> dict[str, Any]:
        return self._about | {
            "corpus": name,
            "condition": condition.name,
            "description": condition.description,
            "seconds": round(seconds, 1),
        }


def suspicion(recognizer: Recognizer, fold: _joint.JointFold, data: Path) -> str | None:
    """Why the test clips may be known to the model, by its card; None where nothing says so."""
    training = recognizer.card.training
    stated = training.get("corpora")
    known = {
        entry["name"]: entry.get("clips")
        for entry in (stated if isinstance(stated, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }
    if not known:
        return "its card does not say what it was trained on"
    tested = [fold.corpus.utterances[i].corpus for i in fold.test]
    shared = [name for name in known if name in tested]
    if shared and training.get("fitted_on") == "all clips":
        return f"its card says that it was fitted to all clips of {', '.join(shared)}"
    for name in shared:
        spare = len(corpora.load(f"{name}={data / name}")) - tested.count(name)
        heard = known[name]
        if isinstance(heard, int) and heard > spare:
            return (
                f"its card counts {heard} training clips of {name}, and all but the test "
                f"clips of this fold are {spare}"
            )
    return None


def trained(
    family: str,
    features: str,
    params: dict[str, Any],
    fold: _joint.JointFold,
    seed: int,
    folder: Path,
) -> Recognizer:
    """A model of a family, of the training part of the joint fold."""
    run = train(
        fold.corpus,
        family=family,
        features=features,
        params=params,
        split=fold.spec(folder / "fold.csv"),
        preparation=PREPARATION,
        seed=seed,
        curve=False,
        bootstrap=0,
        name=f"{family}.{features}",
        cache=FeatureCache(),
        progress=_joint.Teller(),
    )
    run.save(folder / "model.emotone")
    return emotone.load(folder / "model.emotone")


def read_clips(utterances: Sequence[Utterance], data: Path) -> tuple[list[Utterance], list[Clip]]:
    """The clips that can be read, with their utterances."""
    kept, clips = [], []
    for utterance in utterances:
        try:
            samples = audio.read(utterance.path, rate=RATE).samples
        except EmotoneError as error:
            tell(f"left out: {error}")
            continue
        key = utterance.path.relative_to(data).as_posix()
        kept.append(utterance)
        clips.append(Clip(samples, key, utterance.corpus, utterance.speaker_key))
    return kept, clips


def drawn(items: Sequence[Utterance], count: int | None, key: str) -> list[Utterance]:
    """At most so many of them, at random, in their order."""
    if count is None or len(items) <= count:
        return list(items)
    return [items[i] for i in sorted(generator(key).choice(len(items), count, replace=False))]


def voices(fold: _joint.JointFold, data: Path) -> Babble:
    """Babble of test clips, which the model has not heard either."""
    test = [fold.corpus.utterances[i] for i in fold.test]
    chosen = [
        utterance
        for name in dict.fromkeys(utterance.corpus for utterance in test)
        for utterance in drawn([u for u in test if u.corpus == name], VOICES, f"babble:{name}")
    ]
    return Babble(read_clips(chosen, data)[1])


def wanted(names: Sequence[str] | None) -> list[Condition]:
    """The clean condition, and those of these names or groups; all when None."""
    known = {name for condition in CONDITIONS for name in (condition.name, condition.group)}
    for name in names or ():
        if name not in known:
            listed = ", ".join(condition.name for condition in CONDITIONS)
            raise UsageError(f"there is no condition {name!r}", remedy=f"There are {listed}.")
    return [
        condition
        for condition in CONDITIONS
        if condition is CLEAN or names is None or {condition.name, condition.group} & set(names)
    ]


def tell(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr, flush=True)


def _interval(draws: Matrix) -> list[float]:
    return [round(float(end), 6) for end in np.percentile(draws, [2.5, 97.5])]


def show(tally: Tally) -> None:
    """One line per condition: UA of every corpus, their mean, and what is lost."""
    names = list(dict.fromkeys(record["corpus"] for record in tally.records))
    print(f"\n{tally.recognizer.model}, UA in %")
    if tally.seen:
        print(f"NOT ON NEW CLIPS: {tally.seen}")
    heads = "".join(f"{name:>9}" for name in names)
    print(f"{'':16}{heads}   drop      95 %       restricted  drop")
    for condition in dict.fromkeys(record["condition"] for record in tally.records):
        rows = {r["corpus"]: r for r in tally.records if r["condition"] == condition}
        last = rows["mean"]
        low, high = (100 * end for end in last["drop_ci95"])
        print(
            f"{condition:16}"
            + "".join(f"{100 * rows[name]['ua']:9.1f}" for name in names)
            + f"  {100 * last['drop']:5.1f}  {low:5.1f} to {high:5.1f}"
            + f"  {100 * last['ua_restricted']:10.1f} {100 * last['drop_restricted']:5.1f}"
        )


def draw(tally: Tally, path: Path) -> None:
    """The mean UA of every condition as a picture."""
    means = [record for record in tally.records if record["corpus"] == "mean"]
    figure = plots.comparison(
        [record["condition"] for record in means],
        [record["ua"] for record in means],
        [tuple(record["ci95"]) for record in means],
        label="Unweighted average recall (UA), mean over corpora",
        title=tally.recognizer.model,
    )
    print(f"written: {plots.save(figure, path)}")


def main() -> None:
    """Train where no bundle is given, test, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--corpus", nargs="+", choices=CORPORA, help="test these; default: all")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", nargs="+", help="bundles, or names of installed models")
    model.add_argument("--family", choices=FAMILIES, default="svm-linear")
    parser.add_argument("--features", help="feature set of the family; default: rich")
    parser.add_argument("--param", nargs="+", metavar="A=B", help="parameters of the family")
    parser.add_argument("--fold", type=int, default=1, help="EmoBox fold, from 1")
    parser.add_argument("--condition", nargs="+", help="names or groups; default: all")
    parser.add_argument("--clips", type=int, help="at most so many of each corpus, at random")
    parser.add_argument("--jobs", type=int, default=cores(), help="clips worked on at once")
    parser.add_argument("--seed", type=int, default=0, help="of training and bootstrap")
    parser.add_argument("--json", type=Path, help="default: the record, of a whole run of --model")
    parser.add_argument("--plot", type=Path, help="draw the mean UA of every condition")
    options = parser.parse_args()
    conditions = wanted(options.condition)
    if options.fold < 1 or options.jobs < 1 or (options.clips or 1) < 1:
        parser.error("--fold, --jobs and --clips are whole numbers from 1")

    # What is wrong with these is told at once, and not after the corpora are read.
    names = _joint.testable(options.data, CORPORA, options.corpus, [options.fold])
    recognizers = [emotone.load(name) for name in options.model or ()]
    params = _recipe.params(options.family, parameters(options.param))

    fold = _joint.joint_fold(options.data, _joint.present(options.data), options.fold)
    tested = [fold.corpus.utterances[i] for i in fold.test]
    names = [name for name in CORPORA if name in names and any(u.corpus == name for u in tested)]
    about = {
        "benchmark": "robustness",
        "fold": str(options.fold),
        "commit": _records.commit(),
        "seed": options.seed,
        "machine": _records.machine(),
    }
    with tempfile.TemporaryDirectory() as folder:
        if not recognizers:
            features = options.features or _joint.features_of(options.family)
            about["params"] = params
            recognizers = [
                trained(options.family, features, params, fold, options.seed, Path(folder))
            ]
        tallies = [
            Tally(recognizer, suspicion(recognizer, fold, options.data), about)
            for recognizer in recognizers
        ]
        for tally in tallies:
            if tally.seen:
                tell(f"\n*** {tally.recognizer.model} may know the test clips: {tally.seen}. ***\n")

        talk = voices(fold, options.data)
        begun = time.time()
        for name in names:
            started = time.time()
            mine = [utterance for utterance in tested if utterance.corpus == name]
            mine = drawn(mine, options.clips, f"test:{name}:{options.seed}")
            utterances, clips = read_clips(mine, options.data)
            try:
                scores = answers(recognizers, clips, conditions, talk, options.jobs)
            except TooFewVoicesError as error:
                raise CorpusError(
                    str(error),
                    source=options.data,
                    remedy="Have more corpora there, or test without babble.",
                ) from error
            emotions = {u.emotion for u in fold.corpus.utterances if u.corpus == name}
            for tally, given in zip(tallies, scores, strict=True):
                seconds = time.time() - started
                tally.add(name, emotions, utterances, conditions, given, seconds)
    for tally in tallies:
        tally.close(conditions, time.time() - begun)
        if tally.records:
            show(tally)
    whole = options.corpus is None and options.condition is None and options.fold == 1
    whole = whole and bool(options.model) and (options.clips or CLIPS) >= CLIPS
    path = _records.place(options.json, "robustness", whole=whole)
    _records.keep(path, [record for tally in tallies for record in tally.records])
    for tally in tallies if options.plot else ():
        name = options.plot.name
        if len(tallies) > 1:
            name = f"{options.plot.stem}-{tally.recognizer.model}{options.plot.suffix}"
        if tally.records:
            draw(tally, options.plot.with_name(name))


if __name__ == "__main__":
    _main.run(main)
