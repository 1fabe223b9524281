"""What every benchmark writes down beside its figures, and where."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results"


def corpora_folder() -> Path:
    """The folder of corpora: ``EMOTONE_CORPORA``, else ``shared/data`` beside the checkout."""
    return Path(os.environ.get("EMOTONE_CORPORA", BENCHMARKS.parents[1] / "shared" / "data"))


def machine() -> str:
    """Processor, cores and Python, in one line."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def commit() -> str:
    """The short hash of the checkout; with ``+`` and a hash of what differs from it, if it does."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=BENCHMARKS, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    code = ("--", "../src", "../benchmarks/*.py")
    changed = git("status", "--porcelain", *code)
    head = git("rev-parse", "--short", "HEAD") or "unknown"
    if not changed:
        return head
    difference = changed + git("diff", "HEAD", *code)
    return f"{head}+{hashlib.sha256(difference.encode()).hexdigest()[:6]}"


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write flat records as a JSON list, one record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(record) for record in records)
    path.write_text(f"[\n{lines}\n]\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The records of such a file; none where there is no file."""
    return list(json.loads(path.read_text())) if path.exists() else []
