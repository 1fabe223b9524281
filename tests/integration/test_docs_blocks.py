"""Every block of code of the README and of the documentation, as a reader would run it."""

from __future__ import annotations

import pytest

from blocks import REPO, Reader, blocks, emptied, pages
from emotone import corpora
from materials import laid_out, make

PAGES = [p for p in pages() if any(b.runs for b in blocks(p.read_text(encoding="utf-8")))]


@pytest.fixture(scope="session")
def materials(corpora_if_any, tmp_path_factory):
    return make(tmp_path_factory.mktemp("materials") / "all", corpora_if_any, REPO / "examples")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Features, shared by the pages: many train on the same clips."""
    return tmp_path_factory.mktemp("cache")


def test_there_are_materials_without_the_corpora(tmp_path):
    made = make(tmp_path / "all", None, REPO / "examples")
    for name, count, emotions in (("ravdess", 120, 8), ("emodb", 70, 7)):
        corpus = corpora.load(made / name)
        assert corpus.problems == ()
        assert len(corpus.utterances) == count
        assert len({each.emotion for each in corpus.utterances}) == emotions
    assert (made / "call.wav").is_file()


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
