"""What pyproject.toml asks for, and all that this comes to, from what is installed here."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
NAME = "emotone"


def of_cuda(name: str) -> bool:
    """Whether a distribution belongs to the build of PyTorch with CUDA, whose pins are its own."""
    return name == "triton" or name.startswith(("nvidia-", "cuda-"))


def project() -> dict[str, Any]:
    """What pyproject.toml holds."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def groups() -> list[str]:
    """The groups of tools."""
    return list(project()["dependency-groups"])


def runtime() -> list[Requirement]:
    """What `pip install emotone` asks for."""
    return _parsed(project()["project"]["dependencies"])


def extra(name: str) -> list[Requirement]:
    """What an extra asks for besides, without the extras that it names."""
    return _parsed(_resolved(project()["project"]["optional-dependencies"], name))


def extras() -> list[str]:
    """The extras but for the one that is all of them."""
    return [name for name in project()["project"]["optional-dependencies"] if name != "all"]


def tools() -> list[Requirement]:
    """What tests, checks, documentation and releases ask for, and what builds the package."""
    found = project()
    wanted = [text for group in groups() for text in found["dependency-groups"][group]]
    return _parsed([*wanted, *found["build-system"]["requires"], "pip"])


def closure(requirements: Iterable[Requirement]) -> tuple[dict[str, str], set[str]]:
    """All that some requirements come to on this machine.

    Returns
    -------
    dict of str to str
        Names to the versions that are installed.
    set of str
        The names of what is asked for and not installed.
    """
    found: dict[str, str] = {}
    missing: set[str] = set()
    waiting = list(requirements)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        key = (name, frozenset(wanted.extras))
        if name == NAME or of_cuda(name) or key in seen:
            continue
        seen.add(key)
        try:
            there = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            missing.add(name)
            continue
        found[name] = there.version.partition("+")[0]  # +cpu is a build, not a version
        waiting += [one for one in map(Requirement, there.requires or ()) if _holds(one, wanted)]
    return found, missing


def _holds(one: Requirement, wanted: Requirement) -> bool:
    return one.marker is None or any(
        one.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)
    )


def _parsed(texts: Iterable[str]) -> list[Requirement]:
    found = map(Requirement, texts)
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]


def _resolved(tables: dict[str, list[str]], name: str) -> list[str]:
    """The requirements of an extra, with those of the extras that it names in their place."""
    plain: list[str] = []
    for text in tables[name]:
        one = Requirement(text)
        if canonicalize_name(one.name) == NAME:
            plain += [inner for extra in one.extras for inner in _resolved(tables, extra)]
        else:
            plain.append(text)
    return plain
