"""One model over all corpora at once, trained on their training parts of one EmoBox fold."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from _recipe import CORPORA
from emotone import corpora, splits
from emotone.audio.clips import Clips
from emotone.corpora import Corpus
from emotone.dataset import Dataset, prepare
from emotone.emotions import CANONICAL
from emotone.errors import CorpusError, SplitError, UsageError
from emotone.execution import Progress
from emotone.models import FAMILIES, Classifier
from emotone.models.building import AnyClassifier
from emotone.models.neural.files import TrainingFiles

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class JointFold:
    """The same fold of several corpora.

    Attributes
    ----------
    corpus
        All their utterances of the eight canonical emotions.
    train, test
        Positions among them, sorted.
    """

    corpus: Corpus
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]

    def spec(self, path: Path) -> str:
        """The fold as the spec of a split, written to a fold file."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "test_folds", "train_folds"])
            for positions, folds in ((self.train, ("", "1")), (self.test, ("1", ""))):
                for i in positions.tolist():
                    utterance = self.corpus.utterances[i]
                    writer.writerow([utterance.path.absolute().as_posix(), *folds])
        return f"file:{path}"


def present(data: Path) -> list[str]:
    """Which of the nine corpora a folder holds.

    Raises
    ------
    CorpusError
        If it holds none.
    """
    names = [name for name in CORPORA if (data / name).is_dir()]
    if not names:
        raise CorpusError(
            f"holds none of the corpora {', '.join(CORPORA)}" if data.is_dir() else "is no folder",
            source=data,
            remedy="Name the folder of the corpora with --data or EMOTONE_CORPORA.",
        )
    return names


def testable(
    data: Path, known: Sequence[str], chosen: Sequence[str] | None, folds: Sequence[int]
) -> list[str]:
    """The corpora to test, found out from the fold files before anything is read for long.

    A corpus with fewer folds begins again, see `joint_fold`; but a fold that no corpus has would
    be another one under its number.

    Parameters
    ----------
    data
        The folder of corpora, with the fold files in ``emobox/``.
    known
        Those of EmoBox.
    chosen
        Those that are asked for; None for all that are there.
    folds
        What of them is asked for, from 1.

    Raises
    ------
    CorpusError
        If one that is asked for is not there, or none is.
    UsageError
        If one of the folds is in no corpus.
    SplitError
        If a fold file cannot be read.
    """
    there = present(data)
    counts = {name: fold_count(data, name) for name in chosen or known if name in there}
    lacking = [name for name in chosen or () if not counts.get(name)]
    counts = {name: count for name, count in counts.items() if count}
    if lacking or not counts:
        raise CorpusError(
            f"does not hold {' and '.join(lacking) or 'any corpus'} with a fold file in emobox/",
            source=data,
            remedy="Name the folder of the corpora with --data or EMOTONE_CORPORA.",
        )
    for fold in folds:
        if not 1 <= fold <= max(counts.values()):
            have = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise UsageError(
                f"there is no fold {fold} of {' or '.join(counts)}",
                remedy=f"They count from 1: {have}.",
            )
    return list(counts)


def fold_count(data: Path, name: str) -> int:
    """How many folds EmoBox makes of a corpus; 0 without a fold file.

    Raises
    ------
    SplitError
        If the file cannot be read.
    """
    file = data / "emobox" / f"{name}.csv"
    if not file.exists():
        return 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            return len({fold for row in rows for fold in (row["test_folds"] or "").split()})
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise SplitError(
            "is no fold file", source=file, remedy="Fetch the file of EmoBox anew."
        ) from None


def load(data: Path, names: Sequence[str]) -> Corpus:
    """These corpora as one, over the eight canonical emotions (no boredom of EmoDB)."""
    found = corpora.load_many([f"{name}={data / name}" for name in names])
    return found.with_utterances(tuple(u for u in found.utterances if u.emotion in CANONICAL))


