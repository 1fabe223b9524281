"""Which of the packages that emotone and its extras ask for are installed, and in which version."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import emotone
from emotone.diagnosis.finding import Finding

_NAME = "emotone"
_OLDEST, _NEWEST = (3, 10), (3, 13)
_ALL = "all"


def examine() -> Iterator[Finding]:
    """Python, emotone, what it needs, and each extra."""
    yield _python()
    try:
        found = importlib.metadata.distribution(_NAME)
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "packages",
            _NAME,
            "absent",
            f"{emotone.__version__}, which is not installed but run from its source",
            "pip install .",
        )
        return
    yield Finding("packages", _NAME, "fine", found.version, facts={"version": found.version})
    requirements = [Requirement(text) for text in found.requires or ()]
    yield from _needed(requirements)
    for extra in found.metadata.get_all("Provides-Extra") or ():
        if extra != _ALL:
            yield _extra(extra, requirements)


def _python() -> Finding:
    version = platform.python_version()
    known = _OLDEST <= sys.version_info[:2] <= _NEWEST
    return Finding(
        "packages",
        "Python",
        "fine" if known else "broken",
        f"{version} ({platform.python_implementation()}), {platform.platform()}",
        None if known else "Install Python {}.{} to {}.{}".format(*_OLDEST, *_NEWEST),
        {"version": version, "executable": sys.executable},
    )


def _needed(requirements: list[Requirement]) -> Iterator[Finding]:
    for one in requirements:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        version = _version(one.name)
        wrong = _wrong(one, version)
        yield Finding(
            "packages",
            one.name,
            "broken" if wrong else "fine",
            wrong or str(version),
            f"pip install '{_plain(one)}'" if wrong else None,
            {"version": version, "asked": str(one.specifier)},
        )


def _extra(extra: str, requirements: list[Requirement]) -> Finding:
    """An extra: all there, not all there, or in a version that will not do."""
    versions: dict[str, str | None] = {}
    missing, wrong = [], []
    for one in requirements:
        if one.marker is None or not one.marker.evaluate({"extra": extra}):
            continue
        if one.marker.evaluate({"extra": ""}):  # needed anyway
            continue
        version = versions[one.name] = _version(one.name)
        if version is None:
            missing.append(one.name)
        elif _wrong(one, version):
            wrong.append(f"{one.name} {_wrong(one, version)}")
    told = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if missing:
        told = f"without {', '.join(missing)}" + (f"; there are {told}" if told else "")
    if wrong:
        told = "; ".join(wrong)
    return Finding(
        "extras",
        extra,
        "broken" if wrong else "absent" if missing else "fine",
        told,
        f"pip install 'emotone[{extra}]'" if missing or wrong else None,
        {"versions": versions},
    )


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(canonicalize_name(name))
    except importlib.metadata.PackageNotFoundError:
        return None


def _wrong(requirement: Requirement, version: str | None) -> str | None:
    """What is wrong with what is installed; None where nothing is."""
    if version is None:
        return "not installed"
    if requirement.specifier.contains(Version(version), prereleases=True):
        return None
    return f"{version}, but emotone needs {requirement.specifier}"


def _plain(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
