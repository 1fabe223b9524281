"""Adapting to one speaker: the bias of a voice, found from a few clips, taken out of the scores.

A voice that is always loud is heard as angry too often. What a model hears of the voice rather
than of the emotion is modelled as an offset b, one number per emotion, that is added to the logits
z = log p of every clip of the speaker; the adapted scores are softmax(z - b).

Unlabelled clips: the speaker is taken to have used all emotions about equally often, so that the
scores, summed over clips, should come out even. Held back by a normal prior on b of precision
lambda, that is the minimum of a convex function (K emotions, n clips)::

    sum_i [logsumexp(z_i - b) + mean(b)]  +  lambda / 2 |b|^2

It is the adjustment of outputs to a known prior (Saerens, Latinne & Decaestecker, "Adjusting the
outputs of a classifier to new a priori probabilities", Neural Computation 14, 2002), the prior
being the even one, applied to each speaker apart.

Neutral clips: b is the distance of their mean logits from those of other speakers' neutral clips,
times w n / (n + k), the best linear predictor of a speaker's offset over all emotions from n
neutral clips (Robinson, "That BLUP is a good thing", Statistical Science 6, 1991). Normalising a
speaker by neutral speech is the idea of Busso, Mariooryad, Metallinou & Narayanan, "Iterative
feature normalization scheme for automatic emotion detection from speech", IEEE Transactions on
Affective Computing 4, 2013.

The distance of mean logits for unlabelled clips too, scales beside offsets, a normal model of the
logits of each emotion, and the speaker's own prior by expectation maximisation were tried on
RAVDESS, CASIA and EMOVO. They gain less; the last one loses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

FloatVector = npt.NDArray[np.float64]
FloatMatrix = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int64]

DEFAULT_PRECISION = 1.0
"""Of a model whose card says nothing: the best for several models of the three corpora."""

NEUTRAL = "neutral"
TINY = 1e-6
"""Added to a probability before its logarithm is taken."""

SIZES = (1, 5, 20)
"""Numbers of clips that the precision is chosen for, each as important as the others."""

_PRECISIONS = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)
_MOST_SPEAKERS = 40
_DRAWS = 3


@dataclass(frozen=True, slots=True)
class NeutralReference:
    """How neutral clips of new speakers score, and how much to make of one speaker's.

    Attributes
    ----------
    logits
        Mean centred logits of the neutral clips of a speaker, averaged over speakers; a number for
        each emotion.
    weight
        w, from 0 to 1: how much of the offset of a speaker's neutral clips is that of all emotions.
    prior_clips
        k: with this many clips, half of it is believed.
    """

    logits: tuple[float, ...]
    weight: float
    prior_clips: float

    def to_dict(self) -> dict[str, Any]:
        """The reference as plain types."""
        return {
            "logits": [round(value, 6) for value in self.logits],
            "weight": round(self.weight, 6),
            "prior_clips": round(self.prior_clips, 6),
        }


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What adapting a model to a speaker needs to know; made by `estimate`, kept on the card.

    Attributes
    ----------
    precision
        lambda, the precision of the prior on a speaker's offset, above 0.
    neutral
        For neutral clips; None where the model does not know them, or it was not estimated.
    speakers
        How many speakers, none of them trained on, this was estimated from; 0 for the default.
    """

    precision: float = DEFAULT_PRECISION
    neutral: NeutralReference | None = None
    speakers: int = 0

    def to_dict(self) -> dict[str, Any]:
        """What stands in ``calibration.adaptation`` of a card."""
        return {
            "precision": self.precision,
            "neutral": None if self.neutral is None else self.neutral.to_dict(),
            "speakers": self.speakers,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Adaptation:
        """The inverse of `to_dict`, for what `emotone.bundle.Card` has checked."""
        neutral = data["neutral"]
        return cls(
            precision=float(data["precision"]),
            neutral=None
            if neutral is None
            else NeutralReference(
                tuple(float(value) for value in neutral["logits"]),
                float(neutral["weight"]),
                float(neutral["prior_clips"]),
            ),
            speakers=int(data["speakers"]),
        )

    def among(self, columns: Sequence[int]) -> Adaptation:
        """The same for scores over some of the emotions alone, by their places."""
        if self.neutral is None:
            return self
        chosen = np.array(self.neutral.logits)[list(columns)]
        centred = tuple((chosen - chosen.mean()).tolist())
        return replace(self, neutral=replace(self.neutral, logits=centred))

    def offset(self, scores: npt.ArrayLike) -> FloatVector:
        """The offset of a speaker who used all emotions about equally often.

        Parameters
        ----------
        scores
            Probabilities for n clips of the speaker, shape ``(n, k)``.

        Returns
        -------
        numpy.ndarray
            Shape ``(k,)``, summing to 0; for `adapted`.
        """
        offset: FloatVector = _even(logits(scores)[np.newaxis], self.precision)[0]
        return offset

    def neutral_offset(self, scores: npt.ArrayLike) -> FloatVector:
        """The offset of a speaker from neutral clips.

        Parameters
        ----------
        scores
            Probabilities for n neutral clips of the speaker, shape ``(n, k)``.

        Returns
        -------
        numpy.ndarray
            Shape ``(k,)``, summing to 0; for `adapted`.

        Raises
        ------
        ValueError
            If there is no `neutral` reference.
        """
        if self.neutral is None:
            raise ValueError("how neutral clips score is not known")
        rows = logits(scores)
        share = self.neutral.weight * len(rows) / (len(rows) + self.neutral.prior_clips)
        offset: FloatVector = share * (rows.mean(axis=0) - np.array(self.neutral.logits))
        return offset


def logits(scores: npt.ArrayLike) -> FloatMatrix:
    """Logarithms of probabilities, those of each row centred, shape ``(..., k)``."""
    rows = np.log(np.asarray(scores, dtype=np.float64) + TINY)
    centred: FloatMatrix = rows - rows.mean(axis=-1, keepdims=True)
    return centred


def adapted(scores: npt.ArrayLike, offset: npt.ArrayLike) -> FloatMatrix:
    """Scores of a speaker with the offset taken out.

    Parameters
    ----------
    scores
        Probabilities, shape ``(n, k)``.
    offset
        Shape ``(k,)``.

    Returns
    -------
    numpy.ndarray
        Probabilities, shape ``(n, k)``.
    """
    return _softmax(logits(scores) - np.asarray(offset, dtype=np.float64))


def estimate(
    scores: npt.ArrayLike,
    labels: Sequence[str] | npt.NDArray[Any],
    speakers: Sequence[str | None],
    emotions: Sequence[str],
    *,
    seed: int = 0,
) -> Adaptation | None:
    """What adapting a model needs, from its scores for speakers that it was not trained on.

    The precision is the one under which a model adapted to 1, 5 and 20 clips of a speaker, drawn at
    random, has the best unweighted recall on the other clips of that speaker, on average. The
    weight and the prior clips for neutral ones follow from the variance of logits between speakers,
    between speakers within an emotion, and between clips (method of moments).

    Parameters
    ----------
    scores
        Probabilities, shape ``(n, k)``, each row by a model that was not trained on its speaker,
        such as out-of-fold answers of a cross-validation by speaker.
    labels
        The emotion of each clip, n of them.
    speakers
        Who speaks in each; clips of unknown speakers are left out.
    emotions
        The k names behind the columns.
    seed
        Of the drawing of clips.

    Returns
    -------
    Adaptation or None
        None if there are not two speakers of two clips.
    """
    known = np.array([name is not None for name in speakers], dtype=bool)
    rows = logits(np.asarray(scores, dtype=np.float64).reshape(-1, len(emotions))[known])
    index = {name: code for code, name in enumerate(emotions)}
    codes = np.array([index[str(label)] for label in labels], dtype=np.int64)[known]
    names, speaker = np.unique(
        np.array([name for name in speakers if name is not None], dtype=np.str_),
        return_inverse=True,
    )
    able = int((np.bincount(speaker, minlength=len(names)) >= 2).sum())
    if able < 2:
        return None
    neutral = None
    if NEUTRAL in index:
        neutral = _neutral_reference(rows, codes, speaker, index[NEUTRAL])
    return Adaptation(_precision(rows, codes, speaker, seed), neutral, able)


def _precision(rows: FloatMatrix, codes: IntVector, speaker: IntVector, seed: int) -> float:
    generator = np.random.default_rng(seed)
    present = np.unique(codes)
    totals = np.zeros(len(_PRECISIONS))
    for size in SIZES:
        counts = np.bincount(speaker)
        usable = np.flatnonzero(counts >= max(2, 2 * size))
        if len(usable) > _MOST_SPEAKERS:
            usable = generator.choice(usable, _MOST_SPEAKERS, replace=False)
        drawn, tested = [], []
        for who in np.repeat(usable, _DRAWS):
            order = generator.permutation(np.flatnonzero(speaker == who))
            drawn.append(order[:size])
            tested.append(order[size:])
        if not drawn:
            continue
        truth = codes[np.concatenate(tested)]
        draw = np.repeat(np.arange(len(tested)), [len(rest) for rest in tested])
        for number, precision in enumerate(_PRECISIONS):
            offsets = _even(rows[np.stack(drawn)], precision)
            answers = (rows[np.concatenate(tested)] - offsets[draw]).argmax(axis=1)
            recalls = [(answers[truth == e] == e).mean() for e in present if (truth == e).any()]
            totals[number] += np.mean(recalls)
    return _PRECISIONS[int(totals.argmax())]  # of equals the most careful


def _neutral_reference(
    rows: FloatMatrix, codes: IntVector, speaker: IntVector, neutral: int
) -> NeutralReference | None:
    """Variance components of z[clip] = mean[emotion] + b[speaker] + x[speaker, emotion] + noise."""
    cell = speaker * rows.shape[1] + codes
    cells, position, counts = np.unique(cell, return_inverse=True, return_counts=True)
    means = np.zeros((len(cells), rows.shape[1]))
    np.add.at(means, position, rows)
    means /= counts[:, np.newaxis]
    who, emotion = np.divmod(cells, rows.shape[1])
    if (emotion == neutral).sum() < 2:
        return None
    repeats = len(rows) - len(cells)
    noise = float(((rows - means[position]) ** 2).mean(axis=1).sum() / max(repeats, 1))

    deviations = means.copy()
    for code in np.unique(emotion):
        deviations[emotion == code] -= means[emotion == code].mean(axis=0)
    # Between cells of a speaker only the offset is shared: their mean product is its variance.
    shared: list[float] = []
    for one in np.unique(who):
        own = deviations[who == one]
        if len(own) > 1:
            total = (own.sum(axis=0) ** 2 - (own**2).sum(axis=0)).mean()
            shared.append(float(total) / (len(own) * (len(own) - 1)))
    offset = max(float(np.mean(shared)), 0.0) if shared else 0.0
    cell_variance = float((deviations**2).mean()) - noise * float((1 / counts).mean())
    both = max(cell_variance, offset)
    reference = tuple(means[emotion == neutral].mean(axis=0).tolist())
    if both <= 0:  # speakers do not differ
        return NeutralReference(reference, 0.0, 0.0)
    return NeutralReference(reference, offset / both, noise / both)


def _even(rows: FloatMatrix, precision: float) -> FloatMatrix:
    """Offsets of several speakers, shape ``(m, k)``, from centred logits of shape ``(m, n, k)``.

    Newton's method, damped as Bach ("Self-concordant analysis for logistic regression", Electronic
    Journal of Statistics 4, 2010) has it: each step of length log(1 + r) / r, r being its range
    over the emotions, goes downhill, so that it always arrives.
    """
    m, n, k = rows.shape
    offsets = np.zeros((m, k))
    for _ in range(50):
        shares = _softmax(rows - offsets[:, np.newaxis])
        summed = shares.sum(axis=1)
        gradient = n / k - summed + precision * offsets
        curvature = -np.einsum("mni,mnj->mij", shares, shares)
        curvature[:, np.arange(k), np.arange(k)] += summed + precision
        step = np.linalg.solve(curvature, gradient[:, :, np.newaxis])[:, :, 0]
        reach = np.maximum(np.ptp(step, axis=1, keepdims=True), 1e-12)
        offsets -= np.log1p(reach) / reach * step
        if reach.max() < 1e-10:
            break
    return offsets


def _softmax(rows: FloatMatrix) -> FloatMatrix:
    weights = np.exp(rows - rows.max(axis=-1, keepdims=True))
    shares: FloatMatrix = weights / weights.sum(axis=-1, keepdims=True)
    return shares
