"""Every command of the README, word for word and in its order, on a part of the real corpora."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
COMMANDS = re.findall(r"^\$ (emotone .+)$", (REPO / "README.md").read_text("utf-8"), re.MULTILINE)


def link(source: Path, target: Path, every: int) -> None:
    """A folder like the source with every so-manieth of its files, by links."""
    for file in sorted(path for path in source.rglob("*") if path.is_file())[::every]:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)


def serve(line: str, folder: Path, environment: dict[str, str]) -> None:
    """Start the service, wait until it answers, and stop it as a person would."""
    log = folder / "serve.txt"
    with log.open("w+") as said:
        service = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line}"],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen("http://127.0.0.1:8000/healthz", timeout=5).close()
                    break
                except OSError:
                    assert service.poll() is None, f"{line}\n{log.read_text()}"
                    time.sleep(0.1)
            service.send_signal(signal.SIGINT)
            assert service.wait(60) == 0, f"{line}\n{log.read_text()}"
        finally:
            service.kill()
            service.wait()
    assert "Traceback" not in log.read_text()


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
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "BROWSER": "true",  # opens nothing
    }
    ran = 0
    for line in COMMANDS:
        if line.startswith("emotone corpus download"):
            continue  # the folders are there; downloads are tested on a server of our own
        if line.startswith("emotone listen"):
            continue  # there is no microphone; a made-up one is tested
        if line.split()[1] == "serve":
            serve(line, tmp_path, environment)
            ran += 1
            continue
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        ran += 1
    assert ran > 25
    made = {path.name for path in tmp_path.iterdir()}
    assert {"mine.emotone", "mine.report.html", "answers.csv", "map.png", "mine-model"} <= made
