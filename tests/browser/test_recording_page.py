"""The page of a recording as a person uses it: playing, seeking, zooming, on any screen."""

from __future__ import annotations

import dataclasses

import pytest
import soundfile

pytest.importorskip("playwright", reason="pages are opened with Playwright")
pytest.importorskip("jinja2", reason="reports need the extra 'report'")

from playwright.sync_api import expect

from emotone.report import recording
from emotone.timeline import Segment, Timeline
from emotone.timeline.clock import clock
from recordings import RATE, conversation, sound
from visited import eventually

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)><!--"


@pytest.fixture(scope="module")
def call():
    """Two channels for half a minute, and their sound."""
    whole = conversation(30, (0, 1))
    return whole, sound(whole)


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page from disk; whatever it complains of or asks for elsewhere fails the test."""
    contexts, trouble = [], []

    def opened(timeline, *, script=True, settings=None, also=(), **options):
        path = recording.write(timeline, tmp_path / "page.html", **options)
        context = browser.new_context(java_script_enabled=script, **(settings or {}))
        contexts.append(context)
        page = context.new_page()
        own = (path.as_uri(), "blob:", *also)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: trouble.append(dialog.message))
        page.on("request", lambda r: None if r.url.startswith(own) else trouble.append(r.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


def position(page):
    return float(page.locator("#view").get_attribute("aria-valuenow"))


def playing_at(page):
    return page.evaluate("document.getElementById('audio').currentTime")


def stands(page, time, abs=0.01):
    """Wait until the page and its player are at a time; the page tells it by tenths."""
    wanted = pytest.approx(time, abs=abs)
    eventually(page, lambda: position(page) == wanted and playing_at(page) == wanted)


def picture(page):
    return page.evaluate("document.getElementById('canvas').toDataURL()")


def until(page, expression):
    """Wait until it is true. Playwright's own way of waiting is what the page's policy forbids."""
    eventually(page, lambda: page.evaluate(expression))


def drawn(page, before=None):
    """Wait for a picture, another one than before."""
    until(page, "document.getElementById('canvas').height > 50")
    eventually(page, lambda: picture(page) != before)
    return picture(page)


def test_the_cursor_runs_along_with_the_player(opened, call):
    whole, samples = call
    page = opened(whole, source=(samples, RATE))
    until(page, "document.getElementById('audio').duration > 0")
    duration = page.evaluate("document.getElementById('audio').duration")
    assert duration == pytest.approx(30, abs=0.01)
    page.focus("#view")
    page.keyboard.press(" ")
    until(page, "document.getElementById('audio').currentTime > 0.7")
    page.keyboard.press(" ")
    until(page, "document.getElementById('audio').paused")
    until(
        page,
        "Math.abs(parseFloat(document.getElementById('cursor').style.left) / 100 * 30"
        " - document.getElementById('audio').currentTime) < 0.05",
    )
    until(
        page,
        "Math.abs(document.getElementById('view').getAttribute('aria-valuenow')"
        " - document.getElementById('audio').currentTime) < 0.1",
    )


def test_keys_and_clicks_move_the_player(opened, call):
    whole, samples = call
    page = opened(whole, source=(samples, RATE))
    page.focus("#view")
    for key, time in (
        ("ArrowRight", 1), ("Shift+ArrowRight", 11), ("ArrowLeft", 10), ("End", 30), ("Home", 0),
        ("ArrowLeft", 0),
    ):  # fmt: skip
        page.keyboard.press(key)
        stands(page, time)
    box = page.locator("#view").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 40)
    stands(page, 15, abs=0.1)
    heard = page.locator("#view").get_attribute("aria-valuetext")
    for segment in whole.segments:
        if segment.start <= 15 < segment.end:
            assert f"Channel {segment.channel}: {segment.label}" in heard
    peak = whole.summary().peaks[1]
    page.get_by_role("button", name=f"at {clock(peak.time)}").click()
    stands(page, peak.time, abs=0.1)
    last = page.locator("#rows button").last
    last.click()
    start = next(s.start for s in reversed(whole.segments) if s.kind != "silence")
    stands(page, start, abs=0.1)
    current = page.locator("#rows tr[aria-current]").last.locator("button")
    expect(current).to_have_text(last.inner_text())


def test_the_pointer_is_told_what_lies_under_it(opened):
    segments = (Segment(0, 1, "silence"), Segment.of_speech(1, 2, {"happy": 0.8, "sad": 0.2}))
    page = opened(Timeline(2.0, "m@1", ("happy", "sad"), segments))
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20)
    expect(page.locator("#tip")).to_have_text("0:01.5 happy 80 %")
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    expect(page.locator("#tip")).to_have_text("0:00.5 silence")


def test_zoom_shows_a_part_and_the_whole_again(opened, call):
    page = opened(call[0])
    whole = drawn(page)
    assert not page.locator("#strip").is_visible()
    page.get_by_role("button", name="Zoom in").click()
    closer = drawn(page, whole)
    assert page.locator("#strip").is_visible()
    window = page.locator("#window").bounding_box()["width"]
    assert window == pytest.approx(page.locator("#strip").bounding_box()["width"] / 2, rel=0.02)
    strip = page.locator("#strip").bounding_box()
    page.mouse.click(strip["x"] + 0.9 * strip["width"], strip["y"] + 10)
    drawn(page, closer)
    page.get_by_role("button", name="Whole").click()
    eventually(page, lambda: picture(page) == whole)
    expect(page.locator("#strip")).to_be_hidden()
    expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()


def test_a_long_table_is_turned_page_by_page(opened):
    whole = conversation(1800)
    listed = [s for s in whole.segments if s.kind != "silence"]
    assert len(listed) > 400
    page = opened(whole)
    first = page.locator("#rows tr").first.inner_text()
    page.get_by_role("button", name="Later").click()
    expect(page.locator("#shown")).to_have_text(f"201 to 400 of {len(listed)}")
    cells = page.locator("#rows tr").first.locator("th, td").all_inner_texts()
    assert cells[:2] == [clock(listed[200].start), clock(listed[200].end)]
    assert cells[2] == listed[200].label
    page.get_by_role("button", name="Earlier").click()
    # What the script writes is what stood there before.
    expect(page.locator("#shown")).to_have_text(f"1 to 200 of {len(listed)}")
    assert page.locator("#rows tr").first.inner_text() == first


def test_audio_beside_the_page_plays(opened, call, tmp_path):
    whole, samples = call
    (tmp_path / "my calls").mkdir()
    path = tmp_path / "my calls" / "50 % #1.wav"
    soundfile.write(path, samples, RATE)
    page = opened(whole, link="my calls/50 % #1.wav", also=(path.as_uri(),))
    until(page, "document.getElementById('audio').duration === 30")
    page.focus("#view")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press(" ")
    until(page, "document.getElementById('audio').currentTime > 10.2")
    assert not page.locator("#missing").is_visible()


def test_no_name_runs(opened):
    scores = {f"emotion {HOSTILE}": 0.75, "happy": 0.25}
    speech = Segment.of_speech(0, 2, scores, channel=0, speaker=f"speaker {HOSTILE}")
    other = Segment.of_speech(2, 4, scores, channel=0, speaker="B")
    whole = Timeline(4.0, HOSTILE, tuple(scores), (speech, other), (), HOSTILE)
    page = opened(whole, title=HOSTILE)
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.title().startswith(HOSTILE)
    assert f"speaker {HOSTILE}: emotion {HOSTILE} 75 %" in page.locator("#now").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_screen_and_its_light(opened, call, width, scheme):
    whole, samples = call
    long = dataclasses.replace(whole, file=f"{'long_name' * 12}.wav")
    settings = {"viewport": {"width": width, "height": 740}, "color_scheme": scheme}
    page = opened(long, source=(samples, RATE), settings=settings)
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background[4:-1].split(",")))
    assert (brightness > 600) == (scheme == "light")
    # The player stays in view while one reads the table.
    page.locator("footer").scroll_into_view_if_needed()
    eventually(page, lambda: page.locator("#audio").bounding_box()["y"] < 100)


def test_it_prints_all_of_it_in_dark_ink(opened, call):
    page = opened(call[0], source=(call[1], RATE), settings={"color_scheme": "dark"})
    page.get_by_role("button", name="Zoom in").click()
    screen = drawn(page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    paper = picture(page)
    assert paper != screen
    for hidden in ("#audio", "#strip", "#in", "#cursor"):
        assert not page.locator(hidden).is_visible(), hidden
    assert page.locator("#canvas").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    drawn(page, paper)
    assert page.locator("#strip").is_visible()


def test_without_scripts_there_is_the_strip_and_the_table(opened, call):
    page = opened(call[0], script=False)
    assert page.locator("#strip svg").is_visible()
    assert page.locator("#strip rect").count() > 10
    assert page.locator("#rows tr").count() > 5
    for hidden in ("#view", "#in", "#window"):
        assert not page.locator(hidden).is_visible(), hidden