def joint_fold(data: Path, names: Sequence[str], fold: int) -> JointFold:
    """The same fold of each corpus that is in EmoBox, and all of the others for training.

    A corpus with fewer folds begins again: fold 5 of one with four is its first, and of one with a
    single fold that one is meant every time.

    Parameters
    ----------
    data
        The folder of corpora, with the fold files in ``emobox/``.
    names
        Of the corpora.
    fold
        From 1.
    """
    corpus = load(data, names)
    train, test = [], []
    for name in names:
        mine = [i for i, u in enumerate(corpus.utterances) if u.corpus == name]
        file = data / "emobox" / f"{name}.csv"
        if not file.exists():
            train += mine
            continue
        folds = splits.make([corpus.utterances[i] for i in mine], f"file:{file}").folds
        chosen = folds[(fold - 1) % len(folds)]
        train += [mine[i] for i in chosen.train]
        test += [mine[i] for i in chosen.test]
    return JointFold(corpus, np.array(sorted(train), np.intp), np.array(sorted(test), np.intp))


@dataclass(frozen=True, eq=False)
class Material:
    """The sound of all corpora, and which rows of it train and test each fold.

    Attributes
    ----------
    dataset
        Every clip, boredom of EmoDB included.
    folds
        Rows of training and test part of each fold of a corpus; none for a corpus that is not in
        EmoBox and is always trained on.
    """

    dataset: Dataset
    folds: dict[str, list[tuple[Rows, Rows]]]

    def training(self, fold: int) -> Rows:
        """The training parts of a fold, from 1, of all corpora; fewer folds begin again."""
        parts = []
        for name in dict.fromkeys(self.dataset.corpora.tolist()):
            folds = self.folds.get(name)
            parts.append(
                folds[(fold - 1) % len(folds)][0]
                if folds
                else np.flatnonzero(self.dataset.corpora == name)
            )
        return np.sort(np.concatenate(parts))

    def waveform(self, row: int) -> npt.NDArray[np.float32]:
        """The samples of a clip, 1-D."""
        clips = self.dataset.features
        assert isinstance(clips, Clips)
        return clips[row]

    def test(self, name: str, fold: int) -> Rows | None:
        """The test part of a fold of a corpus; None where it has not so many."""
        folds = self.folds[name]
        return folds[fold - 1][1] if fold <= len(folds) else None

    def fit(
        self, classifier: AnyClassifier, rows: Rows, files: TrainingFiles | None = None
    ) -> AnyClassifier:
        """Train a neural classifier on some rows, telling how far it is."""
        tell, data = Teller(), self.dataset
        assert not isinstance(classifier, Classifier)
        return classifier.fit(
            data.features[rows],
            data.labels[rows].tolist(),
            groups=data.speakers[rows].tolist(),
            corpora=data.corpora[rows].tolist(),
            files=files,
            progress=lambda done, total, said: tell(Progress("fold", done, total, said)),
        )


def material(data: Path, names: Sequence[str]) -> Material:
    """Read these corpora whole."""
    corpus = corpora.load_many([f"{name}={data / name}" for name in names])
    dataset = prepare(corpus, "waveform", "none")
    row = {utterance.path: i for i, utterance in enumerate(dataset.utterances)}
    folds = {}
    for name in names:
        file = data / "emobox" / f"{name}.csv"
        if file.exists():
            own = [utterance for utterance in corpus.utterances if utterance.corpus == name]
            at = np.array([row.get(utterance.path, -1) for utterance in own], np.intp)
            folds[name] = [
                tuple(rows[rows >= 0] for rows in (at[fold.train], at[fold.test]))
                for fold in splits.make(own, f"file:{file}").folds
            ]
    return Material(dataset, cast("dict[str, list[tuple[Rows, Rows]]]", folds))


def features_of(family: str) -> str:
    """What a family hears by in these benchmarks."""
    return "waveform" if FAMILIES[family].input == "waveform" else "rich"


class Teller:
    """Says on standard error how far a training is, every ten seconds at most."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._last >= 10:
            self._last = time.monotonic()
            text = f"{progress.message} {progress.done}/{progress.total}"
            print(text, file=sys.stderr, flush=True)
