"""One way to make a classifier of any family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from emotone.errors import UsageError
from emotone.models import families
from emotone.models.classical import Classifier
from emotone.models.neural.classifier import NeuralClassifier
from emotone.models.neural.hybrid import HybridClassifier
from emotone.models.preprocessing import Selection, check_selection

AnyClassifier: TypeAlias = Classifier | NeuralClassifier | HybridClassifier
"""Either kind: ``fit``, ``scores``, ``predict`` and ``to_onnx`` are the same for both."""


def build(
    family: str,
    *,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    class_weight: str | None = None,
    sampling: str | None = None,
    select: Selection = None,
    calibration_folds: int = 5,
) -> AnyClassifier:
    """An unfitted classifier.

    Parameters
    ----------
    family
        A name in `emotone.models.FAMILIES`.
    params
        Parameters over the family's defaults. For a classical family those of the scikit-learn
        estimator, and ``scale`` (bool): standardise features first; for an ensemble ``members`` (a
        list of families) and ``FAMILY.PARAMETER``. For a neural family those of
        `emotone.models.neural.settings`: how it is trained, the size of its body, and
        ``augment.PARAMETER``.
    seed
        Of everything random.
    class_weight
        ``"balanced"`` lets each emotion weigh the same, by class weights where the estimator has
        them and by balanced sampling where it has not (mlp, knn).
    sampling
        ``"balanced"`` repeats clips of the rarer emotions, drawn at random within the training
        part, until all are as frequent; in a neural family, within each corpus and epoch.
    select
        Feature selection: a count, a share from 0 to 1, ``"model"`` or None; see `Preprocessing`.
        Not for neural families.
    calibration_folds
        Folds of the inner cross-validation that the temperature is fitted on; 0 leaves it at 1. Its
        models learn from fewer clips than the final one and so err more: few folds make the scores
        too modest. Neural families use their validation part instead.

    Raises
    ------
    UsageError
        If the family, a parameter or an option does not exist, or the seed is not from 0 to
        4294967295.
    MissingExtraError
        If scikit-learn is not installed.

    Examples
    --------
    >>> build("knn", params={"n_neighbors": 3}).family.name
    'knn'
    >>> build("crnn", params={"epochs": 3}).params["lr"]
    0.002
    """
    entry = families.get(family)
    if not 0 <= seed < 2**32:
        raise UsageError(f"the seed is {seed}", remedy="Give a whole number from 0 to 4294967295.")
    for option, value in (("class_weight", class_weight), ("sampling", sampling)):
        if value not in (None, "balanced"):
            raise UsageError(f"{option} is 'balanced' or nothing, not {value!r}")
    if calibration_folds < 0 or calibration_folds == 1:
        raise UsageError("calibration needs 2 folds or more, or 0 to leave it out")
    check_selection(select)
    resolved = families.resolve(entry, params or {})
    if entry.input == "waveform":
        if select is not None:
            raise UsageError(
                f"the family '{family}' hears the sound itself: there are no features to select",
                remedy="Leave the selection out.",
            )
        kind = HybridClassifier if entry.members else NeuralClassifier
        return kind(
            family=entry,
            params=resolved,
            seed=seed,
            class_weight=class_weight,
            sampling=sampling,
        )
    return Classifier(
        family=entry,
        params=resolved,
        seed=seed,
        class_weight=class_weight,
        sampling=sampling,
        select=select,
        calibration_folds=calibration_folds,
    )
