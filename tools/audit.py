"""Known weaknesses of what is pinned: pip-audit over constraints.txt. Needs the network.

    python tools/audit.py [--offline]

Every pin, for whatever Python and system, is looked up in the advisories of the Python Packaging
Advisory Database, at the version that is pinned; nothing is installed. Exit status 1 where there is
one that is not in `ACCEPTED`. With --offline only the pins are read, which shows that an audit
could begin.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

import lock

ACCEPTED: dict[str, str] = {}
"""Advisories that do not concern us, each with the reason. All are looked at again at a release."""


@dataclass(frozen=True)
class Weakness:
    """An advisory about a pinned version."""

    package: str
    version: str
    identifiers: tuple[str, ...]
    fixed_in: tuple[str, ...]
    about: str

    @property
    def accepted(self) -> str | None:
        """Why it does not concern us, if so."""
        return next((ACCEPTED[one] for one in self.identifiers if one in ACCEPTED), None)

    def __str__(self) -> str:
        mended = f"; mended in {', '.join(self.fixed_in)}" if self.fixed_in else ""
        return f"{self.package} {self.version}: {', '.join(self.identifiers)}{mended}. {self.about}"


def rounds(pins: Iterable[lock.Pin]) -> list[list[str]]:
    """Every pin without its condition, in as few lists as have each name but once.

    pip-audit leaves out what is not for the Python and the system that it runs on, and takes one
    version of a name.
    """
    found: list[list[str]] = []
    count: Counter[str] = Counter()
    for pin in pins:
        name = canonicalize_name(pin.name)
        if count[name] == len(found):
            found.append([])
        found[count[name]].append(f"{pin.name}=={pin.version}")
        count[name] += 1
    return found


def command(file: Path, *, offline: bool = False) -> list[str]:
    """What is run for one list."""
    return [
        sys.executable, "-m", "pip_audit", "--requirement", str(file),
        "--no-deps", "--disable-pip", "--strict", "--progress-spinner", "off", "--format", "json",
        *(["--dry-run"] if offline else []),
    ]  # fmt: skip


def asked(pins: Iterable[lock.Pin], *, offline: bool = False) -> list[tuple[str, str]]:
    """What pip-audit prints for each list, on stdout and on stderr."""
    told = []
    with tempfile.TemporaryDirectory(prefix="emotone-audit-") as folder:
        for number, lines in enumerate(rounds(pins)):
            file = Path(folder, f"pins-{number}.txt")
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            done = subprocess.run(command(file, offline=offline), capture_output=True, text=True)
            told.append((done.stdout, done.stderr))
    return told


def weaknesses(report: dict[str, Any]) -> list[Weakness]:
    """Those in what pip-audit prints.

    Raises
    ------
    ValueError
        If it has looked at nothing.
    """
    if not report.get("dependencies"):
        raise ValueError("pip-audit has looked at nothing")
    return [
        Weakness(
            each["name"],
            each["version"],
            (one["id"], *one.get("aliases", ())),
            tuple(one.get("fix_versions", ())),
            " ".join(one.get("description", "").split())[:200],
        )
        for each in report["dependencies"]
        for one in each.get("vulns", ())
    ]


def would_look_at(told: str) -> int:
    """How many pins a dry run says it would have looked at."""
    counted = re.search(r"would have audited (\d+) packages", told)
    return int(counted[1]) if counted else 0


def main() -> int:
    """Run it and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--offline", action="store_true")
    options = parser.parse_args()
    _, pins = lock.read(lock.CONSTRAINTS.read_text(encoding="utf-8"))
    told = asked(pins, offline=options.offline)
    said = "\n".join(errors.strip() for _, errors in told)
    if options.offline:
        print(said)
        would = sum(would_look_at(errors) for _, errors in told)
        print(f"{would} of {len(pins)} pins would be looked up")
        return 0 if would == len(pins) else 2
    try:
        reports = [json.loads(printed) for printed, _ in told]
        found = [one for report in reports for one in weaknesses(report)]
    except ValueError:
        print(said, file=sys.stderr)
        print("error: the audit could not be made. It needs the network.", file=sys.stderr)
        return 2
    looked_at = sum(len(report["dependencies"]) for report in reports)
    if looked_at != len(pins):
        print(f"error: {looked_at} of {len(pins)} pins were looked up.", file=sys.stderr)
        return 2
    open_ones = [one for one in found if one.accepted is None]
    for one in found:
        print(f"{one}" if one.accepted is None else f"{one} (accepted: {one.accepted})")
    print(f"{looked_at} pins looked at, {len(open_ones)} weaknesses")
    return bool(open_ones)


if __name__ == "__main__":
    sys.exit(main())
