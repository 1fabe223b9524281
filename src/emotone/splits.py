"""Train and test: at random, by speaker, by corpus, or from a fold file.

Every split is named by a short text, the *spec*::

    random:test=0.25,seed=9     as sklearn.model_selection.train_test_split with random_state=9
    random:test=0.2,stratify=true
    speakers:5                  five folds, no speaker in both train and test
    speakers:loo                one fold per speaker
    corpora:loo                 one fold per corpus, over the emotions it shares with the others
    file:emobox/ravdess.csv     the folds of an EmoBox file, or of every CSV of a folder
    none                        everything is for training

A random split depends on the order of the utterances. `emotone.corpora.load` sorts them by path, so
the same files give the same split on every machine. The RAVDESS tutorials draw theirs over
``glob.glob`` order, which differs from one file system to the next: the same size and
``random_state`` here give a split like theirs, drawn the same way over sorted paths.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.corpora.utterance import Utterance
from emotone.errors import MissingExtraError, SplitError

Indices = npt.NDArray[np.intp]

_SPECS = (
    "random:test=0.25,seed=9",
    "random:test=0.2,stratify=true",
    "speakers:5",
    "speakers:loo",
    "corpora:loo",
    "file:PATH",
    "none",
)
_DEFAULT_TEST = 0.25


@dataclass(frozen=True, eq=False)
class Fold:
    """One train/test pair.

    Attributes
    ----------
    name
        ``"1"``, a speaker, a corpus, or ``"ravdess:1"`` where several fold files are used.
    train, test
        Distinct positions in the sequence of utterances, shape ``(n_train,)`` and ``(n_test,)``,
        without overlap. They need not cover it.
    """

    name: str
    train: Indices
    test: Indices


@dataclass(frozen=True, eq=False)
class Split:
    """The folds of one spec over some utterances.

    Attributes
    ----------
    spec
        The text it was made from.
    strategy
        ``"random"``, ``"speakers"``, ``"corpora"``, ``"file"`` or ``"none"``.
    folds
        One train/test pair each.
    shared_speakers
        Distinct speakers that are in both train and test of some fold; None where no speaker is
        known.
    warning
        One sentence for every report made from this split, or None if train and test share no
        speaker.
    notes
        What else a reader of the figures should know, such as rows of a fold file that matched
        nothing.
    """

    spec: str
    strategy: str
    folds: tuple[Fold, ...]
    shared_speakers: int | None
    warning: str | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The split without its positions, as plain types, ready for JSON and a card."""
        return {
            "spec": self.spec,
            "strategy": self.strategy,
            "folds": [
                {"name": fold.name, "train": len(fold.train), "test": len(fold.test)}
                for fold in self.folds
            ],
            "shared_speakers": self.shared_speakers,
            "warning": self.warning,
            "notes": list(self.notes),
        }


def make(utterances: Sequence[Utterance], spec: str, *, seed: int = 0) -> Split:
    """Split utterances into the folds that a spec names.

    Parameters
    ----------
    utterances
        In the order the split is drawn over.
    spec
        See the module's description.
    seed
        From 0 to 2**32 - 1; a ``seed=`` in the spec goes before it.

    Returns
    -------
    Split
        Its ``warning`` says so where train and test share speakers.

    Raises
    ------
    SplitError
        If the spec makes no sense, or no such split can be made from these utterances.

    Examples
    --------
    >>> split = make(corpus.utterances, "random:test=0.25,seed=9")  # doctest: +SKIP
    >>> split.warning  # doctest: +SKIP
    'train and test share 24 speakers: these figures say nothing about a new voice'
    """
    strategy, _, rest = spec.strip().partition(":")
    strategy = strategy.strip().lower()
    if not utterances:
        raise SplitError("there are no utterances to split", remedy="Check the corpus.")
    notes: tuple[str, ...] = ()
    if strategy == "random":
        folds = _random(utterances, _options(spec, rest, ("test", "seed", "stratify")), spec, seed)
    elif strategy == "speakers":
        first, _, more = rest.partition(",")
        options = _options(spec, more, ("seed",))
        folds = _speakers(utterances, first.strip().lower(), _seed(spec, options, seed), spec)
    elif strategy == "corpora" and rest.strip().lower() in ("", "loo"):
        folds = _corpora(utterances)
    elif strategy == "file" and rest.strip():
        from emotone.fold_files import read_folds

        drawn, notes = read_folds(utterances, Path(rest.strip()).expanduser())
        folds = tuple(Fold(name, train, test) for name, train, test in drawn)
    elif strategy == "none" and not rest:
        folds = (Fold("all", np.arange(len(utterances)), np.empty(0, np.intp)),)
    else:
        raise _refused(spec, "is no split")
    shared, warning = _leaks(utterances, folds)
    return Split(spec.strip(), strategy, folds, shared, warning, notes)


