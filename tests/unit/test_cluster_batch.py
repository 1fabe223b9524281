"""What an actor of a batch leaves, and who takes it away."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from emotone.cluster import batch


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be asked after there")
def test_folders_of_processes_that_are_gone_are_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    for name in (f"emotone-actor-{ended.pid}-x", "emotone-actor-no-number", "emotone-other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.emotone").write_text("7 MB")
    first, second = batch._folder(), batch._folder()
    assert first != second
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {first.name, second.name, "emotone-actor-no-number", "emotone-other"}
