"""Shell completion: what is offered, asked for by the script of each shell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bundles

SCRIPTS = {"bash": "complete_bash", "zsh": "complete_zsh", "fish": "complete_fish",
           "powershell": "complete_powershell"}  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A program `emotone` on the path, a model, and no corpus."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "emotone"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m emotone "$@"\n')
    program.chmod(0o755)
    bundles.write(tmp_path / "models" / "toy.emotone")
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "EMOTONE_MODELS": str(tmp_path / "models"),
        "HOME": str(tmp_path),
    }


def script(shell: str, environment: dict[str, str]) -> str:
    """What `emotone --show-completion` prints for a shell."""
    done = subprocess.run(
        [sys.executable, "-m", "emotone"], capture_output=True, text=True, check=True,
        env={**environment, "_EMOTONE_COMPLETE": f"source_{shell}"},
    )  # fmt: skip
    return done.stdout


def in_bash(line: str, environment: dict[str, str]) -> list[str]:
    """What bash offers at the end of a line: its own function, with its own variables."""
    words = line.split(" ")
    asked = (
        f"{script('bash', environment)}\n"
        f"COMP_WORDS=({' '.join(shlex.quote(word) for word in words)})\n"
        f"COMP_CWORD={len(words) - 1}\n"
        "complete -p emotone >&2\n"
        "_emotone_completion emotone\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True,
                          check=True, env=environment)  # fmt: skip
    assert "-F _emotone_completion emotone" in done.stderr
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("emotone pre", ["predict"]),
        ("emotone ser", ["serve", "server"]),
        ("emotone server keys re", ["revoke"]),
        ("emotone predict --unc", ["--uncertain"]),
        ("emotone predict --verb", ["--verbose"]),
        ("emotone predict --model t", ["toy"]),
        ("emotone predict -m d", ["default"]),
        ("emotone models show to", ["toy"]),
        ("emotone train --emotions calm,ha", ["calm,happy"]),
        ("emotone train --merge calm=neu", ["calm=neutral"]),
        ("emotone train --family svm-", ["svm-linear", "svm-rbf"]),
        ("emotone compare --families mlp,kn", ["mlp,knn"]),
        ("emotone features --set tutorial-1", ["tutorial-180", "tutorial-193"]),
        ("emotone corpus download em", ["emodb", "emovo"]),
        ("emotone analyze x.wav --channels s", ["split"]),
        ("emotone predict --colour n", ["never"]),
        ("emotone config show corp", ["corpus"]),
        ("emotone predict no-such-be", []),  # bash offers files then
    ],
)
def test_bash_offers(line: str, offered: list[str], environment: dict[str, str]) -> None:
    assert sorted(in_bash(line, environment)) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_broken_configuration_does_not_stop_completion(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "broken.toml").write_text("nonsense = 1")
    environment["EMOTONE_CONFIG"] = str(tmp_path / "broken.toml")
    assert in_bash("emotone predict --unc", environment) == ["--uncertain"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_shell_has_a_script(shell: str, environment: dict[str, str]) -> None:
    text = script(shell, environment)
    assert SCRIPTS[shell] in text
    assert "emotone" in text
    program = shutil.which("pwsh" if shell == "powershell" else shell)
    if program and shell != "powershell":
        subprocess.run([program, "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize(
    ("shell", "asked", "offered"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "emotone ser"}, ["serve", "server"]),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "emotone ser", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            ["serve", "server"],
        ),
        (
            "powershell",
            {"_TYPER_COMPLETE_ARGS": "emotone ser", "_TYPER_COMPLETE_WORD_TO_COMPLETE": "ser"},
            ["serve", "server"],
        ),
    ],
)
def test_what_the_other_shells_are_answered(
    shell: str, asked: dict[str, str], offered: list[str], environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "emotone"], capture_output=True, text=True,
        env={**environment, "_EMOTONE_COMPLETE": f"complete_{shell}", **asked},
    )  # fmt: skip
    for word in offered:
        assert word in done.stdout
    assert "predict" not in done.stdout
