"""What a model said about each labelled clip, and tables of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.corpora import Utterance
from emotone.emotions import in_order
from emotone.errors import UsageError
from emotone.metrics import FloatMatrix
from emotone.pipes import refuse_pipe

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class TestedClip:
    """What a model said about one labelled clip.

    Attributes
    ----------
    file
        Path of the clip.
    corpus, speaker
        Where it comes from and who speaks, if known.
    fold
        Name of the fold it was tested in; None outside of folds.
    true, predicted
        The labelled emotion, and the one named.
    confidence
        The score of the named one.
    scores
        Calibrated probability of each emotion.
    """

    file: str
    corpus: str
    speaker: str | None
    fold: str | None
    true: str
    predicted: str
    confidence: float
    scores: dict[str, float]

    __test__ = False  # not a test case, whatever pytest makes of the name

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain types, ready for JSON."""
        return {
            "file": self.file,
            "corpus": self.corpus,
            "speaker": self.speaker,
            "fold": self.fold,
            "true": self.true,
            "predicted": self.predicted,
            "confidence": round(self.confidence, 6),
            "scores": {name: round(score, 6) for name, score in self.scores.items()},
        }


def tested_clips(
    utterances: Sequence[Utterance], scores: FloatMatrix, names: Sequence[str], fold: str | None
) -> tuple[TestedClip, ...]:
    """One `TestedClip` for each utterance and its row of scores."""
    best = scores.argmax(axis=1)
    return tuple(
        TestedClip(
            file=str(utterance.path),
            corpus=utterance.corpus,
            speaker=utterance.speaker,
            fold=fold,
            true=utterance.emotion,
            predicted=names[index],
            confidence=float(row[index]),
            scores=dict(zip(names, row.tolist(), strict=True)),
        )
        for utterance, row, index in zip(utterances, scores, best, strict=True)
    )


def write_predictions(tested: Iterable[TestedClip], path: str | Path) -> None:
    """Write every answer to a table.

    Parameters
    ----------
    tested
        The answers.
    path
        ``.csv`` (a column ``score_EMOTION`` per emotion, empty where a fold's model did not know
        it) or ``.jsonl`` (one object per line). Its folder is made if need be.

    Raises
    ------
    UsageError
        If the name ends otherwise.
    """
    path = Path(path)
    check_predictions_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [clip.to_dict() for clip in tested]
    if path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8")
        return
    names = in_order({name for row in rows for name in row["scores"]})
    head = ["file", "corpus", "speaker", "fold", "true", "predicted", "confidence"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*head, *(f"score_{name}" for name in names)])
        for row in rows:
            scores = [row["scores"].get(name, "") for name in names]
            writer.writerow([*(row[column] for column in head), *scores])


def read_predictions(path: str | Path) -> list[TestedClip]:
    """The answers in a table that `write_predictions` wrote.

    Parameters
    ----------
    path
        The ``.csv`` or ``.jsonl`` file.

    Raises
    ------
    UsageError
        If it is not such a table, or cannot be read.
    """
    path = Path(path)
    check_predictions_path(path)
    try:
        refuse_pipe(path)
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".jsonl":
                return [TestedClip(**json.loads(line)) for line in file]
            return [_clip_of(row) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"this is no table of answers ({type(error).__name__}: {error})",
            source=path,
            remedy="Give what 'emotone evaluate --predictions' wrote.",
        ) from error
    except OSError as error:
        raise UsageError(
            f"the table cannot be read ({error.strerror or error})", source=path
        ) from error


def _clip_of(row: dict[str, str]) -> TestedClip:
    return TestedClip(
        file=row["file"],
        corpus=row["corpus"],
        speaker=row["speaker"] or None,
        fold=row["fold"] or None,
        true=row["true"],
        predicted=row["predicted"],
        confidence=float(row["confidence"]),
        scores={
            column.removeprefix("score_"): float(value)
            for column, value in row.items()
            if column.startswith("score_") and value
        },
    )


def check_predictions_path(path: Path) -> None:
    """Refuse a path that `write_predictions` would, before the work is done."""
    if path.suffix not in (".csv", ".jsonl"):
        raise UsageError(
            f"predictions are written as .csv or .jsonl, not {path.suffix or 'without a suffix'}",
            source=path,
        )
