"""The classical recipe whose figures the README quotes, the same for every corpus and task.

It was chosen by cross-validation inside training parts alone: of EmoBox fold 1 (RAVDESS by speaker,
EmoDB, TurEV-DB, URDU) and of the two random RAVDESS splits. So the test clips of the corpora with
one fold took no part; those of the other folds of RAVDESS and EmoDB are training clips of fold 1,
and the tasks on RAVDESS share its clips. Two constants of the support vector machines
(`models.svm.PAIR_STEEPNESS`, `models.heads.LINEAR_STRENGTH`) were first set on folds of EmoDB and
RAVDESS, test clips included; on nEMO, by speaker, they hardly matter. A choice of its own in every
fold is `--search`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emotone.models import FAMILIES
from emotone.models.neural import voices
from emotone.training.recipe import Recipe

CORPORA = ("ravdess", "tess", "emodb", "urdu", "ased", "turev", "casia", "emovo", "nemo")
"""All nine, in the order in which a joint training reads them."""

FEATURES = "rich"


def recipe(seed: int = 0) -> Recipe:
    """The recipe under a seed."""
    return Recipe(family="ensemble", params={}, seed=seed)


CLIPS_PER_EPOCH = {
    "ravdess": 1600,
    "tess": 300,
    "emodb": 600,
    "urdu": 300,
    "ased": 1200,
    "turev": 1300,
    "casia": 900,
    "emovo": 900,
    "nemo": 2000,
}
"""What an epoch of the joint training draws from each corpus: the small ones often, the two voices
of TESS less."""

NEURAL: dict[str, dict[str, Any]] = {
    "crnn": {
        "epochs": 56,
        "cycles": 4,
        "batch_size": 48,
        "max_seconds": 3.0,
        "recurrent": 0,
        "mixup": 0.4,
        "ema": 0.997,
        "contrast": 0.3,
    },
    "functionals": {"epochs": 40, "batch_size": 64, "mixup": 0.3, "views": 8},
    "ridge": {"kernel": 0.0},
}
"""Parameters of the joint training of a neural family, over its defaults. Chosen on the training
part of EmoBox fold 1: on the clips that fold 2 tests, and a tenth of the training clips of the
corpora with one fold. The regression is the linear one that the default model has."""

WEIGHTS: dict[str, float] = {"crnn": 3.0}
"""What a member counts in a joint training of the hybrid, where it is not 1; chosen likewise, on
noisy clips as well: noise and telephones mislead the convolutional network least."""


def params(family: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A family's parameters in these benchmarks: a neural one's recipe, and what is given."""
    recipe = neural(family) if FAMILIES[family].input == "waveform" else {}
    return {**recipe, **given}


def neural(family: str) -> dict[str, Any]:
    """The parameters of a family for a joint training, on all clips for all epochs."""
    shared = {"validation": 0, "temperature": 1.0, "clips_per_epoch": CLIPS_PER_EPOCH}
    own = dict(NEURAL.get(family, {}))
    for member in FAMILIES[family].members:
        own |= {f"{member}.{key}": value for key, value in NEURAL[member].items()}
        own[f"{member}.weight"] = WEIGHTS.get(member, 1.0)
    return {**shared, **own}


TUTORIALS: dict[str, dict[str, Any]] = {"ridge": {"kernel": 0.0, "speakers": 3.0}}
"""What the regression is in the tutorials' tasks, over the parameters for known voices: the linear
one that it was when those were chosen, on a fifth of the training clips of the task of eight
emotions. There the network's 80 epochs were one cycle and not two."""


def known_voices(family: str) -> dict[str, Any]:
    """The parameters of a family in the tutorials' tasks, whose voices it was trained on."""
    return _on_all_clips(family, TUTORIALS)


def alone(family: str) -> dict[str, Any]:
    """The parameters of a family for a training on one corpus of EmoBox alone.

    Those of the package for known voices. The regression's were chosen by cross-validation inside
    the training parts of fold 1 of EmoDB, TurEV-DB and RAVDESS, whose clips are test clips of the
    other folds of EmoDB and RAVDESS; the others' on clips of a random split of RAVDESS, with the
    voices of all its folds.
    """
    return _on_all_clips(family, {})


def _on_all_clips(family: str, over: dict[str, dict[str, Any]]) -> dict[str, Any]:
    members = FAMILIES[family].members
    given = over.get(family, {}) if not members else {}
    for member in members:
        given |= {f"{member}.{key}": value for key, value in over.get(member, {}).items()}
    return {**voices.known_voices(family, members), **given, "validation": 0, "temperature": 1.0}
