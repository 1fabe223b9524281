"""Features of many clips: killed and gone on with, and learned from in little memory."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import batches
import feature_tables
from emotone.features import get
from emotone.models.streamed import BYTES_PER_NUMBER

SET = "mfcc40+chroma12+mel128"


def emotone(*words: str, code: int = 0, cwd: Path | None = None) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "emotone", *words],
        capture_output=True, text=True, check=False, cwd=cwd, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def numbers(out: Path) -> dict[str, tuple[float, ...] | None]:
    """The features of each file; a file that comes twice fails."""
    rows = batches.rows(out)
    found = {row["file"]: row["features"] and tuple(row["features"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_killed_extraction_goes_on(tmp_path: Path) -> None:
    batches.clips(tmp_path / "in", 1500)
    (tmp_path / "in" / "a" / "bad.wav").write_text("no audio")
    words = ["features", str(tmp_path / "in"), "--set", SET, "--jobs", "2"]
    out, said = emotone(*words, "-o", str(tmp_path / "alone"), "--json", code=1)
    assert json.loads(out)["done"] == 1501
    assert "1 of 1,501 clips gave no features (1 unreadable_audio)" in said
    expected = numbers(tmp_path / "alone")
    assert len(expected) == 1501
    assert [file for file, row in expected.items() if row is None] == [
        str(tmp_path / "in" / "a" / "bad.wav")
    ]
    killed = tmp_path / "killed"
    random.seed(0)
    interrupted = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "emotone", *words, "-o", str(killed), "--resume"],
            stderr=subprocess.DEVNULL,
        )
        before = len(list(killed.glob("part-*")))
        until = time.monotonic() + 60
        while len(list(killed.glob("part-*"))) <= before and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        interrupted += process.wait() == -signal.SIGKILL
    assert interrupted
    emotone(*words, "-o", str(killed), "--resume", code=1)
    assert numbers(killed) == expected
    _, said = emotone(*words, "-o", str(killed), code=2)
    assert "there is a batch already" in said


def test_a_corpus_goes_from_features_to_a_model(tmp_path: Path) -> None:
    manifest = feature_tables.tones(tmp_path / "in")
    _, said = emotone("features", str(manifest), "-s", SET, "-o", "stored/", cwd=tmp_path)
    assert "Next: emotone train stored/" in said
    for path in (tmp_path / "in").glob("*.wav"):
        path.unlink()  # nothing but the features is needed
    options = ["--split", "speakers:3", "--no-report"]
    _, said = emotone("train", "stored/", *options, "-o", "m.emotone", cwd=tmp_path)
    assert "Wrote m.emotone" in said
    _, said = emotone(
        "train", "stored/", *options, "-f", "logistic", "--memory", "0.001", "-o", "p.emotone",
        cwd=tmp_path,
    )  # fmt: skip
    assert "read bit by bit" not in said  # so few fit even there
    _, said = emotone(
        "train", "stored/", "--trim-db", "30", "-o", "m.emotone", code=2, cwd=tmp_path
    )
    assert "there already" in said
    _, said = emotone("train", "stored/", "in/", "-o", "m.emotone", code=2, cwd=tmp_path)
    assert "stored/ holds features, and in/ does not" in said
    out, _ = emotone(
        "compare", "stored/", "-f", "knn,logistic", "--split", "speakers:3", "--json", cwd=tmp_path
    )
    assert [row["error"] for row in json.loads(out)["rows"]] == [None, None]
    feature_tables.tones(tmp_path / "in")
    out, _ = emotone("predict", str(manifest.parent / "00_neutral_000.wav"), "-m", "m.emotone",
                     "--json", cwd=tmp_path)  # fmt: skip
    assert "neutral" in out


CLIPS = 15_000
ROOM_MIB = 300
"""What the process may grow by, less than the file is large, and a tenth of what learning at once
takes."""

LIMITED = """
import json, resource, sys
import scipy.optimize, sklearn.linear_model, sklearn.model_selection, threadpoolctl
from emotone.feature_table import FeatureTable
from emotone.training import train

path, family, room = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
held = int(next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + %d * 2**20,) * 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
corpus = FeatureTable.open([path]).corpus()
run = train(corpus, family=family, split="none", params={"max_iter": 1}, curve=False,
            bootstrap=10, room=room)
run.save(sys.argv[4])
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"grown_mib": grown / 1024, "clips": run.card.training["clips"]}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
def test_more_features_than_memory(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_DATA)[1] == resource.RLIM_INFINITY
    path = feature_tables.made_up(tmp_path / "x.parquet", CLIPS, "rich", group=500)
    needed = CLIPS * get("rich").dimension * BYTES_PER_NUMBER
    assert path.stat().st_size > ROOM_MIB * 2**20

    def trained(family: str, room: int | None) -> subprocess.CompletedProcess[str]:
        words = [path, family, json.dumps(room), tmp_path / f"{family}.emotone"]
        return subprocess.run(
            [sys.executable, "-c", LIMITED % ROOM_MIB, *map(str, words)],
            capture_output=True, text=True, check=False, timeout=150,
        )  # fmt: skip

    at_once = trained("logistic", needed)
    assert "not enough memory for 15,000 clips with 5,370 features" in at_once.stderr, at_once
    pieces = trained("logistic", 2**20)
    assert pieces.returncode == 0, pieces.stderr
    told = json.loads(pieces.stdout)
    assert told["clips"] == CLIPS
    assert told["grown_mib"] < ROOM_MIB
    refused = trained("svm-rbf", 2**20)
    assert f"take about {needed / 2**30:,.1f} GiB of memory, and 1.0 MiB may" in refused.stderr
