"""Train the model that ships with emotone, and put the figures of its recipe on its card.

    python benchmarks/default_model.py --predictions CSV [--data CORPORA] [--checkpoints DIR]
                                       [--output BUNDLE] [--json OUT]

One network for all corpora and languages, eight emotions, fitted to every clip of nine corpora. Its
figures are those of networks trained in the same way on the training parts of EmoBox's folds, which
`emotone benchmark emobox --family hybrid --predictions CSV` leaves: each test clip is answered by a
network that never heard it, and may be called any of the eight emotions, also one that its corpus
does not have. In RAVDESS, CASIA and EMOVO nobody is in train and test at once; their clips also
calibrate the scores. The calibration of a fold is fitted to the other folds.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import _joint
import _main
import _recipe
import _records
from _recipe import CORPORA
from emotone import adaptation, bundle, corpora, selective, splits
from emotone.cli.options import parameters
from emotone.corpora import Corpus, Utterance
from emotone.emotions import CANONICAL
from emotone.errors import EmotoneError
from emotone.features.waveforms import DEFAULT_PREPARATION as PREPARATION
from emotone.metrics import Evaluation, metrics
from emotone.models import build
from emotone.models.calibration import fit_temperature, softmax
from emotone.models.neural.files import TrainingFiles
from emotone.models.neural.hybrid import HybridClassifier
from emotone.models.neural.shortcut import frames_model

__all__ = ["BUNDLE", "CORPORA", "PREPARATION"]

FAMILY = "hybrid"
NEW_SPEAKERS = ("ravdess", "casia", "emovo")
"""Corpora whose folds share no speaker."""

COMMAND = "emotone benchmark default-model --predictions CSV"
"""What the documents call it by, with the argument that it needs."""

BUNDLE = Path(__file__).resolve().parent.parent / "src" / "emotone" / "assets" / "default.emotone"
_FLOOR = 1e-7
"""Added to scores before their logarithm: predictions hold six digits."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What the networks of the folds said to clips that they had not heard.

    Attributes
    ----------
    utterances
        The n clips.
    folds
        The fold of each.
    emotions
        The canonical emotions that the corpora have: all eight of them in the nine corpora.
    logits
        Logarithms of the scores over them, shape ``(n, 8)``.
    """

    utterances: list[Utterance]
    folds: npt.NDArray[np.str_]
    emotions: list[str]
    logits: npt.NDArray[np.float64]

    @property
    def codes(self) -> npt.NDArray[np.int64]:
        """Index of each clip's emotion."""
        return np.array([self.emotions.index(u.emotion) for u in self.utterances], dtype=np.int64)

    @property
    def corpora(self) -> npt.NDArray[np.str_]:
        """The corpus of each clip."""
        return np.array([u.corpus for u in self.utterances])

    def temperature(self, rows: npt.NDArray[np.bool_] | None = None) -> float:
        """What makes the scores for new speakers probabilities; of some rows alone."""
        wanted = np.isin(self.corpora, NEW_SPEAKERS)
        if rows is not None:
            wanted &= rows
        return fit_temperature(self.logits[wanted], self.codes[wanted])

    def scores(self) -> npt.NDArray[np.float64]:
        """Calibrated, those of each fold by the others."""
        found = np.empty_like(self.logits)
        for fold in np.unique(self.folds):
            rows = self.folds == fold
            others = self.temperature(~rows) if (~rows).any() else self.temperature()
            found[rows] = softmax(self.logits[rows], others)
        return found


def read(predictions: Path, corpus: Corpus) -> Answers:
    """The predictions that the EmoBox benchmark wrote, of the clips of canonical emotions.

    Raises
    ------
    EmotoneError
        If one is of a clip that the corpus does not have, or it is no such table.
    """
    known = {str(utterance.path): utterance for utterance in corpus.utterances}
    there = {utterance.emotion for utterance in corpus.utterances}
    emotions = [emotion for emotion in CANONICAL if emotion in there]
    utterances, folds, rows = [], [], []
    with predictions.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if not {"file", "fold", "true"} <= {*(reader.fieldnames or ())}:
            raise EmotoneError(
                "holds no predictions",
                source=predictions,
                remedy=f"`emotone benchmark emobox --family {FAMILY} --predictions CSV` writes it.",
            )
        for row in reader:
            if row["true"] in CANONICAL:
                if row["file"] not in known:
                    raise EmotoneError(
                        f"names {row['file']}, which is not in --data",
                        source=predictions,
                        remedy="Give the folder of corpora that the predictions are of.",
                    )
                utterances.append(known[row["file"]])
                folds.append(row["fold"])
                rows.append([float(row.get(f"score_{emotion}") or 0) for emotion in emotions])
    scores = np.array(rows)
    logits = np.log(scores / scores.sum(axis=1, keepdims=True) + _FLOOR)
    return Answers(utterances, np.array(folds), emotions, logits)


