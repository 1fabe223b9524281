"""A model tested on a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import splits
from emotone.audio import Preparation
from emotone.corpora import Corpus, Utterance
from emotone.emotions import in_order
from emotone.errors import BundleError, UsageError
from emotone.features.extraction import extract_many
from emotone.metrics import Evaluation, FloatMatrix, metrics
from emotone.prediction import Failure

if TYPE_CHECKING:
    from emotone.features.cache import FeatureCache
    from emotone.recognizer import Recognizer

from emotone.evaluation.answers import TestedClip, tested_clips

Progress = Callable[[int, int], None]
"""Called with clips done and how many there are."""


@dataclass(frozen=True, eq=False)
class EvaluationRun:
    """A model tested on a corpus.

    Attributes
    ----------
    model
        Its name and version.
    evaluation
        The figures.
    tested
        Every answer.
    unknown
        Clips left out because the model does not know their emotion, by emotion.
    failures
        Clips left out because they cannot be read.
    restricted
        Whether the scores were restricted to the emotions of the corpus.
    notes
        What a reader of the figures should know.
    """

    model: str
    evaluation: Evaluation
    tested: tuple[TestedClip, ...]
    unknown: dict[str, int]
    failures: tuple[Failure, ...]
    restricted: bool
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the answers clip by clip, as plain types, ready for JSON."""
        return {
            "model": self.model,
            **self.evaluation.to_dict(),
            "most_confused": confused_pairs(self.evaluation),
            "unknown_emotions": self.unknown,
            "failures": [failure.to_dict() for failure in self.failures],
            "restricted": self.restricted,
            "notes": list(self.notes),
        }


