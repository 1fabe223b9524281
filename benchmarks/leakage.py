"""How 20 points vanish: one corpus and two models, tested with fewer and fewer leaks.

    python benchmarks/leakage.py [--data CORPORA] [--seeds 5] [--clips N] [--json OUT]

RAVDESS, eight emotions, from what notebooks do to what holds for a new voice:

- *copies*: each clip is there three times, as it is, with noise, and 10 % faster, and the rows are
  split at random afterwards, so that a copy of a test clip is in the training part;
- *random*: the clips are split at random, 20 % to test: the speakers are in both parts;
- *speakers*: five folds, and nobody is in both parts of any;
- *speakers, copies*: the same, with copies of the training clips in the training part alone.

Each is done with every seed, which draws the split and begins the model. ``best`` in the records is
the accuracy of the best seed: what is reported where the seed was chosen by the test part.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import _main
import _records
from emotone import audio, corpora, splits
from emotone.corpora import Corpus
from emotone.emotions import in_order
from emotone.features import extract
from emotone.metrics import fold_mean
from emotone.models import build

MODELS = (("mlp-300", "tutorial-180"), ("svm-linear", "rich"))
WAYS = ("copies", "random", "speakers", "speakers, copies")
COPIES = 3

Row = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


@dataclass(frozen=True)
class Material:
    """Features of clips and their copies.

    Attributes
    ----------
    rows
        float32, shape ``(n, COPIES, d)``; the first copy is the clip itself.
    labels, speakers
        Of the n clips.
    """

    rows: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]


def altered(
    samples: npt.NDArray[np.float32], rate: int, seed: int
) -> list[tuple[npt.NDArray[np.float32], int]]:
    """The clip, the clip with white noise 20 dB below it, and the clip 10 % faster."""
    noise = np.random.default_rng(seed).standard_normal(len(samples)).astype(np.float32)
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (-20 / 20)
    faster = audio.resample(samples, round(rate * 1.1), rate)
    return [(samples, rate), (samples + np.float32(level) * noise, rate), (faster, rate)]


def material(corpus: Corpus, feature_set: str) -> Material:
    """Read every clip and describe it and its copies."""
    rows = []
    for number, utterance in enumerate(corpus.utterances):
        clip = audio.read(utterance.path)
        found = [extract(copy, feature_set) for copy in altered(clip.samples, clip.rate, number)]
        rows.append(np.stack(found))
    return Material(
        np.stack(rows),
        np.array([utterance.emotion for utterance in corpus.utterances]),
        np.array([str(utterance.speaker) for utterance in corpus.utterances]),
    )


def folds(way: str, corpus: Corpus, seed: int) -> list[Row]:
    """Train and test as numbers of rows, where row ``COPIES * clip + copy`` is a copy of a clip."""
    if way == "copies":
        order = np.random.default_rng(seed).permutation(COPIES * len(corpus.utterances))
        test = round(0.2 * len(order))
        return [(order[test:], order[:test])]
    spec = "random:test=0.2" if way == "random" else "speakers:5"
    drawn = splits.make(corpus.utterances, spec, seed=seed)
    copies = np.arange(COPIES if way == "speakers, copies" else 1)
    return [
        (np.add.outer(COPIES * fold.train, copies).ravel(), COPIES * fold.test)
        for fold in drawn.folds
    ]


def tested(
    data: Material, parts: Sequence[Row], family: str, seed: int
) -> list[tuple[npt.NDArray[np.str_], npt.NDArray[np.float64], list[str]]]:
    """Truth, scores and speakers of the test part of each fold."""
    rows = data.rows.reshape(-1, data.rows.shape[-1])
    results = []
    for train, test in parts:
        classifier = build(family, seed=seed)
        clips = train // COPIES
        classifier.fit(rows[train], data.labels[clips], groups=data.speakers[clips].tolist())
        clips = test // COPIES
        scores = np.asarray(classifier.scores(rows[test]), dtype=np.float64)
        assert classifier.classes_.tolist() == in_order(set(data.labels.tolist()))
        results.append((data.labels[clips], scores, data.speakers[clips].tolist()))
    return results


def main() -> None:
    """Train, test, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--seeds", type=int, default=5, help="splits and initialisations (5)")
    parser.add_argument("--clips", type=int, help="only every so-manieth clip, to try it out")
    parser.add_argument("--json", type=Path, help="default: the record, of a run on all clips")
    options = parser.parse_args()
    path = _records.place(options.json, "leakage", whole=options.clips is None)

    commit = _records.commit()
    corpus = corpora.load(f"ravdess={options.data / 'ravdess'}")
    if options.clips:
        corpus = dataclasses.replace(corpus, utterances=corpus.utterances[:: options.clips])
    if path is not None:
        _records.read(path)  # what cannot be added to is told before it takes minutes
    print(f"{'model':14}{'way':20}{'WA mean':>9}{'lowest':>9}{'best':>9}{'UA mean':>9}")
    for family, feature_set in MODELS:
        data = material(corpus, feature_set)
        names = in_order(set(data.labels.tolist()))
        for way in WAYS:
            started, was, uas = time.time(), [], []
            for seed in range(options.seeds):
                results = tested(data, folds(way, corpus, seed), family, seed)
                figures = fold_mean(results, names, bootstrap=0)
                was.append(figures.wa.value)
                uas.append(figures.ua.value)
            record = {
                "benchmark": "leakage",
                "corpus": "ravdess",
                "fold": "mean",
                "way": way,
                "model": family,
                "features": feature_set,
                "clips": len(data.labels),
                "wa": round(float(np.mean(was)), 6),
                "worst": round(min(was), 6),
                "best": round(max(was), 6),
                "ua": round(float(np.mean(uas)), 6),
                "seeds": options.seeds,
                "commit": commit,
                "seed": 0,
                "seconds": round(time.time() - started, 1),
                "machine": _records.machine(),
            }
            if path is not None:
                # Of what is still to be measured the earlier records stay, should this be cut off.
                _records.update(path, [record], key=("benchmark", "model", "way"))
            values = (100 * float(f(was)) for f in (np.mean, min, max))
            shown = "".join(f"{value:9.1f}" for value in values)
            print(f"{family:14}{way:20}{shown}{100 * np.mean(uas):9.1f}", flush=True)
    _records.tell(path)


if __name__ == "__main__":
    _main.run(main)