def check_complete(answers: Answers, corpus: Corpus, data: Path) -> None:
    """Stop where a test clip of EmoBox has no answer: the figures would be of some folds alone.

    Raises
    ------
    EmotoneError
        If there is one.
    """
    answered = {utterance.path for utterance in answers.utterances}
    for name in dict.fromkeys(utterance.corpus for utterance in corpus.utterances):
        file = data / "emobox" / f"{name}.csv"
        if not file.exists():
            continue
        own = [utterance for utterance in corpus.utterances if utterance.corpus == name]
        for fold in splits.make(own, f"file:{file}").folds:
            test = [own[i] for i in fold.test.tolist() if own[i].emotion in CANONICAL]
            lacking = sum(utterance.path not in answered for utterance in test)
            if lacking:
                raise EmotoneError(
                    f"{lacking} of {len(test)} test clips of {name}, fold {fold.name}, have no "
                    "answer",
                    source="--predictions",
                    remedy=f"Run `emotone benchmark emobox --family {FAMILY} --predictions CSV` "
                    "for all corpora and folds.",
                )


def figures_of(
    answers: Answers, scores: npt.NDArray[np.float64], rows: npt.NDArray[np.bool_]
) -> Evaluation:
    """The figures of some of the clips."""
    chosen = [u for u, wanted in zip(answers.utterances, rows, strict=True) if wanted]
    return metrics(
        [u.emotion for u in chosen],
        scores[rows],
        answers.emotions,
        speakers=[u.speaker_key for u in chosen],
    )


def groups(answers: Answers) -> dict[str, npt.NDArray[np.bool_]]:
    """Clips by gender and by language of the speaker."""
    found = {}
    for kind in ("gender", "language"):
        values = np.array([str(getattr(u, kind) or "") for u in answers.utterances])
        for value in sorted(set(values.tolist()) - {""}):
            found[f"{kind}={value}"] = values == value
    return found


