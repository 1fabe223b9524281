"""Every family: it learns, its ONNX form says the same, and equal seeds give equal bytes."""

from __future__ import annotations

import signal

import numpy as np
import onnx
import onnxruntime
import pytest

from emotone.errors import TrainingError, UsageError
from emotone.models import FAMILIES, Classifier, build
from emotone.models.calibration import fit_temperature, softmax
from emotone.models.classical import inner_folds
from emotone.models.search import search
from emotone.models.svm import SVMHead

CLASSICAL = [name for name, family in FAMILIES.items() if family.input == "features"]
SMALL = {
    "forest": {"n_estimators": 20},
    "extra-trees": {"n_estimators": 20},
    "gradient-boosting": {"max_iter": 15},
    "mlp": {"hidden_layer_sizes": [16], "max_iter": 30, "learning_rate_init": 0.01},
    "mlp-300": {"max_iter": 20},
    "mlp-200-200-100-50": {"max_iter": 20},
    "ensemble": {
        "mlp.hidden_layer_sizes": [16],
        "mlp.max_iter": 30,
        "mlp.learning_rate_init": 0.01,
        "mlp.alpha": 0.1,
    },
}


def clips(
    emotions: tuple[str, ...], n: int = 160, d: int = 12, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features that tell the emotions apart, on scales that differ by orders of magnitude."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(emotions), n)
    features = rng.normal(size=(n, d))
    features[np.arange(n), labels] += 2.0
    scale = 10.0 ** np.linspace(-3, 4, d)
    features = features * scale + 5 * scale
    speakers = [f"s{i}" for i in rng.integers(0, 8, n)]
    return features.astype(np.float32), np.array(emotions)[labels], speakers


def run(model: bytes, features: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"features": features.astype(np.float32)})
    return np.asarray(scores)


@pytest.mark.parametrize("emotions", [("sad", "angry"), ("happy", "sad", "angry", "neutral")])
@pytest.mark.parametrize("family", CLASSICAL)
def test_onnx_agrees_and_repeats(family: str, emotions: tuple[str, ...]) -> None:
    X, y, speakers = clips(emotions)
    held_out, _, _ = clips(emotions, n=60, seed=1)
    first, second = (
        build(family, params=SMALL.get(family), seed=7).fit(X, y, groups=speakers) for _ in range(2)
    )
    model = first.to_onnx()
    assert model == second.to_onnx()
    scores = first.scores(held_out)
    assert scores.shape == (60, len(emotions))
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    np.testing.assert_allclose(run(model, held_out), scores, atol=1e-4)

    proto = onnx.load_from_string(model)
    assert [value.name for value in proto.graph.input] == ["features"]
    assert [value.name for value in proto.graph.output] == ["scores"]
    assert {item.domain: item.version for item in proto.opset_import} == {"": 17, "ai.onnx.ml": 3}


@pytest.mark.parametrize("family", [name for name in CLASSICAL if not name.startswith("mlp-")])
def test_it_learns(family: str) -> None:
    emotions = ("happy", "sad", "angry", "neutral")
    X, y, speakers = clips(emotions, n=240)
    held_out, truth, _ = clips(emotions, n=200, seed=1)
    classifier = build(family, params=SMALL.get(family)).fit(X, y, groups=speakers)
    assert classifier.classes_.tolist() == ["neutral", "happy", "sad", "angry"]
    assert (classifier.predict(held_out) == truth).mean() > 0.6  # chance is 0.25


@pytest.mark.parametrize("emotions", [("sad", "angry"), ("happy", "sad", "angry")])
@pytest.mark.parametrize("family", ["svm-rbf", "svm-linear"])
def test_the_svm_is_scikit_learns(family: str, emotions: tuple[str, ...]) -> None:
    from sklearn.svm import SVC

    X, y, _ = clips(emotions, n=300)
    held_out, _, _ = clips(emotions, n=300, seed=1)
    classifier = build(family, params={"C": 1.0}, calibration_folds=0).fit(X, y)
    (member,) = classifier._members
    prepared, new = (member.preprocessing.transform(m) for m in (X, held_out))
    kernel = {"svm-rbf": "rbf", "svm-linear": "linear"}[family]
    theirs = SVC(C=1.0, kernel=kernel, gamma="scale", decision_function_shape="ovo")
    theirs.fit(prepared, [classifier.classes_.tolist().index(label) for label in y.tolist()])
    margins = np.asarray(theirs.decision_function(new))
    if len(emotions) == 2:
        margins = -margins[:, None]
    assert isinstance(member.head, SVMHead)
    np.testing.assert_allclose(member.head._margins(new), margins, atol=0.02)
    agreement = classifier.predict(held_out) == classifier.classes_[theirs.predict(new)]
    assert agreement.mean() > 0.95


