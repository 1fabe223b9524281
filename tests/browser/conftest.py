"""A browser for the tests of pages, and visits to a service that runs."""

from __future__ import annotations

import json
import os
import shutil

import pytest


@pytest.fixture(scope="module")
def browser_arguments():
    """Further arguments of the browser; a module may have its own."""
    return []


@pytest.fixture(scope="module")
def browser(browser_arguments):
    """Headless Chromium of this machine, or of ``EMOTONE_CHROMIUM``; without one the test skips.

    For a module, not for all: as long as it is open, no test of its process can run asyncio.
    """
    from playwright.sync_api import expect, sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("EMOTONE_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium here: install it, or name its program in EMOTONE_CHROMIUM")
    # It opens nothing but the pages of these tests, and a container has no sandbox for it.
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", *browser_arguments]
    expect.set_options(timeout=60_000)  # the machine may have other tests to run
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service with nothing in it yet."""
    pytest.importorskip("fastapi", reason="the service needs the extra 'server'")
    from visited import Visited

    started = Visited(tmp_path_factory.mktemp("service"))
    yield started
    started.stop()


@pytest.fixture
def visit(browser, service):
    """Opens the service's page, as a person who has been here before.

    Whatever it complains of or asks for elsewhere fails the test, unless it is `expected`: a part
    of the complaint.
    """
    contexts, trouble, awaited = [], [], []

    def visit(view="", *, at=None, preferences=None, expected=(), **settings):
        address = at or service.address
        context = browser.new_context(**settings)
        context.set_default_timeout(60_000)
        contexts.append(context)
        awaited.extend(expected)
        # Only where there is none: what the page stores later has to stay.
        known = json.dumps(json.dumps({"greeted": True} | (preferences or {})))
        context.add_init_script(f"localStorage['emotone.preferences'] ??= {known}")
        page = context.new_page()
        own = (address, f"ws{address.removeprefix('http')}", "blob:")
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(own) else trouble.append(r.url))
        page.on("websocket", lambda w: None if w.url.startswith(own) else trouble.append(w.url))
        page.goto(f"{address}/#/{view}")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [text for text in trouble if not any(part in text for part in awaited)] == []
