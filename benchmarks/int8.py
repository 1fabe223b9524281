"""What a model loses when its weights are rounded to eight bits.

    python benchmarks/int8.py --bundles DIR [--alone] [--data CORPORA] [--family hybrid]
                              [--json OUT]

DIR holds the bundles of EmoBox's folds, as `emotone benchmark emobox --family hybrid --bundles DIR`
leaves them; with `--alone`, as that does with `--alone`, of the corpora whose folds are all there.
Each answers the test clips of its fold twice, with its weights in 16 bits and in
eight, among all emotions that it knows. Figures are means over folds, as in `emobox.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import _joint
import _main
import _records
from emobox import CORPORA
from emotone import bundle
from emotone.metrics import metrics
from emotone.models.quantization import quantize
from emotone.recognizer import Recognizer, load


@dataclass(frozen=True)
class Fold:
    """A bundle of a fold, and the corpora whose test clips of that fold it has not learned."""

    path: Path
    number: int
    corpora: tuple[str, ...]


def folds(options: argparse.Namespace, counts: Mapping[str, int]) -> list[Fold]:
    """The bundles in the folder.

    Raises
    ------
    BundleError
        If one of them is not there or is none.
    """
    joint = [
        Fold(options.bundles / f"{options.family}-fold-{number}.emotone", number, tuple(counts))
        for number in range(1, 1 + max(counts.values()))
    ]
    alone = [
        Fold(options.bundles / f"{options.family}-{name}-fold-{number}.emotone", number, (name,))
        for name, count in counts.items()
        for number in range(1, 1 + count)
    ]
    if options.alone:
        lacking = {fold.corpora for fold in alone if not fold.path.exists()}
        found = [fold for fold in alone if fold.corpora not in lacking] or alone
    else:
        found = joint
    for fold in found:
        bundle.Bundle.open(fold.path)
    return found


def recalls(
    recognizer: Recognizer, material: _joint.Material, fold: Fold
) -> tuple[dict[str, float], np.ndarray]:
    """Unweighted recall of each corpus on the test part of a fold, and the emotions chosen."""
    data, emotions = material.dataset, list(recognizer.emotions)
    found, chosen = {}, []
    for name in fold.corpora:
        rows = material.test(name, fold.number)
        if rows is None:
            continue
        scores = np.concatenate(
            [recognizer.scores(material.waveform(i)[None]) for i in rows.tolist()]
        )
        truth = data.labels[rows]
        found[name] = metrics(truth, scores, emotions, bootstrap=0).ua.value
        chosen.append(scores.argmax(axis=1))
    return found, np.concatenate(chosen)


def main() -> None:
    """Ask, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--bundles", type=Path, required=True)
    parser.add_argument("--alone", action="store_true", help="bundles of each corpus by itself")
    parser.add_argument("--family", default="hybrid")
    parser.add_argument("--json", type=Path, help="default: the record, of the joint bundles")
    options = parser.parse_args()
    names = _joint.testable(options.data, CORPORA, None, [])
    counts = {name: _joint.fold_count(options.data, name) for name in names}
    tested = folds(options, counts)  # what is not there is told before the corpora are read
    material = _joint.material(
        options.data, [name for name in names if any(name in fold.corpora for fold in tested)]
    )
    before: dict[str, list[float]] = {}
    after: dict[str, list[float]] = {}
    same, sizes = [], (0, 0)
    for fold in tested:
        opened = bundle.Bundle.open(fold.path)
        smaller = quantize(opened.model)
        sizes = (len(opened.model), len(smaller))
        with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
            target = Path(folder) / "int8.emotone"
            bundle.write(target, smaller, opened.card, frames=opened.frames)
            whole, first = recalls(load(fold.path), material, fold)
            rounded, second = recalls(load(target), material, fold)
        same += (first == second).tolist()
        for name, value in whole.items():
            before.setdefault(name, []).append(value)
            after.setdefault(name, []).append(rounded[name])
        print(f"{fold.path.name} done", flush=True)
    records: list[dict[str, object]] = []
    print(f"\n{'UA in %':12}{'16 bits':>10}{'8 bits':>10}{'difference':>12}")
    for name in [*before, "mean"]:
        parts = before if name == "mean" else {name: before[name]}
        full = float(np.mean([np.mean(before[part]) for part in parts]))
        less = float(np.mean([np.mean(after[part]) for part in parts]))
        print(f"{name:12}{100 * full:10.2f}{100 * less:10.2f}{100 * (less - full):12.2f}")
        records.append(
            {
                "benchmark": "int8",
                "corpus": name,
                "family": options.family,
                "ua_16": round(full, 6),
                "ua_8": round(less, 6),
                **({"same_answers": round(float(np.mean(same)), 6)} if name == "mean" else {}),
                "bytes_16": sizes[0],
                "bytes_8": sizes[1],
                "commit": _records.commit(),
                "machine": _records.machine(),
            }
        )
    print(
        f"\n{100 * np.mean(same):.1f} % of the answers are the same; "
        f"{sizes[1] / 1e6:.1f} MB in place of {sizes[0] / 1e6:.1f}"
    )
    _records.keep(_records.place(options.json, "int8", whole=not options.alone), records)


if __name__ == "__main__":
    _main.run(main)