def evaluate(
    recognizer: Recognizer,
    corpus: Corpus,
    *,
    split: str | None = None,
    fold: str | None = None,
    restrict: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> EvaluationRun:
    """Test a model on a corpus.

    Parameters
    ----------
    recognizer
        The model.
    corpus
        Labelled clips. Those whose emotion the model does not know are left out and counted.
    split
        Test only on the test parts of this split's folds, such as ``"file:emobox/emodb.csv"``; on
        everything when None.
    fold
        With `split`, only on the test part of the fold of this name.
    restrict
        Let the model choose only among the emotions that occur in the corpus, its scores
        renormalised. Easier than the real task, so off unless asked for, and noted.
    bootstrap, seed
        As in `emotone.metrics.metrics`.
    cache, jobs, progress
        As in `emotone.features.extraction.extract_many`.

    Raises
    ------
    UsageError
        If no clip is left to test.
    SplitError
        If the split cannot be made.

    Examples
    --------
    >>> run = evaluate(emotone.load(), corpora.load("emodb=clips"))      # doctest: +SKIP
    >>> run.evaluation.ua                                                # doctest: +SKIP
    Estimate(value=0.81, ci95=(0.77, 0.86))
    """
    chosen, notes = _chosen(corpus, split, fold, seed)
    known = set(recognizer.emotions)
    unknown = Counter(u.emotion for u in chosen if u.emotion not in known)
    usable = [u for u in chosen if u.emotion in known]
    if not usable:
        raise UsageError(
            f"{recognizer.model} knows none of the emotions of these {len(chosen)} clips",
            source=corpus.root,
            remedy=f"It knows {', '.join(recognizer.emotions)}.",
        )
    scores, tested_utterances, failures = _answers(recognizer, usable, cache, jobs, progress)
    if not tested_utterances:
        raise UsageError(
            f"none of the {len(usable)} clips can be read; the first: {failures[0].error}",
            source=corpus.root,
        )
    names = recognizer.emotions
    if restrict:
        scores, names = _restricted(scores, names, {u.emotion for u in usable})
        notes.append(f"the model chose among the {len(names)} emotions of the corpus only")
    if unknown:
        clips = "1 clip was" if unknown.total() == 1 else f"{unknown.total()} clips were"
        notes.append(
            f"{clips} left out, of emotions that the model does not know: "
            + ", ".join(f"{name} ({count})" for name, count in sorted(unknown.items()))
        )
    seen = _trained_on(recognizer.card.training) & set(corpus.corpora)
    if seen:
        notes.append(
            f"the model was trained on {', '.join(sorted(seen))}: unless these clips were held out "
            "then, the figures say nothing about new recordings"
        )
    return EvaluationRun(
        model=recognizer.model,
        evaluation=metrics(
            [u.emotion for u in tested_utterances],
            scores,
            names,
            speakers=[u.speaker_key for u in tested_utterances],
            bootstrap=bootstrap,
            seed=seed,
        ),
        tested=tested_clips(tested_utterances, scores, names, fold=None),
        unknown={name: unknown[name] for name in in_order(list(unknown))},
        failures=tuple(failures),
        restricted=restrict,
        notes=tuple(notes),
    )


def confused_pairs(evaluation: Evaluation, count: int = 5) -> list[dict[str, Any]]:
    """The commonest mistakes as plain types."""
    return [
        {"true": true, "predicted": predicted, "clips": clips, "share": round(share, 6)}
        for true, predicted, clips, share in evaluation.most_confused(count)
    ]


def _chosen(
    corpus: Corpus, split: str | None, fold: str | None, seed: int
) -> tuple[list[Utterance], list[str]]:
    if split is None:
        if fold is not None:
            raise UsageError("a fold is named without a split")
        return list(corpus.utterances), []
    made = splits.make(corpus.utterances, split, seed=seed)
    folds = made.folds
    if fold is not None:
        names = [part.name for part in folds]
        folds = tuple(part for part in folds if part.name == fold)
        if not folds:
            raise UsageError(
                f"the split '{split}' has no fold '{fold}'",
                remedy=f"It has {', '.join(names)}.",
            )
    wanted = sorted({int(i) for part in folds for i in part.test})
    if not wanted:
        raise UsageError(f"the split '{split}' leaves nothing to test")
    what = f"the test part of fold {fold}" if fold else "the test parts"
    notes = [f"tested on {what} of {split}", *made.notes]
    if made.warning is not None:
        notes.append(made.warning)
    return [corpus.utterances[i] for i in wanted], notes


def _answers(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    cache: FeatureCache | None,
    jobs: int | None,
    progress: Progress | None,
) -> tuple[FloatMatrix, list[Utterance], list[Failure]]:
    """Scores (n, k), the n utterances they belong to, and what could not be read."""
    card = recognizer.card
    paths = [utterance.path for utterance in utterances]
    if card.feature_set is not None:
        result = extract_many(
            paths,
            card.feature_set,
            preparation=Preparation.from_dict(card.preparation),
            cache=cache,
            jobs=jobs,
            progress=progress,
        )
        read = [utterances[i] for i in result.ok]
        if not read:
            return np.empty((0, len(card.emotions))), [], result.failures
        scores = recognizer.scores(result.matrix).astype(np.float64)
        return scores, read, result.failures
    rows, read, failures = [], [], []
    answers = recognizer.predict_many(paths, jobs=jobs, progress=progress)
    for utterance, answer in zip(utterances, answers, strict=True):
        if isinstance(answer, Failure):
            failures.append(answer)
        else:
            read.append(utterance)
            rows.append([answer.scores[name] for name in recognizer.emotions])
    return np.array(rows).reshape(-1, len(recognizer.emotions)), read, failures


def _restricted(
    scores: FloatMatrix, names: Sequence[str], wanted: set[str]
) -> tuple[FloatMatrix, tuple[str, ...]]:
    columns = [i for i, name in enumerate(names) if name in wanted]
    kept = scores[:, columns] + 1e-12  # a row that gave all to the others still sums to 1
    return kept / kept.sum(axis=1, keepdims=True), tuple(names[i] for i in columns)


def _trained_on(training: dict[str, Any]) -> set[str]:
    """Names of the corpora that a card says its model was trained on."""
    corpora = training.get("corpora", [])
    if not isinstance(corpora, list):
        raise BundleError("the card's training.corpora is not a list")
    return {str(c.get("name")) if isinstance(c, dict) else str(c) for c in corpora}