def validation(
    utterances: Sequence[Utterance],
    train: npt.ArrayLike,
    *,
    share: float = 0.15,
    seed: int = 0,
) -> tuple[Indices, Indices]:
    """Set part of a training part aside, to stop early, calibrate or choose settings on.

    Within each corpus whole speakers are set aside, as near the share as whole speakers allow
    (none of a corpus where one speaker is already too many, unless nothing else can be set aside).
    A corpus with one known speaker, and utterances without a speaker, are divided at random within
    each emotion.

    Parameters
    ----------
    utterances
        All utterances.
    train
        Positions that are for training, shape ``(n,)``.
    share
        Of these to set aside, between 0 and 1.
    seed
        From 0 to 2**32 - 1.

    Returns
    -------
    fit, held
        Sorted positions; together they are ``train``. Neither is empty.

    Raises
    ------
    SplitError
        If the share is not between 0 and 1, or there are fewer than two positions.
    """
    positions = np.sort(np.asarray(train, dtype=np.intp))
    if not 0 < share < 1:
        raise SplitError(f"a share of {share} cannot be set aside", remedy="Choose 0 < share < 1.")
    if len(positions) < 2:
        raise SplitError(
            f"{len(positions)} utterances cannot be divided", remedy="Train on more of them."
        )
    random = _generator(seed)
    by_corpus: dict[str, dict[str | None, list[int]]] = {}
    for i in positions.tolist():
        u = utterances[i]
        by_corpus.setdefault(u.corpus, {}).setdefault(u.speaker_key, []).append(i)
    held: list[int] = []
    for voices in by_corpus.values():
        known = {key: members for key, members in voices.items() if key is not None}
        loose = voices.get(None, [])
        if len(known) > 1:
            held.extend(_speakers_near(known, share, random))
        else:
            loose = loose + [i for members in known.values() for i in members]
        held.extend(_share_per_emotion(utterances, loose, share, random))
    if not held:
        held = _least(by_corpus) or [int(random.choice(positions))]
    chosen = np.asarray(sorted(held), dtype=np.intp)
    return np.setdiff1d(positions, chosen), chosen


def _speakers_near(
    voices: Mapping[str, list[int]], share: float, random: np.random.RandomState
) -> list[int]:
    """The utterances of shuffled speakers, each taken if that brings their number nearer the share.

    Never all speakers, and none where even one is too many: one of the two voices of TESS is half
    of it.
    """
    keys = sorted(voices)
    goal = share * sum(len(members) for members in voices.values())
    held: list[int] = []
    left = len(keys)
    for k in random.permutation(len(keys)).tolist():
        members = voices[keys[k]]
        if left > 1 and abs(len(held) + len(members) - goal) < abs(len(held) - goal):
            held.extend(members)
            left -= 1
    return held