def test_presets_are_those_of_the_tutorials() -> None:
    single, deep = build("mlp-300"), build("mlp-200-200-100-50")
    assert single.params == {
        "hidden_layer_sizes": [300],
        "alpha": 0.01,
        "batch_size": 256,
        "learning_rate": "adaptive",
        "max_iter": 500,
    }
    assert deep.params == {
        "hidden_layer_sizes": [200, 200, 100, 50],
        "alpha": 0.001,
        "batch_size": 128,
        "learning_rate": "adaptive",
        "max_iter": 500,
    }
    assert not single.family.scale
    assert not deep.family.scale


def test_the_epoch_loop_is_scikit_learns_fit() -> None:
    from sklearn.neural_network import MLPClassifier

    X, y, _ = clips(("happy", "sad", "angry"), d=4)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    ours = build("mlp-300", params={"max_iter": 200, "tol": 1e-2}, seed=9, calibration_folds=0)
    ours.fit(X, y)
    theirs = MLPClassifier((300,), alpha=0.01, batch_size=160, max_iter=200, tol=1e-2,
                           random_state=9)  # fmt: skip
    codes = np.array([ours.classes_.tolist().index(label) for label in y.tolist()])
    theirs.fit(X.astype(np.float32), codes)
    assert 10 < len(theirs.loss_curve_) < 200  # it stopped by its own rule
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(
        ours.scores(X), theirs.predict_proba(X.astype(np.float32)), atol=1e-5
    )


def test_every_epoch_draws_the_clips_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.neural_network import _multilayer_perceptron as sklearns

    orders = []
    shuffle = sklearns.shuffle

    def listening(index: np.ndarray, random_state: object) -> np.ndarray:
        orders.append(tuple(shuffle(index, random_state=random_state).tolist()))
        return np.array(orders[-1])

    monkeypatch.setattr(sklearns, "shuffle", listening)
    X, y, _ = clips(("happy", "sad"))
    params = {"max_iter": 5, "batch_size": 32, "hidden_layer_sizes": [4]}
    build("mlp", params=params, calibration_folds=0).fit(X, y)
    assert len(orders) == len(set(orders)) == 5


def test_watched_clips_change_nothing() -> None:
    X, y, _ = clips(("happy", "sad", "angry"))
    rng = np.random.default_rng(5)
    noise = (rng.normal(size=(40, 12)).astype(np.float32) * 1e6, rng.choice(y, 40))
    plain = build("mlp", params=SMALL["mlp"]).fit(X, y)
    watching = build("mlp", params=SMALL["mlp"]).fit(X, y, watch=noise)
    assert plain.to_onnx() == watching.to_onnx()
    assert len(watching.watch_curve_) == len(watching.loss_curve_) > 0
    assert plain.watch_curve_ == []


def test_ctrl_c_inside_scikit_learns_mlp_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.neural_network import MLPClassifier

    X, y, _ = clips(("happy", "sad"))
    calls = []

    def interrupted(self: MLPClassifier, *args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    original = MLPClassifier._backprop
    monkeypatch.setattr(MLPClassifier, "_backprop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build("mlp", params=SMALL["mlp"], calibration_folds=0).fit(X, y)


@pytest.mark.parametrize("becomes", ["nothing", "another error"])
def test_ctrl_c_that_is_lost_in_a_library_still_ends_the_fit(
    monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    from sklearn.tree import DecisionTreeClassifier

    whole = DecisionTreeClassifier.fit

    def fit(self: DecisionTreeClassifier, *arguments: object) -> object:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if becomes == "another error":
                raise ValueError("not a valid PEP 3118 buffer format string") from None
        return whole(self, *arguments)

    monkeypatch.setattr(DecisionTreeClassifier, "fit", fit)
    X, y, _ = clips(("happy", "sad"))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        build("tree", calibration_folds=0).fit(X, y)
    assert signal.getsignal(signal.SIGINT) is before


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 5)) * 1.5
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits)])
    assert fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.08)
    assert fit_temperature(logits * 4, labels) == pytest.approx(4.0, abs=0.3)


