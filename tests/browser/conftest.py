"""A browser for the tests of pages."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium of this machine, or of ``EMOTONE_CHROMIUM``; without one the test skips.

    For a module, not for all: as long as it is open, no test of its process can run asyncio.
    """
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("EMOTONE_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium here: install it, or name its program in EMOTONE_CHROMIUM")
    # It opens nothing but the pages of these tests, and a container has no sandbox for it.
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=arguments)
        yield opened
        opened.close()
