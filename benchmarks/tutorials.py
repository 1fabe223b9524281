"""The RAVDESS tutorials' own two tasks, by their features and networks and by emotone's recipe.

    python benchmarks/tutorials.py [--data CORPORA] [--seeds 5] [--json OUT]
                                   [--family hybrid] [--checkpoints DIR]

Four emotions (calm, happy, fearful, disgust), random split, test 25 %, ``random_state=9``; eight
emotions, random split, test 20 %, ``random_state=7``. Train and test share the speakers, which is
the tutorials' protocol: the figures say nothing about a new voice. `emobox.py` says that.

Published: 70.31 % (MLP 300) and 73.96 % (MLP 200-200-100-50) on the first task, for one
initialisation. On the same splits openSMILE's eGeMAPS and ComParE functionals with an SVM reach
83.9 % and 71.9 %. Figures here are means over seeds.

With `--family` a neural family learns the tasks by the recipe of `emobox.py`: from the training
part of the split and from the other corpora, in one joint training per task, which takes a quarter
of an hour and more. The same recipe's figures on unseen speakers are those of `emobox.py`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import _joint
import _recipe
import _records
from emotone import corpora
from emotone.cli.options import parameters
from emotone.dataset import prepare
from emotone.features.cache import FeatureCache
from emotone.folds import Recipe, evaluate_fold, run_fold
from emotone.metrics import metrics
from emotone.models import FAMILIES, Classifier, build
from emotone.models.neural.files import TrainingFiles

TASKS = (
    ("four emotions", "random:test=0.25,seed=9", ("calm", "happy", "fearful", "disgust")),
    ("eight emotions", "random:test=0.2,seed=7", None),
)
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


def rows_of(
    options: argparse.Namespace,
    material: _joint.Material,
    task: tuple[str, str, tuple[str, ...] | None],
) -> tuple[_joint.Rows, _joint.Rows]:
    """Rows of a task's training part with all clips of the other corpora, and of its test part."""
    _, split, chosen = task
    own = corpora.select(corpora.load(f"ravdess={options.data / 'ravdess'}"), chosen)
    data = prepare(own, "waveform", split)
    place = {utterance.path: i for i, utterance in enumerate(material.dataset.utterances)}
    at = np.array([place[utterance.path] for utterance in data.utterances], np.intp)
    fold = data.folds[0]
    others = np.flatnonzero(material.dataset.corpora != "ravdess")
    return np.sort(np.concatenate([at[fold.train], others])), at[fold.test]


def neural(options: argparse.Namespace) -> None:
    """Train a neural family on each task, test, print, and write the records."""
    material = _joint.material(options.data, _joint.present(options.data))
    data, records = material.dataset, []
    params = _recipe.params(options.family, parameters(options.param))
    print(f"{'task':16}{'model':22}{'WA mean':>9}{'lowest':>9}{'highest':>9}")
    for task in TASKS:
        name, split, chosen = task
        train, test = rows_of(options, material, task)
        assert not set(train.tolist()) & set(test.tolist())
        accuracies = []
        for seed in range(options.seeds):
            files = TrainingFiles(options.checkpoints).part(
                f"{options.family}-{name.split()[0]}-{seed}"
            )
            classifier = build(options.family, params=params, seed=seed)
            material.fit(classifier, train, files)
            assert not isinstance(classifier, Classifier)
            emotions = classifier.classes_.tolist()
            own = [e for e in emotions if chosen is None or e in chosen]
            own = [e for e in own if e in set(data.labels[test].tolist())]
            scores = classifier.scores(data.features[test], corpora=["ravdess"] * len(test))
            figures = metrics(
                data.labels[test],
                scores[:, [emotions.index(emotion) for emotion in own]],
                own,
                speakers=data.speakers[test].tolist(),
                bootstrap=1000,
                seed=0,
            )
            accuracies.append(figures.wa.value)
            records.append(
                figures.record(
                    benchmark="tutorials",
                    corpus="ravdess",
                    fold=split,
                    task=name,
                    model=f"emotone {options.family}, all corpora",
                    features="waveform",
                    protocol="random split, speakers shared",
                    commit=_records.commit(),
                    seed=seed,
                    seconds=round(classifier.training_s_, 1),
                    machine=_records.machine(),
                )
            )
            _records.write(options.json, records)
        mean, low, high = (100 * f(accuracies) for f in (np.mean, np.min, np.max))
        print(f"{name:16}{options.family:22}{mean:9.1f}{low:9.1f}{high:9.1f}", flush=True)
    print(f"\nwritten: {options.json}")


def main() -> None:
    """Train, test, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    neural_families = [name for name in FAMILIES if FAMILIES[name].input == "waveform"]
    parser.add_argument("--family", choices=neural_families, help="a neural one (default: none)")
    parser.add_argument("--param", nargs="+", help="NAME=VALUE, over the recipe's (neural)")
    parser.add_argument("--seeds", type=int, help="initialisations per row (default: 5, neural 1)")
    parser.add_argument("--checkpoints", type=Path, help="where trainings leave their state")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.seeds = options.seeds or (1 if options.family else 5)
    name = f"tutorials-{options.family}" if options.family else "tutorials"
    options.json = options.json or _records.RESULTS / f"{name}.json"
    if options.family:
        neural(options)
        return

    cache, records = FeatureCache(), []
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
                records.append(
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
                    )
                )
                _records.write(options.json, records)
            mean, low, high = (100 * f(accuracies) for f in (np.mean, np.min, np.max))
            published = PUBLISHED.get((task, name))
            print(
                f"{task:16}{name:22}{features:14}{mean:9.1f}{low:9.1f}{high:9.1f}"
                f"{'' if published is None else f'{published:.2f}':>11}",
                flush=True,
            )
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    main()
