"""The model card and the data statement hold the figures of the results, and no others."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotone import selective
from emotone.cli.app import run

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import documents  # noqa: E402

Record = dict[str, Any]
ABOUT = {"family": "hybrid", "machine": "a machine", "commit": "abc1234", "seed": 0}
FIGURES = {"ua": 0.5, "ci95": [0.4, 0.6], "wa": 0.25, "ece": 0.03, "clips": 1200, "speakers": 7}


def row(section: str, start: str) -> list[str]:
    """The cells of the row of a table whose first cell this is."""
    found = [line for line in section.splitlines() if line.startswith(f"| {start} |")]
    assert len(found) == 1, section
    return [cell.strip() for cell in found[0].strip("|").split("|")]


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_the_figures_are_those_of_the_results(name: str) -> None:
    text = (documents.DOCS / name).read_text(encoding="utf-8")
    assert documents.written(name, text, documents.read_results()) == text, (
        "run python benchmarks/documents.py"
    )


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_every_marker_is_written(name: str) -> None:
    text = (documents.DOCS / name).read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- ([\w-]+):begin -->", text)) == set(documents.DOCUMENTS[name])


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_every_command_is_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (documents.DOCS / name).read_text(encoding="utf-8")
    for line in re.findall(r"^\$ emotone (.+)$", text, re.MULTILINE):
        words = shlex.split(line)
        if words[0] == "benchmark":
            script = f"{words[1].replace('-', '_')}*.py"
            assert list((REPO / "benchmarks").glob(script)), line
        else:
            assert run([*words, "--help"]) == 0, capsys.readouterr().err


def test_links_between_the_documents_lead_somewhere() -> None:
    for name in documents.DOCUMENTS:
        page = documents.DOCS / name
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", text):
            if target.startswith("../reference/commands"):
                continue  # written when the site is built, which checks its links
            linked = (page.parent / target).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.+)$", linked, re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}
            assert not anchor or anchor in anchors


def test_what_is_not_measured_says_so() -> None:
    for name in ("emobox", "unheard", "languages", "genders", "coverage", "robustness"):
        assert documents.NOT_YET in documents.DOCUMENTS["model-card.md"][name]([])
    for name in ("cross-corpus", "adaptation", "speed"):
        assert documents.NOT_YET in documents.DOCUMENTS["model-card.md"][name]([])


def test_another_model_gives_no_figures() -> None:
    classical = {
        "benchmark": "default-model",
        "model": "emotone-default@0.1",
        "corpus": "casia",
        **FIGURES,
    }
    assert row(documents.unheard([classical]), "casia")[2] == documents.NOT_YET
    assert row(documents.unheard([classical | ABOUT]), "casia")[2] == "**50.0**"


def test_speeds_of_an_earlier_version_are_called_so() -> None:
    now = documents.shipped().card.model
    record = {
        "benchmark": "latency", "family": documents.FAMILY, "clip_s": 3.7, "answer_ms": 6.0,
        "load_ms": 84.0, "bytes": 7_700_000,
    }  # fmt: skip
    assert "The package had" not in documents.speed([record | {"model": now}])
    earlier = now.partition("@")[0] + "@0.1"
    assert f"The package had {earlier} then." in documents.speed([record | {"model": earlier}])


def test_figures_of_emobox_stand_beside_the_published_ones() -> None:
    record = ABOUT | FIGURES | {"benchmark": "emobox", "corpus": "ravdess"}
    record |= {"ua_unrestricted": 0.45}
    section = documents.emobox_figures(
        [record | {"fold": "1", "ua": 0.9}, record | {"fold": "mean"}]
    )
    cells = row(section, "ravdess")
    assert cells[1:5] == ["new speakers", "50.0", "40.0 to 60.0", "45.0"]
    assert cells[5:] == ["75.32", "Whisper large v3 (1.5 B)", "56.5"]
    better = documents.emobox_figures([record | {"fold": "mean", "ua": 0.7532}])
    assert row(better, "ravdess")[2] == "**75.3**"
    assert row(section, "casia")[2] == documents.NOT_YET
    alone = record | {"fold": "mean", "ua": 0.9, "trained_on": "the corpus"}
    assert row(documents.emobox_figures([record | {"fold": "mean"}, alone]), "ravdess")[2] == "50.0"
    assert "on a machine, at commit abc1234, seed 0" in section


def test_groups_are_no_corpora() -> None:
    record = ABOUT | FIGURES | {"benchmark": "default-model", "corpus": "all"}
    records = [
        record,
        record | {"corpus": "emodb", "ua": 0.9},
        record | {"group": "gender=female", "ua": 0.7},
        record | {"group": "gender=male", "ua": 0.6},
        record | {"group": "language=en", "ua": 0.8},
    ]
    assert row(documents.unheard(records), documents.corpus_named("all"))[2] == "**50.0**"
    english = row(documents.languages(records), "English (ravdess, tess)")
    assert english[1] == "**80.0**"
    assert english[5] == "no test"
    german = row(documents.languages(records), "German (emodb)")
    assert german[1] == "no test"
    assert german[3] == "**90.0**"
    cells = row(documents.genders(records), documents.corpus_named(documents.NEW))
    assert cells[1] == "70.0"
    assert cells[3] == "60.0"
    assert cells[5] == "+10.0"


def test_a_language_never_heard_by_one_member_alone_says_so() -> None:
    record = ABOUT | FIGURES | {"benchmark": "cross-corpus", "chance": 0.25}
    ridge = [
        record | {"corpus": name, "family": "ridge", "commit": "fff0000", "ua": 0.3}
        for name in ("emodb", "ravdess", "mean")
    ]
    section = documents.languages(ridge)
    assert row(section, "German (emodb)")[5:] == ["30.0", "40.0 to 60.0", "25.0"]
    assert row(section, "English (ravdess, tess)")[5] == "no test"
    assert row(section, "Urdu (urdu)")[5] == documents.NOT_YET
    assert "`ridge` alone" in section
    assert "`emotone benchmark cross-corpus --family ridge` on a machine, at commit fff0" in section
    whole = documents.languages([*ridge, record | {"corpus": "mean"}, record | {"corpus": "emodb"}])
    assert row(whole, "German (emodb)")[5] == "**50.0**"
    assert "alone" not in whole
    assert "cross-corpus --family hybrid" in whole


def test_commands_that_are_named_as_sources_are_whole() -> None:
    pages = [documents.DOCS / name for name in documents.DOCUMENTS]
    found = {
        command
        for page in (*pages, REPO / "README.md")
        for command in re.findall(
            r"(?:M|m)easured by `emotone benchmark ([^`]+)`", page.read_text(encoding="utf-8")
        )
    }
    assert "default-model --predictions CSV" in found
    for command in found:
        name, *words = command.split()
        script = REPO / "benchmarks" / f"{name.replace('-', '_')}.py"
        assert name == name.replace("_", "-")  # as in the other documents
        assert script.exists(), command
        needed = re.findall(
            r'add_argument\("(--[\w-]+)"[^\n]*required=True', script.read_text(encoding="utf-8")
        )
        assert {*needed} <= {*words}, command


def test_coverage_falls_from_row_to_row() -> None:
    right = np.arange(1000) % 10 != 0
    right[:500] = True
    curve = selective.coverage_curve(right, np.linspace(0.9, 0.4, 1000))
    record = ABOUT | {"benchmark": "coverage", **curve.to_dict()}
    section = documents.coverage([record])
    assert row(section, "50.0")[1:] == ["0.65", "**100.0**"]
    assert row(section, "100.0")[1:] == ["0.40", "**95.0**"]
    assert section.index("| 100.0 |") < section.index("| 50.0 |")
    drawn = documents.coverage_picture([record])
    assert drawn is not None
    assert b"<svg" in drawn


def test_robustness_says_what_is_lost_and_whether_the_clips_were_new() -> None:
    record = ABOUT | {
        "benchmark": "robustness",
        "model": "hybrid.waveform@1.0",
        "fold": "1",
        "seen": "its card does not say what it was trained on",
        "ua": 0.6,
        "ci95": [0.5, 0.7],
        "drop_ci95": [0.01, 0.09],
    }
    section = documents.robustness(
        [
            record | {"condition": "clean", "corpus": "mean", "drop": 0.0},
            record | {"condition": "white-10", "corpus": "casia", "drop": 0.08},
            record | {"condition": "white-10", "corpus": "emovo", "drop": 0.02},
            record | {"condition": "white-10", "corpus": "mean", "drop": 0.05},
        ]
    )
    assert row(section, "white noise at 10 dB SNR")[1:] == [
        "60.0",
        "**5.0**",
        "1.0 to 9.0",
        "casia (8.0)",
    ]
    assert row(section, "the clip as it is")[2] == ""
    assert "Not on new clips" in section


def test_adaptation_and_speed() -> None:
    adapted = {
        "benchmark": "adaptation",
        "corpus": "casia",
        "adapted_clips": 5,
        "adapted_to": "neutral",
        "ua": 0.65,
        "plain_ua": 0.6,
    }
    cells = documents.adaptation([adapted]).splitlines()
    assert any("60.0 → **65.0**" in line and "neutral" in line for line in cells)
    warm = ABOUT | {"benchmark": "latency", "clip_s": 3.7, "answer_ms": 8.21, "load_ms": 90.0}
    assert "**8.2 ms**" in documents.speed([warm | {"bytes": 5_000_000}])


def test_every_pair_of_the_speed_check_is_told_the_slower_ones_too() -> None:
    record = {"benchmark": "speed", "measure": "batch", "peer": "librosa + MLP", "commit": "a1"}
    slow = record | {"emotone_ms": 8.413, "peer_ms": 5.543, "ratio": 0.66, "machine": "here"}
    section = documents.speed([slow, slow | {"measure": "live", "ratio": 1.19}])
    rows = [line for line in section.splitlines() if "librosa + MLP" in line]
    assert [row.split(" | ")[0] for row in rows] == ["| live", "| batch"]
    assert "8.4 ms | 5.5 ms | 0.66 ×" in rows[1]
    assert "an earlier model" in section
    fresh = slow | {"model": documents.shipped().card.model}
    assert "an earlier model" not in documents.speed([fresh])


def test_cross_corpus_has_a_mean() -> None:
    record = ABOUT | FIGURES | {"benchmark": "cross-corpus", "chance": 0.25}
    section = documents.cross_corpus(
        [record | {"corpus": "urdu", "emotions": ["sad", "angry"]}, record | {"corpus": "mean"}]
    )
    assert row(section, "urdu")[1:] == ["**50.0**", "40.0 to 60.0", "25.0", "25.0", "2"]
    assert row(section, r"**mean of the corpora**")[1] == "**50.0**"


def test_what_the_corpora_hold_adds_up() -> None:
    records = [r for r in documents.read_results() if r["benchmark"] == "corpora"]
    assert {r["corpus"] for r in records} == set(documents.CORPORA)
    assert all(sum(r["emotions"].values()) == r["clips"] for r in records)
    assert row(documents.holdings(records), r"**all**")[2] == (
        f"{sum(r['clips'] for r in records):,}"
    )


def test_each_leak_is_worth_what_the_records_say() -> None:
    record = ABOUT | {"benchmark": "leakage", "model": "svm-linear", "seeds": 3}
    section = documents.leakage(
        [
            record | {"way": "copies", "wa": 0.9, "best": 0.95},
            record | {"way": "random", "wa": 0.8, "best": 0.85},
            record | {"way": "speakers", "wa": 0.6, "best": 0.61},
            record | {"way": "speakers, copies", "wa": 0.62, "best": 0.64},
        ]
    )
    assert row(section, r"**unseen speakers**")[1:3] == ["61.0", "**60.0**"]
    assert "| best of 3 |" in section
    assert "sharing the speakers is worth 20.0 points" in section
    assert "copies on top of that 10.0 points" in section
    assert "choosing the seed 5.0 points more" in section
    assert "35.0 points vanish" in section
    assert documents.NOT_YET not in documents.leakage([])
