"""A corpus never heard: trained on all the others and tested on it, each corpus in turn.

    python benchmarks/cross_corpus.py [--data CORPORA] [--corpus ravdess ...] [--family FAMILY]
                                      [--features SET] [--param A=B ...] [--seed N] [--fresh]
                                      [--json OUT]

The nine corpora differ in language, speakers, microphones and in what their makers call an emotion.
The split is `corpora:loo`: only emotions that the corpus shares with at least one other are
trained and tested, so that the model chooses among those; chance is one over their number. Boredom,
which EmoDB alone has, is left out. Calm stays an emotion of its own: RAVDESS and TurEV-DB have it,
so each learns it from the other alone, and TurEV-DB's calm is its only unexcited class where
others have a neutral one.

A corpus whose record is in the file already, of the same commit, family, features, parameters and
seed, is not measured again unless --fresh is given: a run that was broken off goes on where it was.
Other records stay. The mean over the corpora is written once all of them are of one commit.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _joint
import _main
import _recipe
import _records
from default_model import CORPORA, PREPARATION
from emotone.cli.options import parameters
from emotone.errors import CorpusError
from emotone.features.cache import FeatureCache
from emotone.models import FAMILIES
from emotone.training.folds import evaluate_fold, run_fold
from emotone.training.recipe import Recipe, dataset_for

Record = dict[str, Any]
KEY = ("benchmark", "family", "features", "params", "seed")
"""What tells one series of records from another in the same file."""


class Series:
    """The records of one recipe and seed, among others of the same file.

    Parameters
    ----------
    path
        The file, which need not exist.
    about
        What all records of this run have in common.
    there
        The corpora.
    """

    def __init__(self, path: Path, about: Record, there: Sequence[str]) -> None:
        self._path, self._about, self._there = path, about, list(there)
        found: list[Record] = _records.read(path)
        mine = [r for r in found if all(r.get(name) == about[name] for name in KEY)]
        self._others = [record for record in found if record not in mine]
        self._mine = {record["corpus"]: record for record in mine}

    def current(self, name: str) -> Record | None:
        """The record of a corpus, if it was measured by this commit on these corpora."""
        record = self._mine.get(name)
        if record is None or record["commit"] != self._about["commit"]:
            return None
        return record if record["trained_on"] == self.others(name) else None

    def others(self, name: str) -> list[str]:
        """What is trained on when this corpus is left out."""
        return [other for other in self._there if other != name]

    def add(self, record: Record) -> None:
        """Put a record in the place of the earlier one, and write the file."""
        self._mine[record["corpus"]] = record
        self._mine.pop("mean", None)
        current = [found for name in self._there if (found := self.current(name)) is not None]
        if len(current) == len(self._there):
            self._mine["mean"] = mean(current, self._about)
            show(self._mine["mean"])
        order = [*CORPORA, "mean"]
        mine = sorted(self._mine.values(), key=lambda record: order.index(record["corpus"]))
        _records.write(self._path, [*self._others, *mine])


def mean(records: Sequence[Record], about: Record) -> Record:
    """The mean over corpora.

    Its interval is that of independent figures, whose variances add up: the half widths of the
    corpora's intervals are taken as proportional to their standard errors.
    """
    ua = statistics.mean(record["ua"] for record in records)
    squares = [((r["ci95"][1] - r["ci95"][0]) / 2) ** 2 for r in records if r["ci95"]]
    half = math.sqrt(sum(squares)) / len(records)
    return about | {
        "corpus": "mean",
        "fold": "mean",
        "corpora": [record["corpus"] for record in records],
        "seconds": round(sum(record["seconds"] for record in records), 1),
        "clips": sum(record["clips"] for record in records),
        "chance": round(statistics.mean(record["chance"] for record in records), 6),
        "ua": round(ua, 6),
        "ci95": [round(ua - half, 6), round(ua + half, 6)]
        if len(squares) == len(records)
        else None,
        "wa": round(statistics.mean(record["wa"] for record in records), 6),
        "f1": round(statistics.mean(record["f1"] for record in records), 6),
    }


def show(record: Record) -> None:
    """One line of the table."""
    low, high = record["ci95"] or (math.nan, math.nan)
    print(
        f"{record['corpus']:8} UA {100 * record['ua']:5.1f}  [{100 * low:.1f} to {100 * high:.1f}]"
        f"  WA {100 * record['wa']:5.1f}  F1 {100 * record['f1']:5.1f}"
        f"  chance {100 * record['chance']:5.1f}  {record['seconds']:.0f} s"
        + (f"  ({', '.join(record['emotions'])})" if "emotions" in record else ""),
        flush=True,
    )


def main() -> None:
    """Train, test, print, and write the records corpus by corpus."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--corpus", nargs="+", choices=CORPORA, help="leave out these in turn")
    parser.add_argument("--family", choices=FAMILIES, default="svm-linear")
    parser.add_argument("--features", help="feature set; default: rich, or the waveform")
    parser.add_argument("--param", nargs="+", metavar="A=B", help="parameters of the family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="measure again what is there")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "cross-corpus.json")
    options = parser.parse_args()

    there = _joint.present(options.data)
    if len(there) < 2:
        raise CorpusError(
            f"holds {there[0]} alone",
            source=options.data,
            remedy="Training on all but one needs two corpora at least.",
        )
    absent = [name for name in options.corpus or () if name not in there]
    if absent:
        raise CorpusError(
            f"does not hold {' and '.join(absent)}",
            source=options.data,
            remedy=f"It holds {', '.join(there)}.",
        )
    features = options.features or _joint.features_of(options.family)
    params = _recipe.params(options.family, parameters(options.param))
    about: Record = {
        "benchmark": "cross-corpus",
        "model": f"emotone {options.family} on {features}",
        "family": options.family,
        "features": features,
        "params": params,
        "protocol": "trained on all other corpora, shared emotions",
        "commit": _records.commit(),
        "seed": options.seed,
        "machine": _records.machine(),
    }
    series = Series(options.json, about, there)
    missing = []
    for name in options.corpus or there:
        known = None if options.fresh else series.current(name)
        if known is None:
            missing.append(name)
        else:
            print(f"{name} was measured by {about['commit']} before", file=sys.stderr)
            show(known)
    if not missing:
        return

    tell = _joint.Teller()
    recipe = Recipe(family=options.family, params=params, seed=options.seed)
    data = dataset_for(
        [recipe],
        _joint.load(options.data, there),
        features,
        "corpora:loo",
        preparation=PREPARATION,
        seed=options.seed,
        cache=FeatureCache(),
        jobs=None,
        tell=tell,
    )
    folds = {fold.name: fold for fold in data.folds}
    for name in missing:
        started = time.time()
        result = run_fold(data, folds[name], recipe, tell)
        figures = evaluate_fold(data, result, bootstrap=1000, seed=options.seed)
        emotions = [name for name, found in figures.per_emotion.items() if found.support]
        record = figures.record(
            **about,
            corpus=name,
            fold=name,
            trained_on=series.others(name),
            emotions=emotions,
            chance=round(1 / len(emotions), 6),
            seconds=round(time.time() - started, 1),
        )
        show(record)
        series.add(record)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