def test_temperature_of_separable_and_of_unusable_logits() -> None:
    labels = np.arange(60) % 3
    perfect = fit_temperature(np.eye(3)[labels] * 2.0, labels)
    confidence = softmax(np.eye(3)[labels] * 2.0, perfect).max()
    assert 0.97 < confidence < 1  # sure, but only as sure as 60 clips allow
    assert fit_temperature(np.full((2, 3), -np.inf), np.array([0, 1])) == 1.0


def test_calibration_lowers_the_loss_on_new_speakers() -> None:
    emotions = ("happy", "sad", "angry")
    X, y, speakers = clips(emotions, n=120, d=60)
    held_out, truth, _ = clips(emotions, n=400, d=60, seed=1)
    losses = []
    for folds in (0, 3):
        classifier = build("svm-linear", params={"C": 1.0}, calibration_folds=folds)
        scores = classifier.fit(X, y, groups=speakers).scores(held_out)
        columns = [classifier.classes_.tolist().index(label) for label in truth.tolist()]
        losses.append(-np.log(scores[np.arange(400), columns]).mean())
    assert losses[1] < losses[0]
    assert classifier.calibration_["grouped_by"] == "speaker"


def test_an_emotion_of_one_speaker_alone_can_be_calibrated_around() -> None:
    X, y, _ = clips(("happy", "sad", "angry"))
    speakers = ["only" if label == "angry" else f"s{i % 5}" for i, label in enumerate(y)]
    scores = build("logistic").fit(X, y, groups=speakers).scores(X)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("family", ["logistic", "ensemble"])
def test_an_emotion_of_one_speaker_alone_leaves_the_temperature_of_the_others(family: str) -> None:
    X, y, _ = clips(("happy", "sad"), n=240)
    alone = np.arange(len(X)) % 6 == 0
    y = np.where(alone & (np.arange(len(X)) % 4 > 0), "angry", y)
    X[y == "angry"] += 4 * X.std(axis=0)
    speakers = ["only" if single else f"s{i % 6}" for i, single in enumerate(alone)]
    with_it = build(family, params=SMALL.get(family)).fit(X, y, groups=speakers)
    others = y != "angry"
    without = build(family, params=SMALL.get(family)).fit(
        X[others], y[others], groups=[s for s, other in zip(speakers, others, strict=True) if other]
    )
    assert 0.5 < with_it.temperature_ / without.temperature_ < 2


def test_one_clip_of_an_emotion_is_enough_to_fit() -> None:
    X, y, _ = clips(("happy", "sad"))
    y = y.copy()
    y[0] = "angry"
    classifier = build("svm-rbf").fit(X, y)
    assert classifier.calibration_["method"] == "temperature"
    assert classifier.scores(X).shape == (len(X), 3)


def test_a_clip_of_each_emotion_leaves_nothing_to_calibrate_on() -> None:
    X, _, _ = clips(("happy", "sad"))
    classifier = build("logistic").fit(X[:2], ["happy", "sad"])
    assert classifier.calibration_ == {"method": "none", "temperature": 1.0}


def test_the_card_counts_the_folds_that_there_are() -> None:
    X, y, speakers = clips(("happy", "sad"))
    two = ["a" if speaker < "s4" else "b" for speaker in speakers]
    assert build("logistic").fit(X, y, groups=two).calibration_["folds"] == 2


def test_no_inner_fold_is_empty() -> None:
    # Speakers of one emotion each, and as many folds as speakers: a stratified draw may give a
    # fold none of them.
    for seed in range(130, 140):  # 137 does
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 6, rng.integers(3, 9))
        groups = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
        y = np.array([i % 2 for i, size in enumerate(sizes) for _ in range(size)])
        for train, test in inner_folds(y, groups, 5, seed):
            assert len(train)
            assert len(test)


