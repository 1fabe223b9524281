"""Stored features: what is in them, what is refused, and models from them as from the audio."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

import emotone
import feature_tables
from emotone import corpora, exports
from emotone.audio import Preparation
from emotone.batch import run, vectors
from emotone.comparison import compare
from emotone.errors import CorpusError, EmotoneError, FeatureError, TrainingError, UsageError
from emotone.feature_table import FeatureTable, StoredCorpus, is_table
from emotone.features import extract, get
from emotone.features.stored import Description
from emotone.models import build
from emotone.models.preprocessing import Preprocessing
from emotone.models.streamed import Streamed
from emotone.training import train

SET = feature_tables.SET
PIECES = 1
"""Bytes of memory that are too few for any features: they are read in pieces."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feature_tables.tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def folder(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feature_tables.extracted(manifest, tmp_path_factory.mktemp("stored") / "out")


def opened(*sources: Path) -> StoredCorpus:
    return FeatureTable.open(sources).corpus()


def test_rows_hold_labels_and_the_same_numbers(manifest: Path, folder: Path) -> None:
    parts = sorted(folder.glob("part-*.parquet"))
    table = pyarrow.concat_tables([pyarrow.parquet.read_table(part) for part in parts])
    rows = table.to_pylist()
    utterances = corpora.load(manifest).utterances
    assert [row["file"] for row in rows] == [str(utterance.path) for utterance in utterances]
    for row, utterance in zip(rows, utterances, strict=True):
        assert (row["emotion"], row["speaker"]) == (utterance.emotion, utterance.speaker)
        assert (row["corpus"], row["language"], row["split"]) == ("tones", "en", "train")
        assert row["error"] is None
        assert row["duration_s"] == pytest.approx(0.3)
    expected = extract(rows[5]["file"], SET)
    assert np.array_equal(np.array(rows[5]["features"], np.float32), expected)
    metadata = pyarrow.parquet.read_metadata(parts[0]).metadata
    about = json.loads(metadata[b"emotone"])
    assert (about["feature_set"], about["feature_version"]) == (SET, get(SET).version)
    assert about["preparation"]["rate"] == feature_tables.RATE  # that of most clips
    assert json.loads(metadata[b"emotone.names"]) == list(get(SET).names)


def test_the_same_model_as_from_audio(manifest: Path, folder: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"family": "svm-rbf", "split": "speakers:3", "trials": 2, "seed": 3}
    heard = train(corpora.load(manifest), features=SET, jobs=1, **options)
    stored = train(opened(folder), **options)
    assert heard.classifier.to_onnx() == stored.classifier.to_onnx()
    cards = [{**run.card.to_dict(), "created": None} for run in (heard, stored)]
    assert cards[0] == cards[1]
    assert heard.evaluation is not None
    assert stored.evaluation is not None
    assert heard.evaluation.to_dict() == stored.evaluation.to_dict()
    assert [clip.to_dict() for clip in heard.tested] == [clip.to_dict() for clip in stored.tested]
    stored.save(tmp_path / "m.emotone")
    prediction = emotone.load(tmp_path / "m.emotone").predict(corpora.load(manifest).paths[0])
    assert prediction.emotion in feature_tables.PITCH_HZ


def test_speakers_stay_apart(folder: Path) -> None:
    found = train(opened(folder), family="logistic", split="speakers:3")
    assert found.dataset.split.shared_speakers == 0
    assert found.card.calibration["grouped_by"] == "speaker"
    for fold in found.dataset.folds:
        train_, test = (set(found.dataset.speakers[rows]) for rows in (fold.train, fold.test))
        assert train_
        assert test
        assert not train_ & test


