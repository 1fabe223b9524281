"""Hears hostile files in one process and tells of each what came of it, a line of JSON each.

    python tests/hostile/hear.py SECONDS CALL < PATHS

CALL is predict, timeline or command (``emotone analyze`` by its own entry). The paths come as a
JSON list. A file that takes longer than so many seconds ends the process with a traceback.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import emotone
from emotone.errors import AudioWarning, EmotoneError


def peak_mib() -> float:
    """The most memory since `forget_peak`; 0 where Linux does not tell."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return 0.0


def forget_peak() -> None:
    """Begin to look for the most memory anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def by_library(call: str) -> Callable[[str], dict[str, Any]]:
    """What a Python program does."""
    recognizer = emotone.load()
    recognizer.predict(Path(emotone.__file__).parents[2] / "examples" / "low-voice.flac")

    def hear(path: str) -> dict[str, Any]:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                if call == "predict":
                    told = {"emotion": recognizer.predict(path).emotion}
                else:
                    timeline = recognizer.timeline(path, jobs=1)
                    told = {"emotion": f"{len(timeline.segments)} segments"}
            except EmotoneError as error:
                told = {"code": error.code, "message": str(error)}
        strange = [w for w in warned if not issubclass(w.category, AudioWarning)]
        assert not strange, [str(w.message) for w in strange]
        return told | {"warnings": [str(w.message) for w in warned]}

    return hear


def by_command(folder: str) -> Callable[[str], dict[str, Any]]:
    """What ``emotone analyze`` does, with files for a table, Praat and a program."""
    from emotone.cli import main

    def hear(path: str) -> dict[str, Any]:
        outs = [Path(folder, f"out.{ending}") for ending in ("csv", "TextGrid", "json")]
        given = [option for out in outs for option in ("-o", str(out))]
        sys.argv = ["emotone", "analyze", *given, "--", path]
        said, shown = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(shown):
            try:
                status: object = main()
            except SystemExit as ended:
                status = ended.code
        for out in outs:
            with contextlib.suppress(FileNotFoundError):
                out.read_bytes().decode("utf-8")
                out.unlink()
        left = [each.name for each in Path(folder).iterdir()]
        return {"status": status or 0, "said": said.getvalue(), "left": left}

    return hear


def tell() -> None:
    """Hear what standard input names."""
    limit, call = float(sys.argv[1]), sys.argv[2]
    paths = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        hear = by_command(folder) if call == "command" else by_library(call)
        for path in paths:
            forget_peak()
            before, began = peak_mib(), time.monotonic()
            faulthandler.dump_traceback_later(limit, exit=True)
            found = hear(path)
            faulthandler.cancel_dump_traceback_later()
            took = {"seconds": time.monotonic() - began, "mib": peak_mib() - before}
            print(json.dumps({"path": path, **took, **found}), flush=True)


if __name__ == "__main__":
    tell()
