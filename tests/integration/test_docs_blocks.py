"""Every block of code of the README and of the documentation, as a reader would run it."""

from __future__ import annotations

import pytest

from blocks import REPO, Reader, blocks, emptied, pages
from materials import laid_out, make

PAGES = [p for p in pages() if any(b.runs for b in blocks(p.read_text(encoding="utf-8")))]


@pytest.fixture(scope="session")
def materials(corpora, tmp_path_factory):
    return make(tmp_path_factory.mktemp("materials") / "all", corpora, REPO / "examples")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Features, shared by the pages: many train on the same clips."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_the_blocks_run(page, materials, cache, tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    laid_out(materials, folder)
    reader = Reader.at(folder, cache)
    try:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.runs:
                reader.run(block)
    finally:
        reader.close()
    emptied(folder)