@pytest.mark.parametrize(
    "options",
    [
        {"family": "logistic"},
        {"family": "logistic", "class_weight": "balanced", "select": 3},
        {"family": "logistic", "params": {"fit_intercept": False, "C": 0.5}, "select": 0.5},
        {"family": "logistic", "params": {"tol": 1e-6}, "sampling": "balanced"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_regression_in_pieces_is_the_regression_at_once(
    folder: Path, options: dict[str, Any]
) -> None:
    corpus = opened(folder)
    uneven = corpus.with_utterances(corpus.utterances[:50])  # of one emotion there are fewer
    at_once = train(uneven, split="speakers:3", **options)
    pieces = train(uneven, split="speakers:3", room=PIECES, **options)
    assert isinstance(pieces.dataset.features, Streamed)
    for one, other in zip(at_once.tested, pieces.tested, strict=True):
        assert one.file == other.file
        assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=2e-3)


def test_two_emotions_in_pieces(folder: Path) -> None:
    corpus = corpora.select(opened(folder), ["happy", "angry"])
    at_once = train(corpus, family="logistic", split="none")
    pieces = train(corpus, family="logistic", split="none", room=PIECES)
    X = np.random.default_rng(0).normal(size=(9, get(SET).dimension))
    assert at_once.classifier.scores(X) == pytest.approx(pieces.classifier.scores(X), abs=2e-3)


def test_a_perceptron_in_pieces(folder: Path) -> None:
    params = {"hidden_layer_sizes": [16], "max_iter": 60, "batch_size": 16}
    options: dict[str, Any] = {"family": "mlp", "params": params, "split": "random:test=0.25"}
    at_once = train(opened(folder), **options)
    pieces, again = (train(opened(folder), room=PIECES, **options) for _ in range(2))
    assert pieces.classifier.to_onnx() == again.classifier.to_onnx()
    assert at_once.evaluation is not None
    assert pieces.evaluation is not None
    assert pieces.evaluation.ua.value >= at_once.evaluation.ua.value - 0.12
    assert pieces.history is not None
    assert pieces.history.curves["training"][-1] < pieces.history.curves["training"][0]
    assert len(pieces.history.curves["test"]) == len(pieces.history.x)


def test_families_that_need_all_at_once_say_how_much(folder: Path) -> None:
    for family in ("svm-linear", "forest", "ensemble", "knn"):
        with pytest.raises(TrainingError, match=r"72 clips with 5 features.*logistic or mlp"):
            train(opened(folder), family=family, split="none", room=PIECES)
    with pytest.raises(TrainingError, match="solver cannot be heeded"):
        train(opened(folder), family="mlp", params={"solver": "sgd"}, split="none", room=PIECES)
    with pytest.raises(TrainingError, match="by trees"):
        train(opened(folder), family="logistic", select="model", split="none", room=PIECES)
    found = compare(opened(folder), ["knn", "logistic"], split="speakers:3", room=PIECES)
    assert [row.error is None for row in found.rows] == [True, False]
    assert found.rows[1].error is not None
    assert found.rows[1].error.code == "too_large"


def test_families_that_hear_sound_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="hears the sound itself"):
        train(opened(folder), family="crnn")
    with pytest.raises(UsageError, match=r"are rms.* and not tutorial-180"):
        train(opened(folder), features="tutorial-180")
    with pytest.raises(UsageError, match="there already"):
        train(opened(folder), preparation=Preparation(rate=8000))
    same = Preparation(rate=feature_tables.RATE)
    train(opened(folder), family="knn", features=SET, preparation=same, split="none")


def test_selection_in_pieces_keeps_the_same(tmp_path: Path) -> None:
    corpus = opened(feature_tables.made_up(tmp_path / "x.parquet", 300, "mfcc13+mel40", group=70))
    features = corpus.table.features(range(300))
    X = features.read().astype(np.float64)
    y = np.arange(300) % 3
    at_once, pieces = Preprocessing(True, 12, 0), Preprocessing(True, 12, 0)
    prepared = at_once.fit(X, y)
    streamed = pieces.fit_streamed(features, y)
    assert at_once.columns.tolist() == pieces.columns.tolist()
    assert at_once.mean == pytest.approx(pieces.mean)
    rows = np.concatenate([rows for _, rows in streamed.pieces()])
    assert rows == pytest.approx(prepared, abs=1e-5)


def test_rows_in_any_order_and_again(tmp_path: Path) -> None:
    table = FeatureTable.open([feature_tables.made_up(tmp_path / "x.parquet", 100, group=30)])
    everything = table.features(range(100)).read()
    assert len(np.unique(everything, axis=0)) == 100
    rng = np.random.default_rng(1)
    for rows in (rng.permutation(100), rng.integers(0, 100, 150), np.array([99]), np.arange(30)):
        chosen = table.features(range(100))[rows]
        assert np.array_equal(chosen.read(), everything[rows])
        seen = np.zeros(len(rows), dtype=int)
        for positions, values in chosen.pieces(np.random.default_rng(2)):
            seen[positions] += 1
            assert np.array_equal(values, everything[rows[positions]])
        assert (seen == 1).all()
    assert len(table.features([])) == 0
    assert list(table.features([]).pieces()) == []


def test_columns_and_lists_of_other_tools(manifest: Path, folder: Path, tmp_path: Path) -> None:
    rows = opened(folder)
    matrix = rows.table.features(range(72)).read()
    texts = {
        "file": [str(u.path) for u in rows.utterances],
        "emotion": [u.emotion for u in rows.utterances],
        "speaker": [u.speaker for u in rows.utterances],
        "corpus": [u.corpus for u in rows.utterances],
    }
    about = Description.of(get(SET), Preparation(rate=feature_tables.RATE))
    exports.write_features(tmp_path / "one.parquet", matrix, get(SET).names, texts, about=about)
    lists = [row.tolist() for row in matrix]
    feature_tables.made_up(tmp_path / "two.parquet", 72, features=lists, **texts)  # float64
    for name in ("one.parquet", "two.parquet"):
        assert is_table(tmp_path / name)
        other = opened(tmp_path / name)
        assert np.array_equal(other.table.features(range(72)).read(), matrix)
        assert [u.emotion for u in other.utterances] == texts["emotion"]
        assert [u.speaker for u in other.utterances] == texts["speaker"]


def test_what_is_no_table(manifest: Path, folder: Path, tmp_path: Path) -> None:
    assert is_table(folder)
    assert not is_table(manifest)
    assert not is_table(manifest.parent)
    corpora.manifest.write_manifest(corpora.load(manifest), tmp_path / "m.parquet")
    assert not is_table(tmp_path / "m.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    assert not is_table(tmp_path / "bad.parquet")


def test_clips_without_features_or_label_are_counted(manifest: Path, tmp_path: Path) -> None:
    listed = manifest.read_text().splitlines()
    (manifest.parent / "broken.wav").write_text("no audio")
    more = ["broken.wav,happy,00,tones,en,", "absent.wav,sad,01,tones,en,"]
    more += ["00_neutral_000.wav,,00,x,,"]
    rough = manifest.parent / "rough.csv"
    rough.write_text("\n".join([listed[0], *listed[2:], *more]))
    corpus = opened(feature_tables.extracted(rough, tmp_path / "out"))
    assert len(corpus.utterances) == 73
    assert [problem.reason for problem in corpus.problems] == ["its features have no emotion"]
    found = train(corpus, family="knn", split="speakers:3")
    assert [Path(failure.file).name for failure in found.failures] == ["broken.wav", "absent.wav"]
    assert [failure.error.code for failure in found.failures] == [
        "unreadable_audio",
        "missing_file",
    ]
    assert found.card.training["clips"] == 71


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    d = get(SET).dimension
    rng = np.random.default_rng(0)
    lists: list[list[float] | None] = rng.normal(size=(60, d)).tolist()
    lists[3] = [float("nan")] * d
    lists[7] = [1.0] * (d - 1) + [float("inf")]
    lists[9] = None
    corpus = opened(feature_tables.made_up(tmp_path / "x.parquet", features=lists))
    for room in (None, PIECES):
        found = train(corpus, family="logistic", split="speakers:3", room=room, curve=False)
        assert [failure.file for failure in found.failures] == ["3.wav", "7.wav", "9.wav"]
        assert found.card.training["clips"] == 57


def test_the_same_clip_counts_once(folder: Path, tmp_path: Path) -> None:
    part = sorted(folder.glob("part-*"))[0]
    corpus = opened(folder, part)
    assert len(corpus.utterances) == 72
    assert {problem.kind for problem in corpus.problems} == {"repeated"}
    assert len(corpus.problems) == pyarrow.parquet.read_metadata(part).num_rows


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metadata": {"feature_version": "99"}}, FeatureError, "of version 99"),
        ({"metadata": {"dimension": 4}}, FeatureError, "has 5 numbers and not 4"),
        ({"metadata": {"dimension": "many"}}, FeatureError, "makes no sense"),
        ({"metadata": {"preparation": {"rate": -5}}}, FeatureError, "makes no sense"),
        ({"metadata": {"feature_set": "mfcc-of-the-gaps"}}, FeatureError, "unknown feature"),
        ({"features": None}, FeatureError, "no column features, nor 5 of the 5 columns"),
        ({"features": ["text"] * 60}, FeatureError, "holds string and no lists of numbers"),
        ({"features": [[0.5] * 3] * 60}, FeatureError, "has not the 5 features"),
        ({"features": [[0.5] * 4, [0.5] * 6] * 30}, FeatureError, "has not the 5 features"),
        ({"emotion": None}, CorpusError, "no clip has an emotion"),
        ({"emotion": [None] * 60}, CorpusError, "no clip has an emotion"),
        (
            {"metadata": {"preparation": Preparation().to_dict()}},
            FeatureError,
            "at the rate of the clip",
        ),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:40],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, options: dict[str, Any], error: type[EmotoneError], message: str
) -> None:
    path = feature_tables.made_up(tmp_path / "x.parquet", **options)
    with pytest.raises(error, match=message) as caught:
        train(opened(path), family="knn", split="none")
    assert caught.value.remedy


