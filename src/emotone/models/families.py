"""The families of models: name, estimator or body, defaults, and what a search may change."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from emotone.configuration import suggestion
from emotone.errors import MissingExtraError, UsageError
from emotone.models import heads, svm
from emotone.models.neural import parameters as neural
from emotone.models.neural.settings import CLOSED_FORM

if TYPE_CHECKING:
    import optuna

Space = Callable[["optuna.Trial"], dict[str, Any]]


@dataclass(frozen=True)
class Family:
    """A kind of model.

    Attributes
    ----------
    name
        What a user types.
    description
        One line.
    head
        The estimator behind it; None for an ensemble and for a neural family.
    defaults
        Parameters that differ from the estimator's own defaults.
    space
        Draws parameters for one trial of a search; None where there is nothing to search.
    scale
        Whether features are standardised first (zero mean, unit variance over the training part).
    members
        For an ensemble or a hybrid, the families whose scores are averaged.
    input
        What it learns from: ``"features"``, or the ``"waveform"`` itself for a neural family.
    """

    name: str
    description: str
    head: type[heads.Head] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    space: Space | None = None
    scale: bool = True
    members: tuple[str, ...] = ()
    input: Literal["features", "waveform"] = "features"

    @property
    def learns_in_epochs(self) -> bool:
        """Whether a training has a loss curve."""
        if self.input == "waveform":
            return self.name not in CLOSED_FORM
        return self.head is heads.MLPHead


def _mlp_space(trial: optuna.Trial) -> dict[str, Any]:
    layers = trial.suggest_int("layers", 1, 3)
    width = trial.suggest_categorical("width", [64, 128, 256, 512])
    return {
        "hidden_layer_sizes": [width] * layers,
        "alpha": trial.suggest_float("alpha", 1e-4, 10.0, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128, 256]),
        "learning_rate_init": trial.suggest_float("learning_rate_init", 1e-4, 3e-3, log=True),
    }


def _svm_rbf_space(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "C": trial.suggest_float("C", 0.3, 100.0, log=True),
        "gamma_scale": trial.suggest_float("gamma_scale", 0.03, 3.0, log=True),
    }


def _linear_space(trial: optuna.Trial) -> dict[str, Any]:
    return {"C": trial.suggest_float("C", 1e-5, 1.0, log=True)}


def _tree_space(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "max_depth": trial.suggest_int("max_depth", 3, 30),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 20),
        "criterion": trial.suggest_categorical("criterion", ["gini", "entropy"]),
    }


def _forest_space(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 8),
        "max_features": trial.suggest_float("max_features", 0.01, 0.5, log=True),
        "criterion": trial.suggest_categorical("criterion", ["gini", "entropy"]),
    }


def _boosting_space(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "max_iter": trial.suggest_int("max_iter", 50, 300),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 7, 63, log=True),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 100.0, log=True),
        "max_features": trial.suggest_float("max_features", 0.1, 1.0),
    }


def _knn_space(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "n_neighbors": trial.suggest_int("n_neighbors", 1, 40, log=True),
        "weights": trial.suggest_categorical("weights", ["uniform", "distance"]),
    }


def _ensemble_space(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "svm-linear.C": trial.suggest_float("svm-linear.C", 1e-5, 1.0, log=True),
        "svm-rbf.C": trial.suggest_float("svm-rbf.C", 0.3, 100.0, log=True),
        "svm-rbf.gamma_scale": trial.suggest_float("svm-rbf.gamma_scale", 0.03, 3.0, log=True),
        "mlp.alpha": trial.suggest_float("mlp.alpha", 1e-2, 10.0, log=True),
    }


_TUTORIAL_MLP = {"learning_rate": "adaptive", "max_iter": 500}

_ALL = (
    Family(
        "mlp",
        "a neural network of fully connected layers",
        heads.MLPHead,
        {"hidden_layer_sizes": [256], "alpha": 0.1, "batch_size": 64, "max_iter": 200},
        _mlp_space,
    ),
    # The tutorials feed raw features to scikit-learn's Adam, under which learning_rate="adaptive"
    # has no effect; both are kept so that their figures reproduce.
    Family(
        "mlp-300",
        "the RAVDESS tutorials' network: one layer of 300, alpha 0.01, batch 256, no scaling",
        heads.MLPHead,
        {"hidden_layer_sizes": [300], "alpha": 0.01, "batch_size": 256, **_TUTORIAL_MLP},
        scale=False,
    ),
    Family(
        "mlp-200-200-100-50",
        "the tutorials' deeper network: alpha 0.001, batch 128, no scaling",
        heads.MLPHead,
        {
            "hidden_layer_sizes": [200, 200, 100, 50],
            "alpha": 0.001,
            "batch_size": 128,
            **_TUTORIAL_MLP,
        },
        scale=False,
    ),
    Family(
        "svm-rbf",
        "a support vector machine with a Gaussian kernel",
        svm.GaussianSVMHead,
        {"C": 10.0},
        _svm_rbf_space,
    ),
    Family(
        "svm-linear",
        "a linear support vector machine; strong on thousands of features",
        svm.LinearSVMHead,
        {"C": "scale"},
        _linear_space,
    ),
    Family("tree", "one decision tree", heads.TreeHead, {}, _tree_space, scale=False),
    Family(
        "forest",
        "a random forest",
        heads.ForestHead,
        {"n_estimators": 300, "min_samples_leaf": 2},
        _forest_space,
        scale=False,
    ),
    Family(
        "extra-trees",
        "extremely randomised trees",
        heads.ExtraTreesHead,
        {"n_estimators": 300, "min_samples_leaf": 2},
        _forest_space,
        scale=False,
    ),
    Family(
        "gradient-boosting",
        "histogram gradient boosting of trees",
        heads.BoostingHead,
        {"max_iter": 150, "learning_rate": 0.1, "l2_regularization": 1.0, "max_features": 0.3},
        _boosting_space,
        scale=False,
    ),
    Family(
        "knn",
        "the nearest neighbours",
        heads.NeighboursHead,
        {"n_neighbors": 10, "weights": "distance"},
        _knn_space,
    ),
    Family(
        "logistic",
        "multinomial logistic regression",
        heads.LogisticHead,
        {"C": "scale"},
        _linear_space,
    ),
    Family(
        "ensemble",
        "the mean of the scores of several families",
        # Chosen on the set rich by cross-validation inside training parts: a small network that is
        # held back firmly and stopped early, beside the two machines that it errs unlike.
        defaults={
            "svm-rbf.gamma_scale": 0.3,
            "mlp.hidden_layer_sizes": [200],
            "mlp.alpha": 1.0,
            "mlp.batch_size": 32,
            "mlp.learning_rate_init": 3e-4,
            "mlp.max_iter": 25,
        },
        members=("svm-linear", "svm-rbf", "mlp"),
        space=_ensemble_space,
    ),
    Family("cnn1d", "convolutions over time on MFCCs, as in the tutorials", input="waveform"),
    Family("cnn2d", "convolutions over time and frequency on log-mel bands", input="waveform"),
    Family("lstm", "a bidirectional LSTM on log-mel bands", input="waveform"),
    Family("gru", "a bidirectional GRU on log-mel bands", input="waveform"),
    Family(
        "crnn",
        "convolutions, a GRU and attention on log-mel bands and pitch",
        input="waveform",
    ),
    Family("functionals", "a perceptron on statistics of the clip", input="waveform"),
    Family(
        "ridge",
        "ridge regression, linear and with a Gaussian kernel, on statistics of the clip, solved at "
        "once for all corpora",
        input="waveform",
    ),
    Family(
        "hybrid",
        "a crnn, and a perceptron and a ridge regression on statistics of the clip, averaged: the "
        "kind that the default model is",
        defaults={"crnn.recurrent": 0},
        input="waveform",
        members=("crnn", "functionals", "ridge"),
    ),
    Family("conformer", "Conformer blocks on log-mel bands", input="waveform"),
    Family(
        "foundation",
        "a pre-trained speech encoder of the user's: wav2vec 2.0, HuBERT, WavLM, data2vec, Whisper",
        defaults={"lr": 1e-3, "batch_size": 16},
        input="waveform",
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
"""Every family by name."""

_OURS = frozenset(
    [
        "random_state",
        "class_weight",
        "n_jobs",
        "verbose",
        "warm_start",
        "kernel",
        "probability",
        "cache_size",
        "algorithm",
        "decision_function_shape",
        "break_ties",
        "activation",
        "metric",
        "metric_params",
        "p",
        "radius",
        "leaf_size",
        "degree",
        "coef0",
        "shrinking",
        "categorical_features",
        "loss",
        "multi_class",
        "monotonic_cst",
        "interaction_cst",
        "scoring",
        "oob_score",
    ]
)
"""Parameters of scikit-learn's that emotone sets itself or cannot export."""


