"""The licences of all that emotone runs on: docs/licences.md, and whether they will do.

    python tools/licences.py            write docs/licences.md
    python tools/licences.py --check    fail where the page is behind, or a licence is not allowed

Read from the metadata of what is installed here. A distribution is listed with the first part of
emotone that brings it: the package itself, else an extra.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requirements

if TYPE_CHECKING:
    from importlib.metadata import PackageMetadata

PAGE = requirements.ROOT / "docs" / "licences.md"

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "HPND",
    "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
    "LGPL", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later",
}  # fmt: skip
"""Licences, by their SPDX names, that let a program under MIT use the package as it is installed:
permissive ones, and those that ask for changes to the package itself to stay free (MPL, LGPL)."""

ONLY_IN_EXTRAS = {
    "LicenseRef-audEERING": "openSMILE: for research and private use alone; see its own terms",
}
"""Licences that would not do for the package, and are told of where an extra brings them."""

STATED = {
    "opensmile": "MIT AND LicenseRef-audEERING",  # the wrapper, and the program inside the wheel
    # Their own pages say that one may choose, which two classifiers do not.
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "uvloop": "MIT OR Apache-2.0",
    # The wrapper; FFmpeg, built with --enable-gpl; and x264 and x265 beside it in av.libs.
    "av": "BSD-3-Clause AND LGPL-2.1-or-later AND GPL-2.0-or-later",
}
"""What is not in a distribution's metadata in a form that says it, by name, from its own files."""

EXCEPTIONS = {
    ("av", "GPL-2.0-or-later"): (
        "the wheel of PyAV from the index brings FFmpeg with the encoders x264 and x265, which are "
        "under the GPL. emotone calls PyAV to decode sound, uses no encoder of these, and hands on "
        "none of them: `pip` fetches the wheel from its makers. Whoever hands on an application "
        "with this wheel inside hands on GPL code and keeps its terms, or builds PyAV from source "
        "with an FFmpeg without `--enable-gpl`, with which emotone does the same"
    ),
}
"""Licences that are not allowed, but for the one distribution, and why there: of a name and a part
of what it is under."""

_CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
_WRITTEN = (
    (r"apache.{0,30}2(\.0)?|apache-2|^apache( software)? licen[cs]e$", "Apache-2.0"),
    (r"bsd[ -]?3|3-clause", "BSD-3-Clause"),
    (r"bsd[ -]?2|2-clause", "BSD-2-Clause"),
    (r"^(new |modified )?bsd( licen[cs]e)?$", "BSD"),
    (r"^(the )?mit( licen[cs]e)?$|mit license", "MIT"),
    (r"mpl.{0,3}2|mozilla public license.{0,5}2", "MPL-2.0"),
    (r"lgpl.{0,4}2\.1", "LGPL-2.1-or-later"),
    (r"lgpl.{0,4}3", "LGPL-3.0-only"),
    (r"^(psf|python software foundation).*", "PSF-2.0"),
    (r"audeering", "LicenseRef-audEERING"),
)


@dataclass(frozen=True)
class Licence:
    """A distribution and what it is under."""

    name: str
    expression: str
    brought_by: str

    @property
    def parts(self) -> set[str]:
        """The single licences in the expression."""
        plain = re.sub(r"[()]", " ", self.expression)
        return {part.strip() for part in re.split(r"\s+(?:AND|OR|WITH)\s+", plain)}

    @property
    def allowed(self) -> bool:
        """Whether it will do where it is: one alternative, all of whose parts are allowed."""
        allowed = ALLOWED | {part for name, part in EXCEPTIONS if name == self.name}
        if self.brought_by != "emotone":
            allowed |= {*ONLY_IN_EXTRAS}
        alternatives = re.split(r"\s+OR\s+", re.sub(r"[()]", " ", self.expression))
        return any(
            all(_without_exception(part) in allowed for part in re.split(r"\s+AND\s+", one))
            for one in alternatives
        )


def _without_exception(part: str) -> str:
    return part.partition(" WITH ")[0].strip()