def _least(by_corpus: Mapping[str, Mapping[str | None, list[int]]]) -> list[int]:
    """The speaker with the fewest utterances, of the corpora with two or more; else nothing."""
    voices = [
        members
        for speakers in by_corpus.values()
        if sum(key is not None for key in speakers) > 1
        for key, members in speakers.items()
        if key is not None
    ]
    return min(voices, key=lambda members: (len(members), members), default=[])


def _share_per_emotion(
    utterances: Sequence[Utterance],
    positions: list[int],
    share: float,
    random: np.random.RandomState,
) -> list[int]:
    by_emotion: dict[str, list[int]] = {}
    for i in positions:
        by_emotion.setdefault(utterances[i].emotion, []).append(i)
    held: list[int] = []
    for emotion in sorted(by_emotion):
        members = sorted(by_emotion[emotion])
        number = min(round(share * len(members)), len(members) - 1)
        held.extend(members[k] for k in random.permutation(len(members))[:number].tolist())
    return held


def _generator(seed: int) -> np.random.RandomState:
    # The legacy generator on purpose: its stream is frozen, and it is the one scikit-learn draws
    # from, so that random_state=9 means the same here.
    if not 0 <= seed < 2**32:
        raise SplitError(f"the seed {seed} is out of range", remedy="Choose 0 to 2**32 - 1.")
    return np.random.RandomState(seed)


def _refused(spec: str, cause: str) -> SplitError:
    return SplitError(cause, source=spec, remedy=f"Splits look like: {', '.join(_SPECS)}.")


