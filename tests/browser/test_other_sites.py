"""A page of another site, in a real browser, that tries the service behind its user's back."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

ATTACK = """
async ([service, clip]) => {
  const told = {};
  const tried = async (name, attempt) => {
    try { told[name] = await attempt(); } catch (error) { told[name] = "refused"; }
  };
  const form = () => {
    const data = new FormData();
    data.append("file", new Blob([Uint8Array.from(atob(clip), c => c.charCodeAt(0))]), "evil.flac");
    return data;
  };
  const status = async (...a) => (await fetch(...a)).status;
  await tried("read", () => status(`${service}/v1/analyses`));
  await tried("send", () => status(`${service}/v1/analyses`, {method: "POST", body: form()}));
  await tried("blind", async () => {
    await fetch(`${service}/v1/analyses`, {method: "POST", body: form(), mode: "no-cors"});
    return "sent";  // a browser sends it; what counts is what the service makes of it
  });
  await tried("beacon", async () => navigator.sendBeacon(`${service}/v1/analyses`, form()));
  await tried("delete", () => status(`${service}/v1/analyses/1`, {method: "DELETE"}));
  await tried("socket", () => new Promise((resolve, reject) => {
    const socket = new WebSocket(`${service.replace("http", "ws")}/v1/realtime`, "emotone.v1");
    socket.onopen = () => resolve("open");
    socket.onerror = reject;
  }));
  await tried("image", () => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve("shown");
    image.onerror = reject;
    image.src = `${service}/mark.svg`;
    document.body.append(image);
  }));
  await tried("frame", () => new Promise(resolve => {
    const frame = document.createElement("iframe");
    frame.onload = () => {
      try { resolve(frame.contentDocument ? "own" : "refused"); } catch { resolve("refused"); }
    };
    frame.src = `${service}/`;
    document.body.append(frame);
  }));
  await tried("form", () => new Promise(resolve => {
    const target = document.createElement("iframe");
    target.name = "target";
    document.body.append(target);
    const sent = document.createElement("form");
    sent.method = "POST";
    sent.enctype = "multipart/form-data";
    sent.target = "target";
    sent.action = `${service}/v1/analyses`;
    document.body.append(sent);
    target.onload = () => resolve("sent");  // which an answer does, whatever it says
    sent.submit();
  }));
  return told;
}
"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another site: a page on another port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>harmless</title><body>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def analyses(service) -> list[dict]:
    with urllib.request.urlopen(f"{service.address}/v1/analyses", timeout=30) as answer:
        return json.load(answer)["items"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.localhost"])
def test_a_page_of_another_site_gets_nowhere(browser, service, elsewhere, name):
    """Also one of the same address or of a name for it, which browsers hold for the same site."""
    import base64
    from pathlib import Path

    clip = Path(__file__).resolve().parents[2] / "examples" / "raised-voice.flac"
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(elsewhere.replace("127.0.0.1", name))
        content = base64.b64encode(clip.read_bytes()).decode()
        told = page.evaluate(ATTACK, [service.address, content])
    finally:
        context.close()
    assert told.pop("blind") in ("sent", "refused")
    assert told.pop("beacon") in (True, "refused")
    assert told.pop("form") == "sent"
    assert set(told.values()) == {"refused"}, told
    assert analyses(service) == []


def test_a_name_that_is_made_to_point_here_gets_nowhere(browser, service):
    """DNS rebinding: the browser takes the service for a part of the attacker's own site."""
    port = urllib.parse.urlsplit(service.address).port
    context = browser.new_context()
    try:
        page = context.new_page()
        answer = page.goto(f"http://rebound.example:{port}/")
        assert answer.status == 421
        status = page.evaluate("async () => (await fetch('/v1/analyses')).status")
        assert status == 421
    finally:
        context.close()


@pytest.fixture(scope="module")
def browser_arguments():
    return ["--host-resolver-rules=MAP rebound.example 127.0.0.1"]


def test_a_link_from_elsewhere_opens_the_page(browser, service, elsewhere):
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(elsewhere)
        with page.expect_navigation():
            page.evaluate("address => { location.href = address; }", f"{service.address}/")
        page.wait_for_selector("h1, main")
        assert page.url.startswith(service.address)
    finally:
        context.close()
