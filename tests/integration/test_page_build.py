"""The page in the package is what its sources give, and they pass their own checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node import REPO, npm, shared_folder, sources

PAGE = REPO / "src" / "emotone" / "server" / "page"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    return sources(shared_folder(tmp_path_factory))


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_package_holds_what_the_sources_build(web, tmp_path):
    built = npm("run", "build", "--", "--outDir", str(tmp_path / "page"), folder=web)
    assert built.returncode == 0, built.stderr
    committed, fresh = contents(PAGE), contents(tmp_path / "page")
    remedy = "run `npm ci && npm run build` in web/ and commit src/emotone/server/page"
    assert sorted(committed) == sorted(fresh), remedy
    assert [name for name in committed if committed[name] != fresh[name]] == [], remedy


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_sources_pass_their_checks(web, script):
    done = npm("run", script, folder=web)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_in_the_page_is_inline_or_from_elsewhere():
    page = contents(PAGE)
    html = page["index.html"].decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)
    for name, content in page.items():
        if name == "licences.md":
            continue
        # Names of XML's and wavesurfer's own documentation are no addresses that are fetched.
        addresses = set(re.findall(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", content))
        assert addresses <= {b"http://www.w3.org"}, name
        assert b"data:" not in content or name.endswith(".js"), name
    assert b"wavesurfer.js" in page["licences.md"]
    assert b"preact" in page["licences.md"]
