"""The command line from corpus to bundle to answer, on real clips, in real processes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import bundles

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ACTORS = ("01", "02", "03", "04")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return {
        **os.environ,
        "EMOTONE_CACHE": str(home / "cache"),
        "EMOTONE_MODELS": str(home / "models"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def emotone(environment: dict[str, str]) -> Run:
    def run(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "emotone", *map(str, arguments)],
            capture_output=True,
            input=stdin,
            env=environment,
            timeout=300,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


@pytest.fixture(scope="module")
def few(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four actors of RAVDESS, 240 clips, by links."""
    folder = tmp_path_factory.mktemp("corpora") / "ravdess"
    folder.mkdir()
    for actor in ACTORS:
        (folder / f"Actor_{actor}").symlink_to(corpora / "ravdess" / f"Actor_{actor}")
    return folder


@pytest.fixture(scope="module")
def trained(emotone: Run, few: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A bundle trained on three of the actors and tested on the fourth, and what was printed."""
    bundle = few.parent / "out" / "mine.emotone"
    bundle.parent.mkdir()
    done = emotone(
        "train", few, "-f", "logistic", "-s", "mfcc40:mean,std", "--split", "speakers:4",
        "--trim-db", "30", "--normalize", "peak", "--playable", "-o", bundle,
    )  # fmt: skip
    return bundle, done


def test_train_writes_the_bundle_and_what_there_is_to_see(
    trained: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    bundle, done = trained
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in bundle.parent.iterdir()) == [
        "mine.confusion.png",
        "mine.curve.png",
        "mine.emotone",
        "mine.json",
        "mine.report.html",
    ]
    assert re.search(r"^mine@1\.0 on 240 clips, 4 speakers$", done.stdout, re.MULTILINE)
    ua = float(re.search(r"UA +([\d.]+) %", done.stdout).group(1))  # type: ignore[union-attr]
    assert 20 < ua < 90  # guessing gives 12.5
    page = (bundle.parent / "mine.report.html").read_text(encoding="utf-8")
    assert "data:audio/flac;base64," in page
    assert f"{ua:.1f} %" in page
    figures = json.loads((bundle.parent / "mine.json").read_text(encoding="utf-8"))
    assert figures["evaluation"]["ua"]["value"] == pytest.approx(ua / 100, abs=6e-4)
    assert figures["card"]["preparation"]["trim_db"] == 30


def test_the_next_command_that_train_names_runs(
    trained: tuple[Path, subprocess.CompletedProcess[str]], emotone: Run, few: Path
) -> None:
    _, done = trained
    following = re.search(r"^Next: (emotone .+)$", done.stderr, re.MULTILINE)
    assert following is not None
    clip = next((few / "Actor_01").iterdir())
    words = shlex.split(following.group(1).replace("CLIP", str(clip)))
    answer = emotone(*words[1:], "--json")
    assert answer.returncode == 0
    assert json.loads(answer.stdout)[0]["model"] == "mine@1.0"


def test_train_says_where_train_and_test_share_speakers(emotone: Run, few: Path) -> None:
    bundle = few.parent / "random.emotone"
    done = emotone(
        "train", few, "-f", "mlp-300", "-s", "mfcc-13", "--split", "random:test=0.25,seed=9",
        "--emotions", "calm,happy,fearful,disgust", "-p", "max_iter=5", "-o", bundle, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["card"]["emotions"] == ["calm", "happy", "fearful", "disgust"]
    assert found["card"]["training"]["params"]["max_iter"] == 5
    assert found["history"]["kind"] == "epochs"
    assert len(found["history"]["curves"]["training"]) == 5
    assert re.search(r"^warning: .*share 4 speakers", done.stderr, re.MULTILINE)


@pytest.mark.parametrize("after_s", [1.5, 6.0])  # while features are extracted, while it trains
def test_ctrl_c_leaves_no_bundle(
    environment: dict[str, str], few: Path, tmp_path: Path, after_s: float
) -> None:
    words = f"train {few} --split speakers:4 -f gradient-boosting -s tutorial-180 --no-cache"
    words += " -p max_iter=5000"  # no machine is done before the press
    process = subprocess.Popen(
        [sys.executable, "-m", "emotone", *words.split(), "-o", tmp_path / "never.emotone"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err.strip()) == ("", "error: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_evaluate_as_table_json_csv_and_predictions(
    trained: tuple[Path, subprocess.CompletedProcess[str]],
    emotone: Run,
    corpora: Path,
    few: Path,
    tmp_path: Path,
) -> None:
    bundle, _ = trained
    fold_file = corpora / "emobox" / "ravdess.csv"
    answers = tmp_path / "answers.csv"
    table = emotone("evaluate", bundle, few, "--predictions", answers)
    assert table.returncode == 0
    ua = float(re.search(r"UA +([\d.]+) %", table.stdout).group(1))  # type: ignore[union-attr]
    assert "the model was trained on ravdess" in table.stderr
    with answers.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    right: dict[str, list[bool]] = {}
    for row in rows:
        right.setdefault(row["true"], []).append(row["true"] == row["predicted"])
    recalls = [sum(each) / len(each) for each in right.values()]
    assert len(rows) == 240
    assert ua == pytest.approx(100 * sum(recalls) / len(recalls), abs=0.06)

    found = json.loads(emotone("evaluate", bundle, few, "--json").stdout)
    assert found["ua"]["value"] == pytest.approx(ua / 100, abs=6e-4)
    low, high = found["ua"]["ci95"]
    assert low <= found["ua"]["value"] <= high
    assert found["resampled"] == "speakers"

    folds = [emotone("evaluate", bundle, few, "--folds", fold_file, "--csv", "--bootstrap", 0)]
    folds += [
        emotone("evaluate", bundle, few, "--split", f"file:{fold_file}", "--csv", "--bootstrap", 0)
    ]
    figures = [list(csv.DictReader(io.StringIO(done.stdout))) for done in folds]
    assert figures[0] == figures[1]
    assert {row["figure"] for row in figures[0]} >= {"ua", "wa", "f1", "log_loss", "ece", "recall"}


def test_compare_puts_the_best_first(emotone: Run, few: Path) -> None:
    words = ("compare", few, "-f", "tree,logistic", "-s", "mfcc-13", "--split", "speakers:4")
    found = json.loads(emotone(*words, "--json").stdout)
    assert [row["ua"] for row in found["rows"]] == sorted(
        (row["ua"] for row in found["rows"]), reverse=True
    )
    table = emotone(*words)
    assert table.returncode == 0
    best, other = (row["family"] for row in found["rows"])
    assert table.stdout.index(f" {best} ") < table.stdout.index(f" {other} ")
    unknown = emotone("compare", few, "-f", "tree,nothing")
    assert unknown.returncode == 2
    assert "nothing" in unknown.stderr


@pytest.mark.parametrize("kind", ["loss", "confusion", "reliability", "coverage"])
def test_results_are_drawn(
    trained: tuple[Path, subprocess.CompletedProcess[str]],
    emotone: Run,
    tmp_path: Path,
    kind: str,
) -> None:
    done = emotone("plot", kind, trained[0].with_name("mine.json"), "-o", tmp_path / "out.svg")
    assert done.returncode == 0, done.stderr
    assert "<svg" in (tmp_path / "out.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("features", ("--which", "mfcc_1_mean,mfcc_2_mean", "--box")),
        ("features", ("--emotions", "angry,sad")),
        ("map", ("--pca",)),
        ("map", ("--merge", "calm=neutral", "--title", "Four actors")),
    ],
)
def test_a_corpus_is_drawn(
    emotone: Run, few: Path, tmp_path: Path, kind: str, options: tuple[str, ...]
) -> None:
    done = emotone("plot", kind, few, "-s", "mfcc-13", *options, "-o", tmp_path / "out.pdf")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")


def test_corpus_check_counts_what_is_there(emotone: Run, corpora: Path) -> None:
    done = emotone("corpus", "check", f"emodb={corpora / 'emodb'}", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["utterances"] == 535
    assert found["emotions"]["angry"] == 127
    assert found["speakers"] == 10
    table = emotone("corpus", "check", corpora / "emodb")
    assert re.search(r"^ angry +127 ", table.stdout, re.MULTILINE)


def test_features_of_a_corpus_in_one_table(emotone: Run, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "ravdess.csv"
    done = emotone("features", few, "--labels", "-s", "mfcc-13", "-o", out)
    assert done.returncode == 0, done.stderr
    with out.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 240
    assert {row["speaker"] for row in rows} == {"01", "02", "03", "04"}
    assert {row["corpus"] for row in rows} == {"ravdess"}


def test_predict_reads_originals_and_standard_input(
    emotone: Run, corpora: Path, tmp_path: Path
) -> None:
    toy = bundles.write(tmp_path / "toy.emotone")
    folder = corpora / "originals"
    done = emotone("predict", folder, "--json", "-m", toy)
    assert (done.returncode, done.stderr) == (0, "")
    answers = json.loads(done.stdout)
    assert [Path(each["file"]).name for each in answers] == sorted(
        path.name for path in folder.glob("*.wav")
    )
    piped = emotone(
        "predict", "-", "--json", "-m", toy, stdin=Path(answers[0]["file"]).read_bytes()
    )
    (answer,) = json.loads(piped.stdout)
    assert answer["scores"] == answers[0]["scores"]


def test_one_clip_cold_stays_under_120_mib(environment: dict[str, str], tmp_path: Path) -> None:
    toy = bundles.write(tmp_path / "toy.emotone", feature_set="tutorial-180", dimension=180)
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'emotone', 'predict', *sys.argv[1:]], check=True,\n"
        "               stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, EXAMPLES / "raised-voice.flac", "-m", toy],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    peak = int(done.stdout) / (2**20 if sys.platform == "darwin" else 2**10)
    assert peak < 120