def _options(spec: str, text: str, known: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = (piece.strip().lower() for piece in part.partition("="))
        if not equals or key not in known:
            raise _refused(spec, f"{part!r} is none of its options ({', '.join(known)})")
        if key in options:
            raise _refused(spec, f"gives {key} twice")
        options[key] = value
    return options


def _seed(spec: str, options: Mapping[str, str], default: int) -> int:
    text = options.get("seed", str(default))
    if not text.isdecimal():
        raise _refused(spec, f"the seed {text!r} is not a whole number from 0")
    return int(text)


def _random(
    utterances: Sequence[Utterance], options: Mapping[str, str], spec: str, seed: int
) -> tuple[Fold, ...]:
    n = len(utterances)
    text = options.get("test", str(_DEFAULT_TEST))
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise _refused(spec, f"the share {text!r} is not a number") from None
    if not 0 < share < 1:
        raise _refused(spec, f"the share {text} is not between 0 and 1")
    stratify = options.get("stratify", "false")
    if stratify not in ("true", "false"):
        raise _refused(spec, f"stratify={stratify!r} is neither true nor false")
    # As sklearn.model_selection.ShuffleSplit counts and draws.
    n_test = math.ceil(share * n)
    if n_test >= n:
        raise SplitError(
            f"{n} utterances leave none for training", source=spec, remedy="Choose a smaller share."
        )
    chosen = _seed(spec, options, seed)
    if stratify == "true":
        return (_stratified(utterances, share, chosen, spec),)
    order = _generator(chosen).permutation(n)
    return (Fold("1", order[n_test:], order[:n_test]),)


def _stratified(utterances: Sequence[Utterance], share: float, seed: int, spec: str) -> Fold:
    _generator(seed)  # refuses a seed out of range
    try:
        from sklearn.model_selection import StratifiedShuffleSplit
    except ImportError:
        raise MissingExtraError("A stratified split", "train") from None
    emotions = [utterance.emotion for utterance in utterances]
    drawer = StratifiedShuffleSplit(test_size=share, random_state=seed)
    try:
        train, test = next(drawer.split(np.zeros(len(emotions)), emotions))
    except ValueError as error:
        raise SplitError(
            f"cannot be stratified ({str(error).rstrip('.')})",
            source=spec,
            remedy="Leave stratify out, or use more utterances of each emotion.",
        ) from None
    return Fold("1", train, test)


def _speakers(utterances: Sequence[Utterance], how: str, seed: int, spec: str) -> tuple[Fold, ...]:
    unknown = sum(utterance.speaker is None for utterance in utterances)
    if unknown:
        raise SplitError(
            f"{unknown} of {len(utterances)} utterances have no speaker",
            source=spec,
            remedy="Add a speaker column to the manifest, or use a random split.",
        )
    keys = [str(utterance.speaker_key) for utterance in utterances]
    counts = Counter(keys)
    if len(counts) < 2:
        raise SplitError(
            "there is one speaker only", source=spec, remedy="Use a random split, or more speakers."
        )
    if how in ("", "loo"):
        if how == "":
            raise _refused(spec, "does not say how many folds")
        groups = {key: i for i, key in enumerate(sorted(counts))}
        names = sorted(counts)
    else:
        if not how.isdecimal() or int(how) < 2:
            raise _refused(spec, f"{how!r} is neither loo nor a number of folds from 2")
        if int(how) > len(counts):
            raise SplitError(
                f"{len(counts)} speakers do not make {how} folds",
                source=spec,
                remedy=f"Use speakers:{len(counts)} or speakers:loo.",
            )
        groups = _balanced(counts, int(how), seed)
        names = [str(k + 1) for k in range(int(how))]
    of = np.asarray([groups[key] for key in keys])
    return tuple(
        Fold(name, np.flatnonzero(of != k), np.flatnonzero(of == k)) for k, name in enumerate(names)
    )


def _balanced(counts: Mapping[str, int], folds: int, seed: int) -> dict[str, int]:
    """Speakers to folds as in sklearn's GroupKFold: the largest first, each to the lightest fold.

    The seed decides among speakers with equally many utterances.
    """
    keys = sorted(counts)
    shuffled = [keys[k] for k in _generator(seed).permutation(len(keys)).tolist()]
    weights = [0] * folds
    groups: dict[str, int] = {}
    for key in sorted(shuffled, key=lambda key: -counts[key]):
        lightest = weights.index(min(weights))
        groups[key] = lightest
        weights[lightest] += counts[key]
    return groups


def _corpora(utterances: Sequence[Utterance]) -> tuple[Fold, ...]:
    names = sorted({utterance.corpus for utterance in utterances})
    if len(names) < 2:
        raise SplitError(
            f"there is one corpus only ({names[0]})",
            source="corpora:loo",
            remedy="Give at least two corpora.",
        )
    folds: list[Fold] = []
    for name in names:
        here = {u.emotion for u in utterances if u.corpus == name}
        shared = here & {u.emotion for u in utterances if u.corpus != name}
        usable = [i for i, u in enumerate(utterances) if u.emotion in shared]
        test = [i for i in usable if utterances[i].corpus == name]
        train = [i for i in usable if utterances[i].corpus != name]
        if len(shared) < 2:
            raise SplitError(
                f"{name} shares {len(shared)} emotions with the other corpora",
                source="corpora:loo",
                remedy="Leave it out, or merge emotions so that at least two are shared.",
            )
        folds.append(Fold(name, np.asarray(train, np.intp), np.asarray(test, np.intp)))
    return tuple(folds)


def _leaks(utterances: Sequence[Utterance], folds: Sequence[Fold]) -> tuple[int | None, str | None]:
    """Speakers in both train and test of some fold, and the sentence that says so."""
    keys = [utterance.speaker_key for utterance in utterances]
    shared: set[str] = set()
    unknown = False
    for fold in folds:
        train = {keys[i] for i in fold.train.tolist()}
        test = {keys[i] for i in fold.test.tolist()}
        unknown |= bool(train and test) and None in train | test
        shared |= {key for key in train & test if key is not None}
    if shared:
        number = f"{len(shared)} speaker{'s' if len(shared) > 1 else ''}"
        return len(shared), (
            f"train and test share {number}: these figures say nothing about a new voice"
        )
    warning = (
        "some speakers are unknown, so train and test may share them: "
        "these figures may say nothing about a new voice"
        if unknown
        else None
    )
    return (None if all(key is None for key in keys) else 0), warning
