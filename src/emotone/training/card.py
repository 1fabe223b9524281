"""What the card of a trained model says: what it learned from, how, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import adaptation
from emotone.audio.clips import Clips
from emotone.bundle import Card, ModelInput
from emotone.dataset import Dataset
from emotone.emotions import in_order
from emotone.features import get as get_feature_set
from emotone.metrics import Evaluation
from emotone.models import AnyClassifier
from emotone.models.search import Search
from emotone.selective import uncertain_below
from emotone.training.folds import FoldResult
from emotone.training.recipe import Recipe


def card_of(
    dataset: Dataset,
    recipe: Recipe,
    classifier: AnyClassifier,
    found: Search | None,
    fitted: npt.NDArray[np.intp],
    evaluation: Evaluation | None,
    per_fold: Mapping[str, Evaluation],
    results: list[FoldResult],
) -> Card:
    """The card of a model, under a name for now.

    Parameters
    ----------
    dataset
        What it and the models of the folds learned from.
    recipe
        How.
    classifier, found
        The model, and the search for its parameters.
    fitted
        Positions in the dataset of the clips that it was fitted to.
    evaluation, per_fold
        Figures over all folds, and of each by its name; None where nothing was tested.
    results
        The folds.
    """
    used = [dataset.utterances[i] for i in fitted]
    licences = dataset.corpus.licences
    corpora = []
    for name in sorted({utterance.corpus for utterance in used}):
        part = [utterance for utterance in used if utterance.corpus == name]
        known = {utterance.speaker for utterance in part} - {None}
        corpora.append(
            {
                "name": name,
                "clips": len(part),
                "speakers": len(known) or None,
                "licence": licences.get(name),
            }
        )
    labels = [utterance.emotion for utterance in used]
    split = dataset.split.to_dict()
    training = {
        "corpora": corpora,
        "clips": len(used),
        "emotions": {name: labels.count(name) for name in classifier.classes_.tolist()},
        "family": recipe.family,
        "params": _plain(classifier.params),
        "class_weight": recipe.class_weight,
        "sampling": recipe.sampling,
        "select": recipe.select,
        "search": None if found is None else _plain(found.to_dict()),
        "voices": recipe.voices,
        "seed": recipe.seed,
        "split": {**split, "folds": len(split["folds"])},
        "fitted_on": "the training part of the split" if len(results) == 1 else "all clips",
    }
    feature_set = None
    if isinstance(dataset.features, Clips):
        heard = ModelInput("waveform", rate=dataset.features.rate)
    else:
        heard = ModelInput("features", dimension=dataset.features.shape[1])
        feature_set = dataset.feature_set
    return Card(
        name="model",
        version="1.0",
        emotions=tuple(classifier.classes_.tolist()),
        input=heard,
        feature_set=feature_set,
        feature_version=None if feature_set is None else get_feature_set(feature_set).version,
        preparation=dataset.preparation.to_dict(),
        calibration={
            **classifier.calibration_,
            **_from_answers(dataset, classifier.classes_.tolist(), results, recipe.seed),
        },
        training=training,
        metrics={} if evaluation is None else _quoted(dataset, evaluation, per_fold, results),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _from_answers(
    dataset: Dataset, names: list[str], results: list[FoldResult], seed: int
) -> dict[str, Any]:
    """What the card says for its users from the answers to the test clips, if they suffice.

    Both are a few numbers read off the answers of all folds, so they hardly fit to them. Adapting
    needs answers to speakers who were not trained on.
    """
    if not results:
        return {}
    found: dict[str, Any] = {}
    everything = in_order(set(dataset.labels.tolist()))
    truth = np.concatenate([result.truth for result in results])
    scores = np.concatenate([result.scores for result in results])
    scores = scores[:, [everything.index(name) for name in names]]
    right = np.array(names)[scores.argmax(axis=1)] == truth
    below = uncertain_below(right, scores.max(axis=1))
    if below is not None:
        found["uncertain_below"] = below
    if not dataset.split.shared_speakers:
        speakers = np.concatenate([dataset.speakers[result.rows] for result in results]).tolist()
        settings = adaptation.estimate(scores, truth, speakers, names, seed=seed)
        if settings is not None:
            found["adaptation"] = settings.to_dict()
    return found


def _quoted(
    dataset: Dataset,
    evaluation: Evaluation,
    per_fold: Mapping[str, Evaluation],
    results: list[FoldResult],
) -> dict[str, Any]:
    """The card's figures, under a key that says how they came about."""
    single = len(results) == 1
    key = "held-out test" if single else "cross-validation"
    about = (
        "this very model on the test part of the split"
        if single
        else f"mean over {len(results)} folds of models trained like this one, each tested on "
        "clips it had not seen; this model is fitted to all clips"
    )
    known = len(set(dataset.labels.tolist()))
    if not single and any(len(result.classifier.classes_) < known for result in results):
        about += ", of emotions that not every fold knew"
    recalls = {
        name: None if figures.support == 0 else round(figures.recall.value, 6)
        for name, figures in evaluation.per_emotion.items()
    }
    quoted: dict[str, Any] = evaluation.record(split=dataset.split.spec, about=about)
    quoted["recall"] = recalls
    quoted["warning"] = dataset.split.warning
    quoted["unknown_clips"] = sum(result.unknown for result in results)
    if not single:
        quoted["ua_per_fold"] = {name: round(fold.ua.value, 6) for name, fold in per_fold.items()}
    return {key: quoted}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON knows them: tuples become lists, numpy numbers become Python's."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return _plain(value)
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value.item() if isinstance(value, np.generic) else value

    return {str(key): plain(value) for key, value in values.items()}
