"""What an EmoBox run leaves in the file of results: nothing of other corpora is lost."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import emobox


def record(corpus: str, ua: float, **other: Any) -> dict[str, Any]:
    return {
        "benchmark": "emobox",
        "corpus": corpus,
        "fold": "mean",
        "model": "m",
        "ua": ua,
        **other,
    }


def test_records_of_other_corpora_stay(tmp_path: Path) -> None:
    path = tmp_path / "emobox.json"
    there = [
        record("ravdess", 0.1),
        record("emovo", 0.2),
        record("tess", 0.3, model="another"),
        record("urdu", 0.4, benchmark="another"),
    ]
    path.write_text(json.dumps(there))
    options = argparse.Namespace(json=path, corpus=["casia", "ravdess"])
    emobox.keep(options, [record("casia", 0.5), record("ravdess", 0.6)])
    left = json.loads(path.read_text())
    assert [(r["corpus"], r["ua"]) for r in left] == [
        ("ravdess", 0.6),
        ("casia", 0.5),
        ("emovo", 0.2),
    ]


def test_corpora_that_a_cut_off_run_had_not_come_to_stay(tmp_path: Path) -> None:
    path = tmp_path / "emobox.json"
    path.write_text(json.dumps([record("ravdess", 0.1), record("casia", 0.2)]))
    emobox.keep(argparse.Namespace(json=path, corpus=["ravdess", "casia"]), [record("ravdess", 1)])
    assert [r["ua"] for r in json.loads(path.read_text())] == [1, 0.2]


def test_the_best_of_others_is_found_among_all_of_them() -> None:
    assert emobox.best(emobox.PUBLISHED, "urdu") == ("HuBERT base (95 M)", 88.41)
    assert emobox.best(emobox.OPENSMILE, "turev") == ("openSMILE 6461 + RBF SVM", 88.1)
    assert emobox.best(emobox.REFERENCES, "emovo")[1] == 33.5  # of those who have a figure
    rows = [*emobox.PUBLISHED.values(), *emobox.REFERENCES.values()]
    assert {len(row) for row in rows} == {len(emobox.CORPORA)}


def test_none_is_the_best_that_another_exceeds() -> None:
    assert not emobox.at_least_the_best(0.8839, "urdu")
    assert emobox.at_least_the_best(0.8841, "urdu")
    assert not emobox.at_least_the_best(0.82, "turev")  # above each encoder, below openSMILE
    assert not emobox.at_least_the_best(0.99999, "tess")
    assert emobox.at_least_the_best(1.0, "tess")


def test_nothing_is_written_without_a_place(tmp_path: Path) -> None:
    emobox.keep(argparse.Namespace(json=None, corpus=["casia"]), [record("casia", 0.5)])
    emobox.keep(argparse.Namespace(json=tmp_path / "x.json", corpus=["casia"]), [])
    assert not list(tmp_path.iterdir())
