"""The RAVDESS tutorials' own two tasks, by their features and networks and by emotone's recipe.

    python benchmarks/tutorials.py [--data CORPORA] [--seeds 5] [--json OUT]

Four emotions (calm, happy, fearful, disgust), random split, test 25 %, ``random_state=9``; eight
emotions, random split, test 20 %, ``random_state=7``. Train and test share the speakers, which is
the tutorials' protocol: the figures say nothing about a new voice. `emobox.py` says that.

Published: 70.31 % (MLP 300) and 73.96 % (MLP 200-200-100-50) on the first task, for one
initialisation. On the same splits openSMILE's eGeMAPS and ComParE functionals with an SVM reach
83.9 % and 71.9 %. Figures here are means over seeds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import _recipe
import _records
from emotone import corpora
from emotone.dataset import prepare
from emotone.features.cache import FeatureCache
from emotone.folds import Recipe, evaluate_fold, run_fold

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


def main() -> None:
    """Train, test, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--seeds", type=int, default=5, help="initialisations per row")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "tutorials.json")
    options = parser.parse_args()

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
