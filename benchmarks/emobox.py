"""EmoBox: every official fold of a corpus, trained on its training part and tested once.

    python benchmarks/emobox.py [--data CORPORA] [--family classical|hybrid|crnn|...] [--alone]
                                [--corpus ravdess ...] [--fold K ...] [--json OUT]
                                [--predictions OUT.csv] [--checkpoints DIR] [--bundles DIR]

Figures are means over the folds, with 95 % intervals by bootstrap over speakers (clips where a
corpus names none). RAVDESS, CASIA and EMOVO are speaker-independent; in the other corpora train and
test share speakers.

The records of corpora that a run leaves out stay as they are. Some folds alone make no mean: with
`--fold` nothing is written but where `--json` says.

The classical recipe trains each corpus and fold on its own training part alone, as the published
rows are. A neural family is trained jointly, unless `--alone` is given: fold k is one network,
trained on the training parts of fold k of all eight corpora (those with fewer folds begin again)
and on nEMO, and tested on the test parts of fold k. No test clip of any corpus is ever heard in
training by the network that is tested on it. The recipe (`_recipe.neural`) was chosen inside the
training part of fold 1, on the clips that fold 2 tests. As in the published rows, the corpus of a
test clip is known, and with it the emotions to choose from; `ua_unrestricted` is the recall where
the network answers for itself, as a bundle does. Its training takes hours on two cores; with
`--checkpoints` one that was cut off goes on.

With `--alone` a neural family learns each corpus and fold from its own training part alone, as the
classical recipe and the heads of the published rows do: by the recipe of the tutorials' tasks, with
a regression that was chosen for this (`_recipe.alone`).

Rows for comparison: Ma et al., "EmoBox", Interspeech 2024, arXiv:2406.07162, table 4 (frozen
encoders with a trained head); openSMILE's eGeMAPSv02 and ComParE 2016 functionals with a support
vector machine, linear (C = 0.001) or RBF (C = 10), and the tutorials' 180 features with their
perceptrons, measured on the same folds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import _joint
import _main
import _recipe
import _records
from emotone import bundle, corpora
from emotone.cli.options import parameters
from emotone.dataset import prepare
from emotone.emotions import in_order
from emotone.evaluation import TestedClip, tested_clips, write_predictions
from emotone.features.cache import FeatureCache
from emotone.metrics import Evaluation, fold_mean, metrics
from emotone.models import FAMILIES, Classifier, build
from emotone.models.neural.classifier import NeuralClassifier
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.hybrid import HybridClassifier
from emotone.models.neural.shortcut import frames_model
from emotone.training.folds import answers, evaluate_fold, evaluate_folds, run_fold

CORPORA = ("ravdess", "emodb", "tess", "urdu", "ased", "turev", "casia", "emovo")
PUBLISHED = {
    "wav2vec 2.0 base (95 M)": (54.33, 82.06, 97.92, 87.50, 88.59, 67.19, 39.56, 31.07),
    "HuBERT base (95 M)": (65.43, 87.73, 99.62, 88.41, 94.17, 72.81, 47.23, 46.10),
    "HuBERT large (316 M)": (70.00, 89.81, 99.86, 81.75, 96.19, 70.93, 45.30, 45.74),
    "WavLM base (95 M)": (61.56, 87.03, 99.10, 82.82, 94.27, 69.97, 47.25, 42.39),
    "WavLM large (316 M)": (72.00, 92.58, 99.78, 86.61, 96.44, 79.50, 52.12, 48.82),
    "data2vec 2.0 large (314 M)": (71.15, 79.36, 99.54, 78.10, 94.30, 63.77, 45.57, 45.88),
    "Whisper large v3 (1.5 B)": (75.32, 91.26, 99.96, 82.52, 96.75, 81.32, 59.58, 57.82),
}
"""UA in % on each of `CORPORA`, and the parameters of the frozen encoder."""

OPENSMILE = {
    "openSMILE 6461 + linear SVM": (56.5, 80.0, 100.0, 87.0, 93.7, 87.1, 36.8, 33.5),
    "openSMILE 6461 + RBF SVM": (54.6, 76.6, 100.0, 87.0, 92.1, 88.1, 35.3, 33.3),
}
REFERENCES: dict[str, tuple[float | None, ...]] = {
    **OPENSMILE,
    "180 features + MLP (300)": (37.9, None, None, None, None, None, None, None),
    "180 features + MLP (200, 200, 100, 50)": (35.9, None, None, None, None, None, None, None),
}
"""UA in % on all folds of each of `CORPORA`, measured on the clips before they were coded as Opus;
None where it was not. Features that were scaled by each test speaker's other clips are another
protocol, and networks that were tested on fold 1 alone give no mean: neither is among them."""


def best(rows: Mapping[str, Sequence[float | None]], corpus: str) -> tuple[str, float]:
    """Which of these rows is highest on a corpus, and its UA in %; the first of equals."""
    place = CORPORA.index(corpus)
    found = {name: value for name, row in rows.items() if (value := row[place]) is not None}
    name = max(found, key=found.__getitem__)
    return name, found[name]


def at_least_the_best(ua: float, corpus: str) -> bool:
    """Whether UA, from 0 to 1, is not below any figure of others on a corpus."""
    others = max(best(PUBLISHED, corpus)[1], best(REFERENCES, corpus)[1])
    return round(100 * ua, 6) >= others


@dataclass
class Tested:
    """One fold of one corpus: the truth and the scores.

    `scores` are over the emotions of the corpus, `free` over all that the network knows.
    """

    fold: str
    truth: npt.NDArray[np.str_]
    scores: npt.NDArray[np.float64]
    speakers: list[str | None]
    free: npt.NDArray[np.float64]


def show(name: str, figures: Evaluation, folds: int, seconds: float, protocol: str) -> None:
    """One line of the table."""
    low, high = figures.ua.ci95 or (float("nan"), float("nan"))
    print(
        f"{name:10} UA {100 * figures.ua.value:6.2f}  [{100 * low:.1f} to {100 * high:.1f}]"
        f"  WA {100 * figures.wa.value:6.2f}  F1 {100 * figures.f1.value:6.2f}"
        f"  ECE {100 * figures.ece.value:5.2f}  {folds} folds, {seconds:.0f} s  ({protocol})",
        flush=True,
    )


def keep(options: argparse.Namespace, records: Sequence[dict[str, Any]]) -> None:
    """Write the records of this run so far; those of the same model for other corpora stay.

    Also of the corpora that it has still to come to: it may be cut off.
    """
    if options.json is None or not records:
        return
    model, measured = records[0]["model"], {record["corpus"] for record in records}
    others = [
        record
        for record in _records.read(options.json)
        if (record["benchmark"], record.get("model")) == ("emobox", model)
        and record["corpus"] not in measured
    ]
    place = {name: number for number, name in enumerate(CORPORA)}
    every = sorted([*others, *records], key=lambda record: place[record["corpus"]])
    _records.write(options.json, every)


def classical(options: argparse.Namespace) -> list[TestedClip]:
    """The classical recipe: a model for each corpus and fold."""
    cache = FeatureCache()
    records: list[dict[str, Any]] = []
    tested: list[TestedClip] = []
    for name in options.corpus:
        corpus = corpora.load(f"{name}={options.data / name}")
        spec = f"file:{options.data / 'emobox' / f'{name}.csv'}"
        data = prepare(corpus, _recipe.FEATURES, spec, cache=cache)
        about = {
            "benchmark": "emobox",
            "corpus": name,
            "model": "emotone classical (rich + ensemble)",
            "protocol": "speakers shared" if data.split.warning else "speaker-independent",
            "commit": _records.commit(),
            "seed": options.seed,
            "machine": _records.machine(),
        }
        results = []
        started = time.time()
        for fold in data.folds:
            if options.fold and int(fold.name) not in options.fold:
                continue
            fold_started = time.time()
            result = run_fold(data, fold, _recipe.recipe(options.seed), lambda _: None)
            results.append(result)
            tested += answers(data, result)
            figures = evaluate_fold(data, result, bootstrap=1000, seed=0)
            seconds = round(time.time() - fold_started, 1)
            records.append(figures.record(**about, fold=fold.name, seconds=seconds))
        if not results:
            continue
        figures = evaluate_folds(data, results, bootstrap=1000, seed=0)
        seconds = round(time.time() - started, 1)
        if not options.fold:
            records.append(figures.record(**about, fold="mean", seconds=seconds))
        keep(options, records)
        show(name, figures, len(results), seconds, about["protocol"])
    return tested


def neural(options: argparse.Namespace) -> list[TestedClip]:
    """A neural family: a network for each fold, trained on all corpora and tested on all.

    Or, alone, for each fold of each corpus.
    """
    recipe = _recipe.alone if options.alone else _recipe.neural
    params = {**recipe(options.family), **parameters(options.param)}
    build(options.family, params=params, seed=options.seed)  # which refuses what it does not know
    if not options.alone:
        return trained(options, params, _joint.present(options.data), options.corpus)
    return [clip for name in options.corpus for clip in trained(options, params, [name], [name])]


def trained(
    options: argparse.Namespace,
    params: Mapping[str, Any],
    names: Sequence[str],
    asked: Sequence[str],
) -> list[TestedClip]:
    """A network for each fold, trained on some corpora and tested on those that are asked about."""
    print(f"reading {', '.join(names)}", flush=True)
    material = _joint.material(options.data, names)
    data = material.dataset
    found: dict[str, list[Tested]] = {name: [] for name in asked}
    tested: list[TestedClip] = []
    seconds: dict[str, float] = {}
    parameter_count = 0
    prefix = f"{names[0]}-" if options.alone else ""
    folds = range(1, 1 + max(len(material.folds[name]) for name in asked))
    for fold in folds:
        chosen = {name: material.test(name, fold) for name in asked}
        if (options.fold and fold not in options.fold) or not any(
            rows is not None for rows in chosen.values()
        ):
            continue
        rows = material.training(fold)
        for test in chosen.values():
            assert test is None or not set(test.tolist()) & set(rows.tolist())
        files = TrainingFiles(options.checkpoints).part(f"{prefix}fold-{fold}")
        if not FAMILIES[options.family].members:  # a hybrid keeps a folder for each member itself
            files = files.part(options.family)
        classifier = build(options.family, params=params, seed=options.seed)
        material.fit(classifier, rows, files)
        assert not isinstance(classifier, Classifier)
        parameter_count = classifier.parameter_count
        emotions = classifier.classes_.tolist()
        for name, test in chosen.items():
            if test is None:
                continue
            own = [e for e in emotions if e in set(data.labels[data.corpora == name].tolist())]
            columns = [emotions.index(emotion) for emotion in own]
            scores = classifier.scores(data.features[test], corpora=[name] * len(test))[:, columns]
            scores = scores / scores.sum(axis=1, keepdims=True)
            free = classifier.scores(data.features[test])
            found[name].append(
                Tested(str(fold), data.labels[test], scores, data.speakers[test].tolist(), free)
            )
            tested += tested_clips([data.utterances[i] for i in test], free, emotions, str(fold))
            ua = metrics(data.labels[test], scores, own, bootstrap=0).ua.value
            print(f"fold {fold}  {name:10} UA {100 * ua:6.2f}", flush=True)
        seconds[str(fold)] = round(classifier.training_s_, 1)
        if options.bundles:
            path = options.bundles / f"{options.family}-{prefix}fold-{fold}.emotone"
            model, written = classifier.to_onnx(), card(options, material, rows, classifier)
            bundle.write(path, model, written, frames=frames_model(model, written.input.rate))
    records = []
    for name, parts in found.items():
        if not parts:
            print(f"{name} has no fold {' or '.join(map(str, options.fold))}", flush=True)
            continue
        own = in_order(set(data.labels[data.corpora == name].tolist()))
        shared = {s for s in data.speakers[data.corpora == name].tolist() if s} and any(
            set(data.speakers[train].tolist()) & set(data.speakers[test].tolist()) - {None}
            for train, test in material.folds[name]
        )
        about = {
            "benchmark": "emobox",
            "corpus": name,
            "model": f"emotone {options.family}, {'alone' if options.alone else 'all corpora'}",
            "trained_on": "the corpus" if options.alone else "all corpora",
            "parameters": parameter_count,
            "protocol": "speakers shared" if shared else "speaker-independent",
            "commit": _records.commit(),
            "seed": options.seed,
            "machine": _records.machine(),
        }
        everything = classifier.classes_.tolist()
        for label, group in [*((part.fold, [part]) for part in parts), ("mean", parts)]:
            if not group or (label == "mean" and len(group) < len(material.folds[name])):
                continue
            figures = fold_mean([(p.truth, p.scores, p.speakers) for p in group], own)
            unrestricted = fold_mean([(p.truth, p.free, p.speakers) for p in group], everything)
            took = sum(seconds[part.fold] for part in group)
            records.append(
                figures.record(**about, fold=label, seconds=round(took, 1))
                | {
                    "ua_unrestricted": round(unrestricted.ua.value, 6),
                    "ece_unrestricted": round(unrestricted.ece.value, 6),
                }
            )
            if label == "mean":
                show(name, figures, len(group), took, str(about["protocol"]))
    keep(options, records)
    return tested


def card(
    options: argparse.Namespace,
    material: _joint.Material,
    rows: _joint.Rows,
    classifier: NeuralClassifier | HybridClassifier,
) -> bundle.Card:
    """What the bundle of a fold says about itself."""
    names = material.dataset.corpora[rows]
    return bundle.Card(
        name=f"emobox-{options.family}",
        version="1",
        emotions=tuple(classifier.classes_.tolist()),
        input=bundle.ModelInput("waveform", rate=classifier.rate),
        preparation=material.dataset.preparation.to_dict(),
        calibration=classifier.calibration_,
        training={
            "family": options.family,
            "params": classifier.params,
            "seed": options.seed,
            "clips": len(rows),
            "corpora": [
                {"name": name, "clips": int((names == name).sum())}
                for name in dict.fromkeys(names.tolist())
            ],
            "fitted_on": "the training part of the split",
        },
    )


def main() -> None:
    """Train, test, print, and write the records."""
    families = ["classical", *(name for name in FAMILIES if FAMILIES[name].input == "waveform")]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--family", choices=families, default="classical")
    parser.add_argument("--alone", action="store_true", help="each corpus by itself (neural)")
    parser.add_argument("--corpus", nargs="+", choices=CORPORA)
    parser.add_argument("--fold", nargs="+", type=int, help="these folds alone; then no mean")
    parser.add_argument("--param", nargs="+", help="NAME=VALUE, over the recipe's (neural)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--predictions", type=Path, help="write the answer to every test clip")
    parser.add_argument("--checkpoints", type=Path, help="where trainings leave their state")
    parser.add_argument("--bundles", type=Path, help="write the model of each fold there")
    options = parser.parse_args()
    if options.family == "classical":
        for name in ("alone", "param", "checkpoints", "bundles"):
            if getattr(options, name):
                parser.error(f"--{name} is for neural families; name one with --family")
    if not options.fold:
        name = f"emobox-{options.family}{'-alone' if options.alone else ''}.json"
        options.json = options.json or _records.RESULTS / name
        _records.read(options.json)  # what cannot be added to is told before it takes hours
    options.corpus = _joint.testable(options.data, CORPORA, options.corpus, options.fold or ())
    others: dict[str, Sequence[float | None]] = {**PUBLISHED, **REFERENCES}
    width = max(map(len, others))
    print(f"{'UA in %':{width}}" + "".join(f"{name:>9}" for name in options.corpus))
    for name, row in others.items():
        values = (row[CORPORA.index(corpus)] for corpus in options.corpus)
        print(
            f"{name:{width}}"
            + "".join(" " * 9 if value is None else f"{value:9.2f}" for value in values)
        )
    print()
    tested = (classical if options.family == "classical" else neural)(options)
    if options.predictions:
        write_predictions(tested, options.predictions)
    print(f"\nwritten: {options.json}" if options.json else "\nnot written: --json OUT says where")


if __name__ == "__main__":
    _main.run(main)
