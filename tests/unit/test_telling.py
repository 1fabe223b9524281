"""Nothing is told to anybody, nor kept for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_no_library_keeps_a_record_of_what_is_done(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": "", "PATH": os.environ["PATH"]}
    code = (
        "import sys, emotone; r = emotone.load(); r.predict(sys.argv[1]); r.timeline(sys.argv[1])"
    )
    clip = str(EXAMPLES / "raised-voice.flac")
    subprocess.run([sys.executable, "-c", code, clip], check=True, env=home)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
