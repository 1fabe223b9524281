"""Searching for parameters inside the training part, with Optuna.

Every trial is judged by the unweighted average recall of a cross-validation over the training
clips, grouped by speaker, so the search favours what carries over to a new voice. Test clips take
no part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.errors import EmotoneError, MissingExtraError, TrainingError, UsageError
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
    seconds
        How long it took.
    """

    params: dict[str, Any]
    ua: float
    error: str | None = None
    seconds: float = field(default=0.0, compare=False)


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


class Searching:
    """A search that draws parameters and is told what became of them.

    Parameters
    ----------
    family
        A name in `emotone.models.FAMILIES`.
    trials
        How many to draw (tree-structured Parzen estimator, Bergstra et al. 2011), besides the
        defaults.
    params
        Parameters to keep fixed.
    seed
        Of the drawing.

    Raises
    ------
    UsageError
        If `trials` is below 1, or the family has nothing to search beside the fixed parameters.
    MissingExtraError
        If Optuna is not installed.
    """

    def __init__(
        self, family: str, *, trials: int, params: Mapping[str, Any] | None = None, seed: int = 0
    ) -> None:
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
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._space = entry.space
        self._fixed = dict(params or {})
        if self._drawn(optuna.create_study().ask()) == self._fixed:
            raise UsageError(
                f"nothing of '{family}' is left to search beside {', '.join(self._fixed)}",
                remedy="Train without a search, or fix fewer of its parameters.",
            )
        self._asked: list[optuna.Trial] = []
        self.total = trials + 1
        """Trials in all, the defaults included."""
        self._done: list[Trial] = []

    @property
    def over(self) -> bool:
        """Whether all trials are done."""
        return len(self._done) == self.total

    def draw(self) -> list[dict[str, Any]]:
        """Parameters to try next, at most `TOGETHER`; first of all the defaults."""
        count = min(TOGETHER, self.total - len(self._done))
        chosen = [] if self._done else [self._fixed]  # of which the sampler knows nothing
        self._asked = [self._study.ask() for _ in range(count - len(chosen))]
        return chosen + [self._drawn(trial) for trial in self._asked]

    def _drawn(self, trial: optuna.Trial) -> dict[str, Any]:
        """What a trial draws, and the fixed parameters over it."""
        drawn = self._space(trial)
        if "members" in self._fixed:  # the space speaks of the default members
            named = self._fixed["members"]
            drawn = {k: v for k, v in drawn.items() if k.split(".")[0] in named}
        return families.override(drawn, self._fixed)

    def tell(self, trials: Sequence[Trial]) -> None:
        """What became of all that were drawn, in that order."""
        from optuna.trial import TrialState

        drawn = trials[len(trials) - len(self._asked) :]
        for asked, trial in zip(self._asked, drawn, strict=True):
            if math.isnan(trial.ua):
                self._study.tell(asked, state=TrialState.FAIL)
            else:
                self._study.tell(asked, trial.ua)
        self._done += trials

    def found(self) -> Search:
        """The outcome.

        Raises
        ------
        TrainingError
            If no trial gave a model.
        """
        values = np.array([trial.ua for trial in self._done])
        if np.isnan(values).all():
            why = self._done[0].error
            raise TrainingError(
                "no trial of the search gave a usable model"
                + (f"; the first: {why}" if why else "")
            )
        best = self._done[int(np.nanargmax(values))]
        return Search(best.params, best.ua, tuple(self._done))


@dataclass(frozen=True)
class Setting:
    """What the trials of a search have in common.

    Attributes
    ----------
    family, seed, class_weight, sampling, select
        As in `emotone.models.build`.
    folds
        Of the inner cross-validation.
    """

    family: str
    seed: int = 0
    class_weight: str | None = None
    sampling: str | None = None
    select: Selection = None
    folds: int = 4


def attempt(
    setting: Setting,
    params: dict[str, Any],
    X: Features,
    y: Sequence[str] | npt.NDArray[Any],
    groups: Sequence[str | None] | None,
) -> Trial:
    """Try parameters, by a cross-validation over some clips.

    Raises
    ------
    TrainingError
        If they give no model.
    """
    begun = time.perf_counter()
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
        scores, codes, classes = classifier.out_of_fold(X, y, groups, setting.folds)
        ua = metrics(codes, scores, classes.tolist(), bootstrap=0).ua.value
    except EmotoneError:
        raise
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
        # Parameters may be such as an estimator chokes on; the other trials are none the worse.
        raise TrainingError(f"{type(error).__name__}: {error}") from error
    return Trial(params, ua, seconds=time.perf_counter() - begun)


def failed(params: dict[str, Any], error: EmotoneError) -> Trial:
    """A trial that gave no model."""
    return Trial(params, math.nan, str(error))


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
) -> Search:
    """The best parameters of a family for these clips.

    Parameters
    ----------
    X, y, groups
        Features (n, d), emotions and speakers of the training part.
    family, trials, params
        As of `Searching`.
    seed
        Of the drawing, the folds and the models.
    folds
        Of the inner cross-validation.
    class_weight, sampling, select
        As in `emotone.models.build`.
    progress
        Called with trials done and their number.

    Raises
    ------
    UsageError, MissingExtraError
        As `Searching`.
    TrainingError
        If no trial gives a model: there are too few clips to cross-validate, say. One that fails
        is among the trials with its error, and the others are done.
    """
    searching = Searching(family, trials=trials, params=params, seed=seed)
    setting = Setting(family, seed, class_weight, sampling, select, folds)
    done = 0
    while not searching.over:
        tried = []
        for chosen in searching.draw():
            try:
                tried.append(attempt(setting, chosen, X, y, groups))
            except EmotoneError as error:
                tried.append(failed(chosen, error))
            done += 1
            if progress is not None:
                progress(done, searching.total)
        searching.tell(tried)
    return searching.found()
