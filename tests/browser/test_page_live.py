"""The service's page: live, from a microphone that hears real speech."""

from __future__ import annotations

import re
import time

import pytest

pytest.importorskip("playwright", reason="pages are opened with Playwright")

from playwright.sync_api import expect

from conversations import conversation
from visited import eventually

GONE = ["ERR_CONNECTION_REFUSED", "WebSocket connection to"]


@pytest.fixture(scope="module")
def browser_arguments(tmp_path_factory):
    spoken = conversation(tmp_path_factory.mktemp("spoken") / "spoken.wav", 15)
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}",
    ]


def start(page):
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Connected")).to_be_visible()


def spoken(page):
    """Wait until something is heard; gives the emotion."""
    expect(page.locator(".verdict")).to_contain_text("% sure")
    return page.locator(".verdict strong").inner_text()


def seconds(page):
    minutes, rest = page.get_by_role("timer", name="Time").inner_text().split(":")
    return 60 * int(minutes) + int(rest)


def drawn(page):
    """How many pixels of the moving timeline are in a colour of an emotion."""
    return page.get_by_role("img", name="The moving timeline").evaluate(
        """canvas => {
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
                const [r, g, b] = data.slice(i, i + 3);
                if (data[i + 3] === 255 && Math.max(r, g, b) - Math.min(r, g, b) > 60) count++;
            }
            return count;
        }"""
    )


def test_speech_is_heard_while_it_is_spoken(visit, service):
    page = visit("live")
    frames = []

    def received(frame):
        frames.append(frame)

    page.on("websocket", lambda socket: socket.on("framereceived", received))
    page.get_by_label("Keep the sound in this tab").check()
    start(page)
    emotion = spoken(page)

    def told(*parts):
        texts = [frame for frame in frames if isinstance(frame, str)]
        return any(all(part in text for part in parts) for text in texts)

    # What the page shows can be known here before the frame that it came with.
    eventually(page, lambda: told('"measurement"', f'"emotion":"{emotion.lower()}"'))
    latency = re.search(
        r"Latency (\d+)\sms, (\d+)\sms of it", page.locator(".latency").inner_text()
    )
    # From the air to the screen; a frame of the microphone alone is 40 ms.
    assert 5 < int(latency[1]) < 60_000
    assert int(latency[2]) <= int(latency[1])
    # It moves, and what was heard stays in it.
    expect(page.locator(".verdict")).to_contain_text("nobody speaks")
    eventually(page, lambda: drawn(page) > 500)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="What was heard")).to_be_visible()
    expect(page.get_by_text(re.compile(r"of sound, \d+ utterance"))).to_be_visible()
    eventually(page, lambda: told('"session.closed"'))
    shares = page.get_by_role("list", name="Share of speech of each emotion")
    expect(shares.get_by_role("listitem").first).to_contain_text("%")
    # The microphone is let go, so nothing comes any more.
    stood = seconds(page)
    page.wait_for_timeout(1200)
    assert seconds(page) == stood
    # And the sound of the tab becomes a recording.
    page.get_by_role("button", name="Make a recording of it").click()
    expect(page.get_by_role("heading", name="Segments")).to_be_visible(timeout=120_000)
    made = service.get(f"/v1/analyses/{page.url.rpartition('/')[2]}?timeline=false")
    assert made["duration_s"] == pytest.approx(stood, abs=1.1)


def test_a_dropped_connection_is_said_and_taken_up_again(visit, service):
    page = visit("live", expected=GONE)
    start(page)
    spoken(page)
    at = time.monotonic()
    service.kill()
    lost = page.get_by_text("The connection was lost. Trying again")
    expect(lost).to_be_visible()
    before = seconds(page)
    page.wait_for_timeout(3000)
    service.start()
    expect(page.get_by_text("Connected, after a break")).to_be_visible()
    away = time.monotonic() - at
    # The microphone ran on, and speech is heard again at the right time.
    expect(page.locator(".verdict")).to_contain_text("nobody speaks")
    spoken(page)
    assert seconds(page) >= before + 2
    page.get_by_role("button", name="Stop").click()
    missed = page.get_by_text(re.compile(r"[\d.]+ s not heard while there was no connection"))
    expect(missed).to_be_visible()
    gap = float(re.search(r"([\d.]+) s not heard", missed.inner_text())[1])
    # Two seconds wait for the connection, the rest is lost and says so.
    assert 0.3 < gap < away


def test_a_session_ends_with_its_page(visit, service):
    page = visit("live")
    closed = []
    page.on("websocket", lambda socket: socket.on("close", lambda _: closed.append(1)))
    start(page)
    page.get_by_role("link", name="History").click()
    expect(page.locator("h1")).to_have_text("History")
    eventually(page, lambda: closed)


def test_a_microphone_that_opens_after_its_page_was_left_is_let_go(visit):
    page = visit("live")
    page.evaluate(
        """() => {
            const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (wanted) => {
                await new Promise((allow) => { window.allow = allow; });
                window.stream = await open(wanted);
                return window.stream;
            };
        }"""
    )
    page.get_by_role("button", name="Start").click()
    page.get_by_role("link", name="History").click()
    expect(page.locator("h1")).to_have_text("History")
    page.evaluate("window.allow()")
    states = "(window.stream?.getTracks() ?? []).map((track) => track.readyState)"
    eventually(page, lambda: page.evaluate(states) == ["ended"], 20)


def test_a_microphone_that_is_refused_after_its_page_was_left_is_not_complained_of(visit):
    page = visit("live")
    page.evaluate(
        """() => {
            navigator.mediaDevices.getUserMedia = async () => {
                await new Promise((allow) => { window.allow = allow; });
                window.refused = true;
                throw new DOMException("no", "NotAllowedError");
            };
        }"""
    )
    page.get_by_role("button", name="Start").click()
    eventually(page, lambda: page.evaluate("Boolean(window.allow)"))
    page.get_by_role("link", name="History").click()
    expect(page.locator("h1")).to_have_text("History")
    page.evaluate("window.allow()")
    eventually(page, lambda: page.evaluate("window.refused"))
    page.wait_for_timeout(300)  # in which it would be said
    expect(page.locator(".message")).to_have_count(0)


def test_the_threshold_makes_live_answers_uncertain(visit):
    page = visit("live", preferences={"threshold": 1})
    start(page)
    assert spoken(page) == "Uncertain"


def test_what_the_service_cannot_do_is_said_and_not_tried_again(visit):
    page = visit("live", preferences={"model": "nonesuch"})
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".connection")).to_contain_text("There is no model of this name")
    expect(page.get_by_role("button", name="Start again")).to_be_visible()
