"""Searching for parameters inside the training part, with Optuna.

Every trial is judged by the unweighted average recall of a cross-validation over the training
clips, grouped by speaker, so the search favours what carries over to a new voice. Test clips take
no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.errors import MissingExtraError, TrainingError, UsageError
from emotone.metrics import metrics
from emotone.models import families
from emotone.models.building import build
from emotone.models.classical import Classifier
from emotone.models.preprocessing import Selection
from emotone.models.streamed import Features

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters that were tried, and the UA they reached in the cross-validation."""

    params: dict[str, Any]
    ua: float


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
        return {"trials": len(self.trials), "inner_ua": round(self.ua, 6), "params": self.params}


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

    Raises
    ------
    UsageError
        If `trials` is below 1 or the family has nothing to search.
    TrainingError
        If there are too few clips to cross-validate.
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
    tried: list[Trial] = []

    def attempt(chosen: dict[str, Any]) -> float:
        classifier = build(
            family,
            params=chosen,
            seed=seed,
            class_weight=class_weight,
            sampling=sampling,
            select=select,
            calibration_folds=0,
        )
        assert isinstance(classifier, Classifier)
        scores, codes, classes = classifier.out_of_fold(X, y, groups, folds)
        ua = metrics(codes, scores, classes.tolist(), bootstrap=0).ua.value
        tried.append(Trial(chosen, ua))
        if progress is not None:
            progress(len(tried), trials + 1)
        return ua

    def objective(trial: optuna.Trial) -> float:
        drawn = space(trial)
        if "members" in fixed:  # the space speaks of the default members
            drawn = {k: v for k, v in drawn.items() if k.split(".")[0] in fixed["members"]}
        return attempt(families.override(drawn, fixed))

    attempt(fixed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=trials, catch=())
    values = np.array([trial.ua for trial in tried])
    if np.isnan(values).all():
        raise TrainingError("no trial of the search gave a usable model")
    best = tried[int(np.nanargmax(values))]
    return Search(best.params, best.ua, tuple(tried))
