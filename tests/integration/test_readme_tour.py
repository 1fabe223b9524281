"""Every command of the README, word for word and in its order, on a part of the real corpora."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
COMMANDS = re.findall(r"^\$ (emotone .+)$", (REPO / "README.md").read_text("utf-8"), re.MULTILINE)


def link(source: Path, target: Path, every: int) -> None:
    """A folder like the source with every so-manieth of its files, by links."""
    for file in sorted(path for path in source.rglob("*") if path.is_file())[::every]:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)


def test_the_tour_of_the_readme_runs(corpora: Path, tmp_path: Path) -> None:
    for actor in range(1, 7):
        name = f"Actor_{actor:02}"
        link(corpora / "ravdess" / name, tmp_path / "ravdess" / name, every=3)
    link(corpora / "emodb", tmp_path / "emodb", every=8)
    (tmp_path / "examples").symlink_to(REPO / "examples")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "emotone").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emotone "$@"\n')
    (programs / "emotone").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "EMOTONE_CACHE": str(tmp_path / "cache"),
        "EMOTONE_MODELS": str(tmp_path / "models"),
    }
    ran = 0
    for line in COMMANDS:
        if line.startswith("emotone corpus download"):
            continue  # the folders are there; downloads are tested on a server of our own
        if line.startswith("emotone listen"):
            continue  # there is no microphone; a made-up one is tested
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        ran += 1
    assert ran > 25
    made = {path.name for path in tmp_path.iterdir()}
    assert {"mine.emotone", "mine.report.html", "answers.csv", "map.png", "mine-model"} <= made