def test_files_that_break_off_are_refused(folder: Path, tmp_path: Path) -> None:
    whole = feature_tables.made_up(tmp_path / "x.parquet", 4000).read_bytes()
    short = tmp_path / "short.parquet"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match="no Parquet file that can be read"):
        opened(short)
    damaged = tmp_path / "damaged.parquet"  # the end, which says what is where, is whole
    damaged.write_bytes(whole[:4] + b"\xff" * 5000 + whole[5004:])
    with pytest.raises(CorpusError, match="no Parquet file that can be read"):
        train(opened(damaged), family="knn", split="none")
    with pytest.raises(CorpusError, match="no such file"):
        opened(tmp_path / "absent.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="no features in it"):
        opened(tmp_path / "empty")


def test_features_that_were_made_otherwise_do_not_mix(folder: Path, tmp_path: Path) -> None:
    other = feature_tables.made_up(tmp_path / "x.parquet", feature_set="mfcc-13")
    with pytest.raises(UsageError, match="its feature set is mfcc-13, and that of"):
        opened(folder, other)
    slow = feature_tables.made_up(
        tmp_path / "y.parquet", metadata={"preparation": Preparation(rate=8000).to_dict()}
    )
    with pytest.raises(UsageError, match="its preparation is"):
        opened(folder, slow)
    both = opened(folder, feature_tables.made_up(tmp_path / "z.parquet"))
    assert len(both.utterances) == 132
    assert set(both.corpora) == {"tones", "made-up"}


def test_an_extraction_that_is_not_complete(manifest: Path, tmp_path: Path) -> None:
    plan = run.prepare([manifest], tmp_path / "out", vectors.task(SET), jobs=1)
    with pytest.raises(CorpusError, match=r"2 of 2 parts .* are missing.*--resume"):
        opened(tmp_path / "out")
    run.run(plan, jobs=1)
    assert len(opened(tmp_path / "out")) == 72


def test_another_extraction_is_not_gone_on_with(manifest: Path, folder: Path) -> None:
    for task in (vectors.task("mfcc-13"), vectors.task(SET, preparation=Preparation(trim_db=30))):
        with pytest.raises(UsageError, match="was begun otherwise"):
            run.prepare([manifest], folder, task, resume=True)
    known = run.prepare([manifest], folder, vectors.task(SET), resume=True)
    assert run.run(known).earlier == 72  # though the rate was settled since


def test_workers_of_another_version_are_refused(manifest: Path) -> None:
    task = dataclasses.replace(vectors.task(SET), feature_version="0")
    with pytest.raises(FeatureError, match="begun with version 0"):
        task.reader()


def test_watched_rows_may_lack_emotions(folder: Path) -> None:
    features = opened(folder).table.features(range(72))
    y = np.array([u.emotion for u in opened(folder).utterances])
    model = build("mlp", params={"max_iter": 2, "hidden_layer_sizes": [4]}, calibration_folds=0)
    known = np.flatnonzero(y != "angry")
    model.fit(features[known], y[known], watch=(features, y))
    assert len(model.watch_curve_) == 2


def test_a_table_in_a_store(folder: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    for path in sorted(folder.rglob("*.parquet")):
        store.pipe(f"/calls-rich/{path.relative_to(folder).as_posix()}", path.read_bytes())
    assert is_table("memory://calls-rich")
    there, here = (FeatureTable.open([place]).corpus() for place in ("memory://calls-rich", folder))
    assert there.utterances == here.utterances
    rows = np.arange(72)
    assert np.array_equal(there.table.features(rows).read(), here.table.features(rows).read())
    assert not is_table("memory://nowhere")
