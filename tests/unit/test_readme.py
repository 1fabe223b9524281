"""The README says what is true: its commands exist, and its figures are those in benchmarks/."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from emotone.cli.app import COMMANDS as ALL
from emotone.cli.app import run

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ emotone (.+)$", README, re.MULTILINE)


def words(line: str) -> list[str]:
    """The arguments in a command line of the README, without redirections."""
    return shlex.split(re.split(r" [<>|] ", line)[0])


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_in_the_readme_is_one(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Help comes instead of the work, but only for a command and options that are there.
    assert run([*words(line), "--help"]) == 0, capsys.readouterr().err


def test_the_readme_shows_every_command() -> None:
    assert {words(line)[0] for line in COMMANDS} | {"benchmark"} == set(ALL)


def test_the_figures_are_those_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    monkeypatch.delitem(sys.modules, "readme", raising=False)
    import readme

    assert readme.replaced(README, "figures", readme.figures()) == README


def test_unseen_speakers_are_not_among_those_that_are_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    import readme
    import tutorials

    known = {"task": "eight emotions", "model": "emotone hybrid", "wa": 0.91, "machine": "here"}
    unseen = known | {"task": tutorials.UNSEEN, "wa": 0.623}
    plain, both = readme.tutorials_section([known]), readme.tutorials_section([known, unseen])
    shared, others = (line for line in both.splitlines() if line.startswith("| eight"))
    assert shared in plain
    assert "**unseen speakers**" in others
    assert "| 62.3 |" in others
    assert "the very recipe above it" in both
    assert "unseen speakers**" not in plain
    assert "the first row of the next table" in plain


def test_only_what_no_other_exceeds_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    import readme

    record = {"benchmark": "emobox", "fold": "mean", "ci95": [0.8, 0.9], "machine": "here"}
    record |= {"protocol": "speakers shared"}
    classical = record | {"model": "emotone classical (rich + ensemble)"}
    hybrid = record | {"model": "emotone hybrid, all corpora", "parameters": 3_000_000}
    section = readme.emobox_section(
        [
            classical | {"corpus": "emodb", "ua": 0.857},
            hybrid | {"corpus": "emodb", "ua": 0.926},
            classical | {"corpus": "urdu", "ua": 0.9},
            hybrid | {"corpus": "urdu", "ua": 0.88},
        ]
    )
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")]
    assert rows[2][2:5] == [
        "85.7 (80.0 to 90.0)",
        "**92.6** (80.0 to 90.0)",
        "92.58 WavLM large",
    ]
    assert rows[3][2:5] == ["**90.0** (80.0 to 90.0)", "88.0 (80.0 to 90.0)", "88.41 HuBERT base"]
    assert "**Bold**" in section
    assert "--alone" not in section
    alone = record | {"model": "emotone hybrid, alone", "parameters": 3_400_000, "ua": 0.93}
    first = alone | {"corpus": "emodb", "fold": "1", "ua": 0.871}
    section = readme.emobox_section([hybrid | {"corpus": "urdu", "ua": 0.88}, *(
        alone | {"corpus": name} for name in ("urdu", "emodb")), first])  # fmt: skip
    assert "| urdu | shared | **93.0** (80.0 to 90.0) | 88.0 (80.0 to 90.0) |" in section
    assert "3.4 million parameters at most" in section
    assert "Fold 1 of EmoDB gives 87.1. Not run: ravdess, tess, ased, turev" in section
    assert "[--alone]" in section


def test_a_cold_start_of_another_model_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    import documents
    import readme

    record = {
        "benchmark": "speed-predict",
        "way": "emotone predict",
        "clip_s": 3.8,
        "wall_s": 0.2312,
        "cpu_s": 0.2,
        "peak_mib": 99.5,
        "speed_up_wall": 9.9,
        "machine": "here",
    }
    peer = record | {"way": "pickle + librosa", "wall_s": 2.3}
    assert "0.23 s" not in readme.speed_section([record, peer])
    fresh = record | {"model": documents.shipped().card.model}
    section = readme.speed_section([fresh, peer])
    assert "0.23 s" in section
    assert "pickle + librosa" in section


def test_the_slowest_ratios_are_in_the_readme() -> None:
    import json

    records = json.loads((REPO / "benchmarks/results/speed.json").read_text(encoding="utf-8"))
    for record in sorted(records, key=lambda record: float(record["ratio"]))[:3]:
        assert f"{record['peer']} {record['ratio']:.2f} ×" in README