def listed() -> list[Licence]:
    """All that the package and its extras come to here, by who brings it and by name."""
    found: dict[str, Licence] = {}
    brought = [("emotone", requirements.runtime())]
    brought += [(name, requirements.extra(name)) for name in requirements.extras()]
    for brought_by, wanted in brought:
        for name in sorted(requirements.closure(wanted)[0]):
            found.setdefault(name, Licence(name, expression(name), brought_by))
    return list(found.values())


def expression(name: str) -> str:
    """What a distribution is under, as an SPDX expression where it says so."""
    if name in STATED:
        return STATED[name]
    return stated_in(importlib.metadata.metadata(name))


def stated_in(metadata: PackageMetadata) -> str:
    """What the metadata of a distribution say, as an SPDX expression where they can be read so.

    Where there are several classifiers, nothing tells whether they are alternatives: all of them
    hold then, also one that is not known here and so is not allowed.
    """
    for stated in metadata.get_all("License-Expression") or ():
        return str(stated)
    classified = [
        text.rpartition(" :: ")[2]
        for text in metadata.get_all("Classifier") or ()
        if text.startswith("License ::") and text.rpartition(" :: ")[2] != "OSI Approved"
    ]
    named = sorted({_CLASSIFIED.get(one, one) for one in classified})
    if named:
        return " AND ".join(named)
    text = "".join(metadata.get_all("License") or ()).strip()
    for pattern, known in _WRITTEN:
        if re.search(pattern, text[:200], re.IGNORECASE):
            return known
    return text.splitlines()[0][:60] if text else "not stated"


def page(licences: list[Licence]) -> str:
    """The page."""
    lines = [
        "# Licences of what emotone runs on",
        "",
        "emotone itself is under the MIT licence. These are the distributions that an",
        "installation brings, with the licence that each states of itself. The list is written by",
        "`python3 tasks.py licences` from what the tests install on Linux with Python 3.11 and",
        "later; a test fails where one is not allowed by `tools/licences.py`. The packages of the",
        "page in the browser are in `emotone/server/page/licences.md`.",
        "",
        "Some wheels hold libraries in binary form: `soundfile` has libsndfile",
        "(LGPL-2.1-or-later), `soxr` has libsoxr (LGPL-2.1-or-later), and `av` has FFmpeg with its",
        "codecs (see below). Whoever hands on an application with these wheels inside hands on",
        "those libraries, too.",
        "",
        "## Exceptions",
        "",
        *(f"- `{name}`, {part}: {reason}." for (name, part), reason in EXCEPTIONS.items()),
    ]
    for brought_by in dict.fromkeys(each.brought_by for each in licences):
        about = "`pip install emotone`" if brought_by == "emotone" else f"Extra `{brought_by}`"
        lines += ["", f"## {about}", "", "| Distribution | Licence |", "| --- | --- |"]
        mine = [each for each in licences if each.brought_by == brought_by]
        lines += [f"| {each.name} | {each.expression} |" for each in mine]
        for known, meaning in ONLY_IN_EXTRAS.items():
            if any(known in each.parts for each in mine):
                lines += ["", f"`{known}`: {meaning}."]
    return "\n".join(lines) + "\n"


def problems(licences: list[Licence], text: str) -> list[str]:
    """What is not allowed, and what the page does not say."""
    found = [
        f"{each.name} ({each.brought_by}) is under {each.expression!r}, which is not on the list"
        for each in licences
        if not each.allowed
    ]
    if sys.version_info >= (3, 11):  # for 3.10 there are older versions, which need other things
        found += [
            f"docs/licences.md does not list {each.name} under {each.expression}"
            for each in licences
            if f"| {each.name} | {each.expression} |" not in text
        ]
    return found


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    licences = listed()
    if not options.check:
        PAGE.write_text(page(licences), encoding="utf-8")
        print(f"written: {PAGE}")
    found = problems(licences, PAGE.read_text(encoding="utf-8"))
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
