"""EmoBox: every official fold of a corpus, trained on its training part and tested once.

    python benchmarks/emobox.py [--data CORPORA] [--corpus ravdess ...] [--json OUT]
                                [--predictions OUT.csv]

Each corpus and fold is trained on its own training part alone, as the published rows are. Figures
are means over the folds, with 95 % intervals by bootstrap over speakers (clips where a corpus names
none). RAVDESS, CASIA and EMOVO are speaker-independent; in the other corpora train and test share
speakers.

Rows for comparison: Ma et al., "EmoBox", Interspeech 2024, arXiv:2406.07162, table 4 (frozen
encoders with a trained head); openSMILE's eGeMAPSv02 and ComParE 2016 functionals with a linear
support vector machine (C = 0.001), measured on the same folds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import _recipe
import _records
from emotone import corpora
from emotone.dataset import prepare
from emotone.evaluation import write_predictions
from emotone.features.cache import FeatureCache
from emotone.folds import answers, evaluate_fold, evaluate_folds, run_fold

CORPORA = ("ravdess", "emodb", "tess", "urdu", "ased", "turev", "casia", "emovo")
PUBLISHED = {
    "WavLM large (316 M)": (72.00, 92.58, 99.78, 86.61, 96.44, 79.50, 52.12, 48.82),
    "Whisper large v3 (1.5 B)": (75.32, 91.26, 99.96, 82.52, 96.75, 81.32, 59.58, 57.82),
    "HuBERT base (95 M)": (65.43, 87.73, 99.62, 88.41, 94.17, 72.81, 47.23, 46.10),
    "wav2vec 2.0 base (95 M)": (54.33, 82.06, 97.92, 87.50, 88.59, 67.19, 39.56, 31.07),
    "openSMILE 6461 + linear SVM": (56.5, 80.0, 100.0, 87.0, 93.7, 87.1, 36.8, 33.5),
}


def main() -> None:
    """Train, test, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--corpus", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "emobox-classical.json")
    parser.add_argument("--predictions", type=Path, help="write the answer to every test clip")
    options = parser.parse_args()

    cache, records, tested = FeatureCache(), [], []
    width = max(map(len, PUBLISHED))
    print(f"{'UA in %':{width}}" + "".join(f"{name:>9}" for name in options.corpus))
    for name, row in PUBLISHED.items():
        values = (row[CORPORA.index(corpus)] for corpus in options.corpus)
        print(f"{name:{width}}" + "".join(f"{value:9.2f}" for value in values))
    print()
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
            fold_started = time.time()
            result = run_fold(data, fold, _recipe.recipe(options.seed), lambda _: None)
            results.append(result)
            tested += answers(data, result)
            figures = evaluate_fold(data, result, bootstrap=1000, seed=0)
            seconds = round(time.time() - fold_started, 1)
            records.append(figures.record(**about, fold=fold.name, seconds=seconds))
        figures = evaluate_folds(data, results, bootstrap=1000, seed=0)
        seconds = round(time.time() - started, 1)
        records.append(figures.record(**about, fold="mean", seconds=seconds))
        _records.write(options.json, records)
        low, high = figures.ua.ci95 or (float("nan"), float("nan"))
        print(
            f"{name:10} UA {100 * figures.ua.value:6.2f}  [{100 * low:.1f} to {100 * high:.1f}]"
            f"  WA {100 * figures.wa.value:6.2f}  F1 {100 * figures.f1.value:6.2f}"
            f"  ECE {100 * figures.ece.value:5.2f}  {len(results)} folds, {seconds:.0f} s"
            f"  ({about['protocol']})",
            flush=True,
        )
    if options.predictions:
        write_predictions(tested, options.predictions)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    main()
