"""The RAVDESS tutorials' own two tasks, by their features and networks and by emotone's recipe.

    python benchmarks/tutorials.py [--data CORPORA] [--seeds 5] [--json OUT]
                                   [--family hybrid] [--task four eight unseen]
                                   [--checkpoints DIR]

Four emotions (calm, happy, fearful, disgust), random split, test 25 %, ``random_state=9``; eight
emotions, random split, test 20 %, ``random_state=7``. Train and test share the speakers, which is
the tutorials' protocol: the figures say nothing about a new voice. `emobox.py` says that.

Published: 70.31 % (MLP 300) and 73.96 % (MLP 200-200-100-50) on the first task, for one
initialisation. On the same splits openSMILE's eGeMAPS and ComParE functionals with an SVM reach
83.9 % and 71.9 %. Figures here are means over seeds.

Records are written as they come, each in the place of the earlier one of its task, model and seed;
the others stay.

With `--family` a neural family learns the tasks from the training part of RAVDESS alone, altered
less than for unseen speakers (`_recipe.known_voices`, chosen on a fifth of the training clips of
the second task): here it pays to know the voices. That takes minutes; `--task` chooses among the
tasks. What becomes of that very recipe on unseen speakers is the task *unseen*:
EmoBox's folds of RAVDESS, each as long a training as the second task. Of the classical recipe
`emobox.py` tells it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import _joint
import _main
import _recipe
import _records
from emotone import corpora
from emotone.cli.options import parameters
from emotone.dataset import Dataset, prepare
from emotone.errors import UsageError
from emotone.features.cache import FeatureCache
from emotone.metrics import Evaluation, fold_mean
from emotone.models import FAMILIES, Classifier, build
from emotone.models.neural.files import TrainingFiles
from emotone.training.folds import evaluate_fold, run_fold
from emotone.training.recipe import Recipe

TASKS = (
    ("four emotions", "random:test=0.25,seed=9", ("calm", "happy", "fearful", "disgust")),
    ("eight emotions", "random:test=0.2,seed=7", None),
)
UNSEEN = "eight emotions, unseen speakers"
PUBLISHED = {
    ("four emotions", "mlp-300"): 70.31,
    ("four emotions", "mlp-200-200-100-50"): 73.96,
}


def contenders(seed: int) -> list[tuple[str, str, Recipe]]:
    """Name, feature set and recipe of each row."""
    return [
        ("mlp-300", "tutorial-180", Recipe("mlp-300", {}, seed)),
        ("mlp-200-200-100-50", "tutorial-180", Recipe("mlp-200-200-100-50", {}, seed)),
        ("emotone", _recipe.FEATURES, _recipe.recipe(seed)),
    ]


def keep(path: Path, record: dict[str, Any]) -> None:
    """Write a record at once; those of what is still to be measured stay, should it be cut off."""
    order = {name: place for place, name in enumerate([*(task[0] for task in TASKS), UNSEEN])}
    _records.update(
        path,
        [record],
        key=("benchmark", "task", "model", "seed"),
        order=lambda record: order.get(record.get("task", ""), len(order)),
    )


def neural(options: argparse.Namespace) -> None:
    """Train a neural family on each task, test, print, and write the records."""
    folds = options.data / "emobox" / "ravdess.csv"
    tasks = dict(zip(("four", "eight"), TASKS, strict=True))
    tasks["unseen"] = (UNSEEN, f"file:{folds}", None)
    if "unseen" in options.task and not folds.exists():
        raise UsageError(
            "there is no such file, which parts the speakers of RAVDESS",
            source=folds,
            remedy="Choose other tasks with --task, or other corpora with --data.",
        )
    params = {**_recipe.known_voices(options.family), **parameters(options.param)}
    print(f"{'task':32}{'model':14}{'WA mean':>9}{'lowest':>9}{'highest':>9}")
    for task in options.task:
        name, split, chosen = tasks[task]
        corpus = corpora.select(corpora.load(f"ravdess={options.data / 'ravdess'}"), chosen)
        data = prepare(corpus, "waveform", split)
        accuracies = []
        for seed in range(options.seeds):
            files = TrainingFiles(options.checkpoints).part(f"{options.family}-{task}-{seed}")
            figures, seconds = tested(options.family, params, seed, data, files)
            accuracies.append(figures.wa.value)
            keep(
                options.json,
                figures.record(
                    benchmark="tutorials",
                    corpus="ravdess",
                    fold="mean" if task == "unseen" else split,
                    task=name,
                    model=f"emotone {options.family}",
                    features="waveform",
                    protocol="speaker-independent"
                    if task == "unseen"
                    else "random split, speakers shared",
                    commit=_records.commit(),
                    seed=seed,
                    seconds=round(seconds, 1),
                    machine=_records.machine(),
                ),
            )
        mean, low, high = (100 * f(accuracies) for f in (np.mean, np.min, np.max))
        print(f"{name:32}{options.family:14}{mean:9.1f}{low:9.1f}{high:9.1f}", flush=True)
    print(f"\nwritten: {options.json}")


def tested(
    family: str, params: dict[str, Any], seed: int, data: Dataset, files: TrainingFiles
) -> tuple[Evaluation, float]:
    """The mean of the figures over the folds, a network for each; and seconds of training."""
    material, answers, seconds = _joint.Material(data, {}), [], 0.0
    for fold in data.folds:
        train, test = fold.train, fold.test
        assert not set(train.tolist()) & set(test.tolist())
        classifier = build(family, params=params, seed=seed)
        material.fit(classifier, train, files if len(data.folds) == 1 else files.part(fold.name))
        assert not isinstance(classifier, Classifier)
        scores = classifier.scores(data.features[test])
        answers.append((data.labels[test], scores, data.speakers[test].tolist()))
        seconds += classifier.training_s_
    return fold_mean(answers, classifier.classes_.tolist(), bootstrap=1000, seed=0), seconds


def main() -> None:
    """Train, test, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    neural_families = [name for name in FAMILIES if FAMILIES[name].input == "waveform"]
    parser.add_argument("--family", choices=neural_families, help="a neural one (default: none)")
    parser.add_argument("--param", nargs="+", help="NAME=VALUE, over the recipe's (neural)")
    parser.add_argument(
        "--task",
        nargs="+",
        choices=("four", "eight", "unseen"),
        help="of a neural family (default: four eight)",
    )
    parser.add_argument("--seeds", type=int, help="initialisations per row (default: 5, neural 1)")
    parser.add_argument("--checkpoints", type=Path, help="where trainings leave their state")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.family is None:
        for name in ("task", "param", "checkpoints"):
            if getattr(options, name):
                parser.error(f"--{name} is for a neural family: give --family, too")
    options.task = options.task or ["four", "eight"]
    options.seeds = options.seeds or (1 if options.family else 5)
    name = f"tutorials-{options.family}" if options.family else "tutorials"
    options.json = options.json or _records.RESULTS / f"{name}.json"
    _records.read(options.json)  # what cannot be added to is told before it takes minutes
    if options.family:
        neural(options)
        return

    cache = FeatureCache()
    print(
        f"{'task':16}{'model':22}{'features':14}{'WA mean':>9}{'lowest':>9}{'highest':>9}", end=""
    )
    print(f"{'published':>11}")
    for task, split, chosen in TASKS:
        corpus = corpora.select(corpora.load(f"ravdess={options.data / 'ravdess'}"), chosen)
        for name, features, _ in contenders(0):
            data = prepare(corpus, features, split, cache=cache)
            accuracies = []
            for seed in range(options.seeds):
                started = time.time()
                recipe = next(r for n, _, r in contenders(seed) if n == name)
                result = run_fold(data, data.folds[0], recipe, lambda _: None)
                figures = evaluate_fold(data, result, bootstrap=1000, seed=0)
                accuracies.append(figures.wa.value)
                keep(
                    options.json,
                    figures.record(
                        benchmark="tutorials",
                        corpus="ravdess",
                        fold=split,
                        task=task,
                        model=name,
                        features=features,
                        protocol="random split, speakers shared",
                        commit=_records.commit(),
                        seed=seed,
                        seconds=round(time.time() - started, 1),
                        machine=_records.machine(),
                    ),
                )
            mean, low, high = (100 * f(accuracies) for f in (np.mean, np.min, np.max))
            published = PUBLISHED.get((task, name))
            print(
                f"{task:16}{name:22}{features:14}{mean:9.1f}{low:9.1f}{high:9.1f}"
                f"{'' if published is None else f'{published:.2f}':>11}",
                flush=True,
            )
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
