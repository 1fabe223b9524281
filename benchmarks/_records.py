"""What every benchmark writes down beside its figures, and where."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotone.errors import EmotoneError

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
    """Write flat records as a JSON list, one record a line; all of them, or none where it fails."""
    lines = ",\n".join(json.dumps(record) for record in records)
    put(path, f"[\n{lines}\n]\n")


def place(given: Path | None, name: str, *, whole: bool) -> Path | None:
    """Where a run's records go: to the file that is named, else to its place among the results.

    That is for a run of all that the committed record tells of; None for a part of it.
    """
    return RESULTS / f"{name}.json" if given is None and whole else given


def keep(path: Path | None, records: Iterable[Mapping[str, Any]]) -> None:
    """Write the records, see `place`, and tell of it."""
    if path is not None:
        write(path, records)
    tell(path)


def tell(path: Path | None) -> None:
    """Tell where the records are."""
    if path is None:
        print("\nnot written, as a part of the whole: name a file with --json to keep it")
    else:
        print(f"\nwritten: {path}")


def put(path: Path, text: str) -> None:
    """Write a file in the place of an earlier one, which stays whole until the new one is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # a pipe, say: nothing can take its place
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()  # of a link it is the file that is written, not the link
    # Its name ends unlike that of a result, for which one that a kill leaves is not to be taken.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def update(
    path: Path,
    records: Iterable[Mapping[str, Any]],
    key: Sequence[str],
    order: Callable[[Mapping[str, Any]], int] | None = None,
) -> None:
    """Write what has been measured anew; what else the file holds stays.

    For a benchmark that writes while it goes on: where it is cut off, what it had not come to is as
    it was.

    Parameters
    ----------
    path
        The file, which need not exist.
    records
        New ones. Each takes the place of the one that agrees with it in the key, or comes last.
    key
        The fields that tell one record of the file from another.
    order
        The place of a record among all; None to leave them as they stand.
    """

    def key_of(record: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(record.get(name) for name in key)

    new = {key_of(record): record for record in records}
    found: list[Mapping[str, Any]] = []
    for record in read(path):
        replacement = new.get(key_of(record), record)
        if not any(replacement is other for other in found):
            found.append(replacement)
    found += [record for record in new.values() if not any(record is other for other in found)]
    write(path, sorted(found, key=order) if order else found)


def read(path: Path) -> list[dict[str, Any]]:
    """The records of such a file; none where there is no file.

    Raises
    ------
    EmotoneError
        If it holds something else.
    """
    if not path.exists():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise EmotoneError(
            "holds no list of records",
            source=path,
            remedy="Take the committed file, or another one.",
        )
    return found
