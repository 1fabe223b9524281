"""The service's page: every view on any screen, in any light, for anybody."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="pages are opened with Playwright")

from playwright.sync_api import expect

from conversations import CLIP, conversation
from node import shared_folder, sources
from visited import eventually

VIEWS = ("home", "clip", "recording", "live", "history", "settings")


@pytest.fixture(scope="module")
def browser_arguments():
    return ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """axe-core's script, of the version that the page's packages are locked to."""
    web = sources(shared_folder(tmp_path_factory))
    return (web / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def call(service, tmp_path_factory):
    recording = conversation(tmp_path_factory.mktemp("look") / "call.wav", 20, channels=2)
    name = "A recording with a name that is long enough to need more than one line " * 2
    return service.analysed(recording, name=name.strip(), notes="noisy", channels="split")


@pytest.fixture
def shown(visit, call):
    """Opens a view with something in it."""

    def shown(view, **settings):
        preferences = {"greeted": view != "home", "threshold": 0.5}
        address = {"recording": f"recordings/{call['id']}", "home": "", "clip": ""}.get(view, view)
        # Colours are looked at as they are in the end, not on their way there.
        settings = {"reduced_motion": "reduce", **settings}
        page = visit(address, preferences=preferences, **settings)
        if view == "clip":
            page.locator("input[type=file]").first.set_input_files(str(CLIP))
            expect(page.locator(".seen canvas").first).to_be_visible()
        elif view == "recording":
            expect(page.locator("tbody tr").first).to_be_visible()
            expect(page.locator(".plane canvas")).to_have_count(2)
            expect(page.get_by_text("Mel spectrogram")).to_be_visible()
            page.locator("select.label").first.select_option("calm")
        elif view == "live":
            page.get_by_role("button", name="Start").click()
            expect(page.get_by_text("Connected")).to_be_visible()
        elif view == "history":
            expect(page.locator(".entry")).to_have_count(1)
        expect(page.locator("h1")).to_be_visible()
        return page

    return shown


@pytest.mark.parametrize("view", VIEWS)
def test_it_fits_the_screen_in_any_light(shown, view):
    for width in (360, 768, 1280):
        page = shown(view, viewport={"width": width, "height": 740}, color_scheme="dark")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} in {width}"
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, background[4:-1].split(","))) < 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(shown, axe, view, scheme):
    page = shown(view, color_scheme=scheme)
    # Not as an element: the page's policy allows no script but its own.
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    told = [(each["impact"], each["id"], [n["html"][:120] for n in each["nodes"]])
            for each in found]  # fmt: skip
    assert told == []


def test_axe_finds_nothing_in_what_opens(shown, axe):
    page = shown("recording")
    page.evaluate(axe)

    def check(inside):
        found = page.evaluate(f"axe.run({inside!r}, {{resultTypes: ['violations']}})")
        assert [each["id"] for each in found["violations"]] == []

    page.get_by_text("Export", exact=True).click()
    check(".menu")
    page.keyboard.press("Escape")
    expect(page.locator(".sheet")).not_to_be_visible()
    page.get_by_role("button", name="Name and notes").click()
    check("form.about")
    page.get_by_role("button", name="add a note").first.click()
    check("dialog")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    check("dialog")


def test_on_a_phone_what_is_pressed_is_large_enough_and_nothing_is_cut_off(shown):
    page = shown("recording", viewport={"width": 360, "height": 740})
    link = page.get_by_role("link", name="Responsible use").bounding_box()
    assert min(link["width"], link["height"]) >= 24  # WCAG 2.2, 2.5.8
    player = page.get_by_role("group", name="Player")
    for part in (".seek", ".times", ".now", ".group"):
        box = player.locator(part).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360, part
    middles = player.evaluate(
        """player => [".times", ".group"].map((part) => {
            const box = player.querySelector(part).getBoundingClientRect();
            return (box.top + box.bottom) / 2;
        })"""
    )
    assert abs(middles[0] - middles[1]) < 6
    page = shown("home", viewport={"width": 360, "height": 740})
    tops = page.locator(".drop .segmented label").evaluate_all(
        "ways => ways.map((way) => way.getBoundingClientRect().top)"
    )
    assert len(tops) == 3
    assert len(set(tops)) == 1


def test_who_was_heard_last_can_be_read_while_nobody_speaks(visit):
    """As axe cannot tell: of the chip that stands for what is not said now."""
    page = visit("live")
    contrast = page.evaluate("""() => {
        const chip = document.createElement('span'), box = document.createElement('div');
        box.className = 'verdict resting'; chip.className = 'chip'; chip.textContent = 'Ca';
        chip.style.setProperty('--shade', '#56B4E9'); chip.style.setProperty('--on', '#000');
        box.append(chip); document.querySelector('main').append(box);
        const rgb = (text) => text.match(/[0-9.]+/g).slice(0, 3).map((v) => v / 255);
        const light = (text) => rgb(text)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const style = getComputedStyle(chip), page = getComputedStyle(document.body);
        const both = [light(style.color), light(page.backgroundColor)];
        const [one, other] = both.sort((a, b) => b - a);
        return style.opacity * (one + 0.05) / (other + 0.05);
    }""")
    assert contrast >= 4.5


def test_everything_can_be_done_by_keys(shown, call):
    page = shown("recording")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator("summary")).to_be_focused()
    position = page.get_by_role("slider", name="Position")

    def stands(time):
        eventually(page, lambda: float(position.input_value()) == pytest.approx(time, abs=0.01))

    position.focus()
    for key, time in (
        ("ArrowRight", 1), ("Shift+ArrowRight", 11), ("ArrowLeft", 10), ("End", call["duration_s"]),
        ("Home", 0),
    ):  # fmt: skip
        page.keyboard.press(key)
        stands(time)
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="Whole")).to_be_enabled()
    page.keyboard.press("0")
    expect(page.get_by_role("button", name="Whole")).to_be_disabled()


def test_a_view_that_opens_has_the_focus_at_its_heading(shown):
    page = shown("history")
    page.get_by_role("link", name="Live").click()
    expect(page.locator("h1")).to_have_text("Live")
    expect(page.locator("h1")).to_be_focused()
    expect(page).to_have_title("Live · emotone")


def test_the_focus_stays_at_the_heading_when_a_recording_has_come(shown):
    page = shown("recording")
    address = page.url
    page.get_by_role("link", name="History").click()
    expect(page.locator("h1")).to_be_focused()
    asked = []

    def held(route):
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    page.route("**/v1/analyses/*", held)
    page.evaluate("address => { location.href = address; }", address)
    expect(page.locator("h1")).to_have_text("Recording")
    expect(page.locator("h1")).to_be_focused()
    eventually(page, lambda: asked)
    asked[0].continue_()
    expect(page.locator("h1")).not_to_have_text("Recording")
    expect(page.locator("h1")).to_be_focused()


def test_no_emotion_is_told_by_colour_alone(shown):
    """In greys the bands of the recording still differ, by pattern, letters or name."""
    page = shown("recording")
    for chip in page.locator(".legend .emotion").all():
        letters, name = chip.inner_text().split("\n")
        assert name.lower().startswith(letters.lower())
    letters = page.locator(".legend .chip").all_inner_texts()
    assert len(set(letters)) == len(letters)