@pytest.mark.parametrize("family", ["svm-linear", "logistic", "tree", "mlp", "knn"])
def test_balancing_helps_the_rare_emotion(family: str) -> None:
    rng = np.random.default_rng(2)
    y = np.array(["happy"] * 300 + ["sad"] * 30)
    X = rng.normal(size=(330, 6)).astype(np.float32) + (y == "sad")[:, None] * 0.7
    test = rng.normal(size=(300, 6)).astype(np.float32) + 0.7
    params = {"max_depth": 3} if family == "tree" else SMALL.get(family)
    named = {
        option: (
            build(family, params=params, **dict([option] if option else []))  # type: ignore[arg-type]
            .fit(X, y)
            .predict(test)
            == "sad"
        ).mean()
        for option in (None, ("class_weight", "balanced"), ("sampling", "balanced"))
    }
    plain = named.pop(None)
    assert min(named.values()) > plain + 0.1


@pytest.mark.parametrize(("select", "kept"), [(4, 4), (0.5, 6), ("model", None), (None, 12)])
def test_selection_keeps_what_tells_emotions_apart(select: object, kept: int | None) -> None:
    X, y, _ = clips(("happy", "sad", "angry", "neutral"), n=300)
    classifier = build("logistic", select=select, calibration_folds=0).fit(X, y)  # type: ignore[arg-type]
    columns = classifier._members[0].preprocessing.columns.tolist()
    assert kept is None or len(columns) == kept
    assert {0, 1, 2, 3} <= set(columns)  # the informative ones
    np.testing.assert_allclose(run(classifier.to_onnx(), X), classifier.scores(X), atol=1e-4)
    if select == "model":
        assert len(columns) < 12


def test_a_constant_feature_does_no_harm() -> None:
    X, y, _ = clips(("happy", "sad", "angry"))
    X[:, 5] = 3.25
    classifier = build("svm-linear", select=8).fit(X, y)
    np.testing.assert_allclose(run(classifier.to_onnx(), X), classifier.scores(X), atol=1e-4)


def test_scaling_is_exact_where_float32_is_short_of_digits() -> None:
    rng = np.random.default_rng(0)
    y = np.array(["happy", "sad"])[rng.integers(0, 2, 200)]
    X = (1e5 + rng.normal(size=(200, 4)) + (y == "sad")[:, None]).astype(np.float32)
    classifier = build("svm-rbf").fit(X, y)
    np.testing.assert_allclose(run(classifier.to_onnx(), X), classifier.scores(X), atol=1e-5)


def test_weighted_neighbours_survive_a_training_clip_asked_again() -> None:
    X, y, _ = clips(("happy", "sad", "angry"))
    classifier = build("knn", params={"n_neighbors": 5, "weights": "distance"}).fit(X, y)
    assert (classifier.predict(X) == y).all()
    np.testing.assert_allclose(run(classifier.to_onnx(), X), classifier.scores(X), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"family": "perceptron"}, "no family 'perceptron'"),
        ({"family": "knn", "params": {"neighbours": 3}}, "no parameter 'neighbours'"),
        ({"family": "svm-rbf", "params": {"kernel": "poly"}}, "no parameter 'kernel'"),
        ({"family": "knn", "class_weight": "even"}, "class_weight is 'balanced'"),
        ({"family": "knn", "sampling": "smote"}, "sampling is 'balanced'"),
        ({"family": "knn", "select": 1.5}, "between 0 and 1"),
        ({"family": "knn", "select": "best"}, "cannot select"),
        ({"family": "knn", "select": 0}, "cannot select"),
        ({"family": "knn", "calibration_folds": 1}, "2 folds or more"),
        ({"family": "ensemble", "params": {"members": ["ensemble"]}}, "single families"),
        ({"family": "ensemble", "params": {"forest.n_estimators": 3}}, "no parameter"),
        ({"family": "ensemble", "params": {"members": []}}, "one member or more"),
        ({"family": "ensemble", "params": {"members": [["knn"]]}}, "single families"),
        ({"family": "ensemble", "params": {"mlp.max_iter": 0}}, "'mlp.max_iter' is 0"),
        ({"family": "mlp", "params": {"max_iter": 2.5}}, "'max_iter' is 2.5"),
        ({"family": "tree", "params": {"scale": "maybe"}}, "'scale' is 'maybe'"),
        ({"family": "knn", "params": {"weights": "even"}}, "'weights' is 'even'"),
        ({"family": "svm-rbf", "params": {"gamma": "auto"}}, "'gamma' is 'auto'"),
        ({"family": "svm-rbf", "params": {"gamma_scale": "wide"}}, "'gamma_scale' is 'wide'"),
        (
            {"family": "svm-rbf", "params": {"gamma": 0.01, "gamma_scale": 2}},
            "'gamma_scale' multiplies the natural gamma",
        ),
        (
            {"family": "ensemble", "params": {"svm-rbf.gamma": 0.1, "svm-rbf.gamma_scale": 2}},
            "'svm-rbf.gamma_scale' multiplies",
        ),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        build(**options)  # type: ignore[arg-type]


