"""The documentation as a site: it builds strictly, without a network, and has what it should."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from blocks import REPO
from emotone.cli.app import COMMANDS
from emotone.emotions import EMOTIONS

sys.path.insert(0, str(REPO / "docs" / "_site"))

import command_page
import module_pages


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    # A proxy that nobody listens at: whatever asks for an address from elsewhere fails.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=REPO,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def html(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_nothing_is_loaded_from_elsewhere(site):
    assert len(html(site)) > 50
    loading = re.compile(
        r"<(?:script|img|iframe|source|audio|video)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"' >]+"
        r"|<link\b(?![^>]*rel=[\"']?canonical)[^>]*\bhref=[\"']?(?:https?:)?//[^\"' >]+"
        r"|@import|url\(\s*[\"']?(?:https?:)?//"
    )
    for page in html(site):
        assert loading.search(page.read_text(encoding="utf-8")) is None, page
    for style in site.rglob("*.css"):
        assert loading.search(style.read_text(encoding="utf-8")) is None, style


def test_the_search_knows_the_pages(site):
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    for words in ("Splits and leakage", "emotone corpus download", "Praat and ELAN"):
        assert words in index


def public() -> list[str]:
    """Everything that the public modules export."""
    names = []
    for module in module_pages.MODULES:
        found = importlib.import_module(module)
        exported = getattr(found, "__all__", None) or [
            name
            for name, value in vars(found).items()
            if not name.startswith("_")
            and (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__ == module
        ]
        names += [f"{module}.{name}" for name in exported]
    return names


def test_every_public_name_is_in_the_reference(site):
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    known = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    missing = [
        name
        for name in public()
        if not {name, f"{name}.{name.rpartition('.')[2]}"} & known
        and name not in module_pages.MODULES  # a room has its own page
    ]
    assert missing == []


def test_every_public_name_has_a_docstring():
    without = []
    for name in public():
        module, _, last = name.rpartition(".")
        value = getattr(importlib.import_module(module), last)
        if (inspect.isclass(value) or inspect.isfunction(value)) and not (
            getattr(value, "__doc__", None) or ""
        ).strip():
            without.append(name)
    assert without == []


def test_every_room_of_the_package_is_in_the_reference_or_private():
    top = {name.split(".")[1] for name in module_pages.MODULES if "." in name}
    rooms = {path.name for path in (REPO / "src" / "emotone").iterdir() if path.is_dir()}
    faces = {"cli", "server", "assets", "templates", "__pycache__"}
    assert rooms - top - faces == set(), "name it in docs/_site/module_pages.py"


def test_the_page_of_commands_has_every_command_and_option():
    page = command_page.page()
    for name in COMMANDS:
        assert f"### emotone {name}\n" in page
    assert "#### emotone corpus download" in page
    for words in ("`--features`", "*Else* `svm-linear`", "*Required.*", "emotone predict - --json"):
        assert words in page
    assert "emotone analyze call.wav --channels split -o call.csv" in page


def test_the_colours_are_those_of_the_emotions():
    style = (REPO / "docs" / "assets" / "emotone.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--emotone-(\w+): (#[0-9a-f]{6});", style))
    assert len(colours) == 8
    assert colours == {name: EMOTIONS[name].colour.lower() for name in colours}


def test_every_page_can_be_found(site):
    """A page that no navigation names is a page that nobody reads."""
    text = (site / "index.html").read_text(encoding="utf-8")
    for page in (REPO / "docs").rglob("*.md"):
        address = page.relative_to(REPO / "docs").with_suffix(".html").as_posix()
        assert f'href="{address}"' in text or address == "index.html", address
