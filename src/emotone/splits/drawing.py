"""From a spec to the folds that it names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emotone.corpora.namesakes import caution
from emotone.corpora.utterance import Utterance
from emotone.errors import MissingExtraError, SplitError
from emotone.splits.split import Fold, Split, divided_namesakes, leaks

_SPECS = (
    "random:test=0.25,seed=9",
    "random:test=0.2,stratify=true",
    "speakers:5",
    "speakers:loo",
    "clips:5",
    "corpora:loo",
    "file:PATH",
    "none",
)
_DEFAULT_TEST = 0.25


def make(utterances: Sequence[Utterance], spec: str, *, seed: int = 0) -> Split:
    """Split utterances into the folds that a spec names.

    Parameters
    ----------
    utterances
        In the order the split is drawn over.
    spec
        See `emotone.splits`.
    seed
        From 0 to 2**32 - 1; a ``seed=`` in the spec goes before it.

    Returns
    -------
    Split
        Its ``warning`` says so where train and test share speakers, its ``notes`` what else the
        figures are to be read with.

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
    elif strategy == "clips":
        first, _, more = rest.partition(",")
        options = _options(spec, more, ("seed",))
        folds = _clips(utterances, first.strip(), _seed(spec, options, seed), spec)
    elif strategy == "corpora" and rest.strip().lower() in ("", "loo"):
        folds, notes = _corpora(utterances)
    elif strategy == "file" and rest.strip():
        from emotone.splits.fold_files import read_folds

        drawn, notes = read_folds(utterances, Path(rest.strip()).expanduser())
        folds = tuple(Fold(name, train, test) for name, train, test in drawn)
    elif strategy == "none" and not rest:
        folds = (Fold("all", np.arange(len(utterances)), np.empty(0, np.intp)),)
    else:
        raise _refused(spec, "is no split")
    shared, warning = leaks(utterances, folds)
    alike = divided_namesakes(utterances, folds)
    if alike:
        notes = (*notes, caution(alike))
    return Split(spec.strip(), strategy, folds, shared, warning, notes)


def generator(seed: int) -> np.random.RandomState:
    """What every split draws from, of a seed from 0 to 2**32 - 1.

    Raises
    ------
    SplitError
        If the seed is out of range.
    """
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
    order = generator(chosen).permutation(n)
    return (Fold("1", order[n_test:], order[:n_test]),)


def _stratified(utterances: Sequence[Utterance], share: float, seed: int, spec: str) -> Fold:
    generator(seed)  # refuses a seed out of range
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
        have = "has" if unknown == 1 else "have"
        raise SplitError(
            f"{unknown} of {len(utterances)} utterances {have} no speaker",
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
    shuffled = [keys[k] for k in generator(seed).permutation(len(keys)).tolist()]
    weights = [0] * folds
    groups: dict[str, int] = {}
    for key in sorted(shuffled, key=lambda key: -counts[key]):
        lightest = weights.index(min(weights))
        groups[key] = lightest
        weights[lightest] += counts[key]
    return groups


def _clips(utterances: Sequence[Utterance], how: str, seed: int, spec: str) -> tuple[Fold, ...]:
    if not how.isdecimal() or int(how) < 2:
        raise _refused(spec, f"{how!r} is no number of folds from 2")
    folds = int(how)
    keys = [utterance.speaker_key or "" for utterance in utterances]
    counts = Counter(keys)
    # Clips of one speaker follow one another, those of one emotion among them, and go to the folds
    # in turn: so they spread, and with a second clip in another fold none is a stranger's.
    shuffled = generator(seed).permutation(len(utterances)).tolist()
    tested = [i for i in shuffled if counts[keys[i]] > 1]
    if len(tested) < folds:
        raise SplitError(
            f"{len(tested)} utterances of speakers with two or more do not make {folds} folds",
            source=spec,
            remedy="Use fewer folds, or more utterances.",
        )
    of = np.full(len(utterances), -1)
    of[sorted(tested, key=lambda i: (keys[i], utterances[i].emotion))] = (
        np.arange(len(tested)) % folds
    )
    return tuple(
        Fold(str(k + 1), np.flatnonzero(of != k), np.flatnonzero(of == k)) for k in range(folds)
    )


def _corpora(utterances: Sequence[Utterance]) -> tuple[tuple[Fold, ...], tuple[str, ...]]:
    """A fold for each corpus, over what it shares with the others, and notes on what that leaves
    out."""
    names = sorted({utterance.corpus for utterance in utterances})
    if len(names) < 2:
        raise SplitError(
            f"there is one corpus only ({names[0]})",
            source="corpora:loo",
            remedy="Give at least two corpora.",
        )
    folds: list[Fold] = []
    notes: list[str] = []
    for name in names:
        here = {u.emotion for u in utterances if u.corpus == name}
        shared = here & {u.emotion for u in utterances if u.corpus != name}
        usable = [i for i, u in enumerate(utterances) if u.emotion in shared]
        test = [i for i in usable if utterances[i].corpus == name]
        train = [i for i in usable if utterances[i].corpus != name]
        if len(shared) < 2:
            raise SplitError(
                f"{name} shares {'1 emotion' if shared else 'no emotion'} with the other corpora",
                source="corpora:loo",
                remedy="Leave it out, or merge emotions so that at least two are shared.",
            )
        folds.append(Fold(name, np.asarray(train, np.intp), np.asarray(test, np.intp)))
        own = sum(utterance.corpus == name for utterance in utterances)
        unasked = own - len(test)
        are = "is" if unasked == 1 else "are"
        if len(usable) < len(utterances):
            notes.append(
                f"fold {name} is of the {len(shared)} emotions that {name} shares with the others: "
                f"{unasked} of its {own} clips {are} not asked about, and "
                f"{len(utterances) - own - len(train)} of the others not trained on"
            )
    return tuple(folds), tuple(notes)
