"""The pins of constraints.txt: checked against what they are for, or made anew.

    python tools/lock.py --check      nothing missing, nothing left over, what is installed agrees
    python tools/lock.py --resolve    ask pip for the newest versions that go together

The file has two columns of versions, for Python 3.10 and for later ones. A check is about the
Python that runs it, and needs no network; `--resolve` moves the column of that Python only, so it
is run with both. A pin with a condition on the system is left alone on other systems.

There are no hashes: the pins are of three systems and four Pythons, each with other files of the
same version, and pip takes no editable install beside hashes. What is downloaded is checked against
the hashes of the index by pip itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

import requirements

CONSTRAINTS = requirements.ROOT / "constraints.txt"
_OLD, _NEW = 'python_version < "3.11"', 'python_version >= "3.11"'


@dataclass(frozen=True)
class Pin:
    """A line of the file."""

    name: str
    version: str
    condition: str | None = None

    def __str__(self) -> str:
        plain = f"{self.name}=={self.version}"
        return plain if self.condition is None else f"{plain} ; {self.condition}"

    @property
    def holds(self) -> bool:
        """Whether it is for this Python and system."""
        return self.condition is None or Marker(self.condition).evaluate()

    @property
    def is_by_python(self) -> bool:
        """Whether its condition, if any, is one of the two columns."""
        return self.condition in (None, _OLD, _NEW)


def read(text: str) -> tuple[str, list[Pin]]:
    """The head of the file, and its pins."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    pins = []
    for line in lines[first:]:
        if line.strip():
            plain, _, condition = line.partition(";")
            name, _, version = plain.strip().partition("==")
            pins.append(Pin(name, version, condition.strip() or None))
    return "\n".join(lines[:first]), pins


def written(head: str, pins: Iterable[Pin]) -> str:
    """The file again."""
    # Of one name the older Python first.
    lines = map(str, sorted(pins, key=lambda p: (canonicalize_name(p.name), p.condition or "")))
    return head + "\n" + "\n".join(lines) + "\n"


_BUILT_BY = ("hatchling", "trove-classifiers")
"""pip has these in an environment of its own while it builds the package."""


def problems(
    pins: Iterable[Pin], installed: Mapping[str, str], missing: Iterable[str]
) -> list[str]:
    """What is wrong with the pins, given all that is needed here and its versions."""
    holding: dict[str, list[str]] = {}
    everywhere = set()
    for pin in pins:
        everywhere.add(canonicalize_name(pin.name))
        if pin.holds:
            holding.setdefault(canonicalize_name(pin.name), []).append(pin.version)
    found = [f"{name} is pinned {len(v)} times for this Python" for name, v in holding.items()
             if len(v) > 1]  # fmt: skip
    for name, version in sorted(installed.items()):
        if name not in holding:
            found.append(f"{name} {version} is needed here and not pinned")
        elif version not in holding[name]:
            found.append(f"{name} is {version} here and pinned to {holding[name][0]}")
    absent = {*missing} - {*_BUILT_BY}
    found += [f"{name} is needed here and not installed" for name in sorted(absent)]
    needed = {*installed, *absent, *_BUILT_BY}
    found += [
        f"{pin.name} is pinned and nothing here needs it"
        for pin in pins
        if pin.holds and pin.is_by_python and canonicalize_name(pin.name) not in needed
    ]
    return found


def moved(pins: list[Pin], resolved: Mapping[str, str], *, old: bool) -> list[Pin]:
    """The pins with the versions of one column put in.

    Parameters
    ----------
    pins
        As they are.
    resolved
        All that this Python needs, and the versions to pin.
    old
        Whether this is the column of Python 3.10.
    """
    mine, others = (_OLD, _NEW) if old else (_NEW, _OLD)
    by_name: dict[str, dict[str, str]] = {}
    kept = []
    spelled: dict[str, str] = {}
    for pin in pins:
        name = canonicalize_name(pin.name)
        spelled[name] = pin.name
        if not pin.is_by_python:
            if not pin.holds:
                kept.append(pin)
            else:
                kept.append(Pin(pin.name, resolved.get(name, pin.version), pin.condition))
        elif pin.condition in (None, others):
            by_name.setdefault(name, {})[others] = pin.version
    special = {canonicalize_name(pin.name) for pin in kept if pin.holds}
    for pinned, version in resolved.items():
        if pinned not in special:
            by_name.setdefault(pinned, {})[mine] = version
    for normal, columns in by_name.items():
        shown = spelled.get(normal, normal)
        if len(columns) == 2 and len({*columns.values()}) == 1:
            kept.append(Pin(shown, columns[mine]))
        else:
            kept += [Pin(shown, version, condition) for condition, version in columns.items()]
    return kept


def needed() -> tuple[dict[str, str], set[str]]:
    """All that any task installs here, and what of it is missing."""
    everything = [*requirements.runtime(), *requirements.extra("all"), *requirements.tools()]
    return requirements.closure(everything)


def resolve() -> dict[str, str]:
    """The newest versions that go together, from pip and the network."""
    groups = [part for name in requirements.groups() for part in ("--group", name)]
    built_by = requirements.project()["build-system"]["requires"]
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
        "--report", "-", ".[all]", "pip", *built_by, *groups,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=requirements.ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit("error: pip found no versions that go together; its message is above.")
    return resolved(json.loads(done.stdout))


def resolved(report: dict[str, list[dict[str, dict[str, str]]]]) -> dict[str, str]:
    """Names and versions of a report of pip."""
    found = {
        canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"].partition("+")[0]
        for each in report["install"]
    }
    return {
        name: version
        for name, version in found.items()
        if name != requirements.NAME and not requirements.of_cuda(name)
    }


def main() -> int:
    """Check, or resolve and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true")
    what.add_argument("--resolve", action="store_true")
    options = parser.parse_args()
    head, pins = read(CONSTRAINTS.read_text(encoding="utf-8"))
    if options.resolve:
        old = sys.version_info < (3, 11)
        text = written(head, moved(pins, resolve(), old=old))
        changed = {*text.splitlines()} ^ {*CONSTRAINTS.read_text(encoding="utf-8").splitlines()}
        Path(CONSTRAINTS).write_text(text, encoding="utf-8")
        print("\n".join(sorted(changed)) or "nothing is newer")
        return 0
    found = problems(pins, *needed())
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    if not found:
        print(f"{sum(pin.holds for pin in pins)} pins hold here, and all are needed")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
