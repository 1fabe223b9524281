"""Searching for parameters inside the training part, with Optuna.

Every trial is judged by the unweighted average recall of a cross-validation over the training
clips, grouped by speaker, so the search favours what carries over to a new voice. Test clips take
no part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emotone.errors import EmotoneError, MissingExtraError, TrainingError, UsageError
from emotone.execution import SERIAL, Callback, Executor, Progress
from emotone.metrics import metrics
from emotone.models import families
from emotone.models.building import build
from emotone.models.classical import Classifier
from emotone.models.preprocessing import Selection
from emotone.models.streamed import Features

if TYPE_CHECKING:
    import optuna


TOGETHER = 5
"""Trials that are drawn together, knowing of those before them alone.

It is the same everywhere, so that a search tries the same on one core as on a cluster, where these
are worked on at once. The first ten are drawn at random anyway.
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters that were tried.

    Attributes
    ----------
    params
        These.
    ua
        What they reached in the cross-validation; NaN if it failed.
    error
        Why it failed; None if it did not.
    """

    params: dict[str, Any]
    ua: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found.

    Attributes
    ----------
    params
        The best parameters, the caller's own among them.
    ua
        What they reached in the inner cross-validation. Being the best of many, it is optimistic;
        quote the test figures instead.
    trials
        All that were tried, in order; the first holds the family's defaults.
    """

    params: dict[str, Any]
    ua: float
    trials: tuple[Trial, ...]

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain types, ready for JSON and a card."""
        found = {"trials": len(self.trials), "inner_ua": round(self.ua, 6), "params": self.params}
        return found | ({"failed": len(self.failed)} if self.failed else {})

    @property
    def failed(self) -> tuple[Trial, ...]:
        """The trials that failed."""
        return tuple(trial for trial in self.trials if trial.error is not None)


def search(
    X: Features,
    y: Sequence[str] | npt.NDArray[Any],
    groups: Sequence[str | None] | None,
    family: str,
    *,
    trials: int,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    folds: int = 4,
    class_weight: str | None = None,
    sampling: str | None = None,
    select: Selection = None,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor = SERIAL,
) -> Search:
    """The best parameters of a family for these clips.

    Parameters
    ----------
    X, y, groups
        Features (n, d), emotions and speakers of the training part.
    family
        A name in `emotone.models.FAMILIES`.
    trials
        How many to draw (tree-structured Parzen estimator, Bergstra et al. 2011), besides the
        defaults.
    params
        Parameters to keep fixed.
    seed
        Of the drawing, the folds and the models.
    folds
        Of the inner cross-validation.
    class_weight, sampling, select
        As in `emotone.models.build`.
    progress
        Called with trials done and their number.
    executor
        Where the trials are worked on. A trial that fails is among the trials with its error, and
        the others are done.

    Raises
    ------
    UsageError
        If `trials` is below 1 or the family has nothing to search.
    TrainingError
        If no trial gives a model: there are too few clips to cross-validate, say.
    MissingExtraError
        If Optuna is not installed.
    """
    entry = families.get(family)
    if trials < 1:
        raise UsageError("a search needs at least one trial")
    if entry.input == "waveform":
        raise UsageError(
            f"there is no search for parameters of the neural family '{family}'",
            remedy="Set them with --param (params in Python), and train without a search.",
        )
    if entry.space is None:
        raise UsageError(
            f"the family '{family}' is a preset with nothing to search",
            remedy="Search the family 'mlp' instead.",
        )
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("searching for parameters", "train") from error
    fixed = dict(params or {})
    space = entry.space
    sampler = optuna.samplers.TPESampler(seed=seed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    setting = _Setting(X, y, groups, family, seed, folds, class_weight, sampling, select)
    tried: dict[int, Trial] = {}

    def drawn() -> tuple[optuna.Trial, dict[str, Any]]:
        asked = study.ask()
        found = space(asked)
        if "members" in fixed:  # the space speaks of the default members
            found = {k: v for k, v in found.items() if k.split(".")[0] in fixed["members"]}
        return asked, families.override(found, fixed)

    while len(tried) <= trials:
        first = len(tried)
        asked = [drawn() for _ in range(min(TOGETHER, trials - first + 1) - (first == 0))]
        chosen = [params for _, params in asked]
        if first == 0:  # the defaults, of which the sampler knows nothing
            chosen.insert(0, fixed)
        for finished in executor.run(_attempt, setting, chosen, _unheard):
            params = chosen[finished.index]
            why = None if finished.error is None else str(finished.error)
            ua = math.nan if finished.result is None else finished.result
            tried[first + finished.index] = Trial(params, ua, why)
            if progress is not None:
                progress(len(tried), trials + 1)
        # In the order in which they were drawn, whichever was ready first.
        for at, (trial, _) in enumerate(asked, start=first + (first == 0)):
            ua = tried[at].ua
            state = optuna.trial.TrialState.FAIL if math.isnan(ua) else None
            study.tell(trial, None if state else ua, state=state)
    done = tuple(tried[at] for at in range(trials + 1))
    values = np.array([trial.ua for trial in done])
    if np.isnan(values).all():
        why = f"; the first: {done[0].error}" if done[0].error else ""
        raise TrainingError(f"no trial of the search gave a usable model{why}")
    best = done[int(np.nanargmax(values))]
    return Search(best.params, best.ua, done)


class _Setting(NamedTuple):
    """What all trials of a search have in common."""

    X: Features
    y: Sequence[str] | npt.NDArray[Any]
    groups: Sequence[str | None] | None
    family: str
    seed: int
    folds: int
    class_weight: str | None
    sampling: str | None
    select: Selection


def _attempt(
    setting: _Setting, params: dict[str, Any], tell: Callback, executor: Executor
) -> float:
    """The UA that some parameters reach in the cross-validation."""
    try:
        classifier = build(
            setting.family,
            params=params,
            seed=setting.seed,
            class_weight=setting.class_weight,
            sampling=setting.sampling,
            select=setting.select,
            calibration_folds=0,
        )
        assert isinstance(classifier, Classifier)
        scores, codes, classes = classifier.out_of_fold(
            setting.X, setting.y, setting.groups, setting.folds
        )
        return metrics(codes, scores, classes.tolist(), bootstrap=0).ua.value
    except EmotoneError:
        raise
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
        # Parameters may be such as an estimator chokes on; the other trials are none the worse.
        raise TrainingError(f"{type(error).__name__}: {error}") from error


def _unheard(event: Progress) -> None:
    """A trial tells nothing before it is over."""
