"""Folds, trials and features on a real Ray cluster of two nodes: as on one machine, also when
processes are killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import batches
import feature_tables
import speech
from commands import caller
from emotone.cluster.connection import connect
from emotone.cluster.executor import TRIES, RayExecutor
from emotone.comparison import compare
from emotone.corpora import load_many
from emotone.errors import EmotoneError, EmotoneWarning, TrainingError
from emotone.execution import SERIAL, Callback, Progress
from emotone.feature_table import FeatureTable, StoredCorpus
from emotone.models import families
from emotone.training import train

ray = pytest.importorskip("ray")

STORE = 80 * 1024**2


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, which this process is connected to."""
    from ray.cluster_utils import Cluster

    before = os.environ.copy()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    node = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    try:
        made.add_node(num_cpus=1, object_store_memory=STORE)
        with connect(made.address):
            yield made
    finally:
        made.shutdown()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feature_tables.tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def corpus(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredCorpus:
    out = tmp_path_factory.mktemp("stored") / "out"
    return FeatureTable.open([feature_tables.extracted(manifest, out)]).corpus()


def collected(
    work: Callable[[Any, Any, Callback], Any], items: list[Any]
) -> list[tuple[Any, EmotoneError | None]]:
    """Results and errors in the order of the items."""
    found = {}
    for finished in RayExecutor().run(work, None, items, lambda event: None):
        found[finished.index] = (finished.result, finished.error)
    return [found[index] for index in range(len(items))]


def test_the_commands(
    cluster: Any,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    call = caller(capfd)  # in this process, which is connected already
    words = ["features", manifest, "--set", feature_tables.SET, "--jobs", "2"]
    done = call(*words, "-o", "spread/", "--ray", cluster.address)
    assert done.status == 0, done.err
    assert "2 nodes, 2 cores" in done.err
    assert call(*words, "-o", "alone/").status == 0
    spread, alone = (batches.rows(tmp_path / name) for name in ("spread", "alone"))
    for row in (*spread, *alone):
        row["features"] = np.array(row["features"]).tobytes()
    assert spread == alone
    options = ["-f", "logistic", "--split", "speakers:2", "--no-report", "-o", "m.emotone"]
    done = call("train", "spread/", *options, "--ray", cluster.address)
    assert done.status == 0, done.err
    assert "Folds and trials run on the Ray cluster" in done.err
    assert (tmp_path / "m.emotone").is_file()


def test_training_is_that_of_one_machine(cluster: Any, corpus: StoredCorpus) -> None:
    options: dict[str, Any] = {"family": "svm-rbf", "split": "speakers:3", "trials": 6, "seed": 1}
    alone = train(corpus, **options)
    events: list[Progress] = []
    spread = train(corpus, **options, executor=RayExecutor(), progress=events.append)
    assert spread.classifier.to_onnx() == alone.classifier.to_onnx()
    cards = [{**run.card.to_dict(), "created": None} for run in (alone, spread)]
    assert cards[0] == cards[1]
    assert [clip.to_dict() for clip in alone.tested] == [clip.to_dict() for clip in spread.tested]
    assert alone.history is not None
    assert spread.history is not None
    assert alone.history.to_dict() == spread.history.to_dict()
    last = {event.stage: (event.done, event.total) for event in events}
    assert last["fold"] == (3, 3)
    assert last["search"] == (28, 28)  # seven for each fold, and for the model of all clips
    assert last["curve"] == (4, 4)
    assert last["model"] == (1, 1)


def test_comparison_is_that_of_one_machine(cluster: Any, corpus: StoredCorpus) -> None:
    options: dict[str, Any] = {
        "split": "speakers:3", "params": {"svm-rbf": {"C": -1.0}}, "room": 10**9
    }  # fmt: skip
    found = [
        compare(corpus, ["svm-rbf", "knn", "tree"], **options, executor=executor).to_dict()
        for executor in (SERIAL, RayExecutor())
    ]
    for comparison in found:
        for row in comparison["rows"]:
            del row["train_s"], row["predict_ms"]
    assert found[0] == found[1]
    assert found[0]["rows"][2]["error"]["code"] == "training_failed"


def test_features_in_pieces_are_read_where_they_are_worked_on(
    cluster: Any, corpus: StoredCorpus
) -> None:
    options: dict[str, Any] = {"family": "logistic", "split": "speakers:2", "room": 1}
    alone = train(corpus, **options, curve=False)
    spread = train(corpus, **options, curve=False, executor=RayExecutor())
    assert spread.classifier.to_onnx() == alone.classifier.to_onnx()


def test_a_process_that_is_killed_is_begun_again(cluster: Any, tmp_path: Path) -> None:
    folder = str(tmp_path)

    def work(shared: None, item: int, tell: Callback) -> int:
        begun = Path(folder, f"{item}-{len(list(Path(folder).glob(f'{item}-*')))}")
        begun.touch()
        if item == 1 and begun.name == "1-0":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return 10 * item

    results = collected(work, [0, 1, 2, 3])
    assert [result for result, _ in results] == [0, 10, None, 30]
    assert [error and error.code for _, error in results] == [None, None, "worker_died", None]
    assert len(list(tmp_path.glob("1-*"))) == 2
    assert len(list(tmp_path.glob("2-*"))) == TRIES


def test_errors_come_back_and_the_others_are_done(cluster: Any) -> None:
    def work(shared: None, item: int, tell: Callback) -> int:
        if item == 0:
            raise TrainingError("it is too small", source="clip.wav", remedy="Take another.")
        if item == 1:
            raise ZeroDivisionError("of all things")
        return item

    results = collected(work, [0, 1, 2])
    assert str(results[0][1]) == "clip.wav: it is too small. Take another."
    assert results[0][1] is not None
    assert results[0][1].code == "training_failed"
    assert "ZeroDivisionError: of all things" in str(results[1][1])
    assert results[2] == (2, None)


def test_what_the_user_ends_is_ended(cluster: Any, corpus: StoredCorpus) -> None:
    def interrupt(event: Progress) -> None:
        if event.stage == "fold" and event.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(corpus, family="knn", split="speakers:3", executor=RayExecutor(), progress=interrupt)


def test_trials_that_fail_are_told(
    cluster: Any, corpus: StoredCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def space(trial: Any) -> dict[str, Any]:
        return {"n_neighbors": trial.suggest_categorical("n_neighbors", [-3, 2])}

    knn = dataclasses.replace(families.FAMILIES["knn"], space=space)
    monkeypatch.setitem(families.FAMILIES, "knn", knn)
    options: dict[str, Any] = {"family": "knn", "split": "random:test=0.25", "trials": 5}
    cards = []
    for executor in (SERIAL, RayExecutor()):
        with pytest.warns(EmotoneWarning, match="trials of the search failed"):
            run = train(corpus, **options, executor=executor, curve=False)
        cards.append(run.card.training["search"])
    assert cards[0] == cards[1]
    assert 0 < cards[0]["failed"] < 6
    assert cards[0]["params"].get("n_neighbors") != -3


def test_neural_folds_outlive_a_node_that_is_lost(cluster: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    corpus = load_many([str(speech.corpus(tmp_path / "voices", n=48, speakers=3))])
    params = {"epochs": 6, "batch_size": 8, "width": 8, "embedding": 16}
    options: dict[str, Any] = {"family": "crnn", "split": "speakers:3", "params": params}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a task of one core has: sums are made in the same order then
    try:
        alone = train(corpus, **options, curve=False)
    finally:
        torch.set_num_threads(threads)
    node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    raylet = node.all_processes["raylet"][0].process.pid
    lost: list[Progress] = []

    def lose(event: Progress) -> None:
        if lost or event.stage in ("fold", "model"):  # of these the driver tells by itself too
            return
        if any("_work_on" in name for name in commands_below(raylet)):
            cluster.remove_node(node, allow_graceful=False)
            lost.append(event)

    spread = train(corpus, **options, curve=False, executor=RayExecutor(), progress=lose)
    assert lost, "nothing was in work on the node"
    assert lost[0].done < lost[0].total
    assert spread.classifier.to_onnx() == alone.classifier.to_onnx()
    assert [clip.to_dict() for clip in spread.tested] == [clip.to_dict() for clip in alone.tested]


def commands_below(process: int) -> Iterator[str]:
    """What the children of a process are called now, which for Ray's is what they work on."""
    for child in psutil.Process(process).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            yield " ".join(child.cmdline())
