"""Train the model that ships with emotone, and test it on speakers it has not heard.

    python benchmarks/default_model.py [--data CORPORA] [--output BUNDLE] [--json OUT]

Nine corpora, the eight canonical emotions, one model. The figures are those of a cross-validation
in which no speaker is in train and test at once; the model that is kept is fitted to all clips. Any
emotion may be answered for any clip, also one that the clip's corpus does not have.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import _records
from emotone import corpora
from emotone.audio import Preparation
from emotone.emotions import CANONICAL
from emotone.features.cache import FeatureCache
from emotone.folds import Progress
from emotone.metrics import Evaluation, metrics
from emotone.training import TrainingRun, train

CORPORA = ("ravdess", "tess", "emodb", "urdu", "ased", "turev", "casia", "emovo", "nemo")
PREPARATION = Preparation(rate=16_000, trim_db=40.0, normalize="peak")
"""What makes the answer the same whatever the recording level and the silence around the voice."""

PARAMS = {
    "members": ["svm-linear", "logistic", "mlp"],
    "logistic.max_iter": 60,
    "mlp.hidden_layer_sizes": [128, 64],
    "mlp.alpha": 2.0,
    "mlp.batch_size": 64,
    "mlp.max_iter": 12,
    "mlp.learning_rate_init": 3e-4,
}
BUNDLE = Path(__file__).resolve().parent.parent / "src" / "emotone" / "assets" / "default.emotone"


def by_corpus(run: TrainingRun) -> dict[str, Evaluation]:
    """The cross-validated figures of each corpus, over its own emotions."""
    figures = {}
    for name in CORPORA:
        clips = [clip for clip in run.tested if clip.corpus == name]
        emotions = run.classifier.classes_.tolist()
        scores = np.array([[clip.scores[emotion] for emotion in emotions] for clip in clips])
        figures[name] = metrics(
            [clip.true for clip in clips],
            scores,
            emotions,
            speakers=[clip.speaker for clip in clips],
        )
    return figures


def main() -> None:
    """Train, print, and write the bundle and the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--output", type=Path, default=BUNDLE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "default-model.json")
    options = parser.parse_args()

    def tell(progress: Progress) -> None:
        if progress.stage != "features" or progress.done % 500 == 0:
            print(f"{progress.message} {progress.done}/{progress.total}", flush=True)

    started = time.time()
    everything = corpora.load_many([f"{name}={options.data / name}" for name in CORPORA])
    run = train(
        corpora.select(everything, CANONICAL),
        family="ensemble",
        features="rich",
        split="speakers:5",
        preparation=PREPARATION,
        params=PARAMS,
        seed=options.seed,
        curve=False,
        name="emotone-default",
        version="0.1",
        cache=FeatureCache(),
        progress=tell,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    run.save(options.output)
    assert run.evaluation is not None
    about = {
        "benchmark": "default-model",
        "fold": "mean",
        "model": run.card.model,
        "protocol": "speaker-independent, 5 folds",
        "commit": _records.commit(),
        "seed": options.seed,
        "seconds": round(time.time() - started),
        "machine": _records.machine(),
    }
    figures = {"all": run.evaluation, **by_corpus(run)}
    _records.write(
        options.json, [found.record(**about, corpus=name) for name, found in figures.items()]
    )
    for name, found in figures.items():
        low, high = found.ua.ci95 or (float("nan"), float("nan"))
        print(
            f"{name:8} UA {100 * found.ua.value:5.1f}  [{100 * low:.1f} to {100 * high:.1f}]  "
            f"WA {100 * found.wa.value:5.1f}  ECE {100 * found.ece.value:4.1f}"
        )
    print(f"\n{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")
    print(f"written: {options.json}")


if __name__ == "__main__":
    main()
