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
