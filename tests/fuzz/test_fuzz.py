"""Every fuzzing target for a few seconds; its seeds and old faults alone where atheris is not."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import run

SECONDS = 3


@pytest.mark.parametrize("name", run.TARGETS)
def test_seeds_and_old_faults(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run.seeds_only(name) >= 3


@pytest.mark.parametrize("name", run.TARGETS)
def test_no_seed_is_cut(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def keep(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        started.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(run.subprocess, "run", keep)
    run.fuzz(name, 1.0, tmp_path / "corpus", tmp_path / "found", tmp_path)
    (limit,) = [text for text in started[0] if text.startswith("-max_len=")]
    known = run.inputs(name)
    assert all(len(data) <= int(limit.partition("=")[2]) for data in known)
    kept = {path.read_bytes() for path in (tmp_path / "corpus").iterdir()}
    assert kept == {*known}


@pytest.mark.parametrize("name", run.TARGETS)
def test_a_while_of_fuzzing(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, run.__file__, "--seconds", str(SECONDS), "--seed", "1", name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if run.has_atheris():
        assert "no fault" in done.stdout
        assert "stat::number_of_executed_units" in done.stderr
        assert list(tmp_path.glob("fuzz-found/*")) == []
    else:
        assert "atheris is not installed" in done.stdout
        warnings.warn(f"{name}: atheris is not installed, only the seeds were tried", stacklevel=1)


def test_a_fault_is_kept_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not run.has_atheris():
        monkeypatch.setattr(run, "inputs", lambda name: [b"\x00"])
        monkeypatch.setattr(run, "target", lambda name: lambda data: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.seeds_only("headers")
        return
    folder = tmp_path / "fuzz"
    folder.mkdir()
    text = Path(run.__file__).read_text(encoding="utf-8")
    (folder / "run.py").write_text(text, encoding="utf-8")
    (folder / "fuzz_toy.py").write_text(
        "def seeds():\n    return [b'aaaa']\n\n\n"
        "def one_input(data):\n    assert data[:1] != b'a'\n"
    )
    done = subprocess.run(
        [sys.executable, folder / "run.py", "--seconds", "5", "toy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "faults in toy" in done.stdout
    (kept,) = tmp_path.glob("fuzz-found/toy-crash-*")
    assert kept.read_bytes()[:1] == b"a"


def test_an_unknown_target_is_wrong_usage() -> None:
    done = subprocess.run([sys.executable, run.__file__, "x"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no target x" in done.stderr
