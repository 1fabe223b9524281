"""What a neural recipe is chosen by: speakers and clips inside the training part of EmoBox fold 1.

    python benchmarks/development.py [--data CORPORA] [--family hybrid] [--param NAME=VALUE ...]
                                     [--note TEXT] [--checkpoints DIR] [--json OUT]

Validation are the clips that fold 2 of RAVDESS, CASIA, EMOVO and EmoDB tests, and a tenth of the
training clips of the corpora with one fold. In the first three they are of speakers that are new to
the model; in the others the speakers are known. No test clip of fold 1 is heard or asked about, but
those of other folds of the first four corpora are: their figures in `emobox.py` are of networks of
their own, by a recipe that was chosen with some of their test clips in view. Fold 1 is clear of it.

Three figures for each corpus: *own*, as EmoBox asks, among the emotions of the corpus and by the
head of the corpus and the general one together (of a ridge regression by the former alone);
*general*, by the general head among them; *open*, by the general head among all emotions, as a
bundle answers. With 98 clips of EMOVO, 300 of CASIA and 240 of RAVDESS, differences of less than
three points say little. Results are added to the records.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import _joint
import _main
import _recipe
import _records
from emotone.cli.options import parameters
from emotone.metrics import metrics
from emotone.models import FAMILIES, Classifier, build
from emotone.models.neural.classifier import NeuralClassifier
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.hybrid import HybridClassifier

SPEAKERS_OF_FOLD = 2
SHARE_OF_CLIPS = 0.1


def parts(material: _joint.Material) -> tuple[_joint.Rows, _joint.Rows]:
    """Rows to train on and to choose by, all from the training part of fold 1."""
    data = material.dataset
    rows = material.training(1)
    generator = np.random.default_rng(7)
    chosen = np.zeros(len(data.corpora), dtype=bool)
    for name, folds in material.folds.items():
        if len(folds) > 1:
            chosen[folds[SPEAKERS_OF_FOLD - 1][1]] = True
        else:
            own = rows[data.corpora[rows] == name]
            chosen[own[generator.random(len(own)) < SHARE_OF_CLIPS]] = True
    return rows[~chosen[rows]], rows[chosen[rows]]


def figures(
    classifier: NeuralClassifier | HybridClassifier, material: _joint.Material, rows: _joint.Rows
) -> list[dict[str, object]]:
    """Unweighted recall of each corpus, in the three ways."""
    data, emotions = material.dataset, classifier.classes_.tolist()
    clips, truth, homes = data.features[rows], data.labels[rows], data.corpora[rows]
    known = classifier.scores(clips, corpora=homes.tolist())
    free = classifier.scores(clips)
    found: list[dict[str, object]] = []
    for name in dict.fromkeys(homes.tolist()):
        mine = homes == name
        own = [e for e in emotions if e in set(data.labels[data.corpora == name].tolist())]
        columns = [emotions.index(emotion) for emotion in own]
        record: dict[str, object] = {"corpus": name, "clips": int(mine.sum())}
        for way, scores, among in (
            ("own", known[mine][:, columns], own),
            ("general", free[mine][:, columns], own),
            ("open", free[mine], emotions),
        ):
            even = scores / scores.sum(axis=1, keepdims=True)
            ua = metrics(truth[mine], even, among, bootstrap=0).ua.value
            record[f"ua_{way}"] = round(ua, 6)
        found.append(record)
    return found


def main() -> None:
    """Train, ask, print, and add to the records."""
    families = [name for name in FAMILIES if FAMILIES[name].input == "waveform"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--family", choices=families, default="hybrid")
    parser.add_argument("--param", nargs="+", help="NAME=VALUE, over the recipe's")
    parser.add_argument("--note", default="", help="what is tried, for the records")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoints", type=Path, help="where trainings leave their state")
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "development.json")
    options = parser.parse_args()
    given = parameters(options.param)
    _records.read(options.json)  # what cannot be added to is told before it takes hours
    material = _joint.material(options.data, _joint.present(options.data))
    train, held = parts(material)
    classifier = build(
        options.family, params=_recipe.params(options.family, given), seed=options.seed
    )
    material.fit(classifier, train, TrainingFiles(options.checkpoints))
    assert not isinstance(classifier, Classifier)
    models: list[tuple[str, NeuralClassifier | HybridClassifier]] = []
    if isinstance(classifier, HybridClassifier):
        models += [(member.family.name, member) for member in classifier.members_]
    models.append((options.family, classifier))
    records = _records.read(options.json)
    for family, model in models:
        found = figures(model, material, held)
        records += [
            {
                "benchmark": "development",
                "family": family,
                "params": given,
                "note": options.note,
                "commit": _records.commit(),
                "seed": options.seed,
                "seconds": round(model.training_s_, 1),
                "machine": _records.machine(),
                **record,
            }
            for record in found
        ]
        print(
            f"\n{family:12}" + "".join(f"{record['corpus']:>9}" for record in found) + "     mean"
        )
        for way in ("own", "general", "open"):
            values = [100 * float(str(record[f"ua_{way}"])) for record in found]
            row = "".join(f"{value:9.1f}" for value in [*values, float(np.mean(values))])
            print(f"  {way:10}{row}", flush=True)
    _records.write(options.json, records)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