_CHECKED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "scale": (lambda value: isinstance(value, bool), "Give true or false."),
    "weights": (lambda value: value in ("uniform", "distance"), "Give uniform or distance."),
    "gamma": (
        lambda value: value == "scale" or _is_above_zero(value),
        "Give scale or a number above 0; gamma_scale multiplies the former.",
    ),
    "gamma_scale": (lambda value: _is_above_zero(value), "Give a number above 0."),
    "max_iter": (lambda value: isinstance(value, int) and value >= 1, "Give a number from 1."),
}
"""Parameters that scikit-learn does not see, or sees too late, to refuse."""


def _is_above_zero(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value < math.inf


_OFTEN = {
    "transformer": "conformer",
    "cnn": "cnn2d",
    "rnn": "gru",
    "bilstm": "lstm",
    "svm": "svm-rbf",
    **dict.fromkeys(("wav2vec2", "hubert", "wavlm", "whisper", "emotion2vec"), "foundation"),
}
"""What people ask for by another name than ours."""


def get(name: str) -> Family:
    """The family of a name.

    Raises
    ------
    UsageError
        If there is none; the message names the one that is meant, or lists them.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        alike = _OFTEN.get(name.lower(), name.lower())
        raise UsageError(
            f"there is no family '{name}'", remedy=suggestion(alike, FAMILIES)
        ) from None


def allowed(family: Family, members: Sequence[str] = ()) -> list[str]:
    """The parameters that a user may set for a family; for an ensemble, with these members.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    if family.input == "waveform":
        return neural.allowed(family.name, family.members)
    if family.head is None:
        chosen = members or family.members
        return ["members", *(f"{name}.{key}" for name in chosen for key in allowed(get(name)))]
    try:
        estimator = type(family.head({}, 0, None).make())
    except ImportError as error:
        raise MissingExtraError("training a model", "train") from error
    names = [name for name in inspect.signature(estimator).parameters if name not in _OURS]
    if family.head is svm.LinearSVMHead:
        names.remove("gamma")
    if family.head is svm.GaussianSVMHead:
        names.append("gamma_scale")
    return ["scale", *names]


def resolve(family: Family, params: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of a family with the user's parameters over them, checked.

    Raises
    ------
    UsageError
        If a parameter does not belong to the family, or two contradict each other.
    """
    if family.input == "waveform":
        given = {**family.defaults, **params}
        if family.members:
            return neural.resolve_members(family.name, family.members, given)
        return neural.resolve(family.name, given)
    members = params.get("members", family.members)
    if not isinstance(members, (list, tuple)) or any(
        not isinstance(member, str) or get(member).head is None for member in members
    ):
        raise UsageError("the members of an ensemble are a list of single families")
    if family.head is None and not members:
        raise UsageError("an ensemble has one member or more")
    known = allowed(family, members)
    for name in params:
        if name not in known:
            raise UsageError(
                f"the family '{family.name}' has no parameter '{name}'",
                remedy=suggestion(name, sorted(known)),
            )
        check = _CHECKED.get(name.rpartition(".")[2])
        if check is not None and not check[0](params[name]):
            raise UsageError(f"the parameter '{name}' is {params[name]!r}", remedy=check[1])
    for name in _ruled_out(params) & set(params):
        raise UsageError(
            f"'{name}' multiplies the natural gamma, and another gamma is given beside it",
            remedy=f"Give one of them: {name.removesuffix('_scale')} or {name}.",
        )
    absent = {f"{name}." for name in family.members if name not in members}
    defaults = {
        name: value for name, value in family.defaults.items() if not name.startswith(tuple(absent))
    }
    return override(defaults, params)


def override(values: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Values of parameters with others over them; what these leave no room for is dropped."""
    ruled_out = _ruled_out(params)
    return {name: values[name] for name in values if name not in ruled_out} | dict(params)


def _ruled_out(params: Mapping[str, Any]) -> set[str]:
    """Every gamma_scale whose gamma is a number: there is nothing for it to multiply."""
    return {
        f"{name}_scale"
        for name, value in params.items()
        if name.rpartition(".")[2] == "gamma" and value != "scale"
    }