def test_a_gamma_takes_the_place_of_the_scale_that_an_ensemble_has_by_default() -> None:
    X, y, _ = clips(("happy", "sad"))
    params = {"members": ["svm-rbf"], "svm-rbf.gamma": 0.05, "svm-rbf.C": 1.0}
    chosen = build("ensemble", params=params, calibration_folds=0).fit(X, y)
    alone = build("svm-rbf", params={"gamma": 0.05, "C": 1.0}, calibration_folds=0).fit(X, y)
    np.testing.assert_allclose(chosen.scores(X), alone.scores(X), atol=0.01)
    assert build("svm-rbf", params={"gamma": "scale", "gamma_scale": 2}).params["gamma_scale"] == 2


def test_data_that_cannot_be_learned_from() -> None:
    X, y, _ = clips(("happy", "sad"))
    with pytest.raises(TrainingError, match="1 emotion"):
        build("knn").fit(X, ["sad"] * len(X))
    with pytest.raises(TrainingError, match="160 rows of features for 3 labels"):
        build("knn").fit(X, y[:3])
    X[3, 4] = np.nan
    with pytest.raises(TrainingError, match="1 of 12 features are NaN"):
        build("knn").fit(X, y)
    with pytest.raises(TrainingError, match="refuses these settings"):
        build("svm-rbf", params={"C": -1.0}).fit(np.nan_to_num(X), y)
    with pytest.raises(TrainingError, match="not been fitted"):
        build("knn").scores(X)
    with pytest.raises(TrainingError, match="takes 12 features, not 2"):
        build("knn").fit(np.nan_to_num(X), y).scores(np.zeros((1, 2)))


def test_members_of_an_ensemble_can_be_chosen() -> None:
    X, y, speakers = clips(("happy", "sad", "angry"))
    params = {"members": ["knn", "tree"], "knn.n_neighbors": 3}
    both = build("ensemble", params=params).fit(X, y, groups=speakers)
    alone: list[Classifier] = [
        build(name, params=own).fit(X, y, groups=speakers)
        for name, own in (("knn", {"n_neighbors": 3}), ("tree", {}))
    ]
    mean = np.mean([member.scores(X) for member in alone], axis=0)
    assert (both.scores(X).argmax(axis=1) == mean.argmax(axis=1)).all()


def test_a_search_over_an_ensemble_keeps_to_the_members_asked_for() -> None:
    X, y, speakers = clips(("happy", "sad"))
    members = {"members": ["svm-linear", "tree"]}
    found = search(X, y, speakers, "ensemble", trials=2, params=members, folds=2)
    assert all(not name.startswith(("svm-rbf", "mlp")) for name in found.params)


def test_a_feature_far_out_of_range_is_cut_off_alike_in_both_forms() -> None:
    X, y, speakers = clips(("happy", "sad", "angry"))
    classifier = build("svm-linear").fit(X, y, groups=speakers)
    strange = X[:3].copy()
    strange[:, 4] = X[:, 4].mean() + 1e3 * X[:, 4].std()
    less_strange = X[:3].copy()
    less_strange[:, 4] = X[:, 4].mean() + 50 * X[:, 4].std()
    assert np.allclose(classifier.scores(strange), classifier.scores(less_strange))
    assert np.abs(run(classifier.to_onnx(), strange) - classifier.scores(strange)).max() < 1e-4


@pytest.mark.parametrize(
    ("asked", "meant"), [("transformer", "conformer"), ("wavlm", "foundation"), ("crn", "crnn")]
)
def test_a_family_by_another_name_is_pointed_to(asked: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean '{meant}'"):
        build(asked)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_chance_cannot_begin_with(seed: int) -> None:
    with pytest.raises(UsageError, match="from 0 to 4294967295"):
        build("ridge", seed=seed)
