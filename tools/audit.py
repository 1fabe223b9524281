"""Known weaknesses of what is pinned: pip-audit over constraints.txt. Needs the network.

    python tools/audit.py [--offline]

Every pin is looked up in the advisories of the Python Packaging Advisory Database, at the version
that is pinned; nothing is installed. Exit status 1 where there is one that is not in `ACCEPTED`.
With --offline only the pins are read, which shows that an audit could begin.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import requirements

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


def command(*, offline: bool = False) -> list[str]:
    """What is run."""
    pins = requirements.ROOT / "constraints.txt"
    return [
        sys.executable, "-m", "pip_audit", "--requirement", str(pins),
        "--no-deps", "--disable-pip", "--strict", "--progress-spinner", "off", "--format", "json",
        *(["--dry-run"] if offline else []),
    ]  # fmt: skip


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
    done = subprocess.run(command(offline=options.offline), capture_output=True, text=True)
    if options.offline:
        print(done.stderr.strip())
        return 0 if would_look_at(done.stderr) else 2
    try:
        report = json.loads(done.stdout)
        found = weaknesses(report)
    except ValueError:
        print(done.stderr.strip(), file=sys.stderr)
        print("error: the audit could not be made. It needs the network.", file=sys.stderr)
        return 2
    open_ones = [one for one in found if one.accepted is None]
    for one in found:
        print(f"{one}" if one.accepted is None else f"{one} (accepted: {one.accepted})")
    print(f"{len(report['dependencies'])} pins looked at, {len(open_ones)} weaknesses")
    return bool(open_ones)


if __name__ == "__main__":
    sys.exit(main())