def held_out(
    answers: Answers, scores: npt.NDArray[np.float64], rows: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """What else the card learns from answers to new speakers: adapting, and when to be unsure."""
    chosen = [u for u, wanted in zip(answers.utterances, rows, strict=True) if wanted]
    right = scores[rows].argmax(axis=1) == answers.codes[rows]
    adapting = adaptation.estimate(
        scores[rows], [u.emotion for u in chosen], [u.speaker_key for u in chosen], answers.emotions
    )
    found = {
        "adaptation": None if adapting is None else adapting.to_dict(),
        "uncertain_below": selective.uncertain_below(right, scores[rows].max(axis=1)),
    }
    return {name: value for name, value in found.items() if value is not None}


def coverage(
    answers: Answers, scores: npt.NDArray[np.float64], rows: npt.NDArray[np.bool_]
) -> selective.CoverageCurve:
    """Accuracy of the surest answers to some of the clips, by how many are answered."""
    right = scores[rows].argmax(axis=1) == answers.codes[rows]
    return selective.coverage_curve(right, scores[rows].max(axis=1))


def fitted(options: argparse.Namespace) -> tuple[HybridClassifier, _joint.Material]:
    """The network of every clip of the canonical emotions."""
    material = _joint.material(options.data, _joint.present(options.data))
    rows = np.flatnonzero(np.isin(material.dataset.labels, CANONICAL))
    params = {**_recipe.neural(FAMILY), **parameters(options.param)}
    classifier = build(FAMILY, params=params, seed=options.seed)
    material.fit(classifier, rows, TrainingFiles(options.checkpoints).part("all"))
    assert isinstance(classifier, HybridClassifier)
    return classifier, material


def training_of(material: _joint.Material, classifier: HybridClassifier) -> dict[str, Any]:
    """What the card says about the training."""
    used = [u for u in material.dataset.utterances if u.emotion in CANONICAL]
    licences = material.dataset.corpus.licences
    emotions = [u.emotion for u in used]

    def part(name: str) -> dict[str, Any]:
        own = [u for u in used if u.corpus == name]
        speakers = {u.speaker for u in own} - {None}
        return {
            "name": name,
            "clips": len(own),
            "speakers": len(speakers),
            "licence": licences.get(name),
        }

    return {
        "family": FAMILY,
        "params": classifier.params,
        "parameters": classifier.parameter_count,
        "seed": classifier.seed,
        "clips": len(used),
        "corpora": [part(name) for name in dict.fromkeys(u.corpus for u in used)],
        "emotions": {name: emotions.count(name) for name in classifier.classes_.tolist()},
        "fitted_on": "all clips",
    }


def quoted(found: dict[str, Evaluation], answers: Answers, folds: Sequence[str]) -> dict[str, Any]:
    """The card's figures."""
    about = (
        f"networks trained like this one on the training parts of {len(folds)} EmoBox folds, each "
        "tested on clips it had not heard; this model is fitted to all clips"
    )
    return {
        "EmoBox folds, eight emotions": {
            **found["new speakers"].record(about=about),
            "ua_per_corpus": {
                name: round(found[name].ua.value, 6) for name in CORPORA if name in found
            },
        }
    }


def main() -> None:
    """Train, calibrate, and write the bundle and the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, help="where the training leaves its state")
    parser.add_argument("--param", nargs="+", help="NAME=VALUE, over the recipe's")
    parser.add_argument("--output", type=Path, default=BUNDLE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "default-model.json")
    options = parser.parse_args()

    commit = _records.commit()  # the bundle, written below, is a part of the checkout
    names = _joint.present(options.data)
    corpus = corpora.load_many([f"{name}={options.data / name}" for name in names])
    answers = read(options.predictions, corpus)
    check_complete(answers, corpus, options.data)
    scores = answers.scores()
    chosen = {"all": np.ones(len(scores), bool)}
    chosen["new speakers"] = np.isin(answers.corpora, NEW_SPEAKERS)
    chosen |= {name: answers.corpora == name for name in CORPORA if name in set(answers.corpora)}
    found = {name: figures_of(answers, scores, rows) for name, rows in chosen.items()}
    apart = {
        name: figures_of(answers, scores, rows & chosen["new speakers"])
        for name, rows in groups(answers).items()
        if (rows & chosen["new speakers"]).any()
    }

    classifier, material = fitted(options)
    classifier.temperature_ = answers.temperature()
    card = bundle.Card(
        name="emotone-default",
        version="1.5",
        emotions=tuple(classifier.classes_.tolist()),
        input=bundle.ModelInput("waveform", rate=classifier.rate),
        preparation=material.dataset.preparation.to_dict(),
        calibration={
            "method": "temperature",
            "temperature": round(classifier.temperature_, 6),
            "grouped_by": "speaker",
            "clips": int(chosen["new speakers"].sum()),
            **held_out(answers, scores, chosen["new speakers"]),
        },
        training=training_of(material, classifier),
        metrics=quoted(found, answers, sorted(set(answers.folds.tolist()))),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    model = classifier.to_onnx()
    bundle.write(options.output, model, card, frames=frames_model(model, card.input.rate))

    about = {
        "benchmark": "default-model",
        "fold": "mean",
        "model": card.model,
        "parameters": classifier.parameter_count,
        "commit": commit,
        "seed": options.seed,
        "seconds": round(classifier.training_s_),
        "machine": _records.machine(),
    }
    records = []
    for name, figures in found.items():
        new = name in ("new speakers", *NEW_SPEAKERS)
        protocol = "speaker-independent" if new else "speakers shared in part"
        records.append(figures.record(**about, corpus=name, protocol=protocol))
    records += [
        figures.record(**about, corpus="all", group=name, protocol="speaker-independent")
        for name, figures in apart.items()
    ]
    curve = coverage(answers, scores, chosen["new speakers"])
    records.append({**about, "benchmark": "coverage", "corpus": "new speakers", **curve.to_dict()})
    _records.write(options.json, records)
    for name, figures in {**found, **apart}.items():
        low, high = figures.ua.ci95 or (float("nan"), float("nan"))
        print(
            f"{name:14} UA {100 * figures.ua.value:5.1f}  [{100 * low:.1f} to {100 * high:.1f}]  "
            f"WA {100 * figures.wa.value:5.1f}  ECE {100 * figures.ece.value:4.1f}"
        )
    print(f"\n{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")
    print(f"written: {options.json}")


if __name__ == "__main__":
    _main.run(main)
