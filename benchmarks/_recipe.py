"""The classical recipe whose figures the README quotes, the same for every corpus and task.

It was chosen by cross-validation inside training parts alone: of EmoBox fold 1 (RAVDESS by speaker,
EmoDB, TurEV-DB, URDU) and of the two random RAVDESS splits. No test clip took part.
"""

from __future__ import annotations

from emotone.folds import Recipe

FEATURES = "rich"


def recipe(seed: int = 0) -> Recipe:
    """The recipe under a seed."""
    return Recipe(family="ensemble", params={}, seed=seed)
